"""What a programmer would write first, as baselines: a task for each call, a view with one INSERT, import by library."""
