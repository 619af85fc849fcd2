"""Shared parts of the benchmarks: the database, the provider, the worker, the rows, the clocks and the table."""
