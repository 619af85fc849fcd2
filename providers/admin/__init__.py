"""Admin pages for provider accounts, assistants and caller numbers. `calls/admin` adds the parts that need calls."""

from providers.admin import accounts, assistants, numbers

__all__ = ["accounts", "assistants", "numbers"]
