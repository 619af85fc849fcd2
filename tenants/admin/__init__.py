"""Pages of organizations, members, API keys, the audit log and the libraries' own tables."""

from tenants.admin import api_keys, audit, library_tables, organizations, staff_users

__all__ = ["api_keys", "audit", "library_tables", "organizations", "staff_users"]
