"""What calls add to the pages of organizations, provider accounts, assistants and caller numbers."""

from calls.admin.setup import legal_hours, organization_pages, provider_pages

__all__ = ["legal_hours", "organization_pages", "provider_pages"]
