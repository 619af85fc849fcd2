"""Runs all background work in slices of a worker process. Reads, writes and sends through the packages below it."""
