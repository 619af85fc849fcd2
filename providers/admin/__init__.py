"""Accounts at providers, assistants and caller numbers. What needs execution is added in `calls/admin`."""

from providers.admin import accounts, assistants, numbers

__all__ = ["accounts", "assistants", "numbers"]
