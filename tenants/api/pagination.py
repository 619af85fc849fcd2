"""Cursor pagination over the internal key: no counts, no gaps, no repeats among equal timestamps."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, ClassVar, Self

from django.db import models
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

# The internal key grows with time, so it is the indexed way to order by creation.
ORDERINGS = {"created_at": "pk", "-created_at": "-pk"}

_BASE64 = re.compile(r"[A-Za-z0-9+/=]*")  # Python's decoder skips all other characters


class _OfOneOwner(models.QuerySet[Any]):
    """Rows of one owner, given as a range, whose order by key has the owner in front.

    So PostgreSQL reads the index of owner and key. With an equal owner and an order by key alone it expects the owner's
    rows everywhere, and reads all newer rows of others first.
    """

    owner: ClassVar[str]

    def order_by(self, *names: Any) -> Self:
        if names in (("pk",), ("-pk",)):
            names = (f"{'-' if names == ('pk',) else ''}{self.owner}", *names)
        return super().order_by(*names)


@cache
def _class_of(queryset: Any, owner: str) -> type[models.QuerySet[Any]]:
    return type(f"{queryset.__name__}Of{owner.title()}", (_OfOneOwner, queryset), {"owner": f"{owner}_id"})


def of_one(rows: Any, owner: str, key: int | models.OuterRef) -> Any:
    """Return the rows of one owner, for pages in the order of their keys. `owner`: a foreign key of the model.

    There must be an index of the owner and the descending key. Do not use it together with filters that have an index
    of their own, which cannot give this order.
    """
    found = rows.filter(**{f"{owner}__gte": key, f"{owner}__lte": key})
    kind: Any = type(found)
    found.__class__ = _class_of(kind, owner)
    return found


class CursorPages(CursorPagination):
    """`?limit=` 1-200, default 50. Newest first, unless `?ordering=created_at`."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering = "-pk"

    def get_page_size(self, request: Request) -> int:
        given = request.query_params.get("limit")
        if given is None:
            return self.page_size
        if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= self.max_page_size):
            raise ValidationError({"limit": f"Give a whole number from 1 to {self.max_page_size}."})
        return int(given)

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        given = request.query_params.get("ordering", "-created_at")
        if given not in ORDERINGS:
            raise ValidationError({"ordering": f"Choose one of {', '.join(ORDERINGS)}."})
        return (ORDERINGS[given],)

    def decode_cursor(self, request: Request) -> Cursor | None:
        if not _BASE64.fullmatch(request.query_params.get(self.cursor_query_param, "")):
            raise NotFound(self.invalid_cursor_message)
        found = super().decode_cursor(request)
        position: Any = found.position if found else None
        if position is not None and not (position.isascii() and position.isdigit() and len(position) <= 18):
            raise NotFound(self.invalid_cursor_message)
        return found

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        try:
            return super().paginate_queryset(queryset, request, view)
        except NotFound as error:  # a damaged cursor is the caller's mistake, not a missing page
            raise ValidationError(
                {"cursor": "This cursor is not valid. Follow `next` and `previous` exactly as they were returned."}
            ) from error
