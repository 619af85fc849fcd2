"""The tables of the audit log: entries, the personal values they refer to, and the seals that chain them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.timezone import now as utc_now

from tenants.audit_origin import Channel
from tenants.models.organization import Organization

_BEGINS = ["int8_ops", "varchar_pattern_ops"]  # PostgreSQL: for searches by prefix


class AuditEntry(models.Model):
    """One action of a team member, a program or Trunkline. The database refuses to change or delete an entry.

    Values that belong to a person are in `AuditPersonal`; the entry has only a commitment to each of them.
    """

    at = models.DateTimeField(default=utc_now)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, null=True, related_name="audit_entries", db_index=False
    )
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=64)
    subject = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)
    channel = models.CharField("from", max_length=7, choices=Channel, default=Channel.SYSTEM)
    address = models.CharField(max_length=45, blank=True)  # from which a request came
    commitments = models.JSONField(default=dict)  # name of a personal value -> HMAC-SHA256 of it, keyed with its salt

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [
            models.Index(fields=["organization", "-id"], name="audit_list"),
            models.Index(fields=["organization", "channel", "-id"], name="audit_channel"),  # the filter of the list
            models.Index(fields=["at"], name="audit_at"),  # where a period begins
            # Searches by the beginning of a word; the evidence of a number reads the entries of one action.
            models.Index(fields=["organization", "actor"], name="audit_actor", opclasses=_BEGINS),
            models.Index(fields=["organization", "action"], name="audit_action", opclasses=_BEGINS),
            # Searches by ID, and the erasure of a contact.
            models.Index(fields=["organization", "subject"], name="audit_subject", condition=~models.Q(subject="")),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.subject}"


class AuditPersonal(models.Model):
    """A personal value of an entry, with its salt. Erasing the person deletes both."""

    entry = models.ForeignKey(AuditEntry, on_delete=models.CASCADE, related_name="personal")
    name = models.CharField(max_length=64)
    salt = models.CharField(max_length=32)
    value = models.JSONField()

    def __str__(self) -> str:
        return f"{self.name} of {self.entry_id}"


class AuditSeal(models.Model):
    """The place of an entry in its chain: one chain for each organization, and one for the installation.

    `entry` is a plain number, so that a seal outlives an entry that somebody removes.
    """

    chain = models.BigIntegerField()  # the organization's key, or 0 for the installation
    sequence = models.BigIntegerField()  # 1, 2, 3 … without gaps
    entry = models.BigIntegerField(unique=True)
    digest = models.CharField(max_length=64)  # SHA-256 of the digest before and the entry

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["chain", "sequence"], name="audit_seal_place")]

    def __str__(self) -> str:
        return f"{self.sequence}:{self.digest}"
