"""Deliberate bugs in what stores many answers at once: one is lost, written twice, or written by the wrong claim."""

from __future__ import annotations

from tests.mutants.planting import Bug, Edit

BATCHES, LOADING, WRITING, UNITS, POLLING = (
    *(f"calls/outcomes/{name}.py" for name in ("batches", "loading", "writing", "units")),
    "calls/following/polling.py",
)
SAME = "tests/calls/test_batches.py::test_a_batch_leaves_the_rows_that_one_at_a_time_leaves"
PROMISES = "tests/calls/test_batch_promises.py::"

BATCH_BUGS: tuple[Bug, ...] = (
    Bug(
        "a batch does not compare the fence",
        "An answer is written over a call that another claim has taken meanwhile.",
        (Edit(WRITING, """| {"updated_at"}, guard=guard)""", """| {"updated_at"})"""),),
        (PROMISES + "test_a_call_that_changed_under_the_batch_is_recorded_alone",),
    ),
    Bug(
        "half of a batch is lost after an integrity error",
        "One bad row costs the answers beside it: calls that ring become doubts.",
        (
            Edit(
                BATCHES,
                "return _record(batch[:half], alone, now, waits) + _record(batch[half:], alone, now, waits)",
                "return _record(batch[:half], alone, now, waits)",
            ),
        ),
        (PROMISES + "test_one_row_that_the_database_refuses_harms_no_other_and_is_given_back",),
    ),
    Bug(
        "an answer that cannot be stored is dropped",
        "The engine believes that it is stored, and does not try again.",
        (
            Edit(
                BATCHES,
                'An answer could not be stored")\n        return False\n',
                'An answer could not be stored")\n        return True\n',
            ),
        ),
        (
            PROMISES + "test_one_row_that_the_database_refuses_harms_no_other_and_is_given_back",
            PROMISES + "test_an_answer_that_meets_a_bug_harms_no_other_and_is_given_back",
        ),
    ),
    Bug(
        "the answer to a placing is stored as if a read could repeat it",
        "A crash of the database loses the ID of a call: nobody learns how it ended.",
        (
            Edit(
                WRITING,
                """    return not answers and call.provider_call_id == was["provider_call_id"]""",
                "    return True",
            ),
        ),
        (PROMISES + "test_an_answer_to_a_placing_survives_a_crash_even_when_the_call_goes_on_already",),
        "PostgreSQL",
    ),
    Bug(
        "a batch writes no events",
        "Nobody can tell how a call came to its status.",
        (Edit(WRITING, "[event for each in gathered for", "[event for each in gathered[:1] for"),),
        (SAME,),
    ),
    Bug(
        "a batch moves no recipient on",
        "Campaigns whose calls end in batches never finish.",
        (Edit(WRITING, "    _write_recipients(gathered)\n", ""),),
        (SAME,),
    ),
    Bug(
        "a batch forgets the callback of a call",
        "The customer never gets the webhook of a call that ended in a batch.",
        (Edit(WRITING, "    outbox.add_callbacks(each.call for each in gathered if each.callback)\n", ""),),
        (SAME,),
    ),
    Bug(
        "a batch tells no endpoint",
        "The organization's endpoints miss what happened in batches.",
        (Edit(WRITING, "for each in gathered if each.published]", "for each in gathered[:0] if each.published]"),),
        (SAME,),
    ),
    Bug(
        "a batch does not lock its calls",
        "Other evidence that is stored at the same moment is overwritten.",
        (
            Edit(
                LOADING, "locked = Call.objects.select_for_update(no_key=True).filter(", "locked = Call.objects.filter("
            ),
        ),
        (PROMISES + "test_the_reaper_waits_for_a_batch_and_then_finds_nothing",),
        "PostgreSQL",
    ),
    Bug(
        "a batch locks the account after its calls",
        "It waits for an opt-out that waits for one of its calls.",
        (
            Edit(
                LOADING,
                "        if accounts := {entry.account_id for entry in entries if entry.account_id}:\n"
                "            circuit_breaker.lock(accounts)\n",
                "",
            ),
        ),
        (PROMISES + "test_an_opt_out_and_a_claim_meet_an_open_batch_without_a_deadlock",),
        "PostgreSQL",
    ),
    Bug(
        "what a batch has not loaded is asked all the same",
        "A call costs statements of its own, and what it writes stays although the call is set aside.",
        (Edit(LOADING, "            raise SetAside\n", "            pass\n"),),
        (PROMISES + "test_an_opt_out_in_a_batch_is_recorded_alone_under_the_contacts_lock", SAME),
    ),
    Bug(
        "the second call of a batch with one ID keeps it",
        "Two calls have one ID at the provider, and each is read for the other.",
        (Edit(UNITS, "raise SetAside  # another call of the batch has just got it", "pass  #"),),
        (SAME,),
    ),
    Bug(
        "an end may be lost with the database",
        "A crash undoes an end that was told once and is not read again.",
        (Edit(WRITING, "or call.status not in FOLLOWED or gathered.effects", "or gathered.effects"),),
        (PROMISES + "test_the_number_of_statements_does_not_grow_with_the_batch",),
        "PostgreSQL",
    ),
    Bug(
        "every reading is taken for an unchanged one",
        "The ends of calls are never stored.",
        (Edit(POLLING, "return bool(found.changes or found.conflicts", "return bool(found.conflicts"),),
        (SAME,),
    ),
)
