"""TODO campaigns.imports.stored_files."""

from __future__ import annotations

from typing import Any


def _binary(stored: Any) -> Any:
    return getattr(stored, "file", stored)
