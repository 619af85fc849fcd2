"""Pure calling rules: windows, holidays, legal hours, retries, variables. They never use the database."""
