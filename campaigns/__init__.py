"""The plan: contacts, imports, do-not-call, campaigns and their rules. Knows nothing of execution."""
