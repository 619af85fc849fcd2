"""Find contacts, calls and campaigns by a phone number, a name, or a Trunkline, external or provider ID.

Tables have millions of rows, so every search uses an index: it compares whole values or how they begin, of names
each word. Names are compared by their search keys.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from django.db.models import Model, Q

from calls.models import Call, stored_as
from campaigns.models import Campaign, Contact, ContactList, ContactNumber
from campaigns.name_search import named
from campaigns.number_search import beginning, first_begun
from campaigns.phones import e164_prefixes
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.db.first_keys import first_keys
from tenants.search_keys import contains, narrows, search_key

M = TypeVar("M", bound=Model)
AT_ONCE = 8
PEOPLE_OF_CALLS = 50
FEWEST_DIGITS = 4
HEX = re.compile(r"[0-9a-f]{8,32}")


@dataclass(frozen=True)
class Asked:
    """A search term, and everything that it can mean in these organizations."""

    term: str
    organizations: Sequence[int]
    numbers: frozenset[str] = frozenset()  # how E.164 numbers may begin
    ids: tuple[uuid.UUID, uuid.UUID] | None = None  # the first and the last that begin with the term
    names: bool = False  # whether it can be the start of a name

    @property
    def mine(self) -> Q:
        return Q(organization__in=self.organizations)


def read(term: str, organizations: Iterable[int], regions: Callable[[], Iterable[str]]) -> Asked:
    """Return what a term can mean. National numbers are read as in the countries that `regions` returns."""
    term = " ".join(term.replace("\x00", " ").split())[:200]
    digits = sum(character.isdecimal() for character in term)
    numbers = e164_prefixes(term, regions()) if digits >= FEWEST_DIGITS else set()
    return Asked(
        term=term,
        organizations=list(organizations),
        numbers=frozenset(numbers),
        ids=_ids(term),
        names=narrows(term) and not numbers,
    )


def _ids(term: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    """Return the range of IDs that begin with the term. Pages show an ID by its first eight characters."""
    given = term.lower().removeprefix("call ").replace("-", "")
    if not HEX.fullmatch(given):
        return None
    return uuid.UUID(given.ljust(32, "0")), uuid.UUID(given.ljust(32, "f"))


def contacts(asked: Asked, limit: int = AT_ONCE) -> list[Contact]:
    if not asked.term:
        return []
    found = Q(external_id=asked.term)
    if asked.ids:
        found |= Q(uuid__range=asked.ids)
    if asked.numbers:
        further = ContactNumber.objects.filter(beginning("phone", asked.numbers), asked.mine)
        found |= Q(pk__in=first_begun(asked.numbers, asked.organizations, limit))
        found |= Q(pk__in=first_keys(further, limit, of="contact"))
    if asked.names:
        found |= named(asked.term, asked.organizations, enough=limit)
    rows = Contact.objects.filter(found, asked.mine, erased_at=None)[:limit]
    return sorted(rows, key=lambda contact: (contact.name, contact.phone))


def calls(asked: Asked, found_contacts: Sequence[Contact], limit: int = AT_ONCE) -> list[Call]:
    """Return the calls with the ID, then the latest calls of the contacts found."""
    rows = Call.objects.filter(asked.mine).select_related("campaign").order_by("-pk")
    rows = rows.defer("decision", "result", "metadata", "dynamic_variables")
    found = list(rows.filter(by_id(asked))[:limit]) if asked.term else []
    if found_contacts:
        found += rows.filter(contact__in=[contact.pk for contact in found_contacts])[:limit]
    return list({row.pk: row for row in found}.values())[:limit]


def by_id(asked: Asked) -> Q:
    """Return a filter for calls by the provider's ID or ours.

    It names the provider accounts, because the index of providers' IDs starts with the account.
    """
    accounts = ProviderAccount.objects.filter(asked.mine).values_list("pk", flat=True)
    found = Q(account__in=list(accounts)) & stored_as(asked.term)
    return found | Q(uuid__range=asked.ids) if asked.ids else found


def of_numbers(numbers: Iterable[str], organizations: Iterable[int]) -> list[int]:
    """Return the internal keys of at most PEOPLE_OF_CALLS contacts with a number that begins with one of these."""
    prefixes, homes = list(numbers), list(organizations)
    rows = ContactNumber.objects.filter(beginning("phone", prefixes), organization__in=homes)
    further = first_keys(rows, PEOPLE_OF_CALLS, of="contact")
    first = first_begun(prefixes, homes, PEOPLE_OF_CALLS)
    return list(dict.fromkeys([*first, *further]))[:PEOPLE_OF_CALLS]


def of_name(asked: Asked) -> list[int]:
    """Return the internal keys of at most PEOPLE_OF_CALLS contacts with such a name."""
    rows = Contact.objects.filter(named(asked.term, asked.organizations), asked.mine, erased_at=None)
    return first_keys(rows, PEOPLE_OF_CALLS)


def _containing(rows: Iterable[M], field: str, asked: Asked, limit: int) -> list[M]:
    """Return the first rows that contain the term in this column. They are few enough to read them all."""
    key = search_key(asked.term)
    found = (row for row in rows if contains(getattr(row, field), key)) if asked.names else ()
    return list(islice(found, limit))


def campaigns(asked: Asked, limit: int = AT_ONCE) -> list[Campaign]:
    rows = Campaign.objects.filter(asked.mine).order_by("-pk")
    if asked.ids:
        return list(rows.filter(uuid__range=asked.ids)[:limit])
    return _containing(rows.only("name", "status", "created_at"), "name", asked, limit)


def lists(asked: Asked, limit: int = AT_ONCE) -> list[ContactList]:
    rows = ContactList.objects.filter(asked.mine).order_by("-pk")
    return _containing(rows, "name", asked, limit)


def assistants(asked: Asked, limit: int = AT_ONCE) -> list[Assistant]:
    rows = Assistant.objects.filter(asked.mine).select_related("account").order_by("name")
    if not asked.names:
        return list(rows.filter(external_id=asked.term)[:limit]) if asked.term else []
    key = search_key(asked.term)
    found = (row for row in rows if row.external_id == asked.term or contains(row.name, key))
    return list(islice(found, limit))


def caller_numbers(asked: Asked, limit: int = AT_ONCE) -> list[PhoneNumber]:
    rows = PhoneNumber.objects.filter(asked.mine).select_related("account").order_by("e164")
    if asked.numbers:
        return list(rows.filter(beginning("e164", asked.numbers))[:limit])
    return _containing(rows, "label", asked, limit)
