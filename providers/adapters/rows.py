"""Split a provider's list of calls into its rows while it arrives, so that no row costs another one, or much memory.

The list is the body itself (`[...]`), a member of it (`{"data": [...], "has_more": true}`), or a member of an envelope
in it (`{"_embedded": {"calls": [...]}}`), in any order. Only brackets and strings are looked at: what is inside a row
is for its reader.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

from providers.adapters.decoding import EVIDENCE, MAX_BODY
from providers.adapters.errors import MayBeRinging

MAX_ROW = 256 * 1024  # bytes; a longer row is left out
MAX_LIST = 64 * 1024 * 1024  # bytes of one page, decompressed
LIST_NAMES = ("data", "calls", "items", "results", "rows", "records", "objects")  # of the member that is the list
ENVELOPES = ("data", "result", "response", "payload", "body", "page", "_embedded")  # of objects around the list
DEEPEST = 3  # objects around the list

_NAMES = frozenset(name.encode() for name in LIST_NAMES)
_AROUND = frozenset(name.encode() for name in ENVELOPES)
_PIECE = 256 * 1024  # bytes that are decompressed at a time
_IN_TEXT = re.compile(rb'["\\]')
_OUTSIDE = re.compile(rb'["{}\[\],]')


class Splitter:
    """`feed` it the body's pieces: it calls `take` with each row. `envelope` is the body without its rows."""

    def __init__(self, take: Callable[[bytes], None], *, limit: int = MAX_LIST) -> None:
        self._take = take
        self._left = limit
        self._envelope = bytearray()
        self._row = bytearray()
        self._row_is_too_long = False
        self._depth = 0
        self._list_depth = 0  # of the list whose rows are taken; 0 outside of it
        self._reach = 0  # the depth to which everything open is the body's object and envelopes in it
        self._in_text = False
        self._escaped = False  # the next byte belongs to an escape
        self._key = bytearray()  # the last text at this depth
        self._head: bytes | None = b""
        self._unpack: zlib._Decompress | None = None

    def feed(self, piece: bytes) -> None:
        """Read one piece of the body. Raise MayBeRinging if the body is too long or its compression is broken."""
        if self._head is not None:  # the first bytes say whether it is compressed
            self._head += piece
            if len(self._head) < 3:
                return
            piece, self._head = self._head, None
            if piece.startswith((b"\x1f\x8b", b"\x78\x01", b"\x78\x9c", b"\x78\xda")):
                self._unpack = zlib.decompressobj(wbits=47)
        if self._unpack is None:
            self._split(piece)
            return
        while piece and not self._unpack.eof:
            try:
                plain = self._unpack.decompress(piece, _PIECE)
            except zlib.error:
                raise self._unreadable("its compressed data is broken") from None
            self._split(plain)
            piece = self._unpack.unconsumed_tail

    def envelope(self) -> bytes:
        """Return the body without its rows, at its end."""
        if self._head:
            self._split(self._head)
            self._head = None
        return bytes(self._envelope)

    def _split(self, piece: bytes) -> None:
        self._left -= len(piece)
        if self._left < 0:
            raise self._unreadable("it is too long")
        at = 0
        if self._escaped and piece:
            self._escaped, at = False, 1
            self._keep(piece[:1])
        while at < len(piece):
            found = (_IN_TEXT if self._in_text else _OUTSIDE).search(piece, at)
            end = found.start() if found else len(piece)
            self._keep(piece[at:end])
            if found is None:
                return
            at = self._mark(piece, end)

    def _mark(self, piece: bytes, at: int) -> int:
        """Handle the mark at a place, and return the next place."""
        mark = piece[at : at + 1]
        if mark == b"\\":
            pair = piece[at : at + 2]
            self._escaped = len(pair) == 1
            self._keep(pair)
            return at + 2
        if mark == b'"':
            self._keep(mark)
            self._in_text = not self._in_text
            if self._in_text and self._depth == self._reach:
                self._key.clear()
            return at + 1
        if mark in (b"{", b"["):
            self._open(mark)
        elif mark in (b"}", b"]"):
            self._close(mark)
        elif self._list_depth == self._depth > 0:
            self._end_row()
        else:
            self._keep(mark)
        return at + 1

    def _open(self, mark: bytes) -> None:
        self._keep(mark)
        reached, key = self._depth == self._reach, bytes(self._key)
        self._depth += 1
        if not reached or self._list_depth:
            return
        if mark == b"[" and (self._depth == 1 or key in _NAMES):
            self._list_depth = self._depth
        elif mark == b"{" and (self._depth == 1 or key in _AROUND) and self._depth <= DEEPEST:
            self._reach = self._depth

    def _close(self, mark: bytes) -> None:
        if self._list_depth == self._depth > 0:
            self._end_row()
            self._list_depth = 0
        if self._reach == self._depth > 0:
            self._reach -= 1
        self._depth -= 1
        self._keep(mark)

    def _keep(self, part: bytes) -> None:
        """Add bytes to the row, or to the envelope outside of the list."""
        if self._list_depth and self._depth >= self._list_depth:
            if not self._row_is_too_long:
                self._row += part
            if len(self._row) > MAX_ROW:
                self._row_is_too_long = True
                self._row.clear()
            return
        if self._in_text and self._depth == self._reach and part != b'"' and len(self._key) < 16:
            self._key += part
        self._envelope += part
        if len(self._envelope) > MAX_BODY:
            raise self._unreadable("it is too long")

    def _end_row(self) -> None:
        row, too_long = bytes(self._row).strip(), self._row_is_too_long
        self._row.clear()
        self._row_is_too_long = False
        if row and not too_long:
            self._take(row)

    def _unreadable(self, why: str) -> MayBeRinging:
        evidence = bytes(self._envelope[:EVIDENCE])
        return MayBeRinging(f"The provider's list of calls is unreadable: {why}.", evidence=evidence)


def split(body: bytes, take: Callable[[bytes], None]) -> bytes:
    """Call `take` with each row of a whole list. Return the body without its rows."""
    splitter = Splitter(take)
    splitter.feed(body)
    return splitter.envelope()
