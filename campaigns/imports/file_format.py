"""Detect the format of a file: its encoding, delimiter and header, and whether it is a table at all. Pure."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from charset_normalizer import from_bytes

from campaigns.imports.columns import UnreadableFile, unique_header
from campaigns.imports.workbooks.reading import Workbook, is_workbook

SAMPLE_BYTES = 256 * 1024
GUESS_BYTES = 64 * 1024
MAX_COLUMNS = 200
MAX_HEADER = 64_000  # characters
DELIMITERS = ",;\t|"
UTF_16 = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
UTF_8_MARK = b"\xef\xbb\xbf"
ZIP = b"PK\x03\x04"
WORKBOOK = "xlsx"  # used as the encoding of a workbook
# First bytes of files that are not lines of text, and the message for each.
MAGIC = (
    (ZIP, "This is a spreadsheet or zip file, not CSV; open it and save it as 'CSV UTF-8'."),
    (b"PK\x05\x06", "This is an empty zip file, not CSV; save the sheet as 'CSV UTF-8'."),
    (b"\x1f\x8b", "This file is compressed (gzip); unpack it and import the CSV file inside."),
    (
        b"\xd0\xcf\x11\xe0",
        "This is an old Excel file, or one with a password; save it as .xlsx without one, or as 'CSV UTF-8'.",
    ),
    (b"%PDF", "This is a PDF, not CSV; export the table as 'CSV UTF-8'."),
    (b"BZh", "This file is compressed (bzip2); unpack it and import the CSV file inside."),
    (b"\xfd7zXZ", "This file is compressed (xz); unpack it and import the CSV file inside."),
    (b"7z\xbc\xaf", "This file is compressed (7z); unpack it and import the CSV file inside."),
    (b"{\\rtf", "This is a word processor document, not CSV; export the table as 'CSV UTF-8'."),
    (b"\xff\xfe\0\0", "This file is UTF-32; save it as 'CSV UTF-8'."),
    (b"\0\0\xfe\xff", "This file is UTF-32; save it as 'CSV UTF-8'."),
)
WEB_PAGE = re.compile(rb"\s*<(?:!doctype|html|\?xml|table)", re.IGNORECASE)
ONE_BYTE = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("iso8859_2", "iso8859_15", "mac_roman", "cp850", "cp852", "cp866", "koi8_r", "cp874"),
]
TWO_BYTES = ["cp932", "euc_jp", "gb18030", "big5", "cp949"]
EUROPEAN = frozenset({"cp1250", "cp1257", "cp1254", "cp1258", "iso8859_2", "iso8859_15", "mac_roman"})
PROBE = '\r\n",;\t|=+09AZaz'


@dataclass(frozen=True)
class FileFormat:
    """How to read a file. If it is not `confident`, the user should check the preview before the import."""

    encoding: str
    delimiter: str
    header: tuple[str, ...]
    confident: bool
    size: int = 0  # of the unpacked sheet of a workbook, in bytes: offsets count in it; else 0
    note: str = ""  # information for the user about the file


def format_of(file: BinaryIO, filename: str = "", *, delimiter: str = "", encoding: str = "") -> FileFormat:
    """Return how to read an open file: from the workbook itself, or by looking at the text. Raises UnreadableFile."""
    head = file.read(SAMPLE_BYTES)
    if not is_workbook(head):
        return sniff(head, filename, delimiter=delimiter, encoding=encoding)
    book = Workbook(file)
    names = book.sheet_names
    note = f"The workbook has {len(names)} sheets; only the first, '{names[0]}', is read." if len(names) > 1 else ""
    header = _checked_header(book.header, "the right sheet first")
    return FileFormat(WORKBOOK, ",", header, confident=True, size=book.size, note=note)


def sniff(sample: bytes, filename: str = "", *, delimiter: str = "", encoding: str = "") -> FileFormat:
    """Return how to read a text file, from its first bytes. A given delimiter or encoding is used, not guessed.

    Raises UnreadableFile.
    """
    if not sample.strip(b" \t\r\n" + UTF_8_MARK):
        raise UnreadableFile("The file is empty; import a CSV file with a header and one line for each contact.")
    for magic, sentence in MAGIC:
        if sample.startswith(magic):
            raise UnreadableFile(sentence)
    if WEB_PAGE.match(sample.removeprefix(UTF_8_MARK)):
        raise UnreadableFile("This is a web page or XML, not CSV; export the table as 'CSV UTF-8'.")
    if delimiter and (len(delimiter) != 1 or delimiter.isalnum() or delimiter in '"\r\n\0+ '):
        raise UnreadableFile(f"'{delimiter}' cannot separate columns; choose one of , ; | or tab.")
    confident = True
    if encoding:
        encoding = _checked_encoding(encoding)
        if encoding in UTF_16:  # the byte order mark takes precedence
            encoding = next((name for name, mark in UTF_16.items() if sample.startswith(mark)), encoding)
    else:
        encoding, confident = _guess_encoding(sample)
    if b"\0" in sample[:4096] and encoding not in UTF_16:
        header_only = sample.split(b"\n", 1)[0]
        if b"\0" in header_only or sample[:4096].count(b"\0") > len(sample[:4096]) // 8:
            raise UnreadableFile("This file is binary, or UTF-16 without its mark; save the table as 'CSV UTF-8'.")
    if not delimiter and filename.lower().endswith((".tsv", ".tab")):
        delimiter = "\t"
    delimiter, header = _header(sample, encoding, delimiter)
    return FileFormat(encoding, delimiter, header, confident)


def _checked_encoding(name: str) -> str:
    """Return a codec that keeps delimiters and line ends as single bytes, or UTF-16. Raises UnreadableFile."""
    try:
        known = codecs.lookup(name).name
        fits = PROBE.encode(known) == PROBE.encode("ascii") and not known.startswith(("iso2022", "hz", "utf-7"))
        fits = fits and codecs.getincrementaldecoder(known)("replace").decode(PROBE.encode("ascii")) == PROBE
    except (LookupError, UnicodeError, TypeError, ValueError):
        known, fits = name, False
    if known == "utf-8-sig":
        return "utf-8"
    if known == "utf-16":
        return "utf-16-le"
    if known in UTF_16 or fits:
        return known[:32]
    raise UnreadableFile(f"'{name[:40]}' is not an encoding that can be read; choose utf-8, utf-16 or cp1252.")


def _guess_encoding(sample: bytes) -> tuple[str, bool]:
    for name, mark in UTF_16.items():
        if sample.startswith(mark):
            return name, True
    if sample.startswith(UTF_8_MARK) or is_utf_8(sample):
        return "utf-8", True
    if _mostly_utf_8(sample):
        return "utf-8", False
    return codecs.lookup(_guess_code_page(sample)).name, False


def _mostly_utf_8(sample: bytes) -> bool:
    """Return whether most lines are UTF-8: the others are faulty, as other encodings hardly ever look like UTF-8."""
    lines = [line for line in sample.splitlines(keepends=True) if not line.isascii()]
    good = sum(is_utf_8(line) for line in lines)  # a line end never splits a character
    return good > 0 and good >= len(lines) - good


def _guess_code_page(sample: bytes) -> str:
    """Return the likeliest code page. If a few accents fit Western and Central European equally, Western is chosen."""
    sample = b"\n".join(line for line in sample.splitlines() if not line.isascii())[:GUESS_BYTES]
    runs = re.findall(rb"[\x80-\xff]+", sample)
    # Accents occur alone, Asian characters as pairs of bytes.
    single = sum(len(run) == 1 for run in runs) > 0.7 * len(runs)
    matches = list(from_bytes(sample, cp_isolation=ONE_BYTE if single else ONE_BYTE + TWO_BYTES))
    if not matches:
        return "cp1252"
    best = matches[0]
    alike = [match for match in matches if (match.chaos, match.coherence) == (best.chaos, best.coherence)]
    names = {name for match in alike for name in match.could_be_from_charset}
    return "cp1252" if best.encoding in EUROPEAN and "cp1252" in names else best.encoding


def is_utf_8(sample: bytes) -> bool:
    """Return whether these bytes are UTF-8. They may end in the middle of a character."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _header(sample: bytes, encoding: str, delimiter: str) -> tuple[str, tuple[str, ...]]:
    mark = UTF_16.get(encoding, UTF_8_MARK)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample.removeprefix(mark))
    lines = [line for line in re.split(r"\r\n|\n|\r", text) if line.strip(" \t,;|\"'")]
    if lines and (found := re.fullmatch(r'"?sep=(.)"?[,;\t|]*', lines[0].strip(" "), re.IGNORECASE)):
        delimiter = delimiter or found[1]
        lines = lines[1:]
    if not lines:
        raise UnreadableFile("The file has no header; the first line must name the columns, like phone,name.")
    delimiter = delimiter or _guess_delimiter(lines)
    body = text[text.index(lines[0]) :]
    try:
        physical = re.split(r"(?<=\n)|(?<=\r)(?!\n)", body[:MAX_HEADER])
        cells = next(csv.reader(physical, delimiter=delimiter, strict=True), [])
    except csv.Error:
        cells = [cell.strip(' "') for cell in lines[0].split(delimiter)]
    return delimiter, _checked_header(cells, "the right delimiter", lines[0])


def _checked_header(found: Sequence[str], remedy: str, shown: str = "") -> tuple[str, ...]:
    cells = list(found)
    while len(cells) > MAX_COLUMNS and not cells[-1].strip():  # Excel can write thousands of empty columns
        cells.pop()
    if len(cells) > MAX_COLUMNS:
        raise UnreadableFile(
            f"The first line has {len(cells)} columns, at most {MAX_COLUMNS} are allowed; "
            f"remove columns, or choose {remedy}."
        )
    if not any(character.isalpha() for cell in cells for character in cell):
        shown = shown or ", ".join(cells)
        raise UnreadableFile(
            f"The first line must name the columns, like phone,name; it holds '{shown[:60]}'. Add a header line."
        )
    return unique_header(cells)


def _guess_delimiter(lines: Sequence[str]) -> str:
    """Return the most frequent delimiter of the header; on a tie, the one that is as frequent in the next lines."""

    def score(delimiter: str) -> tuple[int, int]:
        bare = [re.sub(r'"[^"]*"', "", line) for line in lines[:11]]
        counts = [line.count(delimiter) for line in bare]
        return counts[0], sum(count == counts[0] for count in counts[1:])

    best = max(DELIMITERS, key=score)
    return best if score(best)[0] else ","
