"""The messages of the product: every text of its code and templates that a page may show.

    python -m tests.messages          list those that a catalog lacks, and those that no text has any more
    python -m tests.messages --write  put both right: new messages come without a translation

An f-string is a message with placeholders (tenants/backoffice/languages/messages.py says which there are).
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from tenants.backoffice.languages.messages import CATALOGS, PLACEHOLDER

HEAD = """\
msgid ""
msgstr ""
"Language: {}\\n"
"Content-Type: text/plain; charset=UTF-8\\n"

"""
ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("calls", "campaigns", "providers", "tenants", "config")
# What these say is read by programs and in logs, or is shown by nothing of ours.
SILENT = re.compile(
    r"/(?:migrations|sandbox|management|openapi|languages|demo|journal|adapters|db|api|serializers)/"
    r"|/(?:column_guess|known_exports|phone_headers|extras|traces|environment|setting_\w+|mail_url|database_url|logs|"
    r"sample|storage|\w+_api|serializers)\.py$"
)
NUMBERS = re.compile(
    r"^(n|count|counts?_.*|.*_count|total|number_of_.*|days|minutes|seconds|hours|rows|more|left|len)$"
)
WRITTEN = re.compile(
    r"name|inviter|phone|url|address|email|username|filename|value|typed|written|sample|token|path|host|tag|key"
)
_SQL = re.compile(
    r"\b(SELECT|INSERT|UPDATE|DELETE|WHERE|FROM|CREATE|ALTER|DROP|SET|BEGIN|RETURN|COALESCE|CASE|IS NOT|TIME ZONE|"
    r"OVER)\b"
)
COUNTRIES = set(Locale("en").territories.values())  # their names come from there
_WORD = re.compile(r"[A-Za-z]{2,}")


def messages() -> dict[str, str]:
    """Return the messages -> where each is first found."""
    found: dict[str, str] = {}
    for place, text in (*_of_code(), *_of_templates()):
        text = " ".join(text.split())
        if is_message(text) and text not in COUNTRIES:
            found.setdefault(text, place)
    composed = (CATALOGS / "composed.txt").read_text().splitlines()
    ours = {text: "composed.txt" for text in composed if text and not text.startswith("#")}
    kinds = {_words_alone(text) for text in ours}
    return {text: place for text, place in found.items() if _words_alone(text) not in kinds} | ours


def _words_alone(text: str) -> str:
    """Return a message without the kinds of its placeholders, which `composed.txt` may correct."""
    return PLACEHOLDER.sub("{}", text)


def is_message(text: str) -> bool:
    words = PLACEHOLDER.sub(" ", text)
    if not _WORD.search(words) or "}{" in text or _SQL.search(text) or "\\" in text or "%s" in text or "__" in text:
        return False
    if " " not in text.strip():
        return bool(re.fullmatch(r"[A-Z][a-z]+(?:-[a-z]+)*[.:?…]?", text))
    return len(re.findall(r"[a-z]", words)) >= (3 if words == text else 4) and not re.search(
        r"[<>={}|\[\]]|\(\?|dark:|font-|text-|oklch|concat_ws", words
    )


def _of_code() -> Iterator[tuple[str, str]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not SILENT.search(name):
                yield from ((name, text) for text in texts_of(ast.parse(path.read_text())))


def texts_of(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of a module: no docstrings, no lines of the log, no names of things."""
    skipped = {id(node) for node in _silent(tree)}
    words = _words_of(tree)
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield _numbered(node.value)
        elif isinstance(node, ast.JoinedStr):
            yield from _spoken(node, words)


def _numbered(text: str) -> str:
    """Return a text with the places of `str.format` as placeholders."""
    parts = re.split(r"(?<!\{)\{\w*\}(?!\})", text)
    return "".join(part + (f"{{t{place}}}" if place < len(parts) else "") for place, part in enumerate(parts, 1))


def _words_of(tree: ast.AST) -> dict[str, list[str]]:
    """Return names that stand for one of two words: `has = "has" if n == 1 else "have"`."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and (words := _either(node.value)):
            found.setdefault(node.targets[0].id, []).extend(words)
    return found


def _either(value: ast.expr) -> list[str]:
    ends = (value.body, value.orelse) if isinstance(value, ast.IfExp) else ()
    words = [end.value for end in ends if isinstance(end, ast.Constant) and isinstance(end.value, str)]
    return words if len(words) == 2 else []


def _silent(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value
        if isinstance(node, ast.JoinedStr):
            yield from (each for each in ast.walk(node) if each is not node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in ("log", "logger", "re"):
                yield from ast.walk(node)


def _spoken(node: ast.JoinedStr, words: dict[str, list[str]]) -> Iterator[str]:
    """Yield the messages of an f-string: one for each choice of words in it (`{'' if n == 1 else 's'}`)."""
    parts: list[list[str]] = []
    place = 0
    for each in node.values:
        if isinstance(each, ast.Constant):
            parts.append([str(each.value)])
        elif isinstance(each, ast.FormattedValue):
            place += 1
            parts.append(list(_choices(each, place, words)))
    yield from ("".join(choice) for choice in product(*parts))


def _choices(each: ast.FormattedValue, place: int, words: dict[str, list[str]]) -> Iterator[str]:
    value = each.value
    known = words.get(value.id, []) if isinstance(value, ast.Name) else _either(value)
    yield from known or [f"{{{_kind(each)}{place}}}"]


def _kind(each: ast.FormattedValue) -> str:
    spec = ast.unparse(each.format_spec) if each.format_spec else ""
    value = each.value
    name = ""
    if isinstance(value, ast.Call):
        value = value.func
    if isinstance(value, ast.Attribute):
        name = value.attr
    elif isinstance(value, ast.Name):
        name = value.id
    if re.search(r"[,d]|\.\df", spec) or NUMBERS.match(name):
        return "n"
    return "x" if WRITTEN.search(name) else "t"


_COMMENT = re.compile(r"\{#.*?#\}|\{% comment.*?endcomment %\}|<!--.*?-->|<(script|style).*?</\1>", re.DOTALL)
_TAG = re.compile(r"</?[a-zA-Z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>", re.DOTALL)
_ATTRIBUTE = re.compile(r"\s(?:title|placeholder|aria-label|aria-description|alt|label|data-[\w-]+|value)=\"([^\"]*)\"")

_ENDS_TEXT = re.compile(
    r"\{%\s*(?:if|elif|else|endif|for|empty|endfor|with|endwith|block|endblock|autoescape|endautoescape|include|load)"
    r"\b[^%]*%\}"
)


def _of_templates() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "templates").rglob("*")):
        if path.suffix in (".html", ".txt"):
            source = _COMMENT.sub("", path.read_text())
            yield from ((path.relative_to(ROOT).as_posix(), text) for text in _shown(source))


def _shown(source: str) -> Iterator[str]:
    for words in re.findall(r"\{[%{][^}]*?\"([A-Z][^\"]*)\"[^}]*?[%}]\}", source):
        yield words
    for part in _ENDS_TEXT.split(source):
        for words in (*_ATTRIBUTE.findall(part), *_TAG.split(part)):
            for paragraph in words.split("\n\n"):
                yield from map(_placed, _numbers_of(paragraph))


def _numbers_of(words: str) -> Iterator[str]:
    """Yield the singular and the plural of a text with endings (`{{ count|pluralize:"y,ies" }}`)."""
    found = re.search(r"\{\{[^}]*\|pluralize(?::\"([^\"]*)\")?\s*\}\}", words)
    if found is None:
        yield words
        return
    one, _, many = (found[1] if found[1] is not None else ",s").rpartition(",")
    for ending in (one, many):
        yield from _numbers_of(words[: found.start()] + ending + words[found.end() :])


def _placed(words: str) -> str:
    """Return a text of a template with its variables as placeholders."""
    place = iter(range(1, 99))

    def named(found: re.Match[str]) -> str:
        name = found[0].strip("{}% ").split("|")[0].split(".")[-1]
        kind = "n" if NUMBERS.match(name) or "intcomma" in found[0] else "x" if WRITTEN.search(name) else "t"
        return f"{{{kind}{next(place)}}}"

    return re.sub(r"\{\{.*?\}\}|\{%.*?%\}", named, words)


def main() -> None:
    found = messages()
    if "--list" in sys.argv:
        for text, place in sorted(found.items(), key=lambda pair: (pair[1], pair[0])):
            sys.stdout.write(f"{place}\t{text}\n")
        return
    for path in sorted(CATALOGS.glob("*.po")):
        with path.open("rb") as file:
            old = read_po(file, locale=path.stem)
        known = {str(row.id) for row in old if row.id}
        sys.stdout.write(f"{path.name} lacks {len(set(found) - known)} and has {len(known - set(found))} more\n")
        if "--write" in sys.argv:
            new = Catalog(locale=path.stem)
            for text in sorted(found):
                row = old.get(text)
                new.add(text, str(row.string) if row else "")
            with path.open("wb") as file:
                file.write(HEAD.format(path.stem).encode())
                write_po(file, new, width=0, omit_header=True, sort_output=True)


if __name__ == "__main__":
    main()
