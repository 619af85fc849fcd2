"""Pages of contacts and recipients, and why one is not called."""

from calls.admin.people import contact, evidence, recipient

__all__ = ["contact", "evidence", "recipient"]
