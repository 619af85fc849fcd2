"""The deliberate bugs. Each is a plausible mistake that would dial a person wrongly or hide that it happened."""

from __future__ import annotations

from tests.mutants.audit_bugs import AUDIT_BUGS
from tests.mutants.batch_bugs import BATCH_BUGS
from tests.mutants.belief_bugs import BELIEF_BUGS
from tests.mutants.claim_bugs import CLAIM_BUGS
from tests.mutants.counting_bugs import COUNTING_BUGS
from tests.mutants.engine_bugs import ENGINE_BUGS
from tests.mutants.file_bugs import FILE_BUGS
from tests.mutants.number_bugs import NUMBER_BUGS
from tests.mutants.planting import ANSWERS, Bug, Edit
from tests.mutants.polling_bugs import POLLING_BUGS
from tests.mutants.reading_bugs import READING_BUGS
from tests.mutants.when_bugs import WHEN_BUGS
from tests.mutants.who_bugs import WHO_BUGS

OUTCOMES = "tests/calls/test_outcomes.py::"
PLACING = "tests/calls/test_placing.py::"
JOURNAL = "tests/calls/journal/"
BESIDE = "tests/calls/test_interleavings.py::"
STATUS_CALLBACKS = "tests/calls/test_status_callbacks.py::"
FOLDING = "tests/calls/test_folding.py::"
EDITS = "tests/calls/test_campaign_edits.py::"
REASSESSING = "tests/calls/test_reassessing.py::"
PEOPLE = "tests/calls/test_recipient_actions.py::"
ROTATION = "tests/calls/test_fair_rotation.py::"
SCHEDULED_CALLBACKS = "tests/calls/test_scheduled_callbacks.py::"
HTTP = "tests/providers/test_http.py::"
EXCHANGE = "tests/providers/test_exchange.py::"
KEPT = "tests/providers/test_kept.py::"
VERDICTS = tuple(
    f"tests/providers/test_{provider}::test_an_answer_that_is_no_success_is_sorted"
    for provider in ("allomia.py::TestAlloMia", "polyai.py::TestPolyAI")
)

BUGS: tuple[Bug, ...] = (
    # The intent.
    Bug(
        "the intent is stored after the request",
        "The call is still `queued` while its request is on its way, so the next claim dials it again.",
        (
            Edit("calls/dialing/intents.py", '    *("status", "status_reason",', '    *("status_reason",'),
            Edit(
                "calls/dialing/placing.py",
                "    placement_results.record(_placement(claim, answer))\n",
                "    Call.objects.filter(pk=claim.call.pk).update(status='placing')\n"
                "    placement_results.record(_placement(claim, answer))\n",
            ),
        ),
        (OUTCOMES + "test_a_claim_commits_the_intent_before_anything_is_sent",),
        model=True,
    ),
    Bug(
        "the intent is not committed before the request",
        "If the process dies between request and answer, its claim is rolled back and the call is dialled again.",
        (
            Edit(
                "calls/dialing/placing.py",
                "    with transaction.atomic(durable=True):\n",
                "    outer = transaction.atomic(durable=True)\n"
                "    outer.__enter__()\n"
                "    vars(transaction.get_connection())['claim'] = outer\n"
                "    with transaction.atomic():\n",
            ),
            Edit(
                "calls/dialing/placing.py",
                "    placement_results.record(_placement(claim, answer))\n",
                "    if outer := vars(transaction.get_connection()).pop('claim', None):\n"
                "        outer.__exit__(None, None, None)\n"
                "    placement_results.record(_placement(claim, answer))\n",
            ),
        ),
        (BESIDE + "test_a_number_put_on_do_not_call_is_not_dialled_after_the_entry_is_there",),
        "PostgreSQL",
    ),
    Bug(
        "an overdue claim is sent",
        "A process that stalls after its claim dials after a pause or a do-not-call entry was answered.",
        (
            Edit("calls/dialing/placing.py", " > SEND_WITHIN:\n", " > 1e9:\n"),
            Edit("calls/dialing/placing.py", ", by=claim.committed + SEND_WITHIN)", ")"),
        ),
        (PLACING + "test_the_time_a_claim_takes_counts_among_its_seconds",),
        model=True,
    ),
    Bug(
        "the age of a claim is counted from its commit",
        "A pause counts the age from an earlier moment: it answers, and then the request leaves.",
        (
            Edit(
                "calls/dialing/placing.py",
                "call.placing_attempts, started) for call in committed",
                "call.placing_attempts, time.monotonic()) for call in committed",
            ),
        ),
        (PLACING + "test_the_time_a_claim_takes_counts_among_its_seconds",),
    ),
    Bug(
        "a claim that is not in the journal is sent",
        "After a restored backup the person is called again, because nothing tells of the call.",
        (
            Edit(
                "calls/dialing/placing.py",
                "        return []\n    return claims\n\n\ndef _claim",
                "    return claims\n\n\ndef _claim",
            ),
        ),
        (JOURNAL + "test_writing.py::test_a_claim_that_cannot_be_written_is_not_sent_and_given_back",),
    ),
    Bug(
        "a restored claim is left in the queue",
        "After a restored backup people are called again whose calls were queued when it was taken.",
        (Edit("calls/journal/restoring.py", "call.placing_attempts >= intent.fence", "call.placing_attempts >= 0"),),
        (JOURNAL + "test_reconciling.py::test_a_call_that_was_queued_is_left_as_a_crash_leaves_it",),
    ),
    Bug(
        "the reaper requeues a claim",
        "A claim without an answer is requeued although its request may have been sent.",
        (
            Edit(
                "calls/outcomes/placement_results.py",
                "mark_unconfirmed(locked, ENGINE, UNANSWERED, timezone.now())",
                'undo_claim(locked, call.placing_attempts, now, "lease", UNANSWERED, now)',
            ),
        ),
        (OUTCOMES + "test_the_reaper_makes_a_silent_claim_a_doubt_and_the_slow_answer_still_counts",),
        model=True,
    ),
    Bug(
        "a doubt is requeued",
        "An ambiguous answer is read as proof that the call was not placed.",
        (
            Edit(
                "calls/outcomes/placement_results.py",
                "        _doubtful(locked, placement.fence, answer, now)\n",
                "        _not_sent(locked, placement, NotSent(str(answer)), now)\n",
            ),
        ),
        (STATUS_CALLBACKS + "test_a_lost_answers_callback_supplies_the_id_and_a_read_confirms_it",),
        model=True,
    ),
    Bug(
        "the fence is removed from refusals",
        "The late answer to an earlier claim requeues a call while a later request is on its way.",
        (
            Edit(
                "calls/outcomes/transitions.py",
                "return call.placing_attempts == fence and call.status in (",
                "return call.status in (",
            ),
        ),
        (OUTCOMES + "test_an_answer_of_an_earlier_claim_does_not_touch_a_later_one",),
    ),
    Bug(
        "the fence is removed from doubts",
        "The late answer to an earlier claim turns a call that is being placed into a doubt.",
        (
            Edit(
                "calls/outcomes/placement_results.py",
                "if call.placing_attempts != fence or call.status",
                "if call.status",
            ),
        ),
        (OUTCOMES + "test_an_answer_of_an_earlier_claim_does_not_touch_a_later_one",),
    ),
    Bug(
        "the fence is removed from successes",
        "The late answer to an earlier claim gives the later claim the wrong provider ID.",
        (
            Edit(
                "calls/outcomes/placement_results.py",
                "    if locked.call.placing_attempts != fence:\n",
                "    if False:\n",
            ),
        ),
        (PLACING + "test_the_late_success_of_an_earlier_claim_does_not_touch_a_later_one",),
    ),
    # What an answer means.
    Bug(
        "a 5xx answer means not sent",
        "A provider that fails after it has dialled is asked to dial again.",
        (
            Edit(
                "providers/adapters/verdicts.py",
                '"""Return the error for an unsuccessful response to a placing."""\n'
                "        words, status = self.error_text(answer), answer.status\n"
                "        if status == 429:",
                '"""Return the error for an unsuccessful response to a placing."""\n'
                "        words, status = self.error_text(answer), answer.status\n"
                "        if status == 429 or status >= 500:",
            ),
        ),
        VERDICTS,
        still_passes=ANSWERS,
        model=True,
    ),
    Bug(
        "a timeout means not sent",
        "A provider that is slow to answer is asked to dial again.",
        (
            Edit(
                "providers/adapters/http.py",
                "        if not sent:\n            return NotSent(",
                "        if not sent or isinstance(error, TimeoutError):\n            return NotSent(",
            ),
        ),
        (HTTP + "TestWhatMayHaveRung::test_the_deadline_covers_the_whole_exchange",),
        still_passes=ANSWERS,
    ),
    Bug(
        "a broken connection means not sent",
        "When a connection breaks after the provider has read the request, the call is dialled again.",
        (
            Edit(
                "providers/adapters/http.py",
                "    if isinstance(error, TimeoutError | OSError):\n",
                "    if isinstance(error, ConnectionError | h11.RemoteProtocolError):\n"
                "        return NotSent(NOT_CONNECTED)\n"
                "    if isinstance(error, TimeoutError | OSError):\n",
            ),
        ),
        (HTTP + "TestWhatMayHaveRung::test_one_placing_is_one_request_whatever_happens",),
        still_passes=ANSWERS,
    ),
    Bug(
        "a request is sent once its response comes",
        "What was sent is noted too late: a request without a response counts as never sent, and is dialled again.",
        (
            Edit(
                "providers/adapters/exchange.py",
                "            self.sent = True\n"
                "            transport.write(written)\n"
                "            return await receiver.answer\n",
                "            transport.write(written)\n"
                "            found = await receiver.answer\n"
                "            self.sent = True\n"
                "            return found\n",
            ),
        ),
        (EXCHANGE + "test_a_reset_in_a_response_may_be_ringing",),
        still_passes=ANSWERS,
    ),
    Bug(
        "a broken placing is retried",
        "The second request of one placing dials the recipient twice.",
        (
            Edit(
                "providers/adapters/http.py",
                "                return await exchange.run(encoded)\n",
                "                try:\n"
                "                    return await exchange.run(encoded)\n"
                "                except (ConnectionError, h11.RemoteProtocolError):\n"
                "                    return await exchange.run(encoded)\n",
            ),
        ),
        (HTTP + "TestWhatMayHaveRung::test_one_placing_is_one_request_whatever_happens",),
        still_passes=ANSWERS,
    ),
    Bug(
        "every address of a name gets the request",
        "When the first address breaks the connection, the second one is asked to dial as well.",
        (
            Edit(
                "providers/adapters/exchange.py",
                "            return await receiver.answer\n",
                "            return await receiver.answer\n"
                "        except ConnectionError:\n"
                "            transport, receiver = await self._connected(h11.Connection(h11.CLIENT), request)\n"
                "            receiver.expect()\n"
                "            transport.write(written)\n"
                "            return await receiver.answer\n",
            ),
        ),
        (EXCHANGE + "test_several_addresses_get_one_request",),
        still_passes=ANSWERS,
    ),
    Bug(
        "the transport retries",
        "The transport reconnects by itself: one further slip, and it sends the request twice.",
        (
            Edit(
                "providers/adapters/exchange.py",
                "        transport, receiver = await self._connected(parser, request)\n",
                "        try:\n"
                "            transport, receiver = await self._connected(parser, request)\n"
                "        except OSError:\n"
                "            transport, receiver = await self._connected(parser, request)\n",
            ),
        ),
        (PLACING + "test_a_placing_tries_to_connect_once",),
        still_passes=ANSWERS,
    ),
    Bug(
        "a connection for placing is kept alive",
        "The provider may or may not read a request on a kept connection that it is closing.",
        (
            Edit(
                "providers/adapters/http.py",
                "                return await exchange.run(encoded)\n",
                "                return await Read(self._connections).run(encoded)\n",
            ),
        ),
        (HTTP + "TestAnswers::test_a_connection_for_placing_serves_one_request",),
        still_passes=ANSWERS,
    ),
    Bug(
        "any request for a read is sent again",
        "A request that is not a GET may be more than a question, and a server may have done what it asks twice.",
        (Edit("providers/adapters/kept.py", ' or request.method != "GET"', ""),),
        (KEPT + "test_only_a_get_is_sent_again",),
        still_passes=ANSWERS,
    ),
    Bug(
        "the connection of a read that was given up is used again",
        "The answer about one call, which came too late, is taken for the answer about the next one.",
        (
            Edit(
                "providers/adapters/kept.py",
                "        self.is_usable = self.has_answered = False\n",
                "        self.has_answered = False\n",
            ),
        ),
        (KEPT + "test_a_read_that_was_given_up_leaves_no_connection",),
        still_passes=ANSWERS,
    ),
    Bug(
        "redirects are followed",
        "A redirected placing is sent twice, the second time to an address that no team member entered.",
        (
            Edit(
                "providers/adapters/http.py",
                "                return await exchange.run(encoded)\n",
                "                found = await exchange.run(encoded)\n"
                '                if "location" in found.headers:\n'
                '                    again = Request(request.method, found.headers["location"], json=request.json)\n'
                "                    found = await Exchange(self._names, _tls(), self._connect).run(encode(again))\n"
                "                return found\n",
            ),
        ),
        (HTTP + "TestAnswers::test_a_redirect_is_an_answer_and_is_not_followed",),
        still_passes=ANSWERS,
    ),
    # What the database refuses.
    Bug(
        "two open calls to one number are allowed",
        "Only application code prevents two open calls to one number.",
        (
            Edit(
                "calls/models/call.py",
                "            models.UniqueConstraint(\n"
                '                fields=["organization", "to_number"], name="one_open_call_per_number", '
                "condition=Q(status__in=OPEN)\n"
                "            ),\n",
                "",
            ),
            Edit(
                "calls/migrations/0001_initial.py",
                "        migrations.AddConstraint(\n"
                "            model_name='call',\n"
                "            constraint=models.UniqueConstraint(condition=models.Q(('status__in', ('placing', "
                "'unconfirmed', 'placed', 'dialing', 'ringing', 'in_progress'))), fields=('organization', "
                "'to_number'), name='one_open_call_per_number'),\n"
                "        ),\n",
                "",
            ),
        ),
        (OUTCOMES + "test_the_database_allows_one_open_call_to_a_number",),
    ),
    Bug(
        "no trigger freezes an outcome",
        "Any code can reopen a call that has ended, and so requeue it.",
        (Edit("calls/apps.py", "post_migrate.connect(triggers.install, sender=self)", "pass"),),
        (
            OUTCOMES + "test_the_database_refuses_to_change_an_end",
            OUTCOMES + "test_the_trigger_is_there_after_migrate",
        ),
    ),
    Bug(
        "a later outcome replaces the stored one",
        "A late or forged report replaces the stored outcome.",
        (
            Edit(
                "calls/outcomes/folding.py",
                "            if not self.other_end or rule.until is Until.EVEN_OTHER_END:\n",
                "            if True:\n",
            ),
            Edit(
                "calls/outcomes/folding.py",
                "        if old in TERMINAL:\n            return False\n",
                "        if old in TERMINAL:\n            return new in TERMINAL and new != old\n",
            ),
        ),
        (
            FOLDING + "test_an_end_stays_and_a_different_end_is_kept_as_a_conflict",
            OUTCOMES + "test_a_late_different_end_is_kept_as_an_event_and_changes_nothing",
        ),
    ),
    Bug(
        "the outbox row is written after the commit",
        "If the process dies between commit and write, the customer never gets the call's webhook.",
        (
            Edit(
                "calls/outcomes/transitions.py",
                "        unit.add_callback(call)\n",
                "        __import__('django').db.transaction.on_commit(lambda: unit.add_callback(call))\n",
            ),
        ),
        (PLACING + "test_an_end_whose_outbox_row_cannot_be_written_is_not_stored",),
    ),
    Bug(
        "a poll is counted after its answer",
        "An answer that crashes its reader is polled again at once, without end.",
        (
            Edit(
                "calls/following/due_reads.py",
                "SET next_read_at = %s, reads = p.reads + 1 FROM due",
                "SET next_read_at = LEAST(p.next_read_at, %s) FROM due",
            ),
            Edit(
                "calls/following/due_reads.py",
                "SET next_read_at = %s, reads = reads + 1 WHERE",
                "SET next_read_at = MIN(next_read_at, %s) WHERE",
            ),
            Edit(
                "calls/following/polling.py",
                "    _record_reading(due, answer, raw)\n",
                "    due.call.polling.reads += 1\n    due.call.save()\n    _record_reading(due, answer, raw)\n",
            ),
        ),
        (OUTCOMES + "test_a_read_is_counted_and_leased_before_its_answer_is_parsed",),
    ),
    # The gate and its locks.
    Bug(
        "the gate is asked before the contact is locked",
        "A do-not-call entry or a second campaign's call can commit between the gate's decision and the dial.",
        (
            Edit(
                "calls/dialing/placing.py",
                "        batch = _lock_contacts(batch)\n"
                "        calls = with_relations(batch, account)\n"
                "        asked = Asking(calls, now)\n",
                "        calls = with_relations(batch, account)\n"
                "        asked = Asking(calls, now)\n"
                "        batch = _lock_contacts(batch)\n",
            ),
        ),
        (BESIDE + "test_a_number_put_on_do_not_call_is_not_dialled_after_the_entry_is_there",),
        "PostgreSQL",
    ),
    Bug(
        "the campaign is read before it is locked",
        "The claim misses a pause that is answered between the read and the lock, and dials.",
        (
            Edit(
                "calls/dialing/placing.py",
                "        batch = _lock_contacts(batch)\n        calls = with_relations(batch, account)\n",
                "        calls = with_relations(batch, account)\n        batch = _lock_contacts(batch)\n",
            ),
        ),
        (PLACING + "test_a_pause_that_answers_before_the_claims_locks_is_seen",),
        "PostgreSQL",
    ),
    Bug(
        "a do-not-call entry does not lock the contact",
        "The entry is answered while a claim that has not seen it is about to dial.",
        (
            Edit(
                "campaigns/do_not_call/entries.py",
                "    lock_everyone(organization, [phone])\n",
                "",
            ),
        ),
        (BESIDE + "test_a_number_put_on_do_not_call_is_not_dialled_after_the_entry_is_there",),
        "PostgreSQL",
    ),
    Bug(
        "a do-not-call file does not lock the contacts",
        "The file is answered while a claim that has not seen it is about to dial one of its numbers.",
        (Edit("campaigns/do_not_call/entries.py", "    lock_everyone(organization, distinct)\n", ""),),
        (BESIDE + "test_a_number_put_on_do_not_call_is_not_dialled_after_the_entry_is_there",),
        "PostgreSQL",
    ),
    Bug(
        "a claim does not lock the organization",
        '"Stop all calls" is answered while a claim that has not seen it is about to dial.',
        (
            Edit(
                "calls/dialing/placing.py",
                '    owner = owners.select_for_update(no_key=True, of=("self",)).first()\n',
                "    owner = owners.first()\n",
            ),
        ),
        (BESIDE + "test_the_kill_switch_waits_like_the_pause",),
        "PostgreSQL",
    ),
    Bug(
        "capacity is counted before the account is locked",
        "Two workers each fill the account, so that it has more open calls than its limit.",
        (
            Edit(
                "calls/dialing/placing.py",
                "        account = _lock_account(account_id)\n",
                "        already = Call.objects.filter(account=account_id).open().count()\n"
                "        account = _lock_account(account_id)\n",
            ),
            Edit(
                "calls/dialing/placing.py",
                "min(limit, lines_of(account, now).room_to_place)",
                "min(limit, account.max_open_calls - already)",
            ),
        ),
        (PLACING + "test_capacity_is_counted_under_the_accounts_lock",),
        "PostgreSQL",
    ),
    Bug(
        "the budget is not counted within a batch",
        "Eight calls are placed with the budget of one.",
        (Edit("calls/dialing/asking.py", "with_more(found.spent, self._reserved[call.campaign_id])", "found.spent"),),
        (PLACING + "test_one_batch_does_not_spend_the_budget_twice",),
    ),
    Bug(
        "the reserve is not stored",
        "Each batch can spend the whole budget again until the first calls have ended.",
        (Edit("calls/dialing/intents.py", "        budgets.set_aside(call)\n", ""),),
        (PLACING + "test_one_batch_does_not_spend_the_budget_twice",),
        still_passes=OUTCOMES + "test_a_late_different_end_is_kept_as_an_event_and_changes_nothing",
    ),
    Bug(
        "a caller number's open calls are not counted within a batch",
        "One batch opens more calls from a caller number than its limit.",
        (
            Edit(
                "calls/dialing/asking.py",
                "            number_open=found.number_open + lines,\n",
                "",
            ),
        ),
        (PLACING + "test_one_batch_keeps_the_limits_of_open_calls",),
    ),
    Bug(
        "a campaign's open calls are not counted within a batch",
        "One batch opens more calls of a campaign than its limit.",
        (
            Edit(
                "calls/dialing/asking.py",
                "            campaign_open=found.campaign_open + self._in_campaign[call.campaign_id],\n",
                "",
            ),
        ),
        (PLACING + "test_one_batch_keeps_the_limits_of_open_calls",),
    ),
    Bug(
        "attempts are not counted",
        "A recipient who does not answer is called again without end.",
        (Edit("calls/dialing/intents.py", '.update(attempts=F("attempts") + 1)', '.update(attempts=F("attempts"))'),),
        (PLACING + "test_a_claim_is_an_attempt",),
    ),
    Bug(
        "do-not-call is checked only at enqueueing",
        "A call that was queued before the do-not-call entry is dialled after it.",
        (
            Edit(
                "calls/dialing/asking.py",
                "found.but(\n            number_open=",
                "found.but(\n            do_not_call=False,\n            other_number_listed=False,\n"
                "            number_open=",
            ),
        ),
        (PLACING + "test_a_call_queued_before_the_number_was_listed_is_not_placed_after",),
    ),
    Bug(
        "the window is checked only at enqueueing",
        "A call that was queued before the window closed is dialled after it.",
        (
            Edit(
                "calls/dialing/asking.py",
                "found.but(\n            number_open=",
                "found.but(\n            hours=(),\n            number_open=",
            ),
        ),
        (PLACING + "test_a_call_queued_before_the_window_closed_is_not_placed_after",),
    ),
    Bug(
        "the window is checked only at placing",
        "Recipients are queued at night, take the capacity of others, and have no next due time.",
        (
            Edit(
                "calls/dialing/enqueueing.py",
                "number_open=facts.number_open + taken,",
                "number_open=facts.number_open + taken,\n            hours=(),",
            ),
        ),
        (PLACING + "test_nobody_is_queued_outside_the_window",),
    ),
    # Equal use of caller numbers and assistants.
    Bug(
        "turns of a dequeued call are not given back",
        "The caller number of dequeued first calls is used less than the others, for good.",
        (
            Edit(
                "calls/dialing/dequeueing.py",
                "                turns.give_back(before, call.to_number, now)\n",
                "                pass\n",
            ),
        ),
        (ROTATION + "test_turns_of_dequeued_calls_are_given_back",),
    ),
    Bug(
        "a recipient who is not called takes a turn",
        "Where every second recipient is deferred, one of two caller numbers makes all calls.",
        (
            Edit(
                "calls/dialing/enqueueing.py",
                "            if selected and not (",
                "            if selected:\n"
                "                self.choices.take(selected[0])\n"
                "            if selected and not (",
            ),
            Edit("calls/dialing/enqueueing.py", "        self.choices.take(selection)\n", ""),
        ),
        (ROTATION + "test_recipients_who_may_not_be_called_take_no_turn",),
    ),
    Bug(
        "the turns are not stored",
        "Each step of enqueueing begins the rotation anew, and short steps use one caller number most.",
        (Edit("calls/dialing/enqueueing.py", 'changed["rotation"] = choices.turns.stored()', "pass"),),
        (ROTATION + "test_every_stride_of_ids_uses_the_numbers_equally_after_every_step",),
    ),
    # Pause, cancel, "Stop all calls", do-not-call: each waits for silence.
    *(
        Bug(
            f"{name} does not wait for silence",
            f"{what} is answered, and then a phone rings.",
            (Edit(f"calls/actions/{module}.py", old, new),),
            (PLACING + "test_what_must_be_silent_waits_for_the_claim_it_met",),
        )
        for name, what, module, old, new in (
            (
                "a pause",
                "A pause",
                "campaigns",
                "CampaignStatus.PAUSED, actor=actor)\n    wait_for_silence(Call.objects.filter(campaign=campaign))\n",
                "CampaignStatus.PAUSED, actor=actor)\n",
            ),
            (
                "a cancellation",
                "A cancellation",
                "campaigns",
                "    wind_up(campaign)\n    wait_for_silence(Call.objects.filter(campaign=campaign))\n",
                "    wind_up(campaign)\n",
            ),
            (
                '"Stop all calls"',
                '"Stop all calls"',
                "kill_switch",
                "    wait_for_silence(Call.objects.filter(organization=organization))\n",
                "",
            ),
            (
                "a do-not-call entry or file",
                "A do-not-call entry",
                "quiescing",
                "people.reached(call))])\n    wait_for_silence(calls)\n",
                "people.reached(call))])\n",
            ),
        )
    ),
    # Evidence from providers, and its absence.
    Bug(
        "an old doubt is dialled again",
        "After 26 hours without evidence the contact is dialled a second time.",
        (
            Edit(
                "calls/following/reconciling.py",
                "            recording.give_up(\n"
                '                call.pk, Status.UNKNOWN, "26 hours without evidence that it was placed, '
                'or that it was not."\n'
                "            )\n",
                "            Call.objects.filter(pk=call.pk).update(status=Status.QUEUED, due_at=now)\n",
            ),
        ),
        (OUTCOMES + "test_a_doubt_without_any_way_to_look_ends_as_unknown_after_26_hours",),
    ),
    Bug(
        "an unsigned callback sets the status",
        "Anyone who learns a call's callback address can end the call with any outcome.",
        (Edit("calls/following/status_callbacks.py", "    if signed or only_record:\n", "    if True:\n"),),
        (
            STATUS_CALLBACKS + "test_an_unsigned_callback_only_makes_the_next_read_due",
            STATUS_CALLBACKS + "test_plums_callback_is_a_hint_where_an_id_is_known",
        ),
    ),
    Bug(
        "a release requeues the same call",
        "Late evidence about the first request is recorded as evidence about the second.",
        (
            Edit(
                "calls/outcomes/staff_decisions.py",
                "        call.ended_reason = RELEASED_BY_STAFF\n"
                '        finish(locked, Status.CANCELED, STAFF, f"{actor}: it was not placed. {reason}", now)\n',
                "        call.status, call.due_at, call.next_read_at = Status.QUEUED, timezone.now(), None\n"
                "        call.save()\n",
            ),
        ),
        (
            OUTCOMES + "test_staff_release_ends_the_call_and_gives_the_recipient_back",
            OUTCOMES + "test_evidence_after_a_release_is_kept_and_does_not_reopen_it",
        ),
    ),
    # Changes of a running campaign.
    Bug(
        "an edit does not lock the campaign",
        "The edit closes a window and is answered while a claim that saw it open is about to dial.",
        (
            Edit(
                "campaigns/versions.py",
                'Campaign.objects.select_for_update(no_key=True, of=("self",)).get(pk=pk)',
                "Campaign.objects.get(pk=pk)",
            ),
        ),
        (
            EDITS + "test_an_edit_waits_for_the_claim_it_met_and_holds_for_the_next",
            EDITS + "test_a_claim_that_comes_second_sees_the_new_rules",
        ),
        database="PostgreSQL",
    ),
    Bug(
        "an edit cuts the waits between calls",
        "A recipient who was called a minute ago is called again because a holiday was changed.",
        (Edit("calls/gate/decision.py", "    if facts.retry_at and facts.retry_at > now:", "    if False:"),),
        (REASSESSING + "test_a_retry_is_never_brought_forward",),
    ),
    Bug(
        "an edit of the organization wakes nobody",
        "A smaller gap of the organization counts only when the old wait is over: a day is lost.",
        (Edit("calls/dialing/reassessing.py", "        if digest != known.get(pk):", "        if False:"),),
        (REASSESSING + "test_every_column_that_is_not_the_engines_own_is_noticed",),
    ),
    Bug(
        "a corrected time zone wakes nobody",
        "A contact whose time zone was corrected waits for the hours of the old one.",
        (Edit("calls/gate/inputs.py", '"language", "timezone", "variables"', '"language", "variables"'),),
        (REASSESSING + "test_a_corrected_time_zone_counts_at_once",),
    ),
    Bug(
        "a promise binds one campaign alone",
        "A contact was promised a callback at six; another campaign rings nine seconds later.",
        (
            Edit(
                "calls/gate/decision.py", "    if facts.callback_until and facts.callback_until > now:", "    if False:"
            ),
        ),
        (REASSESSING + "test_a_scheduled_callback_holds_every_other_campaign",),
    ),
    Bug(
        "a withdrawal does not wait for silence",
        "A withdrawal is answered, and then the recipient's phone rings.",
        (Edit("calls/actions/recipients.py", "    wait_for_silence(calls)\n", ""),),
        (PEOPLE + "test_it_answers_only_when_the_claim_it_met_is_answered",),
        database="PostgreSQL",
    ),
    Bug(
        "a withdrawn recipient's call is requeued",
        "A request that turns out late not to have been sent is sent again although the recipient was withdrawn.",
        (
            Edit(
                "calls/actions/recipients.py",
                "    calls.filter(status__in=(Status.QUEUED, *OPEN)).update(not_after=timezone.now())\n",
                "",
            ),
        ),
        (PEOPLE + "test_a_request_that_was_not_sent_is_not_sent_after_the_withdrawal",),
    ),
    Bug(
        "a retry precedes the scheduled callback",
        "A contact who asked to be called in the evening is called at once.",
        (
            Edit(
                "calls/actions/scheduled_callbacks.py",
                '        status=RecipientStatus.WAITING, reason="call_back", next_attempt_at=None\n',
                '        status=RecipientStatus.WAITING, reason="call_back"\n',
            ),
        ),
        (SCHEDULED_CALLBACKS + "test_a_promise_sets_the_recipient_aside",),
    ),
    # Opt-outs.
    Bug(
        "an opt-out adds no do-not-call entry",
        "The outcome with the opt-out is stored, and yet the next campaign calls the contact.",
        (
            Edit(
                "calls/outcomes/recording.py",
                "    if not found.foreign or reading.reference == call.reference:\n",
                "    if False:\n",
            ),
        ),
        ("tests/calls/test_opt_out.py::test_nothing_queued_to_the_number_is_placed_afterwards",),
    ),
    Bug(
        "an opt-out locks the contact before the account",
        "Recording an outcome and a claim deadlock, and the database aborts one of them.",
        (
            Edit(
                "calls/outcomes/opt_out.py",
                "    list(ProviderAccount.objects.select_for_update(no_key=True)"
                '.filter(pk=call.account_id).values_list("pk"))\n',
                "",
            ),
        ),
        ("tests/calls/test_opt_out.py::test_evidence_for_a_call_that_a_claim_wants_does_not_lock_both_up",),
        "PostgreSQL",
    ),
    *WHEN_BUGS,
    *NUMBER_BUGS,
    *WHO_BUGS,
    *FILE_BUGS,
    *COUNTING_BUGS,
    *POLLING_BUGS,
    *READING_BUGS,
    *BATCH_BUGS,
    *BELIEF_BUGS,
    *CLAIM_BUGS,
    *ENGINE_BUGS,
    *AUDIT_BUGS,
)
