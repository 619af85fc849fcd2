"""Render the documents of `docs/`. Pure, apart from reading the files; HTML in a document is shown as text."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

ROOT = Path(settings.BASE_DIR) / "docs"
ELSEWHERE = re.compile(r"[a-z]+:", re.IGNORECASE)  # the scheme of an address
OUTSIDE = {"target": "_blank", "rel": "noopener noreferrer"}
NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")

Address = Callable[[str], str]  # of a document's page, by its name


@dataclass(frozen=True)
class Document:
    """A document as a page. `anchors` are those of its headings, as GitHub makes them."""

    title: str
    html: str
    anchors: frozenset[str]
    broken: tuple[str, ...]  # links to documents or headings that do not exist


@cache
def names() -> tuple[str, ...]:
    """Return the names of the documents, such as `providers`. That of a README is its folder."""
    found = (path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.md"))
    return tuple(sorted(name.removesuffix("/README") for name in found))


@cache
def document(name: str, address: Address) -> Document:
    """Return the document of one of `names`. `address` gives the address of the page of another one."""
    tokens = _parser().parse(_path(name).read_text("utf-8"))
    title, body = _without_title(tokens)
    anchors = _give_anchors(body)
    broken = list(_turn_links(body, name, address, anchors))
    parser = _parser()
    # Long lines are scrolled to, also with the keyboard. A document's own `<pre>` is text.
    html = parser.renderer.render(body, parser.options, {}).replace("<pre>", '<pre tabindex="0">')
    return Document(title, html, frozenset(anchors), tuple(broken))


@cache
def anchors_of(name: str) -> frozenset[str]:
    """Return the anchors of the headings of one of `names`."""
    return frozenset(_give_anchors(_without_title(_parser().parse(_path(name).read_text("utf-8")))[1]))


def _path(name: str) -> Path:
    file = ROOT / f"{name}.md"
    return file if file.exists() else ROOT / name / "README.md"


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # not above: few processes show a document

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    parser.add_render_rule("table_open", lambda *_: '<div class="tl-scroll" tabindex="0"><table class="tl-table">\n')
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


def _without_title(tokens: Sequence[Token]) -> tuple[str, list[Token]]:
    """Return the text of the first heading, which the page shows as its own, and the rest."""
    return _text(tokens[1].children or []), list(tokens[3:])


def _give_anchors(tokens: Sequence[Token]) -> list[str]:
    """Give each heading its anchor, and return all. A heading that occurs again gets a number, as on GitHub."""
    found: list[str] = []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            text = _text(inline.children or [])
            anchor = first = NOT_IN_ANCHORS.sub("", text.strip().lower()).replace(" ", "-")
            number = 0
            while anchor in found:
                number += 1
                anchor = f"{first}-{number}"
            found.append(anchor)
            opening.attrSet("id", anchor)
    return found


def _text(children: Sequence[Token]) -> str:
    return "".join(" " if token.type == "softbreak" else token.content for token in children)


def _turn_links(tokens: Sequence[Token], name: str, address: Address, anchors: Sequence[str]) -> Iterator[str]:
    """Let links lead to pages. A link to a file that is no document becomes text. Yield those that lead nowhere."""
    for token in tokens:
        kept: list[Token] = []
        dropping = False
        for child in token.children or []:
            if child.type == "link_open":
                given = str(child.attrGet("href") or "")
                target = given if ELSEWHERE.match(given) else _target(given, name, address)
                dropping = target is None
                if target is not None:
                    child.attrSet("href", target)
                    child.attrs |= OUTSIDE if ELSEWHERE.match(given) else {}
                    if not _exists(given, name, anchors):
                        yield given
            if not (dropping and child.type in ("link_open", "link_close")):
                kept.append(child)
            dropping = dropping and child.type != "link_close"
        if token.children is not None:
            token.children = kept


def _target(link: str, name: str, address: Address) -> str | None:
    """Return the address of the page that a relative link means, or None for a file that is no document."""
    path, _, anchor = link.partition("#")
    if not path:
        return link
    other = _meant(path, name)
    if other is None:
        return None
    return f"{address(other)}#{anchor}" if anchor else address(other)


def _meant(path: str, name: str) -> str | None:
    """Return the name of the document that a path in another document means, None if it is no document."""
    folder = name if (ROOT / name).is_dir() else posixpath.dirname(name)
    found = posixpath.normpath(posixpath.join(folder, path))
    if not found.endswith(".md") or found.startswith(".."):
        return None
    return found.removesuffix(".md").removesuffix("/README")


def _exists(link: str, name: str, anchors: Sequence[str]) -> bool:
    if ELSEWHERE.match(link):
        return True
    path, _, anchor = link.partition("#")
    other = _meant(path, name) if path else name
    if other not in names():
        return False
    return not anchor or anchor in (anchors if other == name else anchors_of(other or ""))
