"""Detect the format of a file: its encoding, delimiter and header, and whether it is a table at all. Pure."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import islice
from typing import BinaryIO

from campaigns.imports import header_row
from campaigns.imports.columns import UnreadableFile, unique_header
from campaigns.imports.text_lines import UTF_8_MARK, UTF_16, Lines
from campaigns.imports.text_records import ReadRow, Shape, records
from campaigns.imports.workbooks.reading import Workbook, is_workbook

SAMPLE_BYTES = 256 * 1024
SAMPLE_ROWS = 5_000  # of the sample, blank ones too
GUESS_BYTES = 64 * 1024
SHEET_ROWS = 1_000  # of a workbook, in which the header must be
MAX_COLUMNS = 1_000
DELIMITERS = ",;\t|"
BLANK = " \t,;|\"'\x1a\ufeff\xa0"  # a row of these names no column
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[,;\t|]*', re.IGNORECASE)  # Excel writes it first
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
# First words of texts that are no tables, and the message for each.
NO_TABLES = (
    (WEB_PAGE, "This is a web page or XML, not CSV; export the table as 'CSV UTF-8'."),
    (re.compile(rb"\s*BEGIN:VCARD\s", re.IGNORECASE), "This is a vCard file, not CSV; export the contacts as CSV."),
    (re.compile(rb'\s*(?:\[\s*)?\{\s*"[^"]{0,200}"\s*:'), "This is JSON, not CSV; export the table as 'CSV UTF-8'."),
)
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
    header_line: int = 1  # rows up to this one are no contacts: titles, blank rows and the header
    empty: frozenset[str] = frozenset()  # columns without a value in the first rows


def format_of(file: BinaryIO, filename: str = "", *, delimiter: str = "", encoding: str = "") -> FileFormat:
    """Return how to read an open file: from the workbook itself, or by looking at the text. Raises UnreadableFile."""
    head = file.read(SAMPLE_BYTES)
    if not is_workbook(head):
        return sniff(head, filename, delimiter=delimiter, encoding=encoding)
    return _format_of_workbook(Workbook(file))


def _format_of_workbook(book: Workbook) -> FileFormat:
    names = book.sheet_names
    note = f"The workbook has {len(names)} sheets; only the first, '{names[0]}', is read." if len(names) > 1 else ""
    rows = [(line, cells) for line, cells, _, _ in book.first_rows(SHEET_ROWS) if any(map(str.strip, cells))]
    if not rows:
        return FileFormat(WORKBOOK, ",", _checked_header((), "the right sheet first"), confident=True)
    at = header_row.header_index([cells for _, cells in rows])
    line, cells = rows[at]
    header = _checked_header(cells, "the right sheet first")
    empty = _empty(header, (cells for _, cells in rows[at + 1 :]))
    return FileFormat(WORKBOOK, ",", header, confident=True, size=book.size, note=note, header_line=line, empty=empty)


def sniff(sample: bytes, filename: str = "", *, delimiter: str = "", encoding: str = "") -> FileFormat:
    """Return how to read a text file, from its first bytes. A given delimiter or encoding is used, not guessed.

    Raises UnreadableFile.
    """
    if not sample.strip(b" \t\r\n" + UTF_8_MARK):
        raise UnreadableFile("The file is empty; import a CSV file with a header and one line for each contact.")
    for magic, sentence in MAGIC:
        if sample.startswith(magic):
            raise UnreadableFile(sentence)
    for start, sentence in NO_TABLES:
        if start.match(sample.removeprefix(UTF_8_MARK)):
            raise UnreadableFile(sentence)
    if delimiter and not _can_separate(delimiter):
        raise UnreadableFile(f"'{delimiter}' cannot separate columns; choose one of , ; | or tab.")
    confident = True
    if encoding:
        encoding = _checked_encoding(encoding)
        if encoding in UTF_16:  # the byte order mark takes precedence
            marked = next((name for name, mark in UTF_16.items() if sample.startswith(mark)), "")
            encoding = marked or unmarked_utf_16(sample) or encoding
    else:
        encoding, confident = _guess_encoding(sample)
    if b"\0" in sample[:4096] and encoding not in UTF_16:
        header_only = sample.split(b"\n", 1)[0]
        if b"\0" in header_only or sample[:4096].count(b"\0") > len(sample[:4096]) // 8:
            raise UnreadableFile("This file is binary, or UTF-16 without its mark; save the table as 'CSV UTF-8'.")
    if not delimiter and filename.lower().endswith((".tsv", ".tab")):
        delimiter = "\t"
    return replace(_header(sample, encoding, delimiter), confident=confident)


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
    if wide := unmarked_utf_16(sample):
        return wide, True
    if sample.startswith(UTF_8_MARK) or is_utf_8(sample):
        return "utf-8", True
    if _mostly_utf_8(sample):
        return "utf-8", False
    return codecs.lookup(_guess_code_page(sample)).name, False


def unmarked_utf_16(sample: bytes) -> str:
    """Return the UTF-16 that a sample without a mark is in; "" if it is not clear.

    Digits, delimiters and line ends have a zero as their high byte, so zeros stand in every second place only.
    """
    sample = sample[: 4096 - 4096 % 2]
    zeros = (sample[::2].count(0), sample[1::2].count(0))
    if min(zeros) or max(zeros) * 10 <= len(sample):
        return ""
    encoding = "utf-16-be" if zeros[0] else "utf-16-le"
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample)
    return encoding if all(character.isprintable() or character.isspace() for character in text) else ""


def _mostly_utf_8(sample: bytes) -> bool:
    """Return whether most lines are UTF-8: the others are faulty, as other encodings hardly ever look like UTF-8."""
    lines = [line for line in sample.splitlines(keepends=True) if not line.isascii()]
    good = sum(is_utf_8(line) for line in lines)  # a line end never splits a character
    return good > 0 and good >= len(lines) - good


def _guess_code_page(sample: bytes) -> str:
    """Return the likeliest code page. If a few accents fit Western and Central European equally, Western is chosen."""
    from charset_normalizer import from_bytes  # not above: few files need it

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


def _can_separate(delimiter: str) -> bool:
    return len(delimiter) == 1 and not delimiter.isalnum() and delimiter not in '"\r\n\0+ '


@dataclass(frozen=True)
class _Table:
    """The top of a file, read with one delimiter. `separator` is what a line `sep=` says."""

    delimiter: str
    rows: Sequence[ReadRow]  # those that are not blank
    index: int  # of the header
    separator: str

    @property
    def quality(self) -> tuple[int, int, int]:
        return header_row.quality([row.cells for row in self.rows], self.index)


def _header(sample: bytes, encoding: str, delimiter: str) -> FileFormat:
    """Return the format with the header, wherever it is. Raises UnreadableFile."""
    found = [each for mark in delimiter or DELIMITERS if (each := _table(sample, encoding, mark))]
    if not found:
        raise UnreadableFile("The file has no header; the first line must name the columns, like phone,name.")
    separator = "" if delimiter else next((each.separator for each in found if each.separator), "")
    if _can_separate(separator) and (named := _table(sample, encoding, separator)):
        found = [named]
    best = max(found, key=lambda each: each.quality)  # the first of equals: a comma
    row = best.rows[best.index]
    header = _checked_header(row.cells, "the right delimiter")
    below = (each.cells for each in _rows(sample, encoding, best.delimiter) if each.line > row.line)
    return FileFormat(
        encoding, best.delimiter, header, confident=True, header_line=row.line, empty=_empty(header, below)
    )


def _table(sample: bytes, encoding: str, delimiter: str) -> _Table | None:
    """Return the top of the sample as a table; None if it has no row that is not blank."""
    rows: list[ReadRow] = []
    separator = ""
    for row in _rows(sample, encoding, delimiter):
        if not rows and (found := SEPARATOR_LINE.fullmatch(delimiter.join(row.cells).strip())):
            separator = found[1]
        elif any(cell.strip(BLANK) for cell in row.cells):
            rows.append(row)
        if len(rows) >= header_row.SEARCHED + header_row.FOLLOWING:
            break
    if not rows:
        return None
    return _Table(delimiter, rows, header_row.header_index([row.cells for row in rows]), separator)


def _rows(sample: bytes, encoding: str, delimiter: str) -> Iterator[ReadRow]:
    return islice(records(Lines(BytesIO(sample), encoding, 0), Shape(encoding, delimiter), 0), SAMPLE_ROWS)


def _empty(header: Sequence[str], rows: Iterable[Sequence[str]]) -> frozenset[str]:
    """Return the columns that have no value in these rows."""
    empty = set(range(len(header)))
    for row in rows:
        if not empty:
            break
        empty -= {index for index in empty if index < len(row) and row[index].strip()}
    return frozenset(header[index] for index in empty)


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
