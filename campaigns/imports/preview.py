"""Preview of an import: what the first rows of a file become. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from campaigns.imports.columns import ColumnMapping, chosen_mapping
from campaigns.imports.file_format import FileFormat
from campaigns.imports.rows import ContactRow, RejectedRow, contact_of, read_rows
from campaigns.imports.zone_notices import ZoneNotices

ROWS = 1_000
BYTES = 8 * 1024 * 1024  # the page must load quickly, however long the rows are
SHOWN = 8
REJECTED_SHOWN = 10
SAMPLES = 3


@dataclass
class Survey:
    """What the first rows become.

    `first` has the first rows in order, `rejected` some rejected rows after them. `whole` is True if the file has no
    more rows.
    """

    first: list[ContactRow | RejectedRow] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    read: int = 0
    refused: int = 0
    repeated: int = 0
    phones: set[str] = field(default_factory=set)
    whole: bool = True
    zones: ZoneNotices = field(default_factory=ZoneNotices)

    def take(self, found: ContactRow | RejectedRow) -> None:
        self.read += 1
        if isinstance(found, ContactRow):
            self.repeated += found.phone in self.phones
            self.phones.add(found.phone)
            self.zones.take(found)
        else:
            self.refused += 1
        if len(self.first) < SHOWN:
            self.first.append(found)
        elif isinstance(found, RejectedRow) and len(self.rejected) < REJECTED_SHOWN:
            self.rejected.append(found)


def survey(
    file: BinaryIO,
    form: FileFormat,
    mapping: Mapping[str, str] | None,
    *,
    region: str,
    allowed: Collection[str],
    rows: int = ROWS,
) -> Survey:
    """Read the first rows and return what they become. Raises UnreadableFile if the mapping cannot be used."""
    columns = ColumnMapping.of(form.header, chosen_mapping(form.header, mapping))
    found = Survey()
    beyond = 0
    for row in read_rows(file, form, phones=columns.phone_indexes):
        beyond = beyond or row.end + BYTES
        if row.blank:
            continue
        if found.read >= rows or row.end > beyond:
            found.whole = False
            break
        found.take(contact_of(row, columns, region, allowed))
    return found


def samples(file: BinaryIO, form: FileFormat) -> list[str]:
    """Return up to three short sample values of each column, from the first rows, as one text for each column."""
    found: list[list[str]] = [[] for _ in form.header]
    for row in islice(read_rows(file, form), SHOWN):
        for column, cell in zip(found, row.cells, strict=False):
            text = " ".join(cell.split())[:40]
            if text and not row.fault and len(column) < SAMPLES:
                column.append(text)
    return [", ".join(column) for column in found]
