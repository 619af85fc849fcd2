"""Deliberate bugs in the counts that triggers keep: a page, a budget or a comparison says something that is not so."""

from __future__ import annotations

from tests.mutants.planting import Bug, Edit

COUNTS = "tests/calls/test_counts.py::"
COUNTERS = "tests/calls/test_counts.py::test_folding_leaves_one_row_for_a_group_and_none_for_nothing"

COUNTING_BUGS: tuple[Bug, ...] = (
    Bug(
        "two ends at once count a person twice",
        "Two calls of a recipient end in two transactions, and each takes itself for the first that reached it.",
        (Edit("tenants/db/counters.py", "IF touched IS NULL THEN RETURN NULL; END IF; {lock};", ""),),
        (COUNTS + "test_two_calls_of_one_recipient_that_end_at_once_count_it_once",),
        "PostgreSQL",
        still_passes=COUNTERS,
    ),
    Bug(
        "folding forgets what was folded before",
        "The counts of a campaign shrink to the changes of the last seconds, and so does what it has spent.",
        (
            Edit(
                "tenants/db/counters.py",
                "for _, *values in (*old, *new):",
                "for _, *values in new:",
            ),
        ),
        (COUNTS + "test_any_sequence_of_changes_leaves_true_counts",),
        still_passes=COUNTS + "test_triggers_that_are_missing_are_installed_and_everything_is_counted_again",
    ),
    Bug(
        "a call that did not decide counts as well",
        "A recipient that was called twice is two people in the comparison of assistants.",
        (
            Edit(
                "tenants/db/counters.py",
                " AND NOT EXISTS (SELECT 1 FROM {others.format(row='r')} AND {before})",
                "",
            ),
        ),
        (COUNTS + "test_any_sequence_of_changes_leaves_true_counts",),
        still_passes=COUNTERS,
    ),
    Bug(
        "a cell that PostgreSQL writes is not guarded",
        "A spreadsheet runs a contact's name as a formula when it opens the results of a campaign.",
        (
            Edit(
                "calls/reports/results_copy.py",
                "return f\"CASE WHEN {guards} THEN '''' || {text}",
                'return f"CASE WHEN {guards} THEN {text}',
            ),
        ),
        ("tests/calls/test_results_csv.py::test_postgresql_writes_the_bytes_that_python_writes",),
        "PostgreSQL",
        still_passes=COUNTERS,
    ),
)
