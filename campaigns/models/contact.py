"""People and the lists they stand on."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.timezone import now as utc_now

from campaigns.models.number_hash import number_hash
from providers.models import VARIABLE_NAME, check_e164
from tenants.models import Organization, check_timezone

MAX_VARIABLES = 64
MAX_VARIABLES_BYTES = 16 * 1024


def check_variable_values(values: Any) -> None:
    """An object of text by name, at most 64 names and 16 KB in all."""
    if not isinstance(values, dict):
        raise ValidationError('Write an object like {"slot": "9:30"}.', code="invalid_type")
    for name, value in values.items():
        if not VARIABLE_NAME.fullmatch(name):
            raise ValidationError(f"'{name[:80]}' is not a variable name: letters, digits and _, at most 64.")
        if not isinstance(value, str):
            raise ValidationError(f"'{name}' must be text.", code="invalid_type")
    if len(values) > MAX_VARIABLES:
        raise ValidationError(f"At most {MAX_VARIABLES} variables.", code="too_big")
    if sum(len(name.encode()) + len(value.encode()) for name, value in values.items()) > MAX_VARIABLES_BYTES:
        raise ValidationError("The variables are larger than 16 KB in all.", code="too_big")


class Contact(models.Model):
    """One person by number. **Its row is the lock for that person**: whoever decides about a call locks it first."""

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="contacts", db_index=False)
    phone = models.CharField("number", max_length=16, validators=[check_e164])
    name = models.CharField(max_length=200, blank=True)
    external_id = models.CharField("your id", max_length=200, blank=True)
    language = models.CharField(max_length=35, blank=True)
    timezone = models.CharField(
        "time zone",
        max_length=64,
        blank=True,
        validators=[check_timezone],
        help_text="Like Europe/Paris. Empty: the zones of the number.",
    )
    variables = models.JSONField(default=dict, blank=True, validators=[check_variable_values])
    consent_basis = models.CharField(max_length=64, blank=True)
    consent_at = models.DateTimeField(null=True, blank=True)
    consent_evidence = models.TextField(blank=True)
    on_hold = models.BooleanField(default=False, help_text="Nobody calls this person while it is on.")
    hold_until = models.DateTimeField(null=True, blank=True, help_text="Empty: until somebody lifts it.")
    hold_reason = models.CharField(max_length=200, blank=True)
    erased_at = models.DateTimeField(null=True, editable=False)  # who it was is gone; its calls still refer to it
    phone_hash = models.CharField(max_length=64, blank=True, editable=False)  # of an erased number, for disputes
    created_by_import = models.ForeignKey(
        "campaigns.ContactImport", on_delete=models.SET_NULL, null=True, editable=False, related_name="created_contacts"
    )
    created_at = models.DateTimeField(default=utc_now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "phone"],
                name="one_contact_per_number",
                opclasses=["int8_ops", "varchar_pattern_ops"],  # PostgreSQL: searched by the beginning, too
                violation_error_message="There is a contact with this number already.",
            )
        ]
        indexes: ClassVar = [
            # The API's filter by the customer's own id.
            models.Index(fields=["organization", "external_id"], name="contact_external", condition=~Q(external_id="")),
            # Evidence about a number whose owner was erased.
            models.Index(fields=["organization", "phone_hash"], name="contact_erased", condition=~Q(phone_hash="")),
            # Lists. Searches by the beginning of a number or name have indexes that only PostgreSQL knows: see the
            # migrations `search` and `pages`.
            models.Index(fields=["organization", "-id"], name="contact_list"),
        ]

    def __str__(self) -> str:
        return "Erased person" if self.erased_at else f"{self.name} {self.phone}".strip()

    @property
    def number(self) -> str:
        """The number as programs and files are told it; empty once it is erased."""
        return "" if self.erased_at else self.phone

    def held(self, now: datetime) -> bool:
        """Whether nobody calls this person now."""
        return self.on_hold and (self.hold_until is None or self.hold_until > now)


class ContactList(models.Model):
    """Contacts to be called together."""

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="contact_lists")
    name = models.CharField(max_length=200)
    contacts = models.ManyToManyField(Contact, through="ContactListMember", related_name="lists")
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return self.name


class ContactListMember(models.Model):
    """A contact stands on a list."""

    contact_list = models.ForeignKey(ContactList, on_delete=models.CASCADE, related_name="members")
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="memberships")
    created_by_import = models.ForeignKey(
        "campaigns.ContactImport", on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["contact_list", "contact"], name="once_per_list")]

    def __str__(self) -> str:
        return f"{self.contact} on {self.contact_list}"


class DoNotCallQuerySet(models.QuerySet["DoNotCall"]):
    def in_force(self, now: datetime) -> DoNotCallQuerySet:
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now))


class DoNotCall(models.Model):
    """A number nobody of this organization may ring. The keyed hash survives the erasure of the contact."""

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="do_not_call")
    phone_hash = models.CharField(max_length=64, editable=False)
    phone = models.CharField("number", max_length=16, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    source = models.CharField(max_length=64, default="staff", editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: for ever.")
    created_at = models.DateTimeField(default=utc_now, editable=False)

    objects = DoNotCallQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = "do-not-call entry"
        verbose_name_plural = "do-not-call list"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "phone_hash"], name="once_on_do_not_call")
        ]

    def __str__(self) -> str:
        return self.phone or "erased number"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.phone:
            self.phone_hash = number_hash(self.phone)
        super().save(*args, **kwargs)
