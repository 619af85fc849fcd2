"""The execution and its record: decides, dials, follows and reports calls. Top room: no room below imports it."""
