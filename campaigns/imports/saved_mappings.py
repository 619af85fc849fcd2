"""What people said about the columns of their files, remembered for the next file with the same columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from campaigns.imports.columns import ColumnMapping
from campaigns.models import ImportMapping
from tenants.models import Organization


def digest(header: Sequence[str]) -> str:
    """One for each set of columns, in whatever order they stand."""
    return hashlib.sha256(json.dumps(sorted(header), ensure_ascii=False).encode()).hexdigest()


def saved(organization: Organization, header: Sequence[str]) -> ImportMapping | None:
    """The mapping that was saved for files with these columns."""
    return ImportMapping.objects.filter(organization=organization, header_digest=digest(header)).first()


def remember(
    organization: Organization, name: str, header: Sequence[str], mapping: Mapping[str, str], actor: str
) -> ImportMapping:
    """Keep this mapping for files with these columns, in the place of an earlier one.

    Raises UnreadableFile when it cannot be used.
    """
    ColumnMapping.of(header, mapping)
    row, _ = ImportMapping.objects.update_or_create(
        organization=organization,
        header_digest=digest(header),
        defaults={"name": name, "columns": [[column, mapping[column]] for column in header], "saved_by": actor},
    )
    return row
