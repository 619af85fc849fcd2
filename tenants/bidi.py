"""Keep text that is written from right to left apart from what stands beside it.

Pages and e-mails run from left to right. Without isolation, the groups of a number beside an Arabic or Hebrew name
are shown in reverse order. Each run of such letters is isolated. A run goes on over spaces, marks and short numbers, so
that a sentence stays whole; it ends at letters of other scripts and at phone numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

_RIGHT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_LETTER = r"[^\W\d_]"
_RUN = re.compile(f"[{_RIGHT}](?:(?:[{_RIGHT}]|(?!{_LETTER})[\\s\\S])*[{_RIGHT}])?")
_NUMBER = re.compile(r"([+(]*[0-9][0-9 ().\u00a0\u2011/-]{4,}[0-9])")
_TAG = re.compile(r"""(<!--.*?-->|</?[a-zA-Z](?:[^<>"']|"[^"]*"|'[^']*')*>)""", re.DOTALL)
_NAME = re.compile(r"<(/?[a-zA-Z][\w:-]*)")
WITHOUT_TAGS = frozenset({"script", "style", "textarea", "title", "option", "bdi"})
_ANY = re.compile(f"[{_RIGHT}\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")


def isolated(text: str) -> str:
    """Return a plain text with each run between U+2068 and U+2069, without the marks of direction that it had."""
    text = _CONTROLS.sub("", text)
    return _with(text, "\u2068", "\u2069", str)


def isolated_html(text: str) -> SafeString:
    """Return a text as HTML, with each run in `<bdi>`; one with marks of direction of its own as a whole."""
    return mark_safe(_marked_up(text, escape))  # noqa: S308 - every part is escaped


def isolated_markup(html: str) -> SafeString:
    """Return finished HTML with each run of its texts in `<bdi>`, except in elements that have no tags in them.

    A text with marks of direction of its own is isolated as a whole.
    """
    found, inside = [], ""
    for part in _TAG.split(html):
        name = _NAME.match(part)
        if name and not inside and name[1].lower() in WITHOUT_TAGS:
            inside = f"/{name[1].lower()}"
        elif name and inside and name[1].lower() == inside:
            inside = ""
        found.append(part if name or inside or part.startswith("<!--") else _marked_up(part, str))
    return mark_safe("".join(found))  # noqa: S308 - it was finished before


def runs_right(text: str) -> bool:
    """Return whether a letter or mark of the text runs from right to left, or may turn what follows."""
    return not text.isascii() and _ANY.search(text) is not None


def _marked_up(text: str, show: Callable[[str], str]) -> str:
    return f"<bdi>{show(text)}</bdi>" if _CONTROLS.search(text) else _with(text, "<bdi>", "</bdi>", show)


def _with(text: str, begin: str, end: str, show: Callable[[str], str]) -> str:
    found = []
    for part in _NUMBER.split(text):
        at = 0
        for run in _RUN.finditer(part):
            found += [show(part[at : run.start()]), begin, show(run[0]), end]
            at = run.end()
        found.append(show(part[at:]))
    return "".join(found)
