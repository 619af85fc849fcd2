"""Pages of records that programs write: provider events, heartbeats, alerts, webhooks; and of webhook endpoints."""

from calls.admin.records import alerts, records, webhook_endpoints, webhooks

__all__ = ["alerts", "records", "webhook_endpoints", "webhooks"]
