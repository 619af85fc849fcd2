"""Django's database backend for PostgreSQL, which asks less often whether a connection still works."""
