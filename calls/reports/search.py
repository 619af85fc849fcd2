"""Finding people, calls and campaigns by whatever somebody has in hand: a number, a name, an id of ours or theirs.

Every question is one an index answers, a whole value or how it begins, for tables have millions of rows.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q

from calls.models import Call
from campaigns.admin.numbers import beginnings
from campaigns.models import Campaign, Contact, ContactList
from providers.models import Assistant, PhoneNumber, ProviderAccount

AT_ONCE = 8
PEOPLE_OF_CALLS = 50
FEWEST_DIGITS = 4
HEX = re.compile(r"[0-9a-f]{8,32}")


@dataclass(frozen=True)
class Asked:
    """What was typed, as everything it may mean in these organizations."""

    term: str
    organizations: Sequence[int]
    numbers: frozenset[str] = frozenset()  # how E.164 numbers may begin
    ids: tuple[uuid.UUID, uuid.UUID] | None = None  # the first and the last that begin so
    names: bool = False  # whether it can be the beginning of a name

    @property
    def mine(self) -> Q:
        return Q(organization__in=self.organizations)


def read(term: str, organizations: Iterable[int], regions: Callable[[], Iterable[str]]) -> Asked:
    """National numbers are read as the countries that `regions` answers write them."""
    term = " ".join(term.replace("\x00", " ").split())[:200]
    digits = sum(character.isdecimal() for character in term)
    numbers = beginnings(term, regions()) if digits >= FEWEST_DIGITS else set()
    return Asked(
        term=term,
        organizations=list(organizations),
        numbers=frozenset(numbers),
        ids=_ids(term),
        names=len(term) >= 2 and not numbers,
    )


def _ids(term: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    """The pages show an id by its first eight letters."""
    given = term.lower().removeprefix("call ").replace("-", "")
    if not HEX.fullmatch(given):
        return None
    return uuid.UUID(given.ljust(32, "0")), uuid.UUID(given.ljust(32, "f"))


def _begins(column: str, numbers: Iterable[str]) -> Q:
    found = Q(pk__in=[])
    for number in sorted(numbers):
        found |= Q(**{f"{column}__startswith": number})
    return found


def contacts(asked: Asked, limit: int = AT_ONCE) -> list[Contact]:
    if not asked.term:
        return []
    found = Q(external_id=asked.term)
    if asked.ids:
        found |= Q(uuid__range=asked.ids)
    if asked.numbers:
        found |= _begins("phone", asked.numbers)
    if asked.names:
        found |= Q(name__istartswith=asked.term)
    people = Contact.objects.filter(found, asked.mine, erased_at=None)[:limit]
    return sorted(people, key=lambda person: (person.name, person.phone))


def calls(asked: Asked, people: Sequence[Contact], limit: int = AT_ONCE) -> list[Call]:
    """Those of an id, then the latest of the people found."""
    rows = Call.objects.filter(asked.mine).select_related("campaign").order_by("-pk")
    rows = rows.defer("decision", "result", "metadata", "dynamic_variables")
    found = list(rows.filter(by_id(asked))[:limit]) if asked.term else []
    if people:
        found += rows.filter(contact__in=[person.pk for person in people])[:limit]
    return list({row.pk: row for row in found}.values())[:limit]


def by_id(asked: Asked) -> Q:
    """Calls by their provider's id, or ours. The accounts are named, for providers' ids are kept by account."""
    accounts = ProviderAccount.objects.filter(asked.mine).values_list("pk", flat=True)
    found = Q(provider_call_id=asked.term, account__in=list(accounts))
    return found | Q(uuid__range=asked.ids) if asked.ids else found


def of_numbers(numbers: Iterable[str], organizations: Iterable[int]) -> list[int]:
    """The contacts, a bounded part, whose numbers begin so."""
    rows = Contact.objects.filter(_begins("phone", numbers), organization__in=list(organizations))
    return list(rows.values_list("pk", flat=True)[:PEOPLE_OF_CALLS])


def campaigns(asked: Asked, limit: int = AT_ONCE) -> list[Campaign]:
    rows = Campaign.objects.filter(asked.mine).order_by("-pk")
    if asked.ids:
        return list(rows.filter(uuid__range=asked.ids)[:limit])
    return list(rows.filter(name__icontains=asked.term)[:limit]) if asked.names else []


def lists(asked: Asked, limit: int = AT_ONCE) -> list[ContactList]:
    rows = ContactList.objects.filter(asked.mine).order_by("-pk")
    return list(rows.filter(name__icontains=asked.term)[:limit]) if asked.names else []


def assistants(asked: Asked, limit: int = AT_ONCE) -> list[Assistant]:
    rows = Assistant.objects.filter(asked.mine).select_related("account").order_by("name")
    named = Q(external_id=asked.term) | (Q(name__icontains=asked.term) if asked.names else Q())
    return list(rows.filter(named)[:limit]) if asked.term else []


def caller_numbers(asked: Asked, limit: int = AT_ONCE) -> list[PhoneNumber]:
    rows = PhoneNumber.objects.filter(asked.mine).select_related("account").order_by("e164")
    if asked.numbers:
        return list(rows.filter(_begins("e164", asked.numbers))[:limit])
    return list(rows.filter(label__icontains=asked.term)[:limit]) if asked.names else []
