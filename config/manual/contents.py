"""The contents of the manual: every document in one group, most used first."""

from __future__ import annotations

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Working with Trunkline",
        (
            *("using-the-admin", "importing", "numbers", "calling-zones", "legal-hours", "figures", "roles"),
            *("what-is-promised", "glossary"),
        ),
    ),
    ("Connecting other systems", ("providers", "webhooks", "api", "sandbox", "what-is-believed")),
    ("Running an installation", ("deploying", "settings", "backup", "security", "scaling", "performance")),
    (
        "Changing the code",
        ("testing", "chaos", "simulation", "mutants", "benchmarks", "third-party", "adr"),
    ),
)
DECISIONS = "adr/"  # the pages of decisions are in the document `adr`
