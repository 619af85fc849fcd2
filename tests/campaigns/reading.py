"""Read the bytes of a file as an import does, without a database: for tests of files and columns."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from campaigns.imports.phone_columns import column_reading_of
from campaigns.imports.rows import (
    ColumnMapping,
    ContactRow,
    FileFormat,
    RejectedRow,
    chosen_mapping,
    contact_of,
    read_rows,
    sniff,
)
from campaigns.phones import EVERYWHERE, Reading


@dataclass
class Outcome:
    """The contacts and complaints of a file, each by line number."""

    form: FileFormat
    mapping: dict[str, str]
    good: dict[int, ContactRow] = field(default_factory=dict)
    bad: dict[int, str] = field(default_factory=dict)

    @property
    def numbers(self) -> list[str]:
        """Return the number of each contact that is called, in the order of the file."""
        return [row.phone for row in self.good.values()]

    @property
    def all_numbers(self) -> list[list[str]]:
        return [[row.phone, *(each.phone for each in row.further_numbers)] for row in self.good.values()]


def read(
    data: bytes,
    region: str = "FR",
    mapping: Mapping[str, str] | None = None,
    allowed: Collection[str] = EVERYWHERE,
) -> Outcome:
    form = sniff(data[: 256 * 1024])
    chosen = chosen_mapping(form.header, mapping, form.empty)
    columns = ColumnMapping.of(form.header, chosen)
    found = Outcome(form, chosen)
    readings: dict[int, Reading] = {}

    def reading_of(index: int) -> Reading:
        if index not in readings:
            readings[index] = column_reading_of(io.BytesIO(data), form, index, region)
        return readings[index]

    for row in read_rows(io.BytesIO(data), form, phones=columns.phone_indexes):
        if row.blank:
            continue
        contact = contact_of(row, columns, region, allowed, reading_of)
        if isinstance(contact, RejectedRow):
            found.bad[row.line] = contact.reason
        else:
            found.good[row.line] = contact
    return found
