"""Customers' webhooks: the outbox rows, their delivery and their maintenance. Reads, writes and sends."""
