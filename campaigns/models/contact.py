"""Contacts, lists and the do-not-call list."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.timezone import now as utc_now

from campaigns.models.number_hash import number_hash
from campaigns.rules.whereabouts import zone_fault
from providers.validators import VARIABLE_NAME, check_e164
from tenants.db.loaded import LoadedQuickly
from tenants.models import Organization
from tenants.search_keys import name_key

MAX_VARIABLES = 64
MAX_VARIABLES_BYTES = 16 * 1024
MAX_EVIDENCE = 10_000  # characters
COMPUTED = {"zone_fault": {"timezone", "phone"}, "name_key": {"name"}}  # columns that follow from others


def check_variable_values(values: Any) -> None:
    """Raise ValidationError unless the value is an object of strings, with at most 64 names and 16 KB in all."""
    if not isinstance(values, dict):
        raise ValidationError('Write an object like {"slot": "9:30"}.', code="invalid_type")
    for name, value in values.items():
        if not VARIABLE_NAME.fullmatch(name):
            raise ValidationError(f"'{name[:80]}' is not a variable name: use letters, digits and _, at most 64.")
        if not isinstance(value, str):
            raise ValidationError(f"'{name}' must be text.", code="invalid_type")
    if len(values) > MAX_VARIABLES:
        raise ValidationError(f"At most {MAX_VARIABLES} variables.", code="too_big")
    if sum(len(name.encode()) + len(value.encode()) for name, value in values.items()) > MAX_VARIABLES_BYTES:
        raise ValidationError("The variables are larger than 16 KB in all.", code="too_big")


class ZoneFaultField(models.CharField):  # type: ignore[type-arg]
    """What is wrong with the contact's time zone, computed at each insert and update of the contact."""

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        assert isinstance(model_instance, Contact)  # noqa: S101
        found = zone_fault(model_instance.timezone, model_instance.phone)
        setattr(model_instance, self.attname, found)
        return found


class NameKeyField(models.TextField):  # type: ignore[type-arg]
    """How the contact's name is compared in searches, computed at each insert and update of the contact."""

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        assert isinstance(model_instance, Contact)  # noqa: S101
        found = name_key(model_instance.name)
        setattr(model_instance, self.attname, found)
        return found


class NumberKind(models.TextChoices):
    """Where a person is reached by a number."""

    MOBILE = "mobile", "Mobile"
    HOME = "home", "Home"
    WORK = "work", "Work"
    OTHER = "other", "Other"


class Contact(LoadedQuickly):
    """A person, the number that is called first, and what is known about them.

    **The row is the lock for this person**: lock it before every decision about a call. `phone` is the first number;
    up to four others are `further_numbers`.
    """

    class ZoneFault(models.TextChoices):
        NO_PLACE = "no_place", "No place"
        CONTRADICTS = "contradicts", "None of the number's"

    # Fields whose values the audit log keeps apart, so that they can be erased.
    personal_fields = frozenset(
        {"phone", "name", "name_key", "external_id", "language", "variables", "consent_evidence", "hold_reason"}
    )

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="contacts", db_index=False)
    phone = models.CharField("number", max_length=16, validators=[check_e164])
    phone_kind = models.CharField("kind of number", max_length=6, choices=NumberKind, blank=True)
    name = models.CharField(max_length=200, blank=True)
    name_key = NameKeyField(null=True, editable=False)  # NULL: not computed yet, see `campaigns/name_keys.py`
    external_id = models.CharField("external ID", max_length=200, blank=True)
    language = models.CharField(max_length=35, blank=True)
    timezone = models.CharField(
        "time zone",
        max_length=64,
        blank=True,
        help_text="A place, like Europe/Paris. Empty: the zones of the number.",
    )
    zone_fault = ZoneFaultField("time zone", max_length=11, choices=ZoneFault, blank=True, editable=False)
    variables = models.JSONField(default=dict, blank=True, validators=[check_variable_values])
    consent_basis = models.CharField(max_length=64, blank=True)
    consent_at = models.DateTimeField(null=True, blank=True)
    consent_evidence = models.TextField(blank=True)
    on_hold = models.BooleanField(default=False, help_text="The contact is not called while this is on.")
    hold_until = models.DateTimeField(null=True, blank=True, help_text="Empty: until a team member lifts it.")
    hold_reason = models.CharField(max_length=200, blank=True)
    erased_at = models.DateTimeField(null=True, editable=False)  # personal data deleted; calls still refer to the row
    phone_hash = models.CharField(max_length=64, blank=True, editable=False)  # of the erased number, for disputes
    # Without a constraint: its check costs an import a lookup for each row. Only the undo of that import uses the key.
    created_by_import = models.ForeignKey(
        "campaigns.ContactImport",
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="created_contacts",
        db_constraint=False,
    )
    created_at = models.DateTimeField(default=utc_now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "phone"],
                name="one_contact_per_number",
                opclasses=["int8_ops", "varchar_pattern_ops"],  # PostgreSQL: for searches by prefix
                violation_error_message="There is a contact with this number already.",
            )
        ]
        indexes: ClassVar = [
            # The API's filter by external ID.
            models.Index(fields=["organization", "external_id"], name="contact_external", condition=~Q(external_id="")),
            # Evidence about a number whose owner was erased.
            models.Index(fields=["organization", "phone_hash"], name="contact_erased", condition=~Q(phone_hash="")),
            # The filter by faults of time zones, and their counts for the alert.
            models.Index(
                fields=["organization", "zone_fault", "-id"], name="contact_zone_fault", condition=~Q(zone_fault="")
            ),
            # The admin's list of contacts. A migration adds the indexes for searches by name, on PostgreSQL.
            models.Index(fields=["organization", "-id"], name="contact_list"),
        ]

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        if update_fields is not None:
            names = set(update_fields)
            computed = {name for name, sources in COMPUTED.items() if sources & names}
            update_fields = names | computed
        super().save(*args, update_fields=update_fields, **kwargs)

    def __str__(self) -> str:
        return "Erased contact" if self.erased_at else f"{self.name} {self.phone}".strip()

    @property
    def number(self) -> str:
        """Return the number for the API and exports; "" after the contact is erased."""
        return "" if self.erased_at else self.phone

    @property
    def numbers(self) -> tuple[str, ...]:
        """Return all numbers of the person in the order of calling. A query, unless `further_numbers` is prefetched."""
        return (self.phone, *(row.phone for row in self.further_numbers.all()))

    def held(self, now: datetime) -> bool:
        """Return whether the contact is on hold now."""
        return self.on_hold and (self.hold_until is None or self.hold_until > now)


class ContactNumber(models.Model):
    """A further number of a person. Another contact may have the same number, as its first or as a further one."""

    MAX = 4  # with the first number of the contact: five

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+", db_index=False)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="further_numbers", db_index=False)
    phone = models.CharField("number", max_length=16, validators=[check_e164])
    kind = models.CharField(max_length=6, choices=NumberKind, blank=True)
    position = models.PositiveSmallIntegerField()  # 1 is tried after the first number of the contact

    class Meta:
        ordering: ClassVar = ["contact", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["contact", "position"], name="one_number_per_position"),
            models.UniqueConstraint(fields=["contact", "phone"], name="once_per_contact"),
        ]
        indexes: ClassVar = [
            # Who has a number: the do-not-call list, searches by prefix.
            models.Index(
                fields=["organization", "phone"],
                name="further_number",
                opclasses=["int8_ops", "varchar_pattern_ops"],
            )
        ]

    def __str__(self) -> str:
        return self.phone


class ContactList(models.Model):
    """A named list of contacts."""

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
    """A contact on a list."""

    contact_list = models.ForeignKey(ContactList, on_delete=models.CASCADE, related_name="members", db_index=False)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="memberships")
    created_by_import = models.ForeignKey(  # without a constraint, as that of the contact
        "campaigns.ContactImport",
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        db_constraint=False,
    )

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["contact_list", "contact"], name="once_per_list")]

    def __str__(self) -> str:
        return f"{self.contact} on {self.contact_list}"


class DoNotCallQuerySet(models.QuerySet["DoNotCall"]):
    def in_force(self, now: datetime) -> DoNotCallQuerySet:
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now))


class DoNotCall(models.Model):
    """A number that the organization never calls. The keyed hash stays after the contact is erased."""

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="do_not_call", db_index=False
    )  # `do_not_call_list` begins with it
    phone_hash = models.CharField(max_length=64, editable=False)
    phone = models.CharField("number", max_length=16, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    source = models.CharField(max_length=64, default="staff", editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: permanent.")
    created_at = models.DateTimeField(default=utc_now, editable=False)

    objects = DoNotCallQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = "do-not-call entry"
        verbose_name_plural = "do-not-call list"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "phone_hash"], name="once_on_do_not_call")
        ]
        indexes: ClassVar = [models.Index(fields=["organization", "-id"], name="do_not_call_list")]

    def __str__(self) -> str:
        return self.phone or "erased number"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.phone:
            self.phone_hash = number_hash(self.phone)
        super().save(*args, **kwargs)
