"""The demonstration: everything at once on one machine, against the sandbox. Rings nobody."""
