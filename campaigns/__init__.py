"""The plan: contacts, imports, the do-not-call list, campaigns and their rules. Places no calls."""
