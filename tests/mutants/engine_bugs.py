"""Deliberate bugs of the engine's processes: an answer is lost, a lane starves another, two processes do one's work."""

from __future__ import annotations

from tests.mutants.planting import Bug, Edit

WRITER = "tests/calls/test_writer.py::"
LANES = "tests/calls/test_lanes.py::"
READING = "tests/calls/test_reading_lane.py::"
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
        (Edit("calls/engine/reading_lane.py", "self.BESIDE_PLACING if self._placing.in_flight else ", ""),),
        (LANES + "test_reads_without_end_leave_the_slots_of_placing_free_and_take_fewer_beside_it",),
    ),
    Bug(
        "one account may take all slots of reading",
        "A provider that answers slowly keeps the outcomes of all others from being read.",
        (Edit("calls/engine/read_queue.py", "if share(free, self._sent[pk], SLOTS_TO_FREE):", "if free > 0:"),),
        (READING + "test_slow_accounts_take_their_share_of_the_slots_and_always_leave_some",),
    ),
    Bug(
        "the accounts of one claim take all that is left together",
        "Several slow providers keep the outcomes of all others from being read.",
        (Edit("calls/engine/reading_lane.py", "min(room.of_all, polling.BATCH)", "min(room.free, polling.BATCH)"),),
        (READING + "test_slow_accounts_take_their_share_of_the_slots_and_always_leave_some",),
    ),
    Bug(
        "reads are claimed without a bound",
        "Their leases end while they wait, and each call is read several times at once.",
        (Edit("calls/engine/reading_lane.py", "else 2 * self._slots", "else 20 * self._slots"),),
        (READING + "test_claims_never_exceed_the_slots_and_the_queue",),
    ),
    Bug(
        "claimed reads that wait are forgotten at the stop",
        "After each restart of a worker hundreds of calls are not read for a minute and a half.",
        (
            Edit(
                "calls/engine/reading_lane.py",
                "await self._give_back(self._queue.take_all())",
                "self._queue.take_all()",
            ),
        ),
        (READING + "test_at_the_stop_what_was_sent_is_stored_and_what_waits_is_given_back",),
    ),
    Bug(
        "a read is sent although its lease ends before its answer can be stored",
        "Two workers read the same call at once.",
        (Edit("calls/engine/reading_lane.py", "time.monotonic() >= CLUSTER_TIMING.finish", "time.monotonic() >= 0"),),
        (READING + "test_a_read_whose_lease_would_end_before_its_answer_is_stored_is_given_back",),
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
        (Edit("calls/engine/database.py", "            close_old_connections()  #", "            #"),),
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
