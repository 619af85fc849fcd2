"""How the columns of a file write their numbers: read once for each column, when a number first fits two readings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, BinaryIO

from campaigns.imports.file_format import FileFormat
from campaigns.imports.phone_columns import column_reading_of
from campaigns.phones import Reading

Opener = Callable[[], AbstractContextManager[BinaryIO]]


class NotReadYet(Exception):
    """A column whose digits fit two numbers has to be read first."""


class Readings:
    """Answers `reading_of` of `contact_of`.

    `opened` opens the file once more, at its start: the caller's own file is in the middle of being read. `known` are
    earlier answers by the name of the column, and `keep` gets all answers when there is a new one. `rows` limits how
    many rows are read.
    """

    def __init__(
        self,
        form: FileFormat,
        region: str,
        opened: Opener,
        *,
        known: Mapping[str, str] | None = None,
        keep: Callable[[dict[str, str]], Any] = lambda answers: None,
        rows: int | None = None,
    ) -> None:
        self._form, self._region, self._opened, self._keep, self._rows = form, region, opened, keep, rows
        self.answers: dict[str, str] = dict(known or {})

    def __call__(self, column: int) -> Reading:
        name = self._form.header[column]
        if name not in self.answers:
            with self._opened() as file:
                found = column_reading_of(file, self._form, column, self._region, self._rows)
            self.answers[name] = found.value
            self._keep(self.answers)
        return Reading(self.answers[name])

    def known(self, column: int) -> Reading:
        """Return how a column is read, for a thread that must not read it. Raises NotReadYet."""
        name = self._form.header[column]
        if name not in self.answers:
            raise NotReadYet
        return Reading(self.answers[name])


def sentences(answers: Mapping[str, str], region: str) -> list[str]:
    """Return what was decided about columns whose digits fit two numbers, and why."""
    found = {
        Reading.PLUS_LOST: "The plus was lost in “{column}”: none of its numbers is valid only as a national number of "
        "{region}, and some are valid only with their country code, or all are too long for {region}. All are read as "
        "if they began with +.",
        Reading.NATIONAL: "Numbers without a plus in “{column}” are read as national numbers of {region}: some are "
        "valid only so, and none is valid only with a country code.",
        Reading.UNDECIDED: "“{column}” does not show whether its numbers have a country code. Rows whose digits fit "
        "two numbers are rejected. Write these numbers with + and their country code.",
    }
    return [found[Reading(reading)].format(column=column, region=region) for column, reading in answers.items()]


class Watched:
    """An open file that calls `beat` at each read: reading a whole file may take longer than a lease."""

    def __init__(self, file: Any, beat: Callable[[], None]) -> None:
        self._file, self._beat = file, beat

    def read(self, size: int = -1) -> bytes:
        self._beat()
        data: bytes = self._file.read(size)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
