"""The page that starts a single call."""

from calls.admin.launch import page

__all__ = ["page"]
