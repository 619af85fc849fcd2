"""Filters of a list that a team member saved under a name."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.timezone import now as utc_now

from tenants.models.organization import Organization


class SavedView(models.Model):
    """A name for the filters of a list, for one team member. It holds no search: that may be a phone number or name."""

    MAX = 30  # of one user for one list

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    # The organization chosen when it was saved. NULL: all of the user's.
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, null=True, related_name="+")
    page = models.CharField(max_length=80)  # label of the list's model, such as calls.call
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000)  # of the list's address
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "page", "name"], name="one_saved_view_per_name"),
        ]

    def __str__(self) -> str:
        return self.name
