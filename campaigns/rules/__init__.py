"""Pure calling rules: windows, holidays, legal hours, retries, variables. They never ask the database."""
