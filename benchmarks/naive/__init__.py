"""Baselines, as one would write them first: a task for each call, a view with one INSERT, import by a library."""
