"""The calls to some persons that count now: dialled before, or open; and until when they wait for callbacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db.models import BigIntegerField, Case, CharField, F, Q, QuerySet, Value, When

from calls.gate.candidate import Candidate
from calls.gate.persons import Number, Persons
from calls.models import OPEN, Call, CallBack, Status
from calls.models.statuses import ENDED_BY_STAFF
from tenants.db.among import Among

HISTORY = timedelta(days=30)  # the longest time that a cap looks back
AT_ONCE = 5_000  # numbers in one query
NO_RECIPIENT = Value(0, output_field=BigIntegerField())
NO_NUMBER = Value("", output_field=CharField())
# A dial counts from its moment. The contact of a call that a team member ended may have been on the phone until then.
COUNTS_FROM = Case(
    When(status=Status.UNKNOWN, ended_reason=ENDED_BY_STAFF, dialed_at__isnull=False, then=F("terminal_at")),
    default=F("dialed_at"),
)
Dials = Mapping[int, datetime]  # by the call's internal key
Row = tuple[Any, ...]


@dataclass(frozen=True)
class OpenCalls:
    """The open calls to some persons: to which numbers, and to which contacts whatever their numbers are now."""

    numbers: set[Number]
    contacts: set[int]

    def any_to(self, call: Candidate, reached: Iterable[str]) -> bool:
        """Return whether the call's contact is called, or someone at one of these numbers."""
        organization = call.organization_id
        return call.contact_id in self.contacts or any((organization, phone) in self.numbers for phone in reached)

    def add(self, call: Candidate) -> None:
        """Count a call that is about to be placed."""
        self.numbers.add((call.organization_id, call.to_number))
        self.contacts.add(call.contact_id)


@dataclass(frozen=True)
class History:
    """Dials by contact and by number: a shared number rings the same persons, whichever contact was called."""

    open: OpenCalls
    callbacks: Mapping[int, Mapping[int, datetime]]  # of each contact: the end of what each recipient was promised
    _of_contact: Mapping[int, Dials]
    _of_number: Mapping[Number, Dials]

    def dials_of(self, call: Candidate, numbers: Iterable[str]) -> list[datetime]:
        """Return when the contact or one of the numbers was dialled, or may have been: each call once, oldest first."""
        found = dict(self._of_contact.get(call.contact_id, ()))
        for number in numbers:
            if dials := self._of_number.get((call.organization_id, number)):
                found |= dials
        return sorted(found.values())


def read(calls: Sequence[Candidate], people: Persons, now: datetime) -> History:
    """Read the dials, the open calls and the callbacks that are due, with one query for up to AT_ONCE numbers."""
    history = History(OpenCalls(set(), set()), defaultdict(dict), defaultdict(dict), defaultdict(dict))
    contacts = {call.contact_id for call in calls if call.contact_id}
    organizations, since = {call.organization_id for call in calls}, now - HISTORY
    promised = CallBack.objects.filter(Among("contact", contacts), status=CallBack.Status.DUE).order_by()
    others = [_counting(since, Among("contact", contacts)), _promises(promised)]
    for numbers in _in_parts({phone for call in calls for phone in people.reached(call)}):
        rows = _counting(since, Among("to_number", numbers), organization_id__in=organizations)
        _sort(rows.union(*others, all=True), history, since)
        others = []
    return history


def _counting(since: datetime, *those: Among, **further: Any) -> QuerySet[Any, Row]:
    """Return the calls that were dialled or are open."""
    counting = Q(dialed_at__gt=since) | Q(status__in=OPEN)
    calls = Call.objects.filter(counting, *those, **further).order_by()
    return calls.values_list("status", "pk", "contact_id", "organization_id", "to_number", COUNTS_FROM, NO_RECIPIENT)


def _promises(rows: QuerySet[CallBack]) -> QuerySet[Any, Row]:
    return rows.values_list("status", "pk", "contact_id", "organization_id", NO_NUMBER, "latest_at", "recipient_id")


def _sort(rows: Iterable[Row], history: Any, since: datetime) -> None:
    """Put the rows where they belong. A call to a contact at its number is there twice."""
    for status, pk, contact_id, organization_id, phone, at, recipient_id in rows:
        if recipient_id:
            history.callbacks[contact_id][recipient_id] = at
            continue
        if at and at > since:
            history._of_contact[contact_id][pk] = history._of_number[organization_id, phone][pk] = at
        if status in OPEN:
            history.open.numbers.add((organization_id, phone))
            history.open.contacts.add(contact_id)


def _in_parts(numbers: set[str]) -> Iterator[list[str]]:
    rest = iter(numbers)
    while part := list(islice(rest, AT_ONCE)):
        yield part
