"""The evidence file: everything known about the calls to one number, for a dispute.

It says when the number was called, which rules allowed it, and which campaigns did not call it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet

from calls.models import TERMINAL, Call
from campaigns.contact_locks import holder_keys
from campaigns.models import Campaign, Contact, ContactNumber, DoNotCall, Recipient
from campaigns.models.number_hash import number_hash, number_hashes
from campaigns.phones import old_forms
from campaigns.rules.whereabouts import ZoneRule, candidate_zones
from campaigns.rules.windows import zone_named
from tenants import spreadsheets
from tenants.db.reading import by_key
from tenants.models import AuditEntry, Organization
from tenants.spreadsheets import time_cell

AT_ONCE = 500
COLUMNS = (
    "record",
    "id",
    "to_number",
    "name",
    "from_number",
    "status",
    "reason",
    "ordered_at_utc",
    "ordered_at_local",
    "dialed_at_utc",
    "dialed_at_local",
    "answered_at_utc",
    "answered_at_local",
    "ended_at_utc",
    "ended_at_local",
    "time_zones",
    "duration_seconds",
    "answered_by",
    "campaign",
    "campaign_id",
    "campaign_version",
    "attempt",
    "ordered_by",
    "account",
    "provider",
    "provider_call_id",
    "decision",
    "decided_at_utc",
    "checks",
    "consent_basis",
    "consent_at_utc",
    "consent_evidence",
    "do_not_call",
)


def lines(organizations: Sequence[int], phone: str) -> Iterator[str]:
    """Yield one CSV file in pieces: every call to an E.164 number, and every campaign that did not call it."""
    yield from spreadsheets.lines(_rows(organizations, phone))


def known_in(organizations: Sequence[int], phone: str) -> list[int]:
    """Return the keys of the organizations that know the number: by a call, a contact or an entry of their list."""
    forms = (phone, *old_forms(phone))
    hashes = list(number_hashes(forms))
    homes = [
        Call.objects.filter(_to_it(phone)),
        Contact.objects.filter(Q(phone__in=forms) | Q(phone_hash__in=hashes)),
        ContactNumber.objects.filter(phone__in=forms),
        DoNotCall.objects.filter(phone_hash__in=hashes),
        _removed_entries(hashes),
    ]
    found: set[int] = set()
    for rows in homes:
        here = rows.filter(organization__in=organizations).order_by()
        found.update(here.values_list("organization", flat=True).distinct())  # one row of a million calls
    return sorted(found)


def _to_it(phone: str) -> Q:
    return Q(to_number=phone) | Q(to_number_hash=number_hash(phone))  # the hash: its owner was erased


def _removed_entries(hashes: Sequence[str]) -> QuerySet[AuditEntry]:
    """Return the entries about numbers that were taken off the do-not-call list."""
    return AuditEntry.objects.filter(action="do_not_call.removed", detail__phone_hash__in=hashes)


def _rows(organizations: Sequence[int], phone: str) -> Iterator[list[str]]:
    yield list(COLUMNS)
    for organization in Organization.objects.filter(pk__in=organizations).order_by("pk"):
        file = _File(organization, phone, _do_not_call(organization, phone))
        calls = Call.objects.filter(_to_it(phone), organization=organization)
        for call in chain.from_iterable(by_key(calls.select_related("contact", "campaign", "account"), AT_ONCE)):
            yield file.of_call(call)
        holders = holder_keys(organization.pk, [phone])
        not_called = Recipient.objects.filter(contact__in=holders, calls=None)
        not_called = not_called.exclude(status__in=Recipient.WAITING_STATUSES)
        rows = not_called.select_related("contact", "campaign")
        for recipient in chain.from_iterable(by_key(rows, AT_ONCE)):
            yield file.of_recipient(recipient)


@dataclass(frozen=True)
class _File:
    """What all rows of one number in one organization have in common."""

    organization: Organization
    phone: str
    do_not_call: str

    def of_call(self, call: Call) -> list[str]:
        decision = call.decision or {}
        ended = call.ended_at or (call.terminal_at if call.status in TERMINAL else None)
        zones = self._zones(call.contact, call.campaign)
        moments = (call.created_at, call.dialed_at, call.answered_at, ended)
        return self._row(
            call.contact,
            zones,
            record="call",
            id=str(call.uuid),
            name=call.customer_name,
            from_number=call.from_number,
            status=call.status,
            reason=call.ended_reason or call.status_reason,
            moments=moments,
            duration_seconds=call.duration_seconds,
            answered_by=call.answered_by,
            campaign=call.campaign.name if call.campaign else "",
            campaign_id=str(call.campaign.uuid) if call.campaign else "",
            campaign_version=call.campaign_version,
            attempt=call.attempt,
            ordered_by=call.created_by,
            account=call.account.name,
            provider=call.account.provider,
            provider_call_id=call.provider_call_id,
            decision=decision.get("decision", ""),
            decided_at_utc=_stored(decision.get("at", "")),
            checks=json.dumps(decision.get("checks", []), ensure_ascii=False) if decision else "",
        )

    def of_recipient(self, recipient: Recipient) -> list[str]:
        """Return the row of a recipient that a campaign finished without a call."""
        return self._row(
            recipient.contact,
            self._zones(recipient.contact, recipient.campaign),
            record="no call",
            id=str(recipient.uuid),
            name=recipient.contact.name,
            status=recipient.status,
            reason=recipient.reason,
            campaign=recipient.campaign.name,
            campaign_id=str(recipient.campaign.uuid),
        )

    def _row(
        self, contact: Contact, zones: tuple[str, ...], moments: Sequence[datetime | None] = (), **values: object
    ) -> list[str]:
        for name, moment in zip(("ordered", "dialed", "answered", "ended"), moments, strict=False):
            values[f"{name}_at_utc"], values[f"{name}_at_local"] = time_cell(moment), _local(moment, zones)
        values |= {
            "to_number": self.phone,
            "time_zones": " ".join(zones),
            "consent_basis": contact.consent_basis,
            "consent_at_utc": time_cell(contact.consent_at),
            "consent_evidence": contact.consent_evidence,
            "do_not_call": self.do_not_call,
        }
        return ["" if values.get(name) is None else str(values[name]) for name in COLUMNS]

    def _zones(self, contact: Contact, campaign: Campaign | None) -> tuple[str, ...]:
        rule = ZoneRule(self.organization.timezone)
        if campaign:
            campaign.organization = self.organization  # not read again for each row
            rule = campaign.zone_rule
        return candidate_zones(contact.timezone, self.phone, rule)


def _local(moment: datetime | None, zones: Sequence[str]) -> str:
    """Return the moment in the first time zone that the contact may be in, with its offset."""
    zone = zone_named(zones[0]) or ZoneInfo("UTC")
    return moment.astimezone(zone).isoformat(timespec="microseconds") if moment else ""


def _stored(moment: str) -> str:
    """Return a moment that a JSON column holds as text."""
    return time_cell(datetime.fromisoformat(moment)) if moment else ""


def _do_not_call(organization: Organization, phone: str) -> str:
    """Return when and why the number was added to the do-not-call list and removed from it, in order."""
    hashes = list(number_hashes((phone, *old_forms(phone))))
    found = []
    for entry in _removed_entries(hashes).filter(organization=organization).order_by("pk"):
        was = entry.detail
        found.append(f"{_stored(was['listed_at'])}: listed ({was['source']}): {was['listed_because']}")
        found.append(f"{time_cell(entry.at)}: removed by {entry.actor}: {was['reason']}")
    for row in DoNotCall.objects.filter(organization=organization, phone_hash__in=hashes):
        until = f" until {time_cell(row.expires_at)}" if row.expires_at else ""
        found.append(f"{time_cell(row.created_at)}: listed ({row.source}){until}: {row.reason}")
    return "; ".join(found)
