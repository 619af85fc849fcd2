"""Find contacts by the words of their names, through the index that a migration adds on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import BooleanField, F, Func, Q

from campaigns.models import Contact
from campaigns.newest import COMMON, met_among_newest
from tenants.db.first_keys import first_keys, these
from tenants.search_keys import search_key, ways

SOON = 3  # of the newest: common words together, which the index would collect one by one, are soon met


class HasWords(Func):
    """Whether words of a contact's name begin like each word of one of these ways, in one of these organizations.

    On PostgreSQL the words are indexed together with the organization, so that a search reads no row of another one.
    """

    output_field: models.Field[Any, Any] = BooleanField()

    def __init__(self, organizations: Iterable[int], ways: Iterable[Iterable[str]]) -> None:
        self._organizations, self._ways = sorted(organizations), [list(way) for way in ways]
        super().__init__(F("name_key"), F("organization_id"))

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> Any:
        """Return the expression of the index `contact_name_words`, and its condition."""
        key, organization = (compiler.compile(each)[0] for each in self.get_source_expressions())
        home = f"{organization}::text || '/'"
        words = f"array_to_tsvector(string_to_array({home} || replace({key}, ' ', ' ' || {home}), ' '))"
        asked = " | ".join(self._all_words(each, way) for each in self._organizations for way in self._ways)
        return f"({key} <> '' AND {words} @@ %s::tsquery)", [asked]

    def _all_words(self, organization: int, way: Iterable[str]) -> str:
        """Return the words of a way as PostgreSQL asks for them in one organization."""
        return "(" + " & ".join(f"{_quoted(f'{organization}/{word}')}:*" for word in way) + ")"

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        key, organization = (compiler.compile(each)[0] for each in self.get_source_expressions())
        homes = ", ".join(["%s"] * len(self._organizations))
        words, given = _read_of_row(f"instr(' ' || {key}, %s) > 0", self._ways)
        return f"({organization} IN ({homes}) AND {words})", [*self._organizations, *given]


class ReadsWords(Func):
    """Whether words of a contact's name begin like each word of a way, asked of the row: no index is read for it."""

    output_field: models.Field[Any, Any] = BooleanField()

    def __init__(self, ways: Iterable[Iterable[str]]) -> None:
        self._ways = [list(way) for way in ways]
        super().__init__(F("name_key"))

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> Any:
        key, _none = compiler.compile(self.get_source_expressions()[0])
        return _read_of_row(f"strpos(' ' || {key}, %s) > 0", self._ways)


def _read_of_row(has: str, ways: Iterable[list[str]]) -> tuple[str, list[str]]:
    """Return the condition that a row has all words of one of the ways, and its values. `has`: that it has a word."""
    found = list(ways)
    words = " OR ".join(" AND ".join([has] * len(way)) for way in found)
    return f"({words})", [f" {word}" for way in found for word in way]


def _quoted(lexeme: str) -> str:
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def named(text: str, organizations: Iterable[int], enough: int | None = None) -> Q:
    """Return the condition that a contact of these organizations has a name like the text. Costs two queries at most.

    `enough`: how many contacts the caller shows at most. Of a name that only old contacts have, no more are looked for.

    A contact without a key yet is found by how its name begins. The condition has the keys of the contacts, if they are
    few: PostgreSQL takes a search by words for one that finds many, and would read a list from its end until it has met
    them. Those who are many are soon met in that way.
    """
    key, homes = search_key(text), sorted(organizations)
    if not key or not homes:
        return Q(pk__in=[])
    begun = text.replace("\x00", "").strip()
    unkeyed = Q(name_key=None, name__istartswith=begun, organization__in=homes)
    asked = ways(key)
    found = Q(HasWords(homes, asked)) | unkeyed
    together, common = _among_newest(homes, asked[0])
    if together >= COMMON:
        return found
    if together >= SOON and common >= set(asked[0]):
        return Q(ReadsWords(asked), organization__in=homes) | unkeyed
    rare = [[word for word in way if word not in common] or way for way in asked]
    begins = Q(HasWords(homes, rare))
    if rare != asked:
        begins &= Q(ReadsWords(asked))
    rows = Contact.objects.filter(begins | unkeyed, organization__in=homes)
    if enough is not None:
        return Q(pk__in=first_keys(rows.filter(erased_at=None), enough))
    return these(rows, found)


def _among_newest(homes: list[int], words: list[str]) -> tuple[int, set[str]]:
    """Return how many of the newest contacts have all the words, and the words that many of them have.

    The index collects all who have a word before it gives the first: a fifth of a second for a million. Digits are
    searched for as phone numbers.
    """
    if all(map(str.isdecimal, words)):
        return 0, set()  # nobody is called by a number that many are called by
    each = [("strpos(newest.value, %s) > 0", [f" {word}"]) for word in words]
    every = " AND ".join(sql for sql, _ in each), [f" {word}" for word in words]
    together, *counts = met_among_newest(homes, "' ' || name_key", [every, *each])
    return together, {word for word, count in zip(words, counts, strict=True) if count >= COMMON}
