"""What a user chooses about an import: how the file is read, and what its columns become. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from campaigns.imports.columns import OTHER_COLUMNS, VARIABLES, ColumnMapping, UnreadableFile, chosen_mapping
from campaigns.imports.file_format import FileFormat
from campaigns.models import ContactImport
from campaigns.phones import EVERYWHERE

OnDuplicate, OnTags = ContactImport.OnDuplicate, ContactImport.OnTags


@dataclass(frozen=True)
class Options:
    """`other_columns`: whether columns that nobody mapped, and whose names say nothing, become variables or are left
    out. An empty text: as detected, or as the organization has it."""

    mapping: Mapping[str, str] | None = None
    delimiter: str = ""
    encoding: str = ""
    default_region: str = ""
    on_duplicate: str = OnDuplicate.UPDATE.value
    on_tags: str = OnTags.ADD.value
    other_columns: str = VARIABLES

    def check(self) -> None:
        """Raises UnreadableFile."""
        if self.mapping is not None and not isinstance(self.mapping, dict):
            raise UnreadableFile('The mapping must be an object like {"Mobile": "phone"}.')
        if self.default_region and self.default_region not in EVERYWHERE:
            raise UnreadableFile(f"'{self.default_region[:20]}' is not a country; write its two-letter code, like FR.")
        if self.on_duplicate not in OnDuplicate.values:
            raise UnreadableFile(f"'{self.on_duplicate[:20]}' is not known; choose update or skip.")
        if self.on_tags not in OnTags.values:
            raise UnreadableFile(f"'{self.on_tags[:20]}' is not known; choose add or replace.")
        if self.other_columns not in OTHER_COLUMNS:
            raise UnreadableFile(f"'{self.other_columns[:20]}' is not known; choose {' or '.join(OTHER_COLUMNS)}.")

    def mapping_of(self, form: FileFormat) -> dict[str, str]:
        """Return what each column of the file becomes. A column for which somebody has to decide is missing."""
        return chosen_mapping(form.header, self.mapping, form.empty, self.other_columns)

    def columns_of(self, form: FileFormat) -> ColumnMapping:
        """Raises UnreadableFile if the mapping does not fit the file, or somebody has to decide about a column."""
        return ColumnMapping.of(form.header, self.mapping_of(form))
