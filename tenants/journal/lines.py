"""Lines of a dial journal: one JSON object with a checksum in front. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zlib import crc32

import orjson

Line = dict[str, Any]


def encode(line: Mapping[str, Any]) -> bytes:
    """Return a line as it stands in the file, with its checksum and its end."""
    body = orjson.dumps(line)
    return b"%08x %s\n" % (crc32(body), body)


def decode(raw: bytes) -> Line | None:
    """Return a line without its end, or None if it is not as it was written."""
    checksum, _, body = raw.partition(b" ")
    if checksum != b"%08x" % crc32(body):
        return None
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
