"""Cursor pagination over the internal key: no counts, no gaps, no repeats among equal timestamps."""

from __future__ import annotations

import re
from typing import Any

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from tenants.public_address import absolute

# The internal key grows with time, so it is the indexed way to order by creation.
ORDERINGS = {"created_at": "pk", "-created_at": "-pk"}

_BASE64 = re.compile(r"[A-Za-z0-9+/=]*")  # Python's decoder skips all other characters


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
            found: Any = super().paginate_queryset(queryset, request, view)
        except NotFound as error:  # a damaged cursor is the caller's mistake, not a missing page
            raise ValidationError(
                {"cursor": "This cursor is not valid. Follow `next` and `previous` exactly as they were returned."}
            ) from error
        self.base_url = absolute(request, request.get_full_path())
        return found
