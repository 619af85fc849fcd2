"""The pages about execution, and what execution adds to the pages of the rooms below."""

from calls.admin import call, campaign, launch, records, switches, webhooks

__all__ = ["call", "campaign", "launch", "records", "switches", "webhooks"]
