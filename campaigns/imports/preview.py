"""Preview of an import: what the rows of a file become, before anything is written. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from campaigns.imports.columns import ColumnMapping, chosen_mapping
from campaigns.imports.file_format import FileFormat
from campaigns.imports.number_reading import ReadingOf
from campaigns.imports.rows import BLANK_ROWS, ContactRow, RejectedRow, contact_of, read_rows, undecided
from campaigns.imports.value_notices import ValueNotices
from campaigns.imports.zone_notices import ZoneNotices

ROWS = 1_000
BATCH = 1_000
BYTES = 8 * 1024 * 1024  # the page must load quickly, however long the rows are
SHOWN = 8
REJECTED_SHOWN = 10
REASONS = 20
SAMPLES = 3
UNUSABLE_SHOWN = 5
QUOTED = re.compile(r"'.{0,80}?'(?=\W|$)")


@dataclass
class Reason:
    """Why rows are rejected, without what stands in each of them."""

    rows: int
    line: int  # of the first
    example: str


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
    reasons: dict[str, Reason] = field(default_factory=dict)
    unusable: list[tuple[int, str]] = field(default_factory=list)  # line and reason of further numbers
    listed: set[str] = field(default_factory=set)  # numbers of rejected rows that ask not to be called
    left_out: int = 0  # further numbers: unusable, or more than a contact has
    whole: bool = True
    zones: ZoneNotices = field(default_factory=ZoneNotices)
    values: ValueNotices = field(default_factory=ValueNotices)

    def take(self, found: ContactRow | RejectedRow) -> None:
        self.read += 1
        if isinstance(found, ContactRow):
            self.zones.take(found)
            self.values.take(found)
            self.left_out += len(found.beyond) + len(found.unusable)
            self.unusable += [(found.line, why) for why in found.unusable][: UNUSABLE_SHOWN - len(self.unusable)]
        else:
            self.refuse(found)
        if len(self.first) < SHOWN:
            self.first.append(found)
        elif isinstance(found, RejectedRow) and len(self.rejected) < REJECTED_SHOWN:
            self.rejected.append(found)

    def refuse(self, row: RejectedRow) -> None:
        """Count a rejected row, by its reason."""
        self.listed.update(row.listed)
        self.refused += 1
        kind = QUOTED.sub("'…'", row.reason)
        if kind in self.reasons:
            self.reasons[kind].rows += 1
        else:
            self.reasons[kind] = Reason(1, row.line, row.reason)

    def most_frequent(self) -> list[Reason]:
        """Return the most frequent reasons why rows are rejected."""
        counts = Counter({kind: reason.rows for kind, reason in self.reasons.items()})
        return [self.reasons[kind] for kind, _ in counts.most_common(REASONS)]


def survey(
    file: BinaryIO,
    form: FileFormat,
    mapping: Mapping[str, str] | None,
    *,
    region: str,
    allowed: Collection[str],
    reading_of: ReadingOf = undecided,
    rows: int = ROWS,
    size: int = BYTES,
    each: Callable[[list[ContactRow]], None] = lambda batch: None,
) -> Survey:
    """Read the first rows, at most about `size` bytes, and return what they become.

    `each` gets those that become contacts, in batches. Raises UnreadableFile if the mapping cannot be used.
    """
    columns = ColumnMapping.of(form.header, chosen_mapping(form.header, mapping, form.empty))
    found, batch, beyond = Survey(), list[ContactRow](), 0
    for number, row in enumerate(read_rows(file, form, phones=columns.phone_indexes)):
        beyond = beyond or row.end + size
        if row.blank and number < BLANK_ROWS:
            continue
        if found.read >= rows or row.end > beyond or row.blank:
            found.whole = False
            break
        became = contact_of(row, columns, region, allowed, reading_of)
        found.take(became)
        if isinstance(became, ContactRow):
            batch.append(became)
        if len(batch) >= BATCH:
            each(batch)
            batch = []
    each(batch)
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
