"""The contents of the manual: every document in one group, most used first."""

from __future__ import annotations

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "For everybody",
        (
            *("using-the-admin", "importing", "numbers", "calling-zones", "legal-hours", "figures", "roles"),
            *("what-is-promised", "glossary"),
        ),
    ),
    ("For who connects other systems", ("providers", "webhooks", "api", "sandbox", "what-is-believed")),
    ("For who runs Trunkline", ("deploying", "settings", "backup", "security", "scaling", "performance")),
    (
        "For who changes Trunkline",
        ("testing", "chaos", "simulation", "mutants", "benchmarks", "third-party", "adr"),
    ),
)
DECISIONS = "adr/"  # the pages of decisions are in the document `adr`
