"""How much of a table `make test` runs. The rest has the marker `long` and runs in `make proof` (docs/testing.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def one_in(number: int, values: Iterable[Any], ids: Iterable[str] | None = None) -> list[Any]:
    """Return the values as parameters: the first of each `number` for `make test`, the others for `make proof`."""
    found = list(values)
    names = list(map(str, found)) if ids is None else list(ids)
    return [
        pytest.param(value, id=name, marks=pytest.mark.long if place % number else [])
        for place, (value, name) in enumerate(zip(found, names, strict=True))
    ]
