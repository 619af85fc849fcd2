"""The walls between modules: no import circle, and no import inside a function that hides one.

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
# Django asks for these imports to wait until every model is loaded.
MAY_IMPORT_LATE = {("calls/apps.py", "ready")}


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


def test_an_import_inside_a_function_is_found() -> None:
    tree = ast.parse(
        "import calls\ndef f():\n    import os\n    from calls.models import Call\n    import tenants.models\n"
    )
    assert [(name, node.lineno) for name, node in late_imports(tree)] == [("f", 4), ("f", 5)]


def late_imports(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Return imports of the rooms inside functions, each with the function's name."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                elif isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                else:
                    continue
                if any(name.partition(".")[0] in ROOMS for name in names):
                    yield function.name, node
