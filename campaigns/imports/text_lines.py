"""The physical lines of a text file, each with the offset after it, in every encoding that is read. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import BinaryIO

CHUNK_BYTES = 256 * 1024
MAX_LINE_BYTES = 1024 * 1024
UTF_16 = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
UTF_8_MARK = b"\xef\xbb\xbf"
# Line ends of two-byte characters. A match between two characters does not count.
WIDE_ENDS = {
    encoding: re.compile(b"|".join(re.escape(end.encode(encoding)) for end in ("\r\n", "\r", "\n")))
    for encoding in UTF_16
}


class Lines:
    """The lines from an offset on. Lines can be put back."""

    def __init__(self, file: BinaryIO, encoding: str, offset: int) -> None:
        self._file = file
        self._wide = WIDE_ENDS.get(encoding)
        self._waiting: deque[tuple[bytes, int]] = deque()
        file.seek(0)
        mark = UTF_16.get(encoding, UTF_8_MARK)
        begin = len(mark) if offset == 0 and file.read(len(mark)) == mark else offset
        file.seek(begin)
        self._lines = self._read(begin)

    def next(self) -> tuple[bytes, int] | None:
        if self._waiting:
            return self._waiting.popleft()
        return next(self._lines, None)

    def put_back(self, lines: Sequence[tuple[bytes, int]]) -> None:
        self._waiting.extendleft(reversed(lines))

    def _read(self, end: int) -> Iterator[tuple[bytes, int]]:
        """Yield lines with their line ends. A line over the limit is shortened, but its offset is correct."""
        rest, dropped = b"", 0
        while chunk := self._file.read(CHUNK_BYTES):
            *whole, rest = self._split(rest + chunk)
            for line in whole:
                end += len(line) + dropped
                dropped = 0
                yield line, end
            if len(rest) > MAX_LINE_BYTES + 8:
                kept = self._shortened(rest)
                dropped += len(rest) - len(kept)
                rest = kept
        if rest:
            yield rest, end + len(rest) + dropped

    def _shortened(self, rest: bytes) -> bytes:
        """Return a line that is too long without its middle. Its last characters may be half of a line end."""
        tail = 1
        if self._wide:
            tail = 2 + len(rest) % 2  # a whole character, and half of the next one
        return rest[: MAX_LINE_BYTES + 2] + rest[-tail:]

    def _split(self, data: bytes) -> list[bytes]:
        """Return the whole lines, and last the rest that may continue in the next chunk."""
        if self._wide:
            return self._split_wide(data, self._wide)
        lines = data.splitlines(keepends=True)
        if lines and lines[-1].endswith(b"\n"):
            lines.append(b"")
        return lines

    @staticmethod
    def _split_wide(data: bytes, ends: re.Pattern[bytes]) -> list[bytes]:
        lines, start, at = [], 0, 0
        while found := ends.search(data, at):
            if found.start() % 2:  # the bytes of two other characters
                at = found.start() + 1
                continue
            at = found.end()
            if at >= len(data) - 1 and len(found[0]) == 2 and found[0].strip(b"\0") == b"\r":
                break  # the next chunk may begin with the other half of this line end
            lines.append(data[start:at])
            start = at
        return [*lines, data[start:]]
