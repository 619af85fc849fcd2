"""Workbooks written by hand as zip files of XML, correct or with the faults that a test needs."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
CELL = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def part(body: str, tag: str = "worksheet", encoding: str = "utf-8") -> bytes:
    text = f'<?xml version="1.0" encoding="{encoding}"?><{tag} xmlns="{MAIN}" xmlns:r="{RELATION}">{body}</{tag}>'
    return text.encode(encoding)


def column(number: int) -> str:
    name = ""
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(65 + rest) + name
    return name


def cell(value: object, reference: str = "", style: int = 0) -> str:
    """Write text in the cell and numbers unchanged; `<…>` is XML already."""
    where = f' r="{reference}"' if reference else ""
    if isinstance(value, str) and value.startswith("<"):
        return value
    if isinstance(value, str):
        return f'<c{where} t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f'<c{where} s="{style}"><v>{value}</v></c>'


def rows_of(rows: Sequence[Sequence[object]], first: int = 1) -> str:
    lines = []
    for number, row in enumerate(rows, first):
        cells = "".join(cell(value, f"{column(at)}{number}") for at, value in enumerate(row, 1) if value is not None)
        lines.append(f'<row r="{number}">{cells}</row>')
    return "".join(lines)


def sheet(rows: Sequence[Sequence[object]]) -> bytes:
    return part(f"<sheetData>{rows_of(rows)}</sheetData>")


def strings(texts: Sequence[str]) -> bytes:
    return part("".join(f"<si><t>{escape(text)}</t></si>" for text in texts), "sst")


def styles(*codes: str) -> bytes:
    """Return styles: cell style n has the n-th format code, and style 0 is plain."""
    formats = "".join(f'<numFmt numFmtId="{200 + at}" formatCode={quoteattr(c)}/>' for at, c in enumerate(codes))
    cells = "".join(f'<xf numFmtId="{200 + at}"/>' for at in range(len(codes)))
    return part(
        f'<numFmts>{formats}</numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
        f'<cellXfs><xf numFmtId="0"/>{cells}'
        '<xf numFmtId="14"/><xf numFmtId="22"/></cellXfs>',
        "styleSheet",
    )


def archive(parts: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as target:
        for name, data in parts.items():
            target.writestr(name, data)
    return made.getvalue()


def parts_of(
    *sheets: bytes,
    names: Sequence[str] = (),
    states: Sequence[str] = (),
    shared: bytes | None = None,
    formats: bytes | None = None,
    properties: str = "",
) -> dict[str, bytes]:
    listed = ""
    relations = ""
    for at in range(1, len(sheets) + 1):
        name = names[at - 1] if names else f"Sheet{at}"
        state = f' state="{states[at - 1]}"' if states else ""
        listed += f'<sheet name={quoteattr(name)} sheetId="{at}"{state} r:id="rId{at}"/>'
        relations += f'<Relationship Id="rId{at}" Type="{RELATION}/worksheet" Target="worksheets/sheet{at}.xml"/>'
    relations += f'<Relationship Id="rId98" Type="{RELATION}/styles" Target="styles.xml"/>'
    relations += f'<Relationship Id="rId99" Type="{RELATION}/sharedStrings" Target="sharedStrings.xml"/>'
    package = "http://schemas.openxmlformats.org/package/2006"
    found = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"/>'.encode(),
        "_rels/.rels": (
            f'<Relationships xmlns="{package}/relationships">'
            f'<Relationship Id="r1" Type="{RELATION}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
        ).encode(),
        "xl/workbook.xml": part(f"{properties}<sheets>{listed}</sheets>", "workbook"),
        "xl/_rels/workbook.xml.rels": (
            f'<Relationships xmlns="{package}/relationships">{relations}</Relationships>'.encode()
        ),
        "xl/styles.xml": formats or styles(),
        **{f"xl/worksheets/sheet{at}.xml": data for at, data in enumerate(sheets, 1)},
    }
    return found | ({"xl/sharedStrings.xml": shared} if shared is not None else {})


def workbook(rows: Sequence[Sequence[object]]) -> bytes:
    return archive(parts_of(sheet(rows)))
