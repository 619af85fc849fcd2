"""The walls between modules: no import circle, and no import that hides one from import-linter.

The order of the layers themselves is checked by import-linter (`make lint`), from the contracts in pyproject.toml.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOMS = ("tenants", "providers", "campaigns", "calls", "config")
ROOT = Path(__file__).resolve().parent.parent
BY_NAME = {"import_module", "import_string", "__import__"}
# Django asks for these imports to wait until every model is loaded.
MAY_IMPORT_LATE = {
    *((f"{room}/apps.py", "ready") for room in ("calls", "campaigns", "config", "tenants")),
    # Before Django is set up there are no models.
    *(("config/starting.py", "begin_web"), ("config/starting.py", "_compare_journal")),
}


def test_no_module_is_part_of_an_import_circle() -> None:
    graph = grimp.build_graph(*ROOMS, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert circles(imports) == []


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}, "c": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"e"}, "e": {"d"}}, [["a", "b", "c"], ["d", "e"]]),
    ],
)
def test_a_circle_is_found(imports: dict[str, set[str]], expected: list[list[str]]) -> None:
    assert circles(imports) == expected


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that reach each other, each sorted."""
    reached = {module: _reached(imports, module) for module in imports}
    groups = {frozenset(other for other in found if module in reached[other]) for module, found in reached.items()}
    return sorted(sorted(group) for group in groups if group)


def _reached(imports: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    ahead = list(imports[start])
    while ahead:
        module = ahead.pop()
        if module not in found:
            found.add(module)
            ahead.extend(imports.get(module, ()))
    return found


def test_no_function_imports_one_of_our_modules() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        for function, node in late_imports(ast.parse(path.read_text()))
        if (str(path.relative_to(ROOT)), function) not in MAY_IMPORT_LATE
    ]
    assert found == [], "Import these at the top of the module; if that closes a circle, move the shared part down."


LATE = """\
import calls
def f():
    import os
    from calls.models import Call
    import tenants.models
    from . import tasks
    import_module("calls.engine.tasks")
    importlib.import_module(f"calls.engine.{name}")
    call("calls.engine.tasks")
    import_string("os.path")
"""


def test_an_import_inside_a_function_is_found() -> None:
    assert [(name, node.lineno) for name, node in late_imports(ast.parse(LATE))] == [("f", n) for n in range(4, 9)]


def test_every_folder_with_modules_is_a_package() -> None:
    """import-linter does not see the modules of a folder without `__init__.py`."""
    folders = {path.parent for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert [str(folder.relative_to(ROOT)) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def late_imports(tree: ast.Module) -> Iterator[tuple[str, ast.stmt | ast.expr]]:
    """Yield the imports of our rooms inside functions, with the function's name."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.stmt | ast.expr) and any(
                    name.partition(".")[0] in (*ROOMS, "") for name in _imported(node)
                ):
                    yield function.name, node


def _imported(node: ast.AST) -> list[str]:
    """Return the modules that a statement or call imports by name; "" for a relative import."""
    match node:
        case ast.ImportFrom(module=module, level=level):
            return ["" if level else module or ""]
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if called in BY_NAME:
            return [str(text.value) for text in ast.walk(node) if isinstance(text, ast.Constant)]
    return []
