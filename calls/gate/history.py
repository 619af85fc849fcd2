"""When persons were called, and until when they wait for promised callbacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import BigIntegerField, CharField, QuerySet, Value

from calls.gate.candidate import Candidate
from calls.gate.persons import Number, Persons
from calls.models import Call, CallBack

HISTORY = timedelta(days=30)  # the longest time that a cap looks back
AT_ONCE = 5_000  # numbers in one query
NO_RECIPIENT = Value(0, output_field=BigIntegerField())
NO_NUMBER = Value("", output_field=CharField())
Dials = Mapping[int, datetime]  # by the call's internal key


@dataclass(frozen=True)
class History:
    """Dials by contact and by number: a shared number rings the same persons, whichever contact was called."""

    _of_contact: Mapping[int, Dials]
    _of_number: Mapping[Number, Dials]
    callbacks: Mapping[int, Mapping[int, datetime]]  # of each contact: the end of what each recipient was promised

    def dials_of(self, contact_id: int, numbers: set[Number]) -> list[datetime]:
        """Return when the contact or one of the numbers was dialled, or may have been: each call once, oldest first."""
        found = dict(self._of_contact.get(contact_id, {}))
        for number in numbers:
            found |= self._of_number.get(number, {})
        return sorted(found.values())


def read(calls: Sequence[Candidate], people: Persons, now: datetime) -> History:
    """Read the dials and the callbacks that are due, with one query for up to AT_ONCE numbers."""
    contacts = {call.contact_id for call in calls if call.contact_id}
    dialed = Call.objects.filter(dialed_at__gt=now - HISTORY).order_by()
    promised = CallBack.objects.filter(contact__in=contacts, status=CallBack.Status.DUE).order_by()
    parts = [_dials(dialed.filter(contact__in=contacts)), _promises(promised)]
    of_contact: defaultdict[int, dict[int, datetime]] = defaultdict(dict)
    of_number: defaultdict[Number, dict[int, datetime]] = defaultdict(dict)
    callbacks: defaultdict[int, dict[int, datetime]] = defaultdict(dict)
    for numbers in _in_parts({phone for call in calls for phone in people.own(call)}):
        to_them = dialed.filter(organization_id__in={call.organization_id for call in calls}, to_number__in=numbers)
        first, *others = [*parts, _dials(to_them)]
        parts = []
        for pk, contact_id, organization_id, phone, at, recipient_id in first.union(*others, all=True):
            if recipient_id:
                callbacks[contact_id][recipient_id] = at
            else:
                of_contact[contact_id][pk] = of_number[organization_id, phone][pk] = at
    return History(of_contact, of_number, callbacks)


def _dials(rows: QuerySet[Call]) -> QuerySet[Call]:
    return rows.values_list("pk", "contact_id", "organization_id", "to_number", "dialed_at", NO_RECIPIENT)


def _promises(rows: QuerySet[CallBack]) -> QuerySet[CallBack]:
    return rows.values_list("pk", "contact_id", "organization_id", NO_NUMBER, "latest_at", "recipient_id")


def _in_parts(numbers: set[str]) -> Iterator[list[str]]:
    rest = iter(numbers)
    while part := list(islice(rest, AT_ONCE)):
        yield part
