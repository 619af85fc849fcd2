"""What execution adds to the pages of organizations and provider accounts."""

from calls.admin.setup import legal_hours, organization_pages, provider_pages

__all__ = ["legal_hours", "organization_pages", "provider_pages"]
