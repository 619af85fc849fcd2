"""What the documents name exists: links, headings, files, and in CONTRIBUTING.md the names of the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.suite import ROOT

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = ("calls", "campaigns", "config", "providers", "tenants", "tests", "docs", "benchmarks", "templates", "static")
CODE = ("calls", "campaigns", "config", "providers", "tenants", "tests")
EXAMPLE = "acorn"  # the provider that CONTRIBUTING.md adds
# This decision compares the layout before it with the one that it sets.
NAMES_FORMER_FILES = {"docs/adr/0006-inner-walls.md"}

FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
QUOTED = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./-]*")
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
IDENTIFIER = re.compile(r"[A-Za-z_]\w+")


@pytest.fixture(scope="module")
def words() -> set[str]:
    """Every name that the code knows."""
    modules = [
        ROOT / "Makefile",
        ROOT / "pyproject.toml",
        *(path for room in CODE for path in (ROOT / room).rglob("*.py")),
    ]
    return {word for path in modules for word in re.findall(r"\w+", path.read_text("utf-8"))}


def test_links_lead_to_files_and_headings() -> None:
    assert [f"{_name(path)}: {link}" for path in DOCUMENTS for link in broken_links(path)] == []


def test_files_that_documents_name_exist() -> None:
    checked = (path for path in DOCUMENTS if _name(path) not in NAMES_FORMER_FILES)
    assert [f"{_name(path)}: {missing}" for path in checked for missing in missing_files(_text(path))] == []


def test_every_line_of_the_security_checklist_names_tests_that_exist() -> None:
    checklist = _text(ROOT / "docs/security.md").partition("## Checklist")[2]
    rows = re.findall(r"^\| ([\d, ]+) \|(.*)\|$", checklist, re.MULTILINE)
    named = {int(number): TEST.findall(row) for lines, row in rows for number in lines.split(",")}
    assert sorted(named) == list(range(1, 17))
    assert [number for number, tests in named.items() if not tests] == []
    for path, test in TEST.findall(checklist):
        assert not test or re.search(rf"def {test}\b", (ROOT / path).read_text("utf-8")), (path, test)


def test_names_of_the_code_in_the_guide_for_contributors_exist(words: set[str]) -> None:
    assert list(unknown_names(_text(ROOT / "CONTRIBUTING.md"), words)) == []


def test_what_is_gone_is_found(tmp_path: Path, words: set[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One *page*\n[a](gone.md) [b](page.md) [c](#one-page) [d](#two) [e](page.md#three)\n")
    assert list(broken_links(page)) == ["gone.md", "#two", "page.md#three"]
    gone, there = "calls/gate/gone" + ".py", "calls/gate/checks.py"
    assert list(missing_files(f"`{gone}`, `python {gone} --now`, `{there}::x`, `calls/gate/`, `a/b`")) == [gone, gone]
    assert list(unknown_names("`CheckName`, `GONE" + "_NAME`, `make check`, `read_text()`", words)) == [
        "GONE" + "_NAME"
    ]


def broken_links(page: Path) -> Iterator[str]:
    """Yield the relative links of a document whose file or heading is missing."""
    for link in LINK.findall(_text(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (heading and target.suffix == ".md" and heading not in anchors(target)):
            yield link


def missing_files(text: str) -> Iterator[str]:
    """Yield the quoted paths that are in none of our folders."""
    for quoted in QUOTED.findall(text):
        for word in quoted.split():
            path = word.partition("::")[0].rstrip(".,:;")
            if PATH.fullmatch(path) and EXAMPLE not in path and not (ROOT / path).exists():
                yield path


def unknown_names(text: str, words: set[str]) -> Iterator[str]:
    """Yield the quoted names, alone or with dots and brackets, that occur nowhere in the code."""
    for quoted in QUOTED.findall(text):
        parts = quoted.removesuffix("()").split(".")
        if all(IDENTIFIER.fullmatch(part) for part in parts) and not words.issuperset(parts):
            yield quoted


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", found) for found in HEADING.findall(_text(page)))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def _text(page: Path) -> str:
    """The document without its examples."""
    return FENCED.sub("", page.read_text("utf-8"))


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))
