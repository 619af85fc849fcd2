"""A table of cases as one test, where the cases share all fixtures: each test costs milliseconds before it begins."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from django.db import transaction

Test = Callable[..., None]


def cases(names: str | Iterable[str], table: Iterable[Any]) -> Callable[[Test], Test]:
    """Run a test for each case, as `pytest.mark.parametrize` does, but as one test. Every case that fails is named.

    The cases share the fixtures: none may leave anything behind. See `rolled_back` for those that write rows.
    """
    wanted = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    several = len(wanted) > 1 or not isinstance(names, str)
    rows = [tuple(case) if several else (case,) for case in table]
    assert rows, "a table without cases proves nothing"

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            failures: list[tuple[dict[str, Any], Exception]] = []
            for row in rows:
                case = dict(zip(wanted, row, strict=True))
                try:
                    test(**fixtures, **case)
                except Exception as failure:
                    failures.append((case, failure))
            if failures:
                named = "\n".join(repr(case) for case, _ in failures)
                said = f"{len(failures)} of {len(rows)} cases failed:\n{named}\n"
                raise ExceptionGroup(said, [failure for _, failure in failures])

        given = inspect.signature(test)
        kept = [value for name, value in given.parameters.items() if name not in wanted]
        assert len(kept) == len(given.parameters) - len(wanted), f"{test.__name__} does not take {names}"
        run.__signature__ = given.replace(parameters=kept)  # type: ignore[attr-defined]
        return run

    return decorate


def rolled_back(test: Test) -> Test:
    """Roll back what each case of a table writes, so that all begin with the same rows."""

    @functools.wraps(test)
    def run(*args: Any, **fixtures: Any) -> None:
        with transaction.atomic():
            try:
                test(*args, **fixtures)
            finally:
                transaction.set_rollback(True)

    return run
