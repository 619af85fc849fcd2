"""Do again what forbids calls and a restored database forgot: do-not-call entries, stops, holds, erasures.

Of several lines about the same thing the last one counts. What allows calls again is not done: a team member can.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.db import transaction

from calls.actions import campaigns, erasure, kill_switch, recipients
from calls.actions.quiescing import IllegalTransition
from calls.journal.persons import SOURCE, Numbers, list_number
from calls.journal.restoring import end
from calls.models import Call
from calls.outcomes import staff_decisions
from calls.outcomes.transitions import lock_call
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, Recipient
from tenants.journal.lines import Line
from tenants.models import JournalNote, Organization

logger = logging.getLogger(__name__)
REASON = "As before the backup was restored."
AT_ONCE = 500  # numbers that are listed in one transaction
Key = tuple[str, ...]
Counts = Counter[str]


def last_of_each(notes: Iterable[Line]) -> dict[Key, Line]:
    """Return the last line about each thing: a number, a campaign, a contact, the calls of an organization."""
    found: dict[Key, Line] = {}
    for line in notes:
        owner, kind = line["organization"], line["kind"]
        if kind in ("listed", "unlisted"):
            for hashed in line["numbers"]:
                found[owner, "number", hashed] = line
        elif kind in ("calls_stopped", "calls_allowed"):
            found[owner, "calls"] = line
        elif kind == "campaign":
            found[owner, "campaign", line["campaign"]] = line
        elif kind in ("held", "unheld"):
            found[owner, "hold", line["contact"]] = line
        elif kind == "withdrawn":
            found[owner, "withdrawn", line["campaign"], line["contact"]] = line
        elif kind == "canceled":
            found[owner, "canceled", line["call"]] = line
        elif kind == "erased":
            found[owner, "erased", line["contact"]] = line
    return found


def wanted_numbers(notes: Iterable[Line]) -> dict[UUID, set[str]]:
    """Return the hashes of the numbers that the lines are about, by organization."""
    found: dict[UUID, set[str]] = {}
    for line in notes:
        if line["kind"] == "listed":
            found.setdefault(UUID(line["organization"]), set()).update(line["numbers"])
    return found


def erased_contacts(notes: Iterable[Line]) -> dict[UUID, str]:
    """Return when each contact was erased that the database has back."""
    return {UUID(line["contact"]): line["at"] for line in notes if line["kind"] == "erased"}


def stop_and_list(notes: list[Line], numbers: Mapping[UUID, Numbers]) -> Counts:
    """Do all again that needs no call restored. Return how much of each kind."""
    counts: Counts = Counter()
    last = last_of_each(notes)
    owners = {UUID(owner) for owner, *_ in last}
    organizations = {str(row.uuid): row for row in Organization.objects.filter(uuid__in=owners)}
    listed: dict[tuple[str, str, str], list[str]] = {}
    for (owner, about, *rest), line in last.items():
        if owner not in organizations or about == "erased":
            continue
        if about != "number":
            what, work = _ACTIONS[about]
            counts[what] += work(organizations[owner], line)
        elif line["kind"] == "listed":
            listed.setdefault((owner, line["source"], line["until"] or ""), []).extend(rest)
    for (owner, source, until), hashes in listed.items():
        moment = datetime.fromisoformat(until) if until else None
        known = numbers[UUID(owner)]
        counts["numbers listed again"] += _list(organizations[owner], hashes, known, source, moment)
    return counts


def erase(notes: list[Line]) -> Counts:
    """Erase again who was erased, after their calls were restored. Raises IllegalTransition if a call is under way."""
    counts: Counts = Counter()
    for contact in Contact.objects.filter(uuid__in=erased_contacts(notes), erased_at=None).order_by("pk"):
        waiting = Call.objects.filter(contact=contact)
        for pk in (waiting.open() | waiting.filter(polling__isnull=False)).order_by("pk").values_list("pk", flat=True):
            _end(pk)
        erasure.erase(contact, actor=SOURCE, reason=REASON, never_again=False)
        counts["contacts erased again"] += 1
    return counts


def remember(notes: Iterable[Line]) -> None:
    """Note that what these lines tell of is done, so that the database knows them."""
    rows = [JournalNote(token=UUID(line["token"]), at=datetime.fromisoformat(line["at"])) for line in notes]
    JournalNote.objects.bulk_create(rows, ignore_conflicts=True)


@transaction.atomic
def _end(pk: int) -> None:
    """End a call of an erased contact. It had ended, and its result was no longer awaited, or nobody was erased."""
    locked = lock_call(pk)
    if locked.call.terminal_at is None:
        end(locked, read_on=False)
        return
    locked.call.next_read_at = locked.call.settle_until = None
    locked.call.cost_reserved = type(locked.call.cost_reserved)(0)
    locked.call.save()


def _list(organization: Organization, hashes: list[str], numbers: Numbers, source: str, until: datetime | None) -> int:
    given = {hashed: numbers.phone(hashed) for hashed in hashes}
    phones = [phone for phone in given.values() if phone]
    count = 0
    for start in range(0, len(phones), AT_ONCE):
        some = phones[start : start + AT_ONCE]
        count += entries.add_many(organization, some, reason=REASON, source=source, expires_at=until)
    for hashed, phone in given.items():
        if not phone:
            count += list_number(organization, hashed, "", reason=REASON, source=source, until=until)
    return count


def _stop_calls(organization: Organization, line: Line) -> int:
    if line["kind"] != "calls_stopped" or organization.calls_stopped:
        return 0
    kill_switch.stop_all_calls(organization, actor=SOURCE)
    return 1


def _stop_campaign(organization: Organization, line: Line) -> int:
    campaign = Campaign.objects.filter(organization=organization, uuid=line["campaign"]).first()
    works: dict[str, Callable[..., None]] = {
        Campaign.Status.PAUSED: campaigns.pause,
        Campaign.Status.CANCELED: campaigns.cancel,
    }
    work = works.get(line["status"])
    if campaign is None or work is None or campaign.status == line["status"]:
        return 0
    with suppress(IllegalTransition):  # it is over, or paused and not begun
        work(campaign, actor=SOURCE)
        return 1
    return 0


def _hold(organization: Organization, line: Line) -> int:
    contact = Contact.objects.filter(organization=organization, uuid=line["contact"], erased_at=None).first()
    if contact is None or line["kind"] == "unheld":
        return 0
    until = datetime.fromisoformat(line["until"]) if line["until"] else None
    recipients.hold(contact, actor=SOURCE, until=until, reason=REASON)
    return 1


def _withdraw(organization: Organization, line: Line) -> int:
    campaign = Campaign.objects.filter(organization=organization, uuid=line["campaign"]).first()
    contact = Contact.objects.filter(organization=organization, uuid=line["contact"]).first()
    if campaign is None or contact is None:
        return 0
    recipient, _ = Recipient.objects.get_or_create(campaign=campaign, contact=contact)
    with suppress(IllegalTransition):  # it is done
        recipients.withdraw(recipient, actor=SOURCE)
        return 1
    return 0


def _cancel(organization: Organization, line: Line) -> int:
    call = Call.objects.filter(organization=organization, uuid=line["call"]).first()
    return int(call is not None and staff_decisions.cancel(call, line["reason"], REASON, actor=SOURCE))


_ACTIONS: dict[str, tuple[str, Callable[[Organization, Line], int]]] = {
    "calls": ("organizations stopped again", _stop_calls),
    "campaign": ("campaigns stopped again", _stop_campaign),
    "hold": ("contacts held again", _hold),
    "withdrawn": ("recipients withdrawn again", _withdraw),
    "canceled": ("calls canceled again", _cancel),
}
