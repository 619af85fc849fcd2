"""Files that grow step by step, as that of rejected rows does.

In a folder this is one file. An object of a bucket cannot change: there each step is an object of its own with its
offset in its name, and the first has the name of the file. The size of a step says where the next one begins.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, default_storage

_STEP = re.compile(r"\.\d{15}$")


def write_at(name: str, offset: int, data: bytes) -> None:
    """Write the next step. Whatever a process that died has written from this offset on is replaced."""
    if not _in_folder():
        default_storage.save(_step(name, offset), ContentFile(data))
        return
    path = Path(default_storage.path(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        file.truncate(offset)
        file.seek(offset)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def opened(name: str, size: int) -> Any:
    """Return the first `size` bytes as a binary file that is read once, from its start. Raises FileNotFoundError."""
    stored = default_storage.open(name, "rb")
    return stored if _in_folder() else File(io.BufferedReader(_Steps(name, size, stored)), name=name)


def delete(name: str) -> None:
    """Delete all steps, the last one first: if this process dies, the first still leads to those that are left."""
    steps = [name] if _in_folder() else [_step(name, offset) for offset in _offsets(name)]
    for step in reversed(steps or [name]):
        default_storage.delete(step)


def whole_name(stored: str) -> str:
    """Return the name of the file that an object is a step of."""
    return _STEP.sub("", stored)


def place(name: str) -> str:
    """Return where an operator finds the file: its path, or its name in the bucket."""
    return default_storage.path(name) if _in_folder() else name


def _in_folder() -> bool:
    return isinstance(default_storage, FileSystemStorage)


def _step(name: str, offset: int) -> str:
    return f"{name}.{offset:015d}" if offset else name


def _offsets(name: str) -> Iterator[int]:
    """Yield where each step begins."""
    offset = 0
    while default_storage.exists(_step(name, offset)):
        yield offset
        size = default_storage.size(_step(name, offset))
        if not size:
            return
        offset += size


class _Steps(io.RawIOBase):
    """The steps of a file, one after the other."""

    def __init__(self, name: str, size: int, first: Any) -> None:
        self._name, self._left, self._read, self._file = name, size, 0, first

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._left)
        if not wanted:
            return 0
        piece = self._file.read(wanted)
        if not piece:
            self._file.close()
            self._file = default_storage.open(_step(self._name, self._read), "rb")
            piece = self._file.read(wanted)
        buffer[: len(piece)] = piece
        self._read += len(piece)
        self._left -= len(piece)
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()
