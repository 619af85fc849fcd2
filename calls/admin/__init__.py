"""The pages about execution, and what execution adds to the pages of the rooms below."""

from calls.admin.calls import admin
from calls.admin.campaigns import admin
from calls.admin.launch import page
from calls.admin.people import contact, evidence, recipient
from calls.admin.records import alerts, records, webhooks
from calls.admin.setup import legal_hours, organization_pages, provider_pages

__all__ = [
    "alerts",
    "call",
    "campaign",
    "contact",
    "evidence",
    "launch",
    "legal_hours",
    "recipient",
    "records",
    "set_up",
    "switches",
    "webhooks",
]
