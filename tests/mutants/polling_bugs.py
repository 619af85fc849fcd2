"""Deliberate bugs in the polling state of calls: its rows, their leases, and what a read writes to them."""

from __future__ import annotations

from tests.mutants.planting import Bug, Edit

POLLING = "tests/calls/test_polling.py::"

POLLING_BUGS: tuple[Bug, ...] = (
    Bug(
        "a late answer to a read is stored over a later read",
        "Two readers put one call off in turn, and its errors in a row are counted wrongly.",
        (
            Edit(
                "calls/following/rescheduling.py",
                "FROM v JOIN mine USING (id) WHERE p.id = v.id AND p.reads = v.reads",
                "FROM v JOIN mine USING (id) WHERE p.id = v.id",
            ),
        ),
        (POLLING + "test_a_read_writes_to_the_row_as_it_was_leased_and_to_no_other",),
        database="PostgreSQL",
    ),
    Bug(
        "an answer puts off a read that a status callback made due",
        "The end that the provider reported during the read is seen minutes late.",
        (
            Edit(
                "calls/following/rescheduling.py",
                "CASE WHEN p.next_read_at = v.leased_until THEN v.at ELSE p.next_read_at END",
                "v.at",
            ),
        ),
        (POLLING + "test_a_read_writes_to_the_row_as_it_was_leased_and_to_no_other",),
    ),
    Bug(
        "calls without a provider ID fill a batch of reads",
        "The rows at the head can never be read, so no call behind them is, and the account's rate is used up.",
        (
            Edit(
                "calls/following/due_reads.py",
                "    AND EXISTS (SELECT 1 FROM calls_call c WHERE c.polling_id = p.id AND c.provider_call_id <> '')\n",
                "",
            ),
        ),
        (POLLING + "test_due_rows_that_are_searched_for_take_no_place_of_a_batch_of_reads",),
    ),
    Bug(
        "saving a call writes its whole polling row",
        "A claim that another worker commits meanwhile is undone: the call is read twice at once.",
        (
            Edit(
                "calls/models/polling.py",
                "for name, value in now.items() if self._stored[name] != value}",
                "for name, value in now.items()}",
            ),
        ),
        (POLLING + "test_saving_a_call_undoes_no_read_that_was_claimed_meanwhile",),
    ),
)
