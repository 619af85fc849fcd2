"""Runs all background work in long-lived processes. Reads, writes and sends through the packages below it."""
