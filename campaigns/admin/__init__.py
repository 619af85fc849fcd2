"""Admin pages of contacts, lists, imports and the do-not-call list. `calls/admin` adds the parts about calls."""

from campaigns.admin import contact, contact_import, contact_list, do_not_call, import_mapping, numbers, segment, tag

__all__ = ["contact", "contact_import", "contact_list", "do_not_call", "import_mapping", "numbers", "segment", "tag"]
