"""Organizations, memberships, API keys, and who may see what. The bottom room: it imports no other."""
