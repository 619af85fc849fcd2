"""The page on which a team member launches a single call."""

from calls.admin.launch import page

__all__ = ["page"]
