"""Read XML parts of a workbook piece by piece: refuse what no spreadsheet program writes, search, and parse. Pure."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from typing import NamedTuple
from xml.parsers import expat

from campaigns.imports.workbooks.archive import Archive
from campaigns.imports.workbooks.refusals import Reason, Refused

CHUNK = 1024 * 1024
OVERLAP = 4 * 1024  # longer than any text that is searched for
MAX_DEPTH = 200
MAX_TOKEN = 1024 * 1024  # bytes of one tag, comment or attribute
ENCODING = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["'](?!utf-?8["']|us-ascii["'])""", re.IGNORECASE)


def local(name: str) -> str:
    return name.rpartition(":")[2]


def pieces(archive: Archive, part: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.file.open(part) as source:
        while piece := source.read(CHUNK):
            yield piece


class Sought(NamedTuple):
    """A pattern, and texts of which every match holds one: they are found much faster."""

    pattern: re.Pattern[bytes]
    hints: tuple[bytes, ...]

    def is_in(self, text: bytes) -> bool:
        return any(hint in text for hint in self.hints) and self.pattern.search(text) is not None


def contains(archive: Archive, name: str, *sought: Sought) -> bool:
    """Return whether the part has a match; read it to its end, so that a wrong size or checksum is noticed.

    Raises Refused for a document type, which could declare entities, and for an encoding that is not UTF-8.
    """
    part = archive.parts.get(name)
    if part is None:
        return False
    found, before = False, b""
    for piece in pieces(archive, part):
        if not before and (piece.startswith((b"\xff\xfe", b"\xfe\xff")) or ENCODING.match(piece) or b"\0" in piece[:8]):
            raise Refused(Reason.DAMAGED)
        text = before + piece
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise Refused(Reason.DAMAGED)
        found = found or any(each.is_in(text) for each in sought)
        before = text[-OVERLAP:]
    return found


class Parser:
    """Feeds a part to handlers in pieces. It refuses document types, tags nested too deep and tags without an end."""

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._depth = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._kept.append

    def feed(self, archive: Archive, part: zipfile.ZipInfo) -> Iterator[None]:
        """Parse the part; yield after each piece."""
        fed = 0
        for piece in pieces(archive, part):
            self._parser.Parse(piece, False)
            fed += len(piece)
            if fed - self._parser.CurrentByteIndex > MAX_TOKEN + CHUNK:
                raise Refused(Reason.DAMAGED)
            yield
        self._parser.Parse(b"", True)
        yield

    def text(self) -> str:
        """Return the text since the last element began."""
        return "".join(self._kept)

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        raise NotImplementedError

    def end(self, name: str) -> None:
        raise NotImplementedError

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Refused(Reason.DAMAGED)
        self._kept.clear()
        self.begin(local(name), attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        self.end(local(name))

    def _refuse(self, *declared: object) -> None:
        raise Refused(Reason.DAMAGED)


class _Elements(Parser):
    def __init__(self, take: Callable[[str, dict[str, str]], None]) -> None:
        super().__init__()
        self._take = take

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        self._take(name, attributes)

    def end(self, name: str) -> None:
        return


def each_element(archive: Archive, name: str, take: Callable[[str, dict[str, str]], None]) -> None:
    """Call `take` with the name and attributes of each element of a small part. Raises Refused."""
    if archive.small(name):
        for _ in _Elements(take).feed(archive, archive.parts[name]):
            pass
