"""Deliberate bugs in the audit log: a change leaves no entry or two, or a row that is not what it was is not found."""

from __future__ import annotations

from dataclasses import replace

from tests.mutants.planting import Bug, Edit

CHAIN, VIEWS = "tenants/audit_chain.py", "tenants/api/views.py"
WRONG_ROW = ("tests/tenants/test_audit_chain.py::test_one_wrong_row_is_always_found",)
SEALED = "tests/tenants/test_audit_chain.py::test_entries_are_sealed_when_slow_transactions_are_over"
BY_API = ("tests/tenants/test_audit_entries.py::test_each_change_over_the_api_leaves_one_entry",)

_ON_SQLITE: tuple[Bug, ...] = (
    Bug(
        "a removed entry ends the check of its chain",
        "Whoever removes an entry from the audit log hides what was done.",
        (Edit(CHAIN, """                yield Fault(chain, each.entry, "is missing")\n""", ""),),
        WRONG_ROW,
        still_passes=SEALED,
    ),
    Bug(
        "an entry that was added later is taken for a new one",
        "An action that nobody did is put into the audit log.",
        (Edit(CHAIN, "        if entry.pk <= last:\n", "        if last < 0:\n"),),
        WRONG_ROW,
        still_passes=SEALED,
    ),
    Bug(
        "the digest does not cover the details",
        "What an entry says was changed can be rewritten.",
        (Edit(CHAIN, """        "detail": entry.detail,\n""", ""),),
        WRONG_ROW,
        still_passes=SEALED,
    ),
    Bug(
        "a changed digest is not compared",
        "Every entry of the audit log can be rewritten.",
        (Edit(CHAIN, "if digest != each.digest or _chain_of(entry) != chain:", "if _chain_of(entry) != chain:"),),
        WRONG_ROW,
        still_passes=SEALED,
    ),
    Bug(
        "an object that is deleted over the API leaves no entry",
        "Nobody can tell who deleted it.",
        (Edit(VIEWS, """                    self._audit(found, "deleted", {})\n""", "                    pass\n"),),
        BY_API,
        still_passes=SEALED,
    ),
    Bug(
        "a change over the API leaves two entries",
        "The audit log shows changes that were not made.",
        (
            Edit(
                VIEWS,
                """"added" if instance is None else "changed", {"fields": differing}, changes)\n""",
                """"added" if instance is None else "changed", {"fields": differing}, changes)\n"""
                """            self._audit(saved, "changed", {"fields": differing}, changes)\n""",
            ),
        ),
        BY_API,
        still_passes=SEALED,
    ),
)
# The chain is read from rows, times and JSON as each database gives them back.
_ON_POSTGRESQL = (replace(bug, name=f"{bug.name}, on PostgreSQL", database="PostgreSQL") for bug in _ON_SQLITE)
AUDIT_BUGS: tuple[Bug, ...] = (*_ON_SQLITE, *_ON_POSTGRESQL)
