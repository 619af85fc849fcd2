"""The list of calls, and the page of one call with its buttons."""

from calls.admin.calls import admin

__all__ = ["admin"]
