"""Deliberate bugs of the engine's processes: an answer is lost, a lane starves another, two processes do one's work."""

from __future__ import annotations

from tests.mutants.planting import Bug, Edit

WRITER = "tests/calls/test_writer.py::"
LANES = "tests/calls/test_lanes.py::"
LEADER = "tests/calls/test_leader.py::"
DATABASE = "tests/calls/test_engine_database.py::"

ENGINE_BUGS: tuple[Bug, ...] = (
    Bug(
        "half of a batch is dropped when one of its answers cannot be stored",
        "Outcomes are lost, and calls that were placed become doubts.",
        (
            Edit(
                "calls/engine/writer.py",
                "self._kept += [Batch(entries[:half]), Batch(entries[half:])]",
                "self._kept += [Batch(entries[:half])]",
            ),
        ),
        (WRITER + "test_one_answer_that_cannot_be_stored_costs_itself_and_is_given_up_when_its_lease_ends",),
    ),
    Bug(
        "an outage drops the batch that met it",
        "Every answer that was on the wire when the database restarted becomes a doubt.",
        (
            Edit(
                "calls/engine/writer.py",
                "            self._kept.append(Batch(still, failures, again_at))\n",
                "            pass\n",
            ),
        ),
        (WRITER + "test_every_answer_is_stored_whatever_fails_as_its_inline_twin_does",),
    ),
    Bug(
        "claims go on while the writer falls behind",
        "Answers pile up in memory, and are lost with the process.",
        (
            Edit(
                "calls/engine/lane.py",
                "        if self.writer is not None and self.writer.full:\n            return 0\n",
                "",
            ),
        ),
        (LANES + "test_while_too_many_answers_wait_for_the_database_nothing_is_claimed",),
    ),
    Bug(
        "one account may take all slots of placing",
        "A provider that answers slowly stops the calls of all others.",
        (Edit("calls/engine/lanes.py", "self.OF_AN_ACCOUNT - self._of_account[account_id]", "self.slots"),),
        (LANES + "test_an_account_that_answers_slowly_leaves_slots_for_the_others",),
    ),
    Bug(
        "reads take no account of placing",
        "Placing gets a quarter of its speed while many calls are read.",
        (Edit("calls/engine/lanes.py", " if self._placing.in_flight else 0", " * 0"),),
        (LANES + "test_reads_without_end_leave_the_slots_of_placing_free_and_take_fewer_beside_it",),
    ),
    Bug(
        "a claim that ends after the stop is not sent",
        "Each stop of a worker leaves calls as doubts that were never placed.",
        (
            Edit(
                "calls/engine/lanes.py",
                "            self.spawn(self._place(claim))\n",
                "            if self.control.running:\n                self.spawn(self._place(claim))\n",
            ),
        ),
        (LANES + "test_what_was_claimed_when_the_stop_came_is_sent_and_stored",),
    ),
    Bug(
        "a leader that wakes up from a freeze acts before it holds its lease again",
        "Two processes do the maintenance of all.",
        (Edit("calls/engine/leader.py", "time.monotonic() < self._until", "self._until > 0"),),
        (LEADER + "test_a_leader_that_was_frozen_does_nothing_when_it_wakes_up",),
    ),
    Bug(
        "a lease is taken from a leader that lives",
        "All processes do the maintenance of all.",
        (Edit("calls/engine/leader.py", "Q(holder=holder) | Q(expires_at__lt=Now())", "Q()"),),
        (LEADER + "test_one_holds_the_lease_until_it_ends_or_is_released",),
    ),
    Bug(
        "a process that wakes up from a freeze claims at once",
        "A process that was replaced long ago places calls.",
        (Edit("calls/engine/control.py", "self.running and time.monotonic() < self._confirmed_until", "self.running"),),
        (LEADER + "test_a_process_that_was_frozen_claims_nothing_until_its_slot_is_confirmed",),
    ),
    Bug(
        "a connection that broke is used again when the work handled the error",
        "A writer fails for ever after the database restarted, until its leases end.",
        (Edit("calls/engine/database.py", "connection.errors_occurred or time", "time"),),
        (DATABASE + "test_a_connection_that_broke_is_replaced_for_the_next_work",),
        "PostgreSQL",
    ),
    Bug(
        "an account whose claim fails stops the accounts after it",
        "One account whose secret cannot be read keeps all others from calling.",
        (
            Edit(
                "calls/engine/lanes.py",
                "found = await self._claim_or_wait(account_id",
                "found = await self._claim(account_id",
            ),
        ),
        (LANES + "test_an_account_whose_claim_fails_stops_no_other_account",),
    ),
    Bug(
        "a claimer or a writer waits for a lock for as long as a statement may last",
        "One row that somebody holds keeps five hundred answers from being stored, until their leases end.",
        (Edit("calls/engine/database.py", """, "lock_timeout": lock}""", "}"),),
        (DATABASE + "test_each_kind_of_connection_has_its_limit_and_keeps_it_after_a_reconnect",),
        "PostgreSQL",
    ),
    Bug(
        "a thread that hangs is not noticed",
        "A lane stops storing answers, or the leader stops enqueueing, until somebody restarts the worker.",
        (Edit("calls/engine/control.py", "db.longest > LANE_TIMING.work", "db.longest < 0"),),
        (DATABASE + "test_a_thread_that_hangs_makes_its_process_look_dead",),
    ),
)
