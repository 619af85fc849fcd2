"""The first page: what runs, what needs attention, today's figures."""
