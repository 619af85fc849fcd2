"""Templates whose values are isolated where they are text: ADR 20 says why no template does it by hand.

The loaders add a filter to each variable of a template that stands in the text of a page, and not in a tag, a title, a
script or a field; in a plain text, to each variable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django import template
from django.db.models import Model
from django.template.loaders import app_directories, filesystem
from django.utils.functional import Promise
from django.utils.safestring import SafeData

from tenants.bidi import WITHOUT_TAGS, isolated, isolated_html, isolated_markup, runs_right

register = template.Library()

_TOKEN = re.compile(r"(\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\})", re.DOTALL)
# Tags of templates in which variables take no filter, or whose text goes elsewhere than into the page.
_SKIPPED = {
    **{name: f"end{name}" for name in ("blocktrans", "blocktranslate", "comment", "verbatim")},
    **{f"block {name}": "endblock" for name in ("title", "bodyclass", "html_class", "extrastyle")},
}


@register.filter(needs_autoescape=True)
def isolate(value: Any, autoescape: bool = True) -> Any:
    """Return a text, or finished HTML, as HTML with its runs from right to left isolated; anything else as it is."""
    if not isinstance(value, (str, Promise, Model)):
        return value
    text = str(value)
    if not runs_right(text):
        return value
    if isinstance(value, SafeData):
        return isolated_markup(text)
    return isolated_html(text) if autoescape else isolated(text)


class FilesystemLoader(filesystem.Loader):
    def get_contents(self, origin: Any) -> str:
        return isolating(super().get_contents(origin), plain=origin.name.endswith(".txt"))


class AppLoader(app_directories.Loader):
    def get_contents(self, origin: Any) -> str:
        return isolating(super().get_contents(origin), plain=origin.name.endswith(".txt"))


def isolating(source: str, *, plain: bool = False) -> str:
    """Return the template with the filter added. `plain`: it is a text and no HTML."""
    return "".join(_parts(source, plain))


def _parts(source: str, plain: bool) -> Iterator[str]:
    html, skipping = _Html(), ""
    for token in _TOKEN.split(source):
        if token.startswith("{%"):
            words = token[2:-2].split()
            if not skipping:
                skipping = _SKIPPED.get(words[0]) or _SKIPPED.get(" ".join(words[:2]), "")
            elif words[0] == skipping:
                skipping = ""
        elif token.startswith("{{"):
            if not skipping and (plain or html.in_text):
                token = f"{{{{ {token[2:-2].strip()}|isolate }}}}"
        elif not token.startswith("{#") and not skipping:
            html.feed(token)
        yield token


class _Html:
    """Where in a page a template has come to: in text, or inside a tag, a comment or an element without tags."""

    _NEXT = re.compile(r"""<!--|<(?P<name>/?[a-zA-Z][\w:-]*)""")

    def __init__(self) -> None:
        self._ends = ""  # what ends the present state; "" in text
        self._raw = ""  # the element of the present tag, if it has no tags in it

    @property
    def in_text(self) -> bool:
        return not self._ends

    def feed(self, part: str) -> None:
        at = 0
        while at < len(part):
            at = self._in_text(part, at) if self.in_text else self._elsewhere(part, at)

    def _in_text(self, part: str, at: int) -> int:
        found = self._NEXT.search(part, at)
        if found is None:
            return len(part)
        name = found["name"]
        self._ends, self._raw = (">", name.lower()) if name else ("-->", "")
        return found.end()

    def _elsewhere(self, part: str, at: int) -> int:
        quotes = "\"'" if self._ends == ">" else ""
        ends = re.compile("|".join([re.escape(self._ends), *quotes]), re.IGNORECASE)
        found = ends.search(part, at)
        if found is None:
            return len(part)
        if found[0] in quotes and quotes:
            self._ends = found[0]
        elif self._ends in "\"'":
            self._ends = ">"
        else:
            self._ends = f"</{self._raw}" if self._ends == ">" and self._raw in WITHOUT_TAGS else ""
            self._raw = f"/{self._raw}" if self._ends else ""
            if found[0].startswith("</"):
                self._ends = ">"
        return found.end()
