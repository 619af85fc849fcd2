"""Read Excel workbooks (.xlsx) row by row. Pure; it never holds a whole sheet in memory.

A sheet is one large XML text in a zip file. It is unpacked and parsed while it is read, so the memory for a row depends
on the row only, not on the size that the file declares. Reading can continue at any row: the offset of a row is where
its tag begins in the unpacked text. Zip bombs, workbooks with macros or a password, and other files are refused first.
"""

from __future__ import annotations

import zipfile
from array import array
from collections.abc import Callable, Iterator
from itertools import islice
from typing import BinaryIO
from xml.parsers import expat

from campaigns.imports.columns import UnreadableFile
from campaigns.imports.xlsx.archive import BOMB, DAMAGED, checked_parts, part_name, reporting_damage
from campaigns.imports.xlsx.cells import Styles, as_text

MAX_SMALL_PART = 8 * 1024 * 1024  # bytes of styles and tables of contents
MAX_TOKEN = 1024 * 1024  # bytes of one tag, comment or attribute
MAX_PROLOG = 4 * 1024 * 1024  # bytes before the first row
MAX_BLANK_ROWS = 1_000  # rows before the header
MAX_ROW = 1_048_576
MAX_COLUMN = 16_384
KEPT_COLUMNS = 1_100  # cells after these are not kept: no import reads so many
KEPT_CELL = 10_001  # characters: one more than an import accepts
CHUNK = 256 * 1024

NO_SHEET = "This workbook has no sheet that can be read; put the contacts on a sheet of cells."

Row = tuple[int, tuple[str, ...], int, str]  # number, cells, offset to read it again from, fault


class Workbook:
    """The first visible sheet of a workbook. The constructor and `rows` raise UnreadableFile."""

    def __init__(self, file: BinaryIO) -> None:
        with reporting_damage():
            self._zip = zipfile.ZipFile(file)
            self._parts = checked_parts(self._zip)
            self._read_contents()
            first = islice(self.rows(), MAX_BLANK_ROWS)
            self.header = next((cells for _, cells, _, _ in first if any(map(str.strip, cells))), ())

    def rows(self, offset: int = 0, number: int = 0) -> Iterator[Row]:
        """Yield every row of the sheet; with `offset` and `number` of an earlier row, the rows after it."""
        with reporting_damage():
            prolog = self._prolog() if offset else b""
            with self._zip.open(self._sheet) as part:
                part.seek(offset)
                sheet = _Sheet(self._string, self._styles, offset - len(prolog), max(0, number - 1))
                sheet.feed(prolog)
                while not sheet.over and (chunk := part.read(CHUNK)):
                    sheet.feed(chunk)
                    yield from (row for row in sheet.taken() if row[0] > number)
                if not sheet.over:
                    raise UnreadableFile(DAMAGED)

    @property
    def size(self) -> int:
        """Return the size of the unpacked sheet in bytes, which offsets count."""
        return self._sheet.file_size

    def _prolog(self) -> bytes:
        """Return the text before the first row. A parser needs it to start at a later row."""
        begins: list[int] = []
        seen = b""
        sheet = _Sheet(self._string, self._styles, 0, 0, begins.append)
        with self._zip.open(self._sheet) as part:
            while not begins and (chunk := part.read(CHUNK)):
                sheet.feed(chunk)
                seen += chunk
        return seen[: begins[0]] if begins else seen

    def _read_contents(self) -> None:
        main = self._related("", "officedocument") or "xl/workbook.xml"
        names: list[tuple[str, str, str]] = []
        dates_1904 = False

        def begin(name: str, attributes: dict[str, str]) -> None:
            nonlocal dates_1904
            if name == "sheet":
                relation = next((value for key, value in attributes.items() if _local(key) == "id"), "")
                names.append((attributes.get("name", ""), relation, attributes.get("state", "visible")))
            elif name == "workbookPr":
                dates_1904 = attributes.get("date1904", "0") in ("1", "true")

        self._parse(main, begin)
        targets = self._relations(main)
        sheets = [
            (name, targets[relation][1])
            for name, relation, state in names
            if state == "visible" and targets.get(relation, ("", ""))[0] == "worksheet"
        ]
        sheets = [(name, path) for name, path in sheets if path in self._parts]
        if not sheets:
            raise UnreadableFile(NO_SHEET)
        self.sheet_names = [name[:60] for name, _ in sheets]
        self._sheet = self._parts[sheets[0][1]]
        by_kind = dict(targets.values())
        self._styles = Styles(dates_1904)
        if (styles := by_kind.get("styles", "")) in self._parts:
            self._parse(styles, self._styles.begin, self._styles.end)
        self._strings = _Strings(self._zip, self._parts.get(by_kind.get("sharedstrings", "")))
        self._string = self._strings.get

    def _related(self, source: str, kind: str) -> str:
        return next((path for each, path in self._relations(source).values() if each == kind), "")

    def _relations(self, source: str) -> dict[str, tuple[str, str]]:
        """Return kind and path of each part that the source part refers to, by the id of the reference."""
        folder, _, name = source.rpartition("/")
        found: dict[str, tuple[str, str]] = {}

        def begin(tag: str, attributes: dict[str, str]) -> None:
            if tag == "Relationship" and attributes.get("TargetMode") != "External":
                target = attributes.get("Target", "").replace("\\", "/")
                path = target if target.startswith("/") else f"{folder}/{target}"
                kind = attributes.get("Type", "").rpartition("/")[2].lower()
                found[attributes.get("Id", "")] = (kind, part_name(path))

        self._parse(part_name(f"{folder}/_rels/{name}.rels"), begin)
        return found

    def _parse(
        self, name: str, begin: Callable[[str, dict[str, str]], None], end: Callable[[str], None] | None = None
    ) -> None:
        part = self._parts.get(name)
        if part is None:
            return
        if part.file_size > MAX_SMALL_PART:
            raise UnreadableFile(BOMB)
        parser = _parser(begin, end)
        parser.Parse(self._zip.read(part), True)


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _parser(
    begin: Callable[[str, dict[str, str]], None], end: Callable[[str], None] | None = None
) -> expat.XMLParserType:
    """Return a parser that refuses document type declarations, and so entities."""

    def refuse(*declared: object) -> None:
        raise UnreadableFile(DAMAGED)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda name, attributes: begin(_local(name), attributes)
    if end is not None:
        parser.EndElementHandler = lambda name: end(_local(name))
    return parser


class _Incremental:
    """A parser that gets its input in pieces, and refuses a tag that does not end."""

    def __init__(self) -> None:
        self.parser = _parser(self.begin, self.end)
        self.parser.CharacterDataHandler = self.text
        self.fed = 0
        self._kept: list[str] = []
        self._length = 0
        self.reading = False  # the current text belongs to a value

    def feed(self, data: bytes) -> None:
        self.parser.Parse(data, False)
        self.fed += len(data)
        if self.fed - self.parser.CurrentByteIndex > MAX_TOKEN + CHUNK:
            raise UnreadableFile(DAMAGED)

    def text(self, data: str) -> None:
        if self.reading and self._length < KEPT_CELL:
            data = data[: KEPT_CELL - self._length]
            self._kept.append(data)
            self._length += len(data)

    def kept(self) -> str:
        found = "".join(self._kept)
        self._kept.clear()
        self._length = 0
        return found

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        raise NotImplementedError

    def end(self, name: str) -> None:
        raise NotImplementedError


class _Strings(_Incremental):
    """The shared texts of cells. They are read as far as rows need them, and kept as bytes."""

    def __init__(self, archive: zipfile.ZipFile, part: zipfile.ZipInfo | None) -> None:
        super().__init__()
        self._pieces = iter(lambda: source.read(CHUNK), b"") if part and (source := archive.open(part)) else iter(())
        self._bytes = bytearray()
        self._ends = array("I")
        self._phonetic = 0

    def get(self, index: int) -> str:
        """Return the text with this index. Raises IndexError if there is none."""
        while index >= len(self._ends):
            piece = next(self._pieces, None)
            if piece is None:
                raise IndexError(index)
            self.feed(piece)
        begin = self._ends[index - 1] if index > 0 else 0
        if index < 0:
            raise IndexError(index)
        return self._bytes[begin : self._ends[index]].decode()

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == "rPh":  # the pronunciation of a Japanese text
            self._phonetic += 1
        self.reading = name == "t" and not self._phonetic

    def end(self, name: str) -> None:
        self.reading = False
        if name == "rPh":
            self._phonetic -= 1
        elif name == "si":
            self._bytes += self.kept().encode()
            self._ends.append(len(self._bytes))


class _Sheet(_Incremental):
    """The rows of a sheet, parsed from its text piece by piece."""

    def __init__(
        self,
        string: Callable[[int], str],
        styles: Styles,
        shift: int,
        number: int,
        on_row: Callable[[int], object] | None = None,
    ) -> None:
        """`shift` is the file's offset minus the parser's offset. `number` is the number of the previous row."""
        super().__init__()
        self._string, self._styles = string, styles
        self._shift, self._number = shift, number
        self._on_row = on_row
        self.over = False
        self._begun = number > 0
        self._rows: list[Row] = []
        self._cells: list[str] = []
        self._fault = ""
        self._column = 0
        self._phonetic = 0
        self._cell: dict[str, str] = {}
        self._formula = False

    def feed(self, data: bytes) -> None:
        super().feed(data)
        if not self._begun and self.fed > MAX_PROLOG:
            raise UnreadableFile(DAMAGED)

    def taken(self) -> list[Row]:
        rows, self._rows = self._rows, []
        return rows

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if self.over:
            return
        if name == "c":
            self._cell, self._formula = attributes, False
            self._column = _column(attributes["r"]) if "r" in attributes else self._column + 1
            if not 0 < self._column <= MAX_COLUMN:
                raise UnreadableFile(DAMAGED)
        elif name in ("v", "t"):
            self.reading = not self._phonetic
        elif name == "f":
            self._formula = True
        elif name == "rPh":
            self._phonetic += 1
        elif name == "row":
            self._offset = self.parser.CurrentByteIndex + self._shift
            before, self._number = self._number, int(attributes.get("r", self._number + 1))
            if not before < self._number <= MAX_ROW:
                raise UnreadableFile(DAMAGED)
            self._cells, self._fault, self._column, self._begun = [], "", 0, True
            if self._on_row:
                self._on_row(self._offset)

    def end(self, name: str) -> None:
        self.reading = False
        if self.over:
            return
        if name == "c":
            self._end_cell()
        elif name == "rPh":
            self._phonetic -= 1
        elif name == "row":
            self._rows.append((self._number, tuple(self._cells), self._offset, self._fault))
        elif name == "sheetData":
            self.over = True

    def _end_cell(self) -> None:
        kind, raw = self._cell.get("t", "n"), self.kept()
        where = f"{self._cell.get('r', f'in column {self._column}')}"
        text = raw
        if kind == "s":
            text = self._string(int(raw)) if raw.strip() else ""
        elif kind == "b":
            text = {"1": "true", "0": "false"}.get(raw.strip(), raw)
        elif kind == "e":
            self._fault = self._fault or f"The cell {where} holds the error {raw[:20]}; fix its formula, or empty it."
        elif kind == "n" and raw.strip():
            text = as_text(raw.strip(), self._styles.of(self._cell.get("s", "0")), self._styles.dates_1904)
        if self._formula and not raw and kind in ("n", "str"):
            empty = kind == "str"  # the result of a formula may be an empty text
            self._fault = self._fault or (
                ""
                if empty
                else f"The cell {where} is a formula without its result; open the workbook and save it again."
            )
        if text and self._column <= KEPT_COLUMNS:
            self._cells += [""] * (self._column - len(self._cells))
            self._cells[self._column - 1] = _one_text(text)


def _one_text(text: str) -> str:
    """Return the text with plain line breaks and spaces. Excel writes characters that XML does not allow as _x000D_."""
    return text.replace("_x000D_", "").replace("\r\n", "\n").replace("\xa0", " ")


def _column(reference: str) -> int:
    """Return the column number of a cell reference: 1 for A1, 28 for AB7. Raises ValueError."""
    letters = reference.rstrip("0123456789")
    if not 1 <= len(letters) <= 3:
        raise ValueError(reference)
    found = 0
    for letter in letters.upper():
        if not "A" <= letter <= "Z":
            raise ValueError(reference)
        found = found * 26 + ord(letter) - 64
    return found
