"""Pages of records that programs write: provider events, heartbeats, alerts, webhook deliveries."""

from calls.admin.records import alerts, records, webhooks

__all__ = ["alerts", "records", "webhooks"]
