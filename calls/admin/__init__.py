"""Pages about execution, and what execution adds to the pages of the rooms below. May read anything below it and order
actions; never writes a call's status itself."""

from calls.admin import calls, campaigns, launch, people, records, setup

__all__ = ["calls", "campaigns", "launch", "people", "records", "setup"]
