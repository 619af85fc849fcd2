"""Make objects of rows with as little work as possible: those of the engine are loaded by the hundred."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from django.db import models
from django.db.models.base import ModelState

M = TypeVar("M", bound=models.Model)


def of_row(model: type[M], alias: str | None, names: Iterable[str], values: Iterable[Any]) -> M:
    """Return what `Model.from_db` makes of a row: columns that are not named are deferred.

    Only for models that override neither `__init__` nor the setting of a column, and whose `pre_init` and `post_init`
    nobody listens to: the row's values are set as they are.
    """
    made = model.__new__(model)
    state = ModelState()
    state.adding, state.db = False, alias
    made.__dict__["_state"] = state
    made.__dict__.update(zip(names, values, strict=True))
    return made
