"""Tags: short words that an organization puts on its contacts."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import models
from django.utils.timezone import now as utc_now

from campaigns.models.contact import Contact
from campaigns.rules.tag_names import MAX_NAME, tag_key
from tenants.models import Organization


class Tag(models.Model):
    """A word that contacts of one organization may have. Two spellings of one word are one tag."""

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="tags", db_index=False)
    name = models.CharField(max_length=MAX_NAME)
    name_key = models.TextField(editable=False)  # how names are compared; longer than the name, as of "æ"
    contacts = models.ManyToManyField(Contact, through="ContactTag", related_name="tags")
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        ordering: ClassVar = ["name_key"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "name_key"],
                name="one_tag_per_name",
                violation_error_message="There is a tag with this name already.",
            )
        ]

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        self.name_key = tag_key(self.name)
        if update_fields is not None:
            update_fields = {*update_fields, "name_key"}
        super().save(*args, update_fields=update_fields, **kwargs)

    def __str__(self) -> str:
        return self.name


class ContactTag(models.Model):
    """A tag on a contact. Both belong to one organization: `campaigns/tagging.py` and the import see to it."""

    MAX = 50  # of a contact

    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="uses", db_index=False)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="tagged")

    class Meta:
        # The contacts with a tag, in order, and whether a contact has it.
        constraints: ClassVar = [models.UniqueConstraint(fields=["tag", "contact"], name="once_per_tag")]

    def __str__(self) -> str:
        return f"{self.tag} on {self.contact}"
