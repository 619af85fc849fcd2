"""The dashboard: running campaigns, what needs attention, and today's figures."""
