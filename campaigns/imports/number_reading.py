"""Which number the text of a cell is, by all that its row and its column say about its country. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from campaigns.imports.person_numbers import PhoneColumn
from campaigns.imports.phone_countries import region_of
from campaigns.imports.row_countries import countries_of, read_beside
from campaigns.phones import Reading, TwoReadings

Read = Callable[..., str]  # normalise, or normalise_further
ReadingOf = Callable[[int], Reading]


@dataclass(frozen=True, slots=True)
class NumberReader:
    """Reads the numbers of one row. `region` is the country of numbers about whose country the row says nothing.

    `reading_of` says how a column writes its numbers. It is asked only about digits that fit two numbers.
    """

    cells: Sequence[str]
    region: str
    allowed: Collection[str]
    reading_of: ReadingOf

    def read(self, normalise: Read, text: str, column: PhoneColumn) -> str:
        """Return a number of a column in E.164. Raises NotCallable.

        A country code beside the number decides alone; a country of the person does not.
        """

        def within(country: str, allowed: Collection[str]) -> str:
            try:
                return normalise(text, country, allowed)
            except TwoReadings:
                if country != self.region or (reading := self.reading_of(column.index)) is Reading.UNDECIDED:
                    raise
                return normalise(text, country, allowed, reading)

        if not text.startswith("+"):
            code = self.cells[column.country] if column.country is not None else ""
            if code:
                return within(region_of(code), self.allowed)
            if column.countries:
                countries = countries_of(self.cells, column.countries)
                if countries and countries != (self.region,):
                    return read_beside(text, countries, self.region, self.allowed, within)
        return within(self.region, self.allowed)
