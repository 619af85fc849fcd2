"""Read the rows of a file: bytes become contacts and rejected rows. Pure: no database, and no whole file in memory.

A file is read line by line. Every row has the offset after it, so that reading can continue after any row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial
from operator import attrgetter
from typing import BinaryIO, NamedTuple

from campaigns.imports import own_files
from campaigns.imports.columns import (
    ColumnMapping,
    UnreadableFile,
    chosen_mapping,
    guess_mapping,
    mapping_faults,
)
from campaigns.imports.consent import MAX_BASIS, NotAMoment, read_moment
from campaigns.imports.file_format import SAMPLE_BYTES, WORKBOOK, FileFormat, format_of, sniff
from campaigns.imports.number_reading import NumberReader, ReadingOf
from campaigns.imports.opt_out import NotYesOrNo, forbids, hints_at_a_wish, is_wish, marked, refused
from campaigns.imports.person_numbers import (
    FurtherNumber,
    PersonNumbers,
    numbers_in_order,
    numbers_of,
    readable_numbers,
)
from campaigns.imports.phone_cells import AsksNotToCall
from campaigns.imports.text_lines import MAX_LINE_BYTES, Lines
from campaigns.imports.text_records import MAX_CELL, MAX_OWN_CELL, ReadRow, Shape, checked, records
from campaigns.imports.workbooks.reading import Workbook
from campaigns.models import ContactTag
from campaigns.models.contact import MAX_VARIABLES, MAX_VARIABLES_BYTES
from campaigns.phones import EVERYWHERE, NotCallable, Reading, at_once, normalise, normalise_further
from campaigns.rules.tag_names import BETWEEN, NotATag, read_tags, split_tags
from campaigns.rules.zone_words import NotAZone, read_zone
from tenants.texts import NotText, one_line, several_lines

__all__ = [
    "BLANK_ROWS",
    "MAX_CELL",
    "MAX_LINE_BYTES",
    "SAMPLE_BYTES",
    "ColumnMapping",
    "ContactRow",
    "FileFormat",
    "FurtherNumber",
    "ReadRow",
    "RejectedRow",
    "UnreadableFile",
    "chosen_mapping",
    "contact_of",
    "format_of",
    "guess_mapping",
    "mapping_faults",
    "read_rows",
    "sniff",
]

BLANK_ROWS = 100_000  # a request reads no more rows, also if they are blank

LABELS, LIMITS = ("name", "id", "language", "basis of the consent"), (200, 200, 35, MAX_BASIS)
_limited = attrgetter("name", "external_id", "language", "consent_basis")


class ContactRow(NamedTuple):
    """A row as the fields of a contact."""

    line: int
    phone: str
    name: str
    external_id: str
    language: str
    timezone: str
    variables: dict[str, str]
    written_zone: str = ""  # the file's word for the time zone, where it is another one
    phone_kind: str = ""
    further_numbers: tuple[FurtherNumber, ...] = ()
    do_not_call: bool = False  # the row asks that none of its numbers is called
    consent_basis: str = ""
    consent_at: datetime | None = None
    consent_evidence: str = ""
    unusable: tuple[str, ...] = ()  # why each other number of the row cannot be called
    beyond: tuple[str, ...] = ()  # usable numbers over the limit of a person
    listed: tuple[str, ...] = ()  # if it asks that: all of its numbers, and both where digits fit two
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class RejectedRow:
    """A row that is not imported, with its original cells.

    `listed` are its numbers if the row asks that they are not called: that is heard although the rest is not imported.
    """

    line: int
    cells: tuple[str, ...]
    reason: str
    listed: tuple[str, ...] = ()


def read_rows(
    file: BinaryIO, form: FileFormat, offset: int = 0, line: int = 0, phones: Sequence[int] = ()
) -> Iterator[ReadRow]:
    """Yield every row below the header, blank rows too.

    With `offset` and `line` of an earlier row, reading continues after that row. `phones`, the indexes of the columns
    of numbers, help to detect rows that a stray quote swallowed.
    """
    if form.encoding == WORKBOOK:
        for row in _sheet_rows(file, form, offset, line):
            if row.line > form.header_line:
                yield row
        return
    lines = Lines(file, form.encoding, offset)
    if not offset:  # the rows down to the header are read as they were when it was found
        for row in records(lines, Shape(form.encoding, form.delimiter), 0):
            line = row.line
            if line >= form.header_line:
                break
    ours = own_files.own_file(form.header) is not None
    longest = MAX_OWN_CELL if ours else MAX_CELL + own_files.guards(form.header)
    shape = Shape(form.encoding, form.delimiter, len(form.header), tuple(phones), longest, ours)
    yield from records(lines, shape, line)


def _sheet_rows(file: BinaryIO, form: FileFormat, offset: int, line: int) -> Iterator[ReadRow]:
    for number, cells, end, fault in Workbook(file).rows(offset, line):
        yield checked(ReadRow(number, cells, end, fault), len(form.header), "name the column, or empty it.")


def undecided(_column: int) -> Reading:
    """Return the reading of a column that nobody has read: digits with two readings are refused."""
    return Reading.UNDECIDED


def contact_of(
    row: ReadRow,
    columns: ColumnMapping,
    region: str,
    allowed: Collection[str],
    reading_of: ReadingOf = undecided,
) -> ContactRow | RejectedRow:
    """Return the row as a contact, or as a rejected row with the reason.

    `reading_of` says how the column with this index writes its numbers. It is asked only about digits that fit two
    numbers.
    """
    if contact := _at_once(row, columns, region, allowed):
        return contact
    cells = own_files.unguarded(row.cells, columns.guards)
    if not columns.ours:
        cells = [cell.strip() for cell in cells]
    cells += [""] * (len(columns.header) - len(cells))

    reader = NumberReader(cells, region, allowed, reading_of)
    person, reason = None, row.fault
    try:
        if not reason:
            person = _only_number(cells, columns, region, allowed) or _numbers(cells, columns, reader)
            contact = _contact(row.line, cells, columns, person, _do_not_call(cells, columns))
            reason = _rejection(contact)
            if columns.shown_number is not None:
                reason = reason or own_files.contradiction(cells[columns.shown_number], contact.phone)
    except (NotCallable, AsksNotToCall, NotAZone, NotYesOrNo, NotAMoment, NotATag, NotText) as error:
        reason = str(error)
    if contact and not reason and not contact.do_not_call:
        return contact
    listed: tuple[str, ...] = ()
    # In our own file a contact may be on the list by its first number: without that, the others are not listed.
    if _asks(cells, columns) and (person or not columns.ours):
        anywhere = replace(reader, allowed=EVERYWHERE)
        listed = tuple(readable_numbers(cells, columns.phones, partial(anywhere.read, normalise_further)))
    if contact and not reason:
        return contact._replace(listed=listed)
    return RejectedRow(row.line, row.cells, reason, listed)


def _at_once(row: ReadRow, columns: ColumnMapping, region: str, allowed: Collection[str]) -> ContactRow | None:
    """Return what `contact_of` returns for a row in a common form, as a file has millions; None for all others.

    Such a row has one number in a common form, printable texts, and nothing that asks not to call.
    """
    quick = columns.quick
    if quick is None or row.fault or len(row.cells) != len(columns.header):
        return None
    text = "".join(row.cells)
    if len(text) > quick.longest or not text.isprintable() or hints_at_a_wish(text):
        return None
    cells = [cell.strip() for cell in row.cells]
    phone = at_once(cells[quick.phone.index], region, allowed)
    if not phone:
        return None
    for index in quick.empty:
        if cells[index]:
            return None
    names = columns.names
    try:
        tags = _tags(cells, columns)
    except NotATag:
        return None
    if len(tags) > ContactTag.MAX:
        return None
    contact = ContactRow(
        row.line,
        phone,
        cells[names[0]] if len(names) == 1 else " ".join(filter(None, [cells[index] for index in names])),
        "" if columns.external_id is None else cells[columns.external_id],
        "" if columns.language is None else cells[columns.language],
        "",
        {name: cells[index] for name, index in columns.variables if cells[index]},
        "",
        quick.phone.kind,
        tags=tags,
    )
    shortest = min(LIMITS) if columns.language is not None else LIMITS[0] - len(names)
    return None if len(text) > shortest and _rejection(contact) else contact


def _only_number(
    cells: Sequence[str], columns: ColumnMapping, region: str, allowed: Collection[str]
) -> PersonNumbers | None:
    """Return what `_numbers` returns for a row with one number in a common form; None for all others."""
    column = columns.only_number
    phone = at_once(cells[column.index], region, allowed) if column else ""
    return PersonNumbers((FurtherNumber(phone, column.kind),)) if column and phone else None


def _numbers(cells: Sequence[str], columns: ColumnMapping, reader: NumberReader) -> PersonNumbers:
    """Raises NotCallable and AsksNotToCall."""
    read_numbers = numbers_in_order if columns.ours else numbers_of
    return read_numbers(cells, columns.phones, partial(reader.read, normalise), partial(reader.read, normalise_further))


def _contact(
    line: int, cells: Sequence[str], columns: ColumnMapping, person: PersonNumbers, do_not_call: bool
) -> ContactRow:
    """Raises NotAZone, NotAMoment, NotATag or NotText."""

    def cell(index: int | None) -> str:
        return cells[index] if index is not None else ""

    # What our own file holds is stored: it would be another text on one line.
    line_of, text_of = (str, str) if columns.ours else (one_line, several_lines)
    first, *further = person.numbers
    written = " ".join(cell(columns.timezone).split()) if columns.timezone is not None else ""
    if columns.ours:
        written = own_files.zone_of(written)
    zone = read_zone(written, first.phone) if written else ""
    moment, names = columns.consent_at, columns.names
    name = cells[names[0]] if len(names) == 1 else " ".join(filter(None, (cells[index] for index in names)))
    return ContactRow(
        line=line,
        phone=first.phone,
        phone_kind=first.kind,
        further_numbers=tuple(further),
        unusable=person.unusable,
        beyond=person.beyond,
        name=line_of(name),
        external_id=line_of(cell(columns.external_id)),
        language=line_of(cell(columns.language)),
        timezone=zone,
        variables={name: text for name, index in columns.variables if (text := text_of(cells[index]))},
        written_zone=written if written.casefold() != zone.casefold() else "",
        do_not_call=do_not_call,
        consent_basis=line_of(cell(columns.consent_basis)),
        consent_at=read_moment(cells[moment], columns.header[moment]) if moment is not None else None,
        consent_evidence=text_of(cell(columns.consent_evidence)),
        tags=_tags(cells, columns),
    )


# The cells of a column of tags repeat.
_split = lru_cache(maxsize=4_096)(split_tags)


def _tags(cells: Sequence[str], columns: ColumnMapping) -> tuple[str, ...]:
    """Return the tags of a row. Raises NotATag and NotText."""
    if len(columns.tags) == 1:
        return _split(cells[columns.tags[0]])
    return read_tags(name for index in columns.tags for name in _split(cells[index]))


def _do_not_call(cells: Sequence[str], columns: ColumnMapping) -> bool:
    """Return whether a column asks not to call. Reads all of them. Raises NotYesOrNo."""
    asks = [marked(cells[index], columns.header[index]) for index in columns.do_not_call]
    asks += [refused(cells[index], columns.header[index]) for index in columns.may_call]
    if any(asks):
        return True
    remarks = columns.remarks
    if remarks and not hints_at_a_wish("\n".join([cells[index] for index in remarks])):
        return False
    for index, text in _remarks(cells, columns):
        if is_wish(text):
            raise NotYesOrNo(
                f"'{text[:40]}' in column '{columns.header[index][:60]}' asks not to call. Give such wishes a "
                "column of their own, such as 'Do not call', or leave the column out."
            )
    return False


def _remarks(cells: Sequence[str], columns: ColumnMapping) -> Iterator[tuple[int, str]]:
    """Yield the texts in which people write wishes, each with its column: of tags, each tag, however many there are."""
    for index in columns.remarks:
        for text in BETWEEN.split(cells[index]) if index in columns.tags else (cells[index],):
            yield index, text


def _asks(cells: Sequence[str], columns: ColumnMapping) -> bool:
    """Return whether any cell asks not to call, also where others cannot be understood."""

    def says(meaning: Callable[[str, str], bool], index: int) -> bool:
        try:
            return meaning(cells[index], columns.header[index])
        except NotYesOrNo:
            return False

    return (
        any(says(marked, index) for index in columns.do_not_call)
        or any(says(refused, index) for index in columns.may_call)
        or any(is_wish(text) for _, text in _remarks(cells, columns))
        or any(forbids(cells[index]) for index in columns.phone_indexes)
    )


def _may_be_too_large(variables: dict[str, str]) -> bool:
    """Return whether variables may have more bytes than they may: a character has at most four."""
    return 4 * (sum(map(len, variables)) + sum(map(len, variables.values()))) > MAX_VARIABLES_BYTES


def _rejection(contact: ContactRow) -> str:
    """Return why a contact cannot be imported; "" if it can."""
    for label, limit, text in zip(LABELS, LIMITS, _limited(contact), strict=True):
        if len(text) > limit:
            return f"The {label} is {len(text)} characters long; shorten it to {limit}."
    if len(contact.variables) > MAX_VARIABLES:
        return f"There are {len(contact.variables)} variables; at most {MAX_VARIABLES} are allowed."
    if len(contact.tags) > ContactTag.MAX:
        return f"There are {len(contact.tags)} tags; at most {ContactTag.MAX} are allowed."
    if _may_be_too_large(contact.variables) and (
        sum(len(name) + len(value.encode()) for name, value in contact.variables.items()) > MAX_VARIABLES_BYTES
    ):
        return "The variables of this line are larger than 16 KB in all; shorten them."
    return ""
