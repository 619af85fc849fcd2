"""Deliberate bugs in what a claim and a step of enqueueing store for many calls at once."""

from __future__ import annotations

from tests.mutants.planting import Bug, Edit

BATCHES = "tests/calls/test_claim_batches.py::"
INTENTS, ENQUEUEING = "calls/dialing/intents.py", "calls/dialing/enqueueing.py"
STORED = BATCHES + "test_each_claimed_call_is_stored_with_all_that_belongs_to_it"
REFUSED = BATCHES + "test_a_call_that_a_constraint_refuses_costs_no_other_call"

CLAIM_BUGS: tuple[Bug, ...] = (
    Bug(
        "a claim is committed before it is known whether it can be sent",
        "An account whose secret cannot be read turns all its queued calls into doubts.",
        (Edit("calls/dialing/placing.py", "if not account.credentials_readable:", "if limit < 0:"),),
        (BATCHES + "test_without_a_secret_that_it_needs_nothing_is_committed_and_a_person_learns_why",),
    ),
    Bug(
        "a claim does not raise the fence",
        "The late answer to an earlier claim cannot be told from the answer to this one.",
        (Edit(INTENTS, "        call.placing_attempts += 1\n", ""),),
        (BATCHES + "test_the_fence_rises_with_each_claim",),
    ),
    Bug(
        "half of a claim is lost after a refusal",
        "Calls are committed to being dialled and never sent: each becomes a doubt.",
        (Edit(INTENTS, "return left | right, refused + more", "return left, refused + more"),),
        (REFUSED,),
    ),
    Bug(
        "a refused call counts as an attempt",
        "A person whose call was never placed is called less often than allowed.",
        (
            Edit(
                INTENTS,
                "[call.recipient_id for call in committed if call.recipient_id]",
                "[call.recipient_id for call, _ in allowed if call.recipient_id]",
            ),
        ),
        (REFUSED,),
    ),
    Bug(
        "the events of a claim are missing",
        "Nobody can tell afterwards when, and how often, a call was committed to being dialled.",
        (Edit(INTENTS, "before, after) for call in committed]", "before, after) for call in committed[:0]]"),),
        (STORED,),
    ),
    Bug(
        "the reserve of a claim is that of its first call alone",
        "The budget of a campaign is spent as often as a claim has calls.",
        (
            Edit(
                INTENTS,
                "        budgets.set_aside(call)\n",
                "        if call is allowed[0][0]:\n            budgets.set_aside(call)\n",
            ),
        ),
        (STORED,),
    ),
    Bug(
        "those who wait fill the claim",
        "Calls that must wait are at the head of the queue, and the call behind them waits as well.",
        (Edit("calls/dialing/placing.py", "ROUNDS = 8 ", "ROUNDS = 1 "),),
        (BATCHES + "test_those_who_wait_do_not_keep_others_waiting",),
    ),
    Bug(
        "a refused insertion counts as queued",
        "The recipient is marked as calling without a call, and nobody calls it any more.",
        (Edit(ENQUEUEING, "call.recipient is None or call.uuid not in stored:", "call.recipient is None:"),),
        (BATCHES + "test_a_recipient_with_another_call_costs_nobody_a_turn",),
    ),
    Bug(
        "the recipients of a step are not marked",
        "A recipient with a queued call stays due, and each step looks at it again.",
        (Edit(ENQUEUEING, "                self._decided.append(call.recipient)\n", "                pass\n"),),
        (STORED,),
    ),
)
