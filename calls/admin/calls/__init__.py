"""The list of calls and the page of one call."""

from calls.admin.calls import admin

__all__ = ["admin"]
