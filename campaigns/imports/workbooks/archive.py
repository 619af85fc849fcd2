"""Check that a zip file is a workbook that may be unpacked. Pure; it unpacks nothing but a name of 256 bytes."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass

from campaigns.imports.workbooks.refusals import Reason, Refused

MAX_PARTS = 5_000
MAX_SHEET = 512 * 1024 * 1024  # bytes, unpacked
MAX_STRINGS = 128 * 1024 * 1024
MAX_SMALL_PART = 32 * 1024 * 1024  # bytes of styles, which grow with every copied sheet, and tables of contents
SUSPICIOUS_SIZE = 16 * 1024 * 1024
MAX_RATIO = 200  # real sheets unpack to 5 to 60 times their size
# What no reader of cells opens. A plain picture is denser than any sheet.
NEVER_UNPACKED = ("xl/media/", "pictures/", "thumbnails/", "docprops/thumbnail")
SPREADSHEET = b"application/vnd.oasis.opendocument.spreadsheet"


@dataclass(frozen=True)
class Archive:
    """The parts of a zip file by normalised name, and the kind of the workbook: xlsx, xlsb or ods."""

    file: zipfile.ZipFile
    parts: dict[str, zipfile.ZipInfo]
    kind: str

    def small(self, name: str) -> bytes:
        """Return a small part as a whole; b"" if there is none. Raises Refused."""
        part = self.parts.get(name)
        if part is None:
            return b""
        if part.file_size > MAX_SMALL_PART:
            raise Refused(Reason.BOMB)
        return self.file.read(part)


def part_name(path: str) -> str:
    """Return a part's normalised name: lower case, with slashes and without dots, which some programs write."""
    kept: list[str] = []
    for piece in path.replace("\\", "/").lower().split("/"):
        if piece == "..":
            del kept[-1:]
        elif piece not in ("", "."):
            kept.append(piece)
    return "/".join(kept)


def checked(file: zipfile.ZipFile) -> Archive:
    """Return the parts of a workbook. Raises Refused if a part is suspicious, or if it is no workbook.

    Never more of a part is unpacked than the size that it declares.
    """
    entries = file.infolist()
    if len(entries) > MAX_PARTS:
        raise Refused(Reason.BOMB)
    parts = {part_name(entry.filename): entry for entry in entries}
    if len(parts) != len(entries):
        raise Refused(Reason.DAMAGED)
    if any(entry.flag_bits & 1 for entry in entries):
        raise Refused(Reason.LOCKED)
    for name, entry in parts.items():
        if name.startswith(NEVER_UNPACKED):
            continue
        limit = (
            MAX_STRINGS if entry.filename.lower().endswith(("sharedstrings.xml", "sharedstrings.bin")) else MAX_SHEET
        )
        too_dense = entry.file_size > SUSPICIOUS_SIZE and entry.file_size > MAX_RATIO * entry.compress_size
        if entry.file_size > limit or too_dense:
            raise Refused(Reason.BOMB)
    # Overlapping parts are a way to make a small file unpack to a large one.
    end = 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        if entry.header_offset < end:
            raise Refused(Reason.BOMB)
        end = entry.header_offset + entry.compress_size
    return Archive(file, parts, _kind(file, parts))


def _kind(file: zipfile.ZipFile, parts: dict[str, zipfile.ZipInfo]) -> str:
    if "xl/workbook.xml" in parts:
        return "xlsx"
    if "xl/workbook.bin" in parts:
        return "xlsb"
    if "content.xml" in parts and "mimetype" in parts:
        if b"manifest:encryption-data" in Archive(file, parts, "").small("meta-inf/manifest.xml"):
            raise Refused(Reason.LOCKED)
        with file.open(parts["mimetype"]) as part:
            if part.read(256).startswith(SPREADSHEET):
                return "ods"
        raise Refused(Reason.WORDS)
    if parts.keys() & {"word/document.xml", "ppt/presentation.xml"}:
        raise Refused(Reason.WORDS)
    raise Refused(Reason.NO_SHEET if "[content_types].xml" in parts else Reason.NOT_A_WORKBOOK)
