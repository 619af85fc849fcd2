"""Pages of organizations, team members, API keys, the audit log and the tables of libraries."""

from tenants.admin import api_keys, audit, library_tables, organizations, staff_users

__all__ = ["api_keys", "audit", "library_tables", "organizations", "staff_users"]
