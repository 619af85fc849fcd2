"""Map the columns of a file to contact fields: by the names of the columns, or as the user chose. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from campaigns.imports.column_guess import Guess, asked_by_itself, guesses
from campaigns.imports.field_headers import name_order
from campaigns.imports.opt_out import OptOut, opt_out_header
from campaigns.imports.own_files import guards, own_file, shown_number
from campaigns.imports.own_files import kind_column as own_kinds
from campaigns.imports.person_numbers import PhoneColumn, in_order
from campaigns.imports.phone_countries import country_column
from campaigns.imports.phone_headers import kind_column
from campaigns.imports.row_countries import country_columns, deciding
from campaigns.models.contact import MAX_VARIABLES, MAX_VARIABLES_BYTES

PHONES = ("phone", "phone.mobile", "phone.home", "phone.work", "phone.other")
CONSENT = ("consent_basis", "consent_at", "consent_evidence")
SINGLE = ("external_id", "language", "timezone", *CONSENT)
OPT_OUT = ("do_not_call", "may_call")
FIELDS = (*PHONES, "phone_kind", "name", "external_id", "language", "timezone", "tags", *OPT_OUT, *CONSENT)
VARIABLE = re.compile(r"variables\.[A-Za-z_][A-Za-z0-9_]{0,63}")
UNNAMED = re.compile(r"\(column \d+\)")
NUMBER = re.compile(r"[+(]?\d[\d\s().+/-]{5,}")
# At the ends of a copied name, where nobody sees them. Within a name they may be part of its spelling.
INVISIBLE = " \u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069"
VARIABLES, IGNORE = "variables", "ignore"  # what becomes of columns that nobody mapped
OTHER_COLUMNS = (VARIABLES, IGNORE)


class UnreadableFile(ValueError):
    """The file cannot be read at all. The message says what to do."""


def unique_header(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the column names. Empty and repeated names get a number, so that every name is unique."""
    seen: dict[str, int] = {}
    names = []
    for number, cell in enumerate(cells, 1):
        text = " ".join(cell.replace("\ufeff", "").replace("\0", "").split())
        name = text.strip(INVISIBLE)[:200] or f"(column {number})"
        while name in seen:
            seen[name] += 1
            name = f"{name} ({seen[name]})"
        seen[name] = 1
        names.append(name)
    return tuple(names)


def variable_name(header: str, number: int) -> str:
    """Return a column name as an identifier. A name that is an identifier does not change."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", header) if not unicodedata.combining(c))
    name = re.sub(r"[^A-Za-z0-9_]+", "_", plain).strip("_")[:60]
    if not name:
        return f"column_{number}"
    return f"_{name}" if name[0].isdigit() else name


def variable_targets(columns: Iterable[tuple[int, str]], taken: Collection[str] = ()) -> dict[str, str]:
    """Return the variable that each column would become, each another one. `columns` are numbers and names."""
    found: dict[str, str] = {}
    used = set(taken)
    for number, column in columns:
        name, again = variable_name(column, number), 1
        while f"variables.{name}" in used:
            again += 1
            name = f"{variable_name(column, number)}_{again}"
        found[column] = f"variables.{name}"
        used.add(found[column])
    return found


def guess_mapping(header: Sequence[str], empty: Collection[str] = (), other_columns: str = VARIABLES) -> dict[str, str]:
    """Return the likely target of each column.

    If no column looks like phone numbers, none is a `phone`. A column that only looks like an opt-out or a consent is
    missing: somebody has to map it. `empty` are the columns without a value in the first rows.
    """
    return complete_mapping(header, {}, guesses(header), empty, other_columns)


def complete_mapping(
    header: Sequence[str],
    mapping: Mapping[str, str],
    found: Mapping[str, Guess],
    empty: Collection[str] = (),
    other_columns: str = VARIABLES,
) -> dict[str, str]:
    """Return the mapping of every column, except those for which somebody has to decide.

    Free columns become variables, or are left out: without a name, on request, and beyond 64 variables. Those that are
    empty in the first rows are left out first, then the last ones.
    """
    full: dict[str, str] = {}
    free: list[tuple[int, str]] = []
    for number, column in enumerate(header, 1):
        if column in mapping:
            full[column] = mapping[column]
        elif column in found:
            if (target := found[column].target) is not None:
                full[column] = target
        elif UNNAMED.fullmatch(column) or other_columns == IGNORE:
            full[column] = ""
        else:
            free.append((number, column))
    left = MAX_VARIABLES - sum(isinstance(t, str) and t.startswith("variables.") for t in full.values())
    kept = free
    if len(free) > left:
        kept = [(number, column) for number, column in free if column not in empty][: max(0, left)]
    full |= variable_targets(kept, {target for target in full.values() if isinstance(target, str)})
    full |= {column: "" for _, column in free if column not in full}
    return {column: full[column] for column in header if column in full}


def chosen_mapping(
    header: Sequence[str],
    mapping: Mapping[str, str] | None,
    empty: Collection[str] = (),
    other_columns: str = VARIABLES,
) -> dict[str, str]:
    """Return the user's mapping, completed; without one, the guess.

    Columns of numbers are guessed if none is mapped. Opt-outs and consents that the user did not map are always
    guessed: a mapping of other columns does not say that they may be ignored.
    """
    if not mapping:
        return guess_mapping(header, empty, other_columns)
    by_name = {column.casefold(): column for column in reversed(header)}
    chosen = {by_name.get(str(column).strip().casefold(), column): target for column, target in mapping.items()}
    chosen |= {column: target for column, target in mapping.items() if column in header}
    found = asked_by_itself(header)
    if not any(target in PHONES for target in chosen.values()):
        known = guesses(header).items()
        numbers = {*PHONES, "phone_kind"}
        found |= {column: guess for column, guess in known if guess.target in numbers and column not in found}
    taken = {target for target in chosen.values() if target in SINGLE}
    found = {column: each for column, each in found.items() if each.target not in taken}
    unknown = {column: target for column, target in chosen.items() if column not in header}
    return complete_mapping(header, chosen, found, empty, other_columns) | unknown


def mapping_faults(header: Sequence[str], mapping: Mapping[str, str]) -> list[str]:
    """Return every reason why this mapping cannot be used, as sentences."""
    columns = ", ".join(f"'{column}'" for column in header[:40]) + (" …" if len(header) > 40 else "")
    faults = [f"There is no column '{column}'; the file has {columns}." for column in mapping if column not in header]
    targets = {column: target for column, target in mapping.items() if column in header}
    for column, target in targets.items():
        if not isinstance(target, str) or not (not target or target in FIELDS or VARIABLE.fullmatch(target)):
            faults.append(
                f"Column '{column}' cannot become {target!r}; choose {', '.join(FIELDS)}, variables.NAME "
                'or "" to leave it out.'
            )
    used = [target for target in targets.values() if isinstance(target, str) and target]
    once = [target for target in used if target in SINGLE or target.startswith("variables.")]
    for target in dict.fromkeys(target for target in once if once.count(target) > 1):
        faults.append(f"Two columns become {target}; keep one and map the other to something else.")
    faults += _number_faults(header, targets, columns)
    faults += _opt_out_faults(header, targets)
    count = sum(target.startswith("variables.") for target in used)
    if count > MAX_VARIABLES and own_file(header) is None:  # our file has a column for each variable of any contact
        faults.append(f'{count} columns become variables, at most {MAX_VARIABLES} can; map the others to "".')
    return faults


def _number_faults(header: Sequence[str], targets: Mapping[str, str], columns: str) -> list[str]:
    numbers = [column for column, target in targets.items() if target in PHONES]
    data = next((column for column in numbers or header if NUMBER.fullmatch(column)), "")
    if numbers and data:
        return [f"The first line holds the number '{data}', not the names of the columns; add a line like phone,name."]
    if numbers:
        return []
    example = header[0] if header else "Mobile"
    advice = f'name the column phone, or map it like {{"{example}": "phone"}}.'
    if data:
        advice = f"the first line holds the number '{data}': add a line above, like phone,name."
    return [f"No column holds the phone number. The file has {columns}; {advice}"]


def _opt_out_faults(header: Sequence[str], targets: Mapping[str, str]) -> list[str]:
    """Return a fault for each column that may say who must not be called, and that nobody mapped."""
    faults = []
    asked = asked_by_itself(header)
    for column in header:
        target = targets.get(column)
        if target == "do_not_call" and opt_out_header(column) is OptOut.INVERSE:
            faults.append(
                f"Column '{column}' seems to say who may be called; map it to may_call, where no means do not call."
            )
        elif target == "may_call" and opt_out_header(column) is OptOut.KNOWN:
            faults.append(f"Column '{column}' says who must not be called; map it to do_not_call.")
        elif column not in targets and column in asked and asked[column].target in {None, "do_not_call"}:
            faults.append(
                f"Column '{column}' may say who must not be called. Map it to do_not_call (yes means do not call), to "
                f'may_call (no means do not call), to a consent field, to a variable, or to "" to leave it out.'
            )
    return faults


def explain(
    header: Sequence[str],
    mapping: Mapping[str, str],
    empty: Collection[str] = (),
    other_columns: str = VARIABLES,
) -> dict[str, str]:
    """Return for each column why it became what it is in this mapping, in a few words."""
    found = guesses(header)
    guessed = complete_mapping(header, {}, found, empty, other_columns)
    reasons = {}
    for column in header:
        if column not in mapping:
            reasons[column] = found[column].reason if column in found else "not mapped"
        elif mapping[column] != guessed.get(column):
            reasons[column] = "your choice"
        elif column in found:
            reasons[column] = found[column].reason
        elif mapping[column]:
            reasons[column] = "any other column"
        else:
            reasons[column] = _left_out(column, empty, other_columns)
    return reasons


def _left_out(column: str, empty: Collection[str], other_columns: str) -> str:
    if UNNAMED.fullmatch(column):
        return "it has no name"
    if other_columns == IGNORE:
        return "other columns are left out"
    return "empty in the first rows" if column in empty else f"more than {MAX_VARIABLES} variables"


class QuickColumns(NamedTuple):
    """What a row needs to be read at once: its number, the columns that are empty, the most characters in all."""

    phone: PhoneColumn
    empty: tuple[int, ...]
    longest: int


@dataclass(frozen=True)
class ColumnMapping:
    """The column index of each field of a contact."""

    header: tuple[str, ...]
    phones: tuple[PhoneColumn, ...]  # those first whose numbers are called first
    names: tuple[int, ...]
    external_id: int | None
    language: int | None
    timezone: int | None
    variables: tuple[tuple[str, int], ...]
    do_not_call: tuple[int, ...] = ()  # yes: do not call
    may_call: tuple[int, ...] = ()  # no: do not call
    remarks: tuple[
        int, ...
    ] = ()  # where people write wishes: names, kinds of numbers, tags, variables named as the file does
    consent_basis: int | None = None
    consent_at: int | None = None
    consent_evidence: int | None = None
    tags: tuple[int, ...] = ()
    ours: bool = False  # Trunkline wrote the file: its texts are stored as they are, its numbers in their order
    guards: int = 0  # apostrophes that may guard a cell
    shown_number: int | None = None  # the number again, as its country writes it

    @classmethod
    def of(cls, header: Sequence[str], mapping: Mapping[str, str]) -> ColumnMapping:
        """Build from a complete mapping. Raises UnreadableFile with every fault of the mapping."""
        if faults := mapping_faults(header, mapping):
            raise UnreadableFile(" ".join(faults))
        targets = [mapping.get(column, "") for column in header]
        by_target = {target: index for index, target in enumerate(targets)}

        def all_of(target: str) -> tuple[int, ...]:
            return tuple(index for index, each in enumerate(targets) if each == target)

        return cls(
            header=tuple(header),
            phones=in_order(_phone_columns(header, targets)),
            names=tuple(sorted(all_of("name"), key=lambda index: name_order(header[index]))),
            variables=tuple(
                (target.removeprefix("variables."), index)
                for target, index in by_target.items()
                if target.startswith("variables.")
            ),
            do_not_call=all_of("do_not_call"),
            may_call=all_of("may_call"),
            tags=all_of("tags"),
            ours=own_file(header) is not None,
            guards=guards(header),
            shown_number=shown_number(header),
            remarks=tuple(
                index
                for index, target in enumerate(targets)
                if target == f"variables.{variable_name(header[index], index + 1)}"
                or (target in {"name", "phone_kind", "tags"} and own_file(header) is None)
            ),
            **{field: by_target.get(field) for field in SINGLE},
        )

    @cached_property
    def quick(self) -> QuickColumns | None:
        """Return what makes a row common; None if no row of the file can be."""
        consents = self.consent_basis, self.consent_at, self.consent_evidence
        if self.only_number is None or self.guards or self.may_call:
            return None
        empty = (*self.do_not_call, *(index for index in (self.timezone, *consents) if index is not None))
        # A character has at most four bytes.
        longest = MAX_VARIABLES_BYTES // 4 - sum(len(name) for name, _ in self.variables)
        return QuickColumns(self.only_number, empty, longest)

    @cached_property
    def only_number(self) -> PhoneColumn | None:
        """Return the column of numbers if there is only one, and no other says of what country or kind they are."""
        column = self.phones[0]
        beside = len(self.phones) > 1 or column.label is not None or column.country is not None or column.countries
        return None if beside or self.ours else column

    @property
    def phone_indexes(self) -> tuple[int, ...]:
        """Return the indexes of the columns of numbers."""
        return tuple(column.index for column in self.phones)

    @property
    def fields(self) -> frozenset[str]:
        """Return the names of the model fields that this file contains, beside the numbers."""
        single = {name for name in SINGLE if getattr(self, name) is not None}
        return frozenset(single | ({"name"} if self.names else set()) | ({"variables"} if self.variables else set()))


def _phone_columns(header: Sequence[str], targets: Sequence[str]) -> list[PhoneColumn]:
    """Return the columns of numbers, each with the column of their kinds: by its name, or the one directly before.

    They also have the columns that say their country.
    """
    numbers = [index for index, target in enumerate(targets) if target in PHONES]
    if own_file(header):
        return [
            PhoneColumn(index, targets[index].partition(".")[2], own_kinds(header, header[index])) for index in numbers
        ]
    labels = {index: kind_column(header, index) for index in numbers}
    labels = {index: label for index, label in labels.items() if label is not None and targets[label] == "phone_kind"}
    codes = {index: country_column(header, index, numbers) for index in numbers}
    free = [index for index, target in enumerate(targets) if not target or target.startswith("variables.")]
    countries = country_columns(header, [index for index in free if index not in codes.values()])
    found = []
    for index in numbers:
        before = index - 1 if index and targets[index - 1] == "phone_kind" else None
        label = labels.get(index, before if before not in labels.values() else None)
        kind = targets[index].partition(".")[2]
        found.append(PhoneColumn(index, kind, label, codes[index], deciding(countries, kind)))
    return found
