"""The texts of an HTML page, translated. Tags, scripts, fields and what people wrote stay as they are.

`translate="no"` (https://html.spec.whatwg.org/multipage/dom.html#attr-translate) keeps an element with all in it. Names
of things stay as well: in the columns of lists that show them, in titles, and as links of one word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

from django.utils.html import escape

Say = Callable[[str], str]
_TAG = re.compile(r"""(<!--.*?-->|<![a-zA-Z][^>]*>|</?[a-zA-Z](?:[^<>"']|"[^"]*"|'[^']*')*>)""", re.DOTALL)
_NAME = re.compile(r"<(/?)([a-zA-Z][\w:-]*)")
_KEPT = {"script", "style", "pre", "code", "textarea", "svg"}
_MARKED = re.compile(
    r"""\stranslate=["']?no|\sclass=["'][^"']*\bmaterial-symbols-outlined\b"""  # a symbol's name is its text
    r"""|^<t[dh][^>]*\sclass=["']field-(?:name|filename|label|tag_chips|on_lists)\b"""
)
_RECORD = re.compile(r"""^<a\s[^>]*href=["'][^"'?]*/\d+/(?:change/)?["'#]""")  # and no tab of its page
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_SHOWN = re.compile(
    r"""(?<=\s)(title|placeholder|aria-label|aria-description|alt|label|data-label|data-once-said|data-said)="([^"]*)\""""
)
_BUTTON = re.compile(r"""<input\b(?=[^>]*\stype=["']?(?:submit|button|reset)\b)[^>]*>""")
_VALUE = re.compile(r"""(?<=\s)(value)="([^"]*)\"""")
_DATA = re.compile(r"""(?<=\s)(data-value|data-options)="([^"]*)\"""")


def translated(html: str, say: Say) -> str:
    """Return the page, or a part of one, with every text that it shows passed through `say`."""
    return "".join(_pieces(html, say))


def _pieces(html: str, say: Say) -> Iterator[str]:
    kept, depth = "", 0  # the element that is kept as it is, and how many of its name are open
    say_here = say
    for place, piece in enumerate(_TAG.split(html)):
        if place % 2 == 0:
            yield piece if depth or not piece or piece.isspace() else _text(piece, say_here)
            continue
        found = _NAME.match(piece)
        if found is None:
            yield piece
            continue
        closes, name = found[1], found[2].lower()
        if depth:
            if name == kept and name not in _VOID:
                depth += -1 if closes else 0 if piece.endswith("/>") else 1
            yield piece
            continue
        if name in ("a", "title"):
            say_here = say if closes else _of_names(piece, say)
        if not closes and name not in _VOID and not piece.endswith("/>") and (name in _KEPT or _MARKED.search(piece)):
            kept, depth = name, 1
        yield piece if closes else _tag(piece, say)


def _of_names(tag: str, say: Say) -> Say:
    """Return how texts of a link or of a title are said, which may be the names of things."""
    if tag.startswith("<title"):
        return lambda text: _title(text, say)
    if _RECORD.match(tag) and "tl-button" not in tag:
        return lambda text: text if _is_name(text) else say(text)
    return say


def _is_name(text: str) -> bool:
    return " " not in text.strip()


def _title(text: str, say: Say) -> str:
    """Translate a title. Of three parts, such as “Ada | Change contact | Trunkline”, the first one is a name."""
    parts = text.split(" | ")
    return " | ".join(part if place == 0 and len(parts) > 2 else say(part) for place, part in enumerate(parts))


def _text(piece: str, say: Say) -> str:
    text = piece.strip()
    plain = unescape(text)
    said = say(plain)
    if said == plain:
        return piece
    begins = piece.index(text)
    return f"{piece[:begins]}{escape(said)}{piece[begins + len(text) :]}"


def _tag(piece: str, say: Say) -> str:
    if "=" not in piece:
        return piece
    piece = _SHOWN.sub(lambda found: _attribute(found, say), piece)
    if piece.startswith("<canvas"):
        return _DATA.sub(lambda found: _chart(found, say), piece)
    return _VALUE.sub(lambda found: _attribute(found, say), piece) if _BUTTON.match(piece) else piece


def _chart(found: re.Match[str], say: Say) -> str:
    """Translate the labels of a chart: JSON for Chart.js."""
    try:
        value = json.loads(unescape(found[2]))
    except ValueError:
        return found[0]
    return f'{found[1]}="{escape(json.dumps(_labels(value, say)))}"'


def _labels(value: Any, say: Say, shown: bool = False) -> Any:
    if isinstance(value, dict):
        return {key: _labels(each, say, key in ("label", "labels", "text")) for key, each in value.items()}
    if isinstance(value, list):
        return [_labels(each, say, shown) for each in value]
    return say(value) if shown and isinstance(value, str) else value


def paragraphs(text: str, say: Say) -> str:
    """Return a plain text whose paragraphs are translated. Lines without a space, such as addresses, stay."""
    return "\n\n".join(say(part) if " " in part.strip() else part for part in text.split("\n\n"))


def _attribute(found: re.Match[str], say: Say) -> str:
    return f'{found[1]}="{escape(say(unescape(found[2])))}"' if found[2].strip() else found[0]
