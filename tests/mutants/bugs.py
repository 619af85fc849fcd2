"""The deliberate bugs. Each is one that somebody could write in good faith, and that would ring a person by mistake."""

from __future__ import annotations

from tests.mutants.planting import ANSWERS, Bug, Edit

OUTCOMES = "tests/calls/test_outcomes.py::"
PLACING = "tests/calls/test_placing.py::"
BESIDE = "tests/calls/test_interleavings.py::"
STATUS_CALLBACKS = "tests/calls/test_status_callbacks.py::"
FOLDING = "tests/calls/test_folding.py::"
EDITS = "tests/calls/test_campaign_edits.py::"
PEOPLE = "tests/calls/test_recipient_actions.py::"
SCHEDULED_CALLBACKS = "tests/calls/test_scheduled_callbacks.py::"
HTTP = "tests/providers/test_http.py::"
VERDICTS = tuple(
    f"tests/providers/test_{provider}::test_an_answer_that_is_no_success_is_sorted"
    for provider in ("allomia.py::TestAlloMia", "polyai.py::TestPolyAI")
)

BUGS: tuple[Bug, ...] = (
    # The intent.
    Bug(
        "intent after the request",
        "The call still says `queued` while its request is out, so the next claim dials it again.",
        (
            Edit(
                "calls/dialing/placing.py",
                '                    status=Status.PLACING,\n                    status_reason="",\n',
                '                    status_reason="",\n',
            ),
            Edit(
                "calls/dialing/placing.py",
                "    call, fence = claim.call, claim.fence\n",
                "    call, fence = claim.call, claim.fence\n"
                "    Call.objects.filter(pk=call.pk).update(status=Status.PLACING)\n",
            ),
        ),
        (OUTCOMES + "test_a_claim_commits_the_intent_before_anything_is_sent",),
        model=True,
    ),
    Bug(
        "intent not committed before the request",
        "A process that dies between request and answer takes its claim with it: the call is dialled again.",
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
                "    call, fence = claim.call, claim.fence\n",
                "    call, fence = claim.call, claim.fence\n"
                "    if outer := vars(transaction.get_connection()).pop('claim', None):\n"
                "        outer.__exit__(None, None, None)\n",
            ),
        ),
        (BESIDE + "test_a_number_put_on_do_not_call_is_not_dialled_after_the_entry_is_there",),
        "PostgreSQL",
    ),
    Bug(
        "a claim that overslept is sent",
        "A process held up after its claim rings a person after a pause, or a do-not-call entry, was answered.",
        (Edit("calls/dialing/placing.py", " > SEND_WITHIN:\n", " > 1e9:\n"),),
        (PLACING + "test_the_time_a_claim_takes_counts_among_its_seconds",),
        model=True,
    ),
    Bug(
        "the seconds of a claim are counted from its commit",
        "Whoever waits for silence counts from an earlier moment, answers, and then the request leaves.",
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
        "the reaper requeues",
        "A claim without an answer goes back to the queue although its request may have gone out.",
        (
            Edit(
                "calls/outcomes/placement_results.py",
                'mark_unconfirmed(locked, ENGINE, "No answer was recorded in time; the request may have gone out.")',
                'undo_claim(locked, call.placing_attempts, now, "lease", "No answer was recorded in time.")',
            ),
        ),
        (OUTCOMES + "test_the_reaper_makes_a_silent_claim_a_doubt_and_the_slow_answer_still_counts",),
        model=True,
    ),
    Bug(
        "a doubt goes back to the queue",
        "An answer that leaves open whether a phone rings is taken for one that says it does not.",
        (
            Edit(
                "calls/dialing/placing.py",
                "        placement_results.doubt(call.pk, fence, answer)\n",
                "        placement_results.requeue(call.pk, fence, NotSent(str(answer)))\n",
            ),
        ),
        (STATUS_CALLBACKS + "test_a_lost_answers_callback_supplies_the_id_and_a_read_confirms_it",),
        model=True,
    ),
    Bug(
        "the fence is removed from refusals",
        "The late answer of an earlier claim puts a call back into the queue while a later request is out.",
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
        "The late answer of an earlier claim makes a doubt of a call that is being placed.",
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
        "The late answer of an earlier claim gives the later one an id that is not its own.",
        (
            Edit(
                "calls/outcomes/placement_results.py",
                "        if call.placing_attempts != fence:\n",
                "        if False:\n",
            ),
        ),
        (PLACING + "test_the_late_success_of_an_earlier_claim_does_not_touch_a_later_one",),
    ),
    # What an answer means.
    Bug(
        "5xx means not sent",
        "A provider that fails after it dialled is asked to dial again.",
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
        "no answer in time means not sent",
        "A provider that is slow to answer is asked to dial again.",
        (
            Edit(
                "providers/adapters/http.py",
                "            if _SENDING not in seen:\n",
                "            if _SENDING not in seen or isinstance(error, TimeoutError):\n",
            ),
            Edit(
                "providers/adapters/http.py",
                "        except (TimeoutError, httpx.ConnectError,",
                "        except httpx.ReadTimeout:\n"
                "            raise NotSent(NO_ANSWER) from None\n"
                "        except (TimeoutError, httpx.ConnectError,",
            ),
        ),
        (HTTP + "TestWhatMayHaveRung::test_the_deadline_covers_the_whole_exchange",),
        still_passes=ANSWERS,
    ),
    Bug(
        "a broken connection means not sent",
        "A connection that breaks after the request was read makes the call be dialled again.",
        (
            Edit(
                "providers/adapters/http.py",
                "        except (TimeoutError, httpx.ConnectError,",
                "        except (httpx.ReadError, httpx.RemoteProtocolError):\n"
                "            raise NotSent(NOT_CONNECTED) from None\n"
                "        except (TimeoutError, httpx.ConnectError,",
            ),
        ),
        (HTTP + "TestWhatMayHaveRung::test_one_placing_is_one_request_whatever_happens",),
        still_passes=ANSWERS,
    ),
    Bug(
        "a broken placing is tried again",
        "The second request of one placing rings the person twice.",
        (
            Edit(
                "providers/adapters/http.py",
                "                return await _exchange(built)\n",
                "                try:\n"
                "                    return await _exchange(built)\n"
                "                except (httpx.ReadError, httpx.RemoteProtocolError):\n"
                "                    return await _exchange(built)\n",
            ),
        ),
        (HTTP + "TestWhatMayHaveRung::test_one_placing_is_one_request_whatever_happens",),
        still_passes=ANSWERS,
    ),
    Bug(
        "the transport retries",
        "The client connects again by itself: a second request is one library release away.",
        (Edit("providers/adapters/http.py", "retries=0, limits=limits", "retries=1, limits=limits"),),
        (PLACING + "test_a_placing_tries_to_connect_once",),
        still_passes=ANSWERS,
    ),
    Bug(
        "a connection for placing is kept",
        "A request over a kept connection that the provider is just closing may or may not have been read.",
        (
            Edit("providers/adapters/http.py", '_build(request, {"connection": "close"})', "_build(request, {})"),
            Edit(
                "providers/adapters/http.py",
                "async def _exchange(",
                "_KEPT: dict[Any, httpx.AsyncHTTPTransport] = {}\n\n\nasync def _exchange(",
            ),
            Edit(
                "providers/adapters/http.py",
                "    limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)\n"
                "    async with httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False, retries=0, limits=limits)"
                " as transport:\n",
                "    made = httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False)\n"
                "    transport = _KEPT.setdefault(asyncio.get_running_loop(), made)\n"
                "    if True:\n",
            ),
        ),
        (HTTP + "TestAnswers::test_a_connection_for_placing_serves_one_request",),
        still_passes=ANSWERS,
    ),
    Bug(
        "redirects are followed",
        "A redirected placing is sent twice, the second time to an address nobody entered.",
        (
            Edit(
                "providers/adapters/http.py",
                "await transport.handle_async_request(request)",
                "await httpx.AsyncClient(transport=transport, follow_redirects=True).send(request, stream=True)",
            ),
        ),
        (HTTP + "TestAnswers::test_a_redirect_is_an_answer_and_is_not_followed",),
        still_passes=ANSWERS,
    ),
    # What the database refuses.
    Bug(
        "no unique open call",
        "Nothing but code stands between two open calls to one number.",
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
        "no trigger on the end",
        "Any code may take a call out of its end, and so back into the queue.",
        (Edit("calls/apps.py", "post_migrate.connect(triggers.install, sender=self)", "pass"),),
        (
            OUTCOMES + "test_the_database_refuses_to_change_an_end",
            OUTCOMES + "test_the_trigger_is_there_after_migrate",
        ),
    ),
    Bug(
        "a later end wins",
        "A late or forged word replaces the outcome that was stored.",
        (
            Edit(
                "calls/outcomes/folding.py",
                "    if old in TERMINAL:\n        return False\n",
                "    if old in TERMINAL:\n        return new in TERMINAL and new != old\n",
            ),
        ),
        (
            FOLDING + "test_an_end_stays_and_a_different_end_is_kept_as_a_conflict",
            OUTCOMES + "test_a_late_different_end_is_kept_as_an_event_and_changes_nothing",
        ),
    ),
    Bug(
        "the outbox is filled after the commit",
        "A process that dies between the two never tells the customer how the call ended.",
        (
            Edit(
                "calls/outcomes/transitions.py",
                "outbox.add_callback(call)",
                "transaction.on_commit(lambda: outbox.add_callback(call))",
            ),
        ),
        (PLACING + "test_an_end_whose_outbox_row_cannot_be_written_is_not_stored",),
    ),
    Bug(
        "a read is counted after it",
        "An answer that kills its reader is read again at once and for ever.",
        (
            Edit(
                "calls/following/polling.py",
                '            next_read_at=now + poll_schedule.READ_LEASE, reads=F("reads") + 1\n',
                '            next_read_at=F("next_read_at")\n',
            ),
            Edit(
                "calls/following/polling.py",
                "    call = reading.call\n    if isinstance(answer, Snapshot):\n",
                "    call = reading.call\n"
                '    Call.objects.filter(pk=call.pk).update(reads=F("reads") + 1)\n'
                "    if isinstance(answer, Snapshot):\n",
            ),
        ),
        (OUTCOMES + "test_a_read_is_counted_and_leased_before_its_answer_is_parsed",),
    ),
    # The gate and its locks.
    Bug(
        "the gate is asked before the person's lock",
        "An entry on the do-not-call list, or a second campaign, slips in between the answer and the dial.",
        (
            Edit(
                "calls/dialing/placing.py",
                "        _lock_contacts(batch)\n"
                "        calls = _fresh(batch)\n"
                "        allowed = _ask_the_gate(calls, now)\n",
                "        calls = _fresh(batch)\n"
                "        allowed = _ask_the_gate(calls, now)\n"
                "        _lock_contacts(batch)\n",
            ),
        ),
        (BESIDE + "test_a_number_put_on_do_not_call_is_not_dialled_after_the_entry_is_there",),
        "PostgreSQL",
    ),
    Bug(
        "the campaign is read before its lock",
        "A pause that answers between the reading and the lock is not seen: the call is dialled after it.",
        (
            Edit(
                "calls/dialing/placing.py",
                "        _lock_contacts(batch)\n        calls = _fresh(batch)\n",
                "        calls = _fresh(batch)\n        _lock_contacts(batch)\n",
            ),
        ),
        (PLACING + "test_a_pause_that_answers_before_the_claims_locks_is_seen",),
        "PostgreSQL",
    ),
    Bug(
        "do-not-call without the person's lock",
        "An entry answers while a claim that did not see it is about to dial.",
        (Edit("campaigns/do_not_call/entries.py", "    lock_contact(organization, phone)\n", ""),),
        (BESIDE + "test_a_number_put_on_do_not_call_is_not_dialled_after_the_entry_is_there",),
        "PostgreSQL",
    ),
    Bug(
        "many not to call without their persons' locks",
        "A file of numbers is listed while a claim that did not see it is about to dial one of them.",
        (Edit("campaigns/do_not_call/entries.py", "if lock_contacts(organization, by_hash.values()):", "if by_hash:"),),
        (BESIDE + "test_a_number_put_on_do_not_call_is_not_dialled_after_the_entry_is_there",),
        "PostgreSQL",
    ),
    Bug(
        "the claim without the organization's lock",
        "The kill switch answers while a claim that did not see it is about to dial.",
        (
            Edit(
                "calls/dialing/placing.py",
                '    list(owner.select_for_update(no_key=True, of=("self",)))\n',
                "    list(owner)\n",
            ),
        ),
        (BESIDE + "test_the_kill_switch_waits_like_the_pause",),
        "PostgreSQL",
    ),
    Bug(
        "capacity is counted before the account's lock",
        "Two workers each fill the account: more calls are open than it may have.",
        (
            Edit(
                "calls/dialing/placing.py",
                "        account = _lock_account(account_id)\n",
                "        already = Call.objects.filter(account=account_id).open().count()\n"
                "        account = _lock_account(account_id)\n",
            ),
            Edit(
                "calls/dialing/placing.py",
                "min(limit, _room(account))",
                "min(limit, account.max_open_calls - already)",
            ),
        ),
        (PLACING + "test_capacity_is_counted_under_the_accounts_lock",),
        "PostgreSQL",
    ),
    Bug(
        "the budget is not counted within a batch",
        "Eight calls are placed for the money of one.",
        (Edit("calls/dialing/placing.py", "            spent=found.spent + reserved[call.campaign_id],\n", ""),),
        (PLACING + "test_one_batch_does_not_spend_the_budget_twice",),
    ),
    Bug(
        "what is set aside is not stored",
        "Each batch finds the whole budget again until the first calls are over.",
        (Edit("calls/dialing/placing.py", "cost_reserved=budgets.reserve_of(call.account),", "cost_reserved=0,"),),
        (PLACING + "test_one_batch_does_not_spend_the_budget_twice",),
        still_passes=OUTCOMES + "test_a_late_different_end_is_kept_as_an_event_and_changes_nothing",
    ),
    Bug(
        "lines are not counted within a batch",
        "One batch takes more lines of a caller number than it has.",
        (
            Edit(
                "calls/dialing/placing.py",
                "            number_open=found.number_open + lines[call.phone_number_id],\n",
                "",
            ),
        ),
        (PLACING + "test_one_batch_keeps_the_limits_of_open_calls",),
    ),
    Bug(
        "a campaign's open calls are not counted within a batch",
        "One batch opens more calls of a campaign than it may have.",
        (
            Edit(
                "calls/dialing/placing.py",
                "            campaign_open=found.campaign_open + in_campaign[call.campaign_id],\n",
                "",
            ),
        ),
        (PLACING + "test_one_batch_keeps_the_limits_of_open_calls",),
    ),
    Bug(
        "attempts are not counted",
        "Whoever does not answer is called again without an end.",
        (Edit("calls/dialing/placing.py", '.update(attempts=F("attempts") + 1)', '.update(attempts=F("attempts"))'),),
        (PLACING + "test_a_claim_is_an_attempt",),
    ),
    Bug(
        "do-not-call is checked at feeding only",
        "A call that was queued before the entry rings the person after it.",
        (
            Edit(
                "calls/dialing/placing.py",
                "            found,\n            number_open=",
                "            found,\n            do_not_call=False,\n            number_open=",
            ),
        ),
        (PLACING + "test_a_call_queued_before_the_number_was_listed_is_not_placed_after",),
    ),
    Bug(
        "the window is checked at feeding only",
        "A call that was queued before the window closed rings the person after it.",
        (
            Edit(
                "calls/dialing/placing.py",
                "            found,\n            number_open=",
                "            found,\n            hours=(),\n            number_open=",
            ),
        ),
        (PLACING + "test_a_call_queued_before_the_window_closed_is_not_placed_after",),
    ),
    Bug(
        "the window is checked at placing only",
        "Everybody is queued at night, takes the room of those who may be called, and none is told when.",
        (
            Edit(
                "calls/dialing/enqueueing.py",
                "number_open=facts.number_open + taken,",
                "number_open=facts.number_open + taken,\n            hours=(),",
            ),
        ),
        (PLACING + "test_nobody_is_queued_outside_the_window",),
    ),
    # The switches.
    *(
        Bug(
            f"{name} does not wait for silence",
            f"{what} is answered, and then a phone rings.",
            (Edit(f"calls/actions/{module}.py", old, new),),
            (PLACING + "test_what_must_be_silent_waits_for_the_claim_it_met",),
        )
        for name, what, module, old, new in (
            (
                "pause",
                "A pause",
                "campaigns",
                "CampaignStatus.PAUSED, actor=actor)\n    wait_for_silence(Call.objects.filter(campaign=campaign))\n",
                "CampaignStatus.PAUSED, actor=actor)\n",
            ),
            (
                "cancel",
                "A cancellation",
                "campaigns",
                "    wind_up(campaign)\n    wait_for_silence(Call.objects.filter(campaign=campaign))\n",
                "    wind_up(campaign)\n",
            ),
            (
                "the kill switch",
                "The kill switch",
                "kill_switch",
                "    wait_for_silence(Call.objects.filter(organization=organization))\n",
                "",
            ),
            (
                "do-not-call",
                "An entry on the do-not-call list",
                "quiescing",
                "to_number=entry.phone)\n    wait_for_silence(calls)\n",
                "to_number=entry.phone)\n",
            ),
            (
                "do-not-call for many",
                "A file for the do-not-call list",
                "quiescing",
                "to_number__in=with_open_call)\n    wait_for_silence(calls)\n",
                "to_number__in=with_open_call)\n",
            ),
        )
    ),
    # Words of others, and of nobody.
    Bug(
        "a doubt that lasted is dialled again",
        "After 26 hours without a word the person is rung a second time.",
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
        "Whoever learns a call's address ends it with any outcome.",
        (Edit("calls/following/status_callbacks.py", "    if signed or only_record:\n", "    if True:\n"),),
        (
            STATUS_CALLBACKS + "test_an_unsigned_callback_only_makes_the_next_read_due",
            STATUS_CALLBACKS + "test_plums_callback_is_a_hint_where_an_id_is_known",
        ),
    ),
    Bug(
        "a release requeues the same call",
        "Late evidence for the first request is taken for the second one's.",
        (
            Edit(
                "calls/outcomes/staff_decisions.py",
                '        call.ended_reason = "released_by_staff"\n'
                '        finish(locked, Status.CANCELED, STAFF, f"{actor}: it was not placed. {reason}")\n',
                "        call.status, call.due_at, call.next_read_at = Status.QUEUED, timezone.now(), None\n"
                "        call.save()\n",
            ),
        ),
        (
            OUTCOMES + "test_staff_release_ends_the_call_and_gives_the_recipient_back",
            OUTCOMES + "test_evidence_after_a_release_is_kept_and_does_not_reopen_it",
        ),
    ),
    # Changes while it runs.
    Bug(
        "an edit does not lock the campaign",
        "A window is closed and answered for while a claim that saw it open is about to dial.",
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
        "Whoever was called a minute ago is called again because somebody changed a holiday.",
        (Edit("calls/actions/campaign_edits.py", "        reason__in=GATE_REASONS,\n", ""),),
        (EDITS + "test_a_retry_is_never_brought_forward",),
    ),
    Bug(
        "a withdrawal does not wait for silence",
        "A withdrawal is answered, and then the person's phone rings.",
        (Edit("calls/actions/recipients.py", "    wait_for_silence(calls)\n", ""),),
        (PEOPLE + "test_it_answers_only_when_the_claim_it_met_is_answered",),
        database="PostgreSQL",
    ),
    Bug(
        "a withdrawn person's request goes back to the queue",
        "A request that turns out, late, not to have been sent is sent again although the person was withdrawn.",
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
        "a retry comes before the call-back",
        "Somebody who asked to be called in the evening is rung at once.",
        (
            Edit(
                "calls/actions/scheduled_callbacks.py",
                '        status=RecipientStatus.WAITING, reason="call_back", next_attempt_at=None\n',
                '        status=RecipientStatus.WAITING, reason="call_back"\n',
            ),
        ),
        (SCHEDULED_CALLBACKS + "test_a_promise_sets_the_recipient_aside",),
    ),
    # Who asked not to be called again.
    Bug(
        "an opt-out is stored without its entry",
        "An end that says so is kept, and the next campaign rings the person all the same.",
        (Edit("calls/outcomes/recording.py", "    if not found.foreign:\n", "    if False:\n"),),
        ("tests/calls/test_opt_out.py::test_nothing_queued_to_the_number_is_placed_afterwards",),
    ),
    Bug(
        "an opt-out locks the person before the account",
        "An end and a claim wait for each other, and the database throws one of them away.",
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
)
