"""Pages of contacts and recipients, with the explanation why one is not called."""

from calls.admin.people import contact, evidence, recipient

__all__ = ["contact", "evidence", "recipient"]
