"""Segments: saved conditions that say which contacts belong to an audience."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils.timezone import now as utc_now

from tenants.models import Organization


class Segment(models.Model):
    """The contacts of an organization that meet all conditions (`campaigns/rules/conditions.py`) at the moment."""

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="segments")
    name = models.CharField(max_length=200)
    conditions = models.JSONField(default=list)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return self.name
