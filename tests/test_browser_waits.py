"""Browser tests wait: none reads a page at once, asks the database before a click has its effect, or leaves before.

A click returns before its effect. Each form asks `/admin/session/` before it is sent, and parts of pages are fetched. A
read at once then finds the page before: on a quick machine now and then, on a slow one always. Another page opened at
once cancels the click.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent
BROWSER = ROOT / "browser"
# Methods of a page or a locator that tell what is there now. `expect`, `until` and `wait_for_…` wait.
READS = {
    *("all_inner_texts", "all_text_contents", "bounding_box", "content", "count", "get_attribute", "inner_html"),
    *("eval_on_selector", "eval_on_selector_all", "evaluate", "evaluate_all", "inner_text", "input_value"),
    *("is_checked", "is_disabled", "is_editable", "is_enabled", "is_hidden", "is_visible", "query_selector"),
    *("query_selector_all", "text_content", "title"),
}
ATTRIBUTES = {"url"}  # which change too; an address may be read to go there, but not compared
# Functions that read a page that has settled, and why none of the waiting assertions does.
MAY_READ = {
    "support.py::spill_at": "returns a number, once the page has taken its width",
    "support.py::comes_true": "is the wait itself",
    "support.py::faults_of": "returns what axe finds, once the page has settled",
    "test_every_page.py::test_pages_are_for_everybody_and_fit_and_show_what_others_wrote_as_text": (
        "counts the settled pages that show a text"
    ),
    "test_right_to_left.py::test_numbers_beside_names_from_right_to_left_are_drawn_in_order": "measures settled pages",
    "test_two_organizations.py::test_pages_lists_files_and_forms_have_no_word_of_it": "a mark in settled pages",
    "test_two_organizations.py::test_search_finds_nothing_of_it": "a mark in results that have arrived",
    "test_two_organizations.py::test_what_happens_there_stays_there": "a mark in a settled page",
    "test_two_organizations.py::test_a_role_is_held_in_its_organization_alone": "a mark in settled pages",
    "test_two_organizations.py::overview_of": "compares a settled page with itself",
    "test_two_staff_pages.py::test_search_files_and_settings": "compares two settled pages",
}
ACTS = {"click", "dblclick", "press", "press_sequentially", "select_option", "type"}
WAITS = {"answered", "expect", "refreshed", "replaced", "settled", "until"}  # and `wait_for_…`, `expect_…`
ASKS_DATABASE = {"objects", "refresh_from_db"}
LEAVES = {"go_back", "goto", "reload", "sign_in", "visit"}


def modules() -> list[Path]:
    return sorted(BROWSER.glob("*.py"))


def test_no_browser_test_reads_a_page_at_once() -> None:
    found = [
        f"{path.name}:{line} in {function}"
        for path in modules()
        for function, line in reads(ast.parse(path.read_text()))
        if f"{path.name}::{function}" not in MAY_READ
    ]
    assert found == [], "Wait for what is expected: `expect`, or `until` of tests/browser/support.py."


def test_who_may_read_does() -> None:
    reading = {f"{path.name}::{function}" for path in modules() for function, _ in reads(ast.parse(path.read_text()))}
    assert set(MAY_READ) - reading == set()


def test_no_browser_test_goes_on_before_a_click_has_its_effect() -> None:
    found = [f"{path.name}:{line}" for path in modules() for line in too_early(ast.parse(path.read_text()))]
    assert found == [], "Wait for the page that says that it is done."


READING = """\
def f(page, rows):
    assert page.locator("p").count() == 1
    assert "day" not in page.url
    shown = page.inner_text("body")
    if page.is_visible("p"):
        page.evaluate("window.stayed = true")
    for text in page.locator("p").all_inner_texts():
        assert text
    page.goto(other.url)
    assert Call.objects.filter(pk=1).count() == 1 and "aa".count("a") == 2
    assert not page.evaluate("1") and forged(page, page.url)
    expect(page.locator("p")).to_have_count(rows)
    return page.locator("p").count()
"""


def test_a_read_at_once_is_found() -> None:
    assert [line for _, line in reads(ast.parse(READING))] == [2, 3, 4, 5, 7, 11, 13]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('page.click("a")\nassert Call.objects.get()', [2]),
        ('page.click("a")\nassert Call.objects.get()\nrow.refresh_from_db()', [2, 3]),
        ('page.click("a")\npage.wait_for_url("b")\nassert Call.objects.get()', []),
        ('page.keyboard.press("Enter")\npage.fill("a", "b")\nrow.refresh_from_db()', [3]),
        ('with page.expect_navigation():\n    page.click("a")\nassert Call.objects.get()', []),
        ('for page in pages:\n    page.click("a")\n    expect(page).to_have_title("b")\nrow.refresh_from_db()', []),
        ('if a:\n    page.click("a")\nrow.refresh_from_db()', [3]),
        ("row.refresh_from_db()\npage.click('a')", []),
        ('page.click("a")\npage.goto("b")\npage.reload()', [2]),
    ],
)
def test_a_step_before_the_effect_is_found(lines: str, expected: list[int]) -> None:
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    assert [line - 1 for line in too_early(ast.parse(f"def test():\n{body}"))] == expected


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def reads(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the function's name and the line of each value that is read from a page at once."""
    for function in functions(tree):
        within = [node for node in ast.walk(function) if isinstance(node, ast.stmt | ast.expr)]
        dropped = {id(node.value) for node in within if isinstance(node, ast.Expr)}  # an action, not a read
        given = {id(argument) for node in within if isinstance(node, ast.Call) for argument in node.args}  # to go there
        asserted = {id(node) for each in within if isinstance(each, ast.Assert) for node in ast.walk(each)}
        found = {
            node.lineno
            for node in within
            if (_reads(node) and id(node) not in dropped) or (_is_address(node) and id(node) in asserted - given)
        }
        yield from ((function.name, line) for line in sorted(found))


def _reads(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="count"), args=arguments) if arguments:
            return False  # of a string or a list
        case ast.Call(func=ast.Attribute(attr=name) as method) if name in READS:
            return not _names(method) & ASKS_DATABASE
    return False


def _is_address(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES


def _names(node: ast.AST) -> set[str]:
    """Return every name and attribute within a node."""
    within = list(ast.walk(node))
    return {each.attr for each in within if isinstance(each, ast.Attribute)} | {
        each.id for each in within if isinstance(each, ast.Name)
    }


def too_early(tree: ast.Module) -> Iterator[int]:
    """Yield the line of each step that asks the database or leaves the page while a click may have no effect yet."""
    for function in functions(tree):
        acted = False
        for step in _steps(function.body):
            names = _names(step)
            if _waits(names):
                acted = False
            elif acted and names & (ASKS_DATABASE | LEAVES):
                yield step.lineno
                acted = not names & LEAVES
            elif isinstance(step, ast.Expr) and names & ACTS:
                acted = True


def _waits(names: set[str]) -> bool:
    return bool(names & WAITS) or any(name.startswith(("wait_for", "expect_")) for name in names)


def _steps(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements in order, those of loops and branches one by one. A block that waits at its end is one."""
    for statement in body:
        inner = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
        if isinstance(statement, ast.With) and _waits(_names(statement)):
            yield statement
        elif isinstance(statement, ast.FunctionDef):
            continue
        elif any(inner):
            yield from (step for block in inner for step in _steps(block))
        else:
            yield statement
