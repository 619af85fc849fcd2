"""Stored uploads as binary files."""

from __future__ import annotations

from typing import Any


def as_binary(stored: Any) -> Any:
    """Return the binary file inside the wrapper that a storage returns."""
    return getattr(stored, "file", stored)
