"""Check that a zip file is a workbook that may be unpacked. Pure; it unpacks nothing."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from xml.parsers import expat

from campaigns.imports.columns import UnreadableFile

MAX_PARTS = 5_000
MAX_SHEET = 512 * 1024 * 1024  # bytes, unpacked
MAX_STRINGS = 128 * 1024 * 1024
SUSPICIOUS_SIZE = 16 * 1024 * 1024
MAX_RATIO = 200  # real sheets unpack to 5 to 60 times their size

DAMAGED = "This workbook is damaged; open it in your spreadsheet program and save it as .xlsx again."
BOMB = "This workbook unpacks to far more than a sheet of contacts; split it, or save the sheet as 'CSV UTF-8'."
LOCKED = "This workbook is protected by a password; save it without one, or save the sheet as 'CSV UTF-8'."
MACROS = "This workbook has macros; save it as 'Excel workbook (.xlsx)' without them, or as 'CSV UTF-8'."
BINARY = "This is a binary workbook (.xlsb); save it as 'Excel workbook (.xlsx)' or as 'CSV UTF-8'."
OPEN_DOCUMENT = "This is an OpenDocument file; save the sheet as .xlsx or as 'CSV UTF-8'."
WORDS = "This is a text document or a presentation; save the table as .xlsx or as 'CSV UTF-8'."


@contextmanager
def reporting_damage() -> Iterator[None]:
    """Turn the errors of a damaged workbook into UnreadableFile."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, NotImplementedError, RuntimeError) as error:
        raise UnreadableFile(DAMAGED) from error
    except (ValueError, OverflowError, IndexError, KeyError) as error:
        if isinstance(error, UnreadableFile):
            raise
        raise UnreadableFile(DAMAGED) from error


def part_name(path: str) -> str:
    """Return a part's normalised name: lower case, with slashes and without dots, which some programs write."""
    kept: list[str] = []
    for piece in path.replace("\\", "/").lower().split("/"):
        if piece == "..":
            del kept[-1:]
        elif piece not in ("", "."):
            kept.append(piece)
    return "/".join(kept)


def checked_parts(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the parts by name. Raises UnreadableFile if a part is suspicious. Unpacks nothing.

    Never more of a part is unpacked than the size that it declares.
    """
    entries = archive.infolist()
    if len(entries) > MAX_PARTS:
        raise UnreadableFile(BOMB)
    parts = {part_name(entry.filename): entry for entry in entries}
    if len(parts) != len(entries):
        raise UnreadableFile(DAMAGED)
    if any(entry.flag_bits & 1 for entry in entries):
        raise UnreadableFile(LOCKED)
    _check_kind(set(parts))
    for entry in entries:
        limit = MAX_STRINGS if entry.filename.lower().endswith("sharedstrings.xml") else MAX_SHEET
        too_dense = entry.file_size > SUSPICIOUS_SIZE and entry.file_size > MAX_RATIO * entry.compress_size
        if entry.file_size > limit or too_dense:
            raise UnreadableFile(BOMB)
    # Overlapping parts are a way to make a small file unpack to a large one.
    end = 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        if entry.header_offset < end:
            raise UnreadableFile(BOMB)
        end = entry.header_offset + entry.compress_size
    return parts


def _check_kind(names: set[str]) -> None:
    if any(name.endswith(("vbaproject.bin", "vbadata.xml")) or "/macrosheets/" in name for name in names):
        raise UnreadableFile(MACROS)
    if "xl/workbook.bin" in names:
        raise UnreadableFile(BINARY)
    if "content.xml" in names and "mimetype" in names:
        raise UnreadableFile(OPEN_DOCUMENT)
    if names & {"word/document.xml", "ppt/presentation.xml"}:
        raise UnreadableFile(WORDS)
    if "[content_types].xml" not in names:
        raise UnreadableFile("This is a zip file, not a workbook; unpack it and import the CSV or .xlsx file inside.")
