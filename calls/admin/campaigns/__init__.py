"""Pages of campaigns: the list, the page of one campaign, its forms and buttons, and the wizard."""

from calls.admin.campaigns import admin

__all__ = ["admin"]
