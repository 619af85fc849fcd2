"""Contacts, lists, imports and the do-not-call list. What needs execution is added in `calls/admin`."""

from campaigns.admin import contact, contact_import, contact_list, do_not_call, import_mapping, numbers

__all__ = ["contact", "contact_import", "contact_list", "do_not_call", "import_mapping", "numbers"]
