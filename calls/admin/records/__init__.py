"""Pages of what machines wrote: events, heartbeats, alerts, webhook deliveries."""

from calls.admin.records import alerts, records, webhooks

__all__ = ["alerts", "records", "webhooks"]
