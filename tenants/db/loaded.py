"""Make objects of rows, and new rows, with as little work as possible: those of the engine are made by the hundred.

Only for models that override neither `__init__` nor the setting of a column, and whose `pre_init` and `post_init`
nobody listens to: values are set as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import Any, Self, TypeVar

from django.db import models
from django.db.models.base import ModelState

M = TypeVar("M", bound=models.Model)


class LoadedQuickly(models.Model):
    """A model whose rows are loaded quickly."""

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **_: Any) -> Self:
        """Return what `Model.from_db` makes of a row: columns that are not named are deferred."""
        made = cls.__new__(cls)
        state = ModelState()
        state.adding, state.db = False, db
        made.__dict__["_state"] = state
        made.__dict__.update(zip(field_names, values, strict=True))
        return made


def like(model_row: M, **values: Any) -> M:
    """Return a new row like an unsaved one, with other values by attribute name.

    What a field's default makes anew for each row (a key, a moment, an empty dictionary) is made anew. Related objects
    are shared.
    """
    made = type(model_row).__new__(type(model_row))
    state = ModelState()
    state.fields_cache = dict(model_row._state.fields_cache)
    made.__dict__.update(model_row.__dict__, _state=state)
    made.__dict__.update((name, default()) for name, default in _made_anew(type(model_row)))
    made.__dict__.update(values)
    return made


@cache
def _made_anew(model: type[models.Model]) -> list[tuple[str, Callable[[], Any]]]:
    fields: list[Any] = [field for field in model._meta.concrete_fields if field.has_default()]
    return [(field.attname, field.default) for field in fields if callable(field.default)]


def relate(row: models.Model, **related: models.Model) -> None:
    """Give a row objects, and their keys, by the names of its foreign keys. Setting the attributes checks each."""
    for name, other in related.items():
        row.__dict__[f"{name}_id"] = other.pk
    row._state.fields_cache.update(related)
