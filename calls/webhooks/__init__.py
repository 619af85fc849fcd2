"""Webhooks of customers: the outbox, its delivery and its maintenance. Reads, writes and sends."""
