"""The contents of the manual: every document in one group with what a reader finds in it, most used first."""

from __future__ import annotations

from collections.abc import Mapping

GROUPS: tuple[tuple[str, Mapping[str, str]], ...] = (
    (
        "Working with Trunkline",
        {
            "using-the-admin": "Every page: launch a call, run a campaign, stop calls, settle what needs attention.",
            "importing": "Contacts from a CSV file or a workbook: columns, tags, rejected rows, undoing an import.",
            "numbers": "How a phone number is read as it is written, and why one is refused.",
            "calling-zones": "When a number that may be in several time zones is called.",
            "legal-hours": "The hours in which people may be called, by country and state.",
            "figures": "What each figure on the pages, in files and in the API counts.",
            "roles": "What each role and each API key may do.",
            "what-is-promised": "What Trunkline guarantees about a call. For customers and auditors.",
            "glossary": "The terms of the pages, one for each thing.",
        },
    ),
    (
        "Connecting other systems",
        {
            "providers": "What to enter for each voice provider, and how its statuses are read.",
            "webhooks": "Messages about calls and campaigns to your own systems.",
            "api": "Calls and campaigns over HTTP, with examples to copy.",
            "sandbox": "Voice providers to try with that call no real phone.",
            "what-is-believed": "How far Trunkline trusts what a provider reports about a call.",
        },
    ),
    (
        "Running an installation",
        {
            "deploying": "Install, upgrade and monitor Trunkline.",
            "settings": "Every setting of the environment, with its default.",
            "backup": "Back up, and restore without calling anybody twice.",
            "security": "What protects an installation on the internet; the audit log.",
            "scaling": "Which machines 1, 10 and 100 million calls a month need.",
            "performance": "What is fast, what limits it, and how it was measured.",
        },
    ),
    (
        "Changing the code",
        {
            "testing": "Which tests run where, and the rules for a new one.",
            "chaos": "Campaigns while nearly everything fails: nobody is called twice.",
            "simulation": "33 days of campaigns on a real database.",
            "mutants": "Bugs that the tests must find.",
            "benchmarks": "Each benchmark, and what it needs.",
            "third-party": "Files of other projects in this repository.",
            "adr": "One page for each decision: what it decides, why, and the rule it sets.",
        },
    ),
)
DECISIONS = "adr/"  # the pages of decisions are in the document `adr`
