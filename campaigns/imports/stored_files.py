"""Stored and sent uploads as binary files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, BinaryIO


def as_binary(stored: Any) -> Any:
    """Return the binary file inside the wrapper that a storage returns."""
    return getattr(stored, "file", stored)


@contextmanager
def opened_again(upload: Any) -> Iterator[BinaryIO]:
    """Open a file that was sent once more, at its start, wherever it is read at the moment."""
    if hasattr(upload, "temporary_file_path"):
        with open(upload.temporary_file_path(), "rb") as file:
            yield file
    else:
        yield BytesIO(as_binary(upload).getvalue())
