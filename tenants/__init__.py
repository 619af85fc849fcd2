"""Who may see what: organizations, members, API keys, scoping, errors. Bottom room: it imports no other."""
