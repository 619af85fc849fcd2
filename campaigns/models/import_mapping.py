"""Saved column mappings for imports."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from tenants.models import Organization


class ImportMapping(models.Model):
    """A saved mapping. It applies to every file of the organization with the same columns."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="import_mappings")
    name = models.CharField(max_length=200)
    header_digest = models.CharField(max_length=64, editable=False)
    columns = models.JSONField(editable=False)  # pairs of column and target, in the order of the file
    saved_by = models.CharField(max_length=200, editable=False)
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = "saved mapping"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "header_digest"], name="one_mapping_per_header")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def mapping(self) -> dict[str, str]:
        return dict(self.columns)
