"""The pages for signing in, and the pages about one's own password, second factor and sessions."""
