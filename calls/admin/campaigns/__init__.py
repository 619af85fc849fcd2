"""The campaign"s list, page, forms and buttons."""

from calls.admin.campaigns import admin

__all__ = ["admin"]
