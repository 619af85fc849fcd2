"""Open stored uploads as binary files, whatever the storage wraps around them."""

from __future__ import annotations

from typing import Any


def as_binary(stored: Any) -> Any:
    return getattr(stored, "file", stored)
