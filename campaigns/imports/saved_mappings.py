"""Column mappings that users saved, for the next file with the same columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from campaigns.imports.columns import ColumnMapping
from campaigns.imports.own_files import is_rejected_file
from campaigns.models import ImportMapping
from tenants.models import Organization


def digest(header: Sequence[str]) -> str:
    """Return a digest of a set of columns, independent of their order."""
    return hashlib.sha256(json.dumps(sorted(header), ensure_ascii=False).encode()).hexdigest()


def saved(organization: Organization, header: Sequence[str]) -> ImportMapping | None:
    """Return the saved mapping for files with these columns, or None. A file of rejected rows has that of its file."""
    columns = header[:-2] if is_rejected_file(header) else header
    return ImportMapping.objects.filter(organization=organization, header_digest=digest(columns)).first()


def remember(
    organization: Organization, name: str, header: Sequence[str], mapping: Mapping[str, str], actor: str
) -> ImportMapping:
    """Save a mapping for files with these columns. It replaces an earlier one.

    Raises UnreadableFile if the mapping cannot be used.
    """
    ColumnMapping.of(header, mapping)
    row, _ = ImportMapping.objects.update_or_create(
        organization=organization,
        header_digest=digest(header),
        defaults={"name": name, "columns": [[column, mapping[column]] for column in header], "saved_by": actor},
    )
    return row
