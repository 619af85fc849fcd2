"""Deliberate bugs about what is believed: what cannot be becomes a fact, or what was said is lost."""

from __future__ import annotations

from tests.mutants.planting import Bug, Edit

FOLDING, PLAUSIBLE, RECORDING, REUSED, HEARD, REMARKS, COSTS, STAFF = (
    f"calls/outcomes/{name}.py"
    for name in (
        *("folding", "plausibility", "recording", "reused_ids", "opt_out_matching", "remarks", "costs"),
        "staff_decisions",
    )
)
RETRIES, BUDGETS, SELECTION, HISTORY = (
    f"calls/gate/{name}.py" for name in ("retry_waits", "budgets", "selection", "history")
)
SEARCH, CALL, SPOKEN = "calls/following/reconciling.py", "calls/models/call.py", "campaigns/rules/spoken.py"
COSTING, GATE = "calls/models/costing.py", "calls/gate/decision.py"

RULES, POSSIBLE, EVIDENCE, IDS, OPT_OUT, MONEY, OVERDUE, SEARCHES, CLOCK, TURNS, HELD, CURRENCIES = (
    f"tests/calls/test_{name}.py::"
    for name in (
        *("folding", "plausibility", "evidence", "reused_ids", "opt_out", "costs", "overdue", "reconciling"),
        *("own_clock", "weight_zero", "placeholder_values", "currencies"),
    )
)

BELIEF_BUGS: tuple[Bug, ...] = (
    # What becomes a fact, and whom it is about.
    Bug(
        "a time before the dial is believed",
        "A provider's clock that is hours off is shown as the time of the call.",
        (Edit(PLAUSIBLE, "    if bounds.begin and value < bounds.begin - CLOCKS:\n", "    if False:\n"),),
        (POSSIBLE + "test_a_time_is_between_our_dial_and_our_reading_or_doubtful",),
    ),
    Bug(
        "milliseconds are taken for seconds",
        "A call of 42 seconds is stored, and priced, as one of 42,000.",
        (Edit(PLAUSIBLE, "    if least <= value <= longest:\n", "    if least <= value:\n"),),
        (POSSIBLE + "test_a_duration_fits_the_times_and_our_clock",),
    ),
    Bug(
        "an empty result is final",
        "The result that comes a moment later is thrown away.",
        (Edit(FOLDING, 'old in (None, "") or _contains(value, old) or (', 'old in (None, "") or ('),),
        (RULES + "test_a_fuller_result_wins_and_of_two_final_ones_the_first",),
    ),
    Bug(
        "a zero that is not settled is a fact",
        "The price that follows never replaces the zero, and the budget is spent twice.",
        (Edit(FOLDING, "(self.ends and self.reading.has_final_amounts) or rule.check", "True or rule.check"),),
        (RULES + "test_zero_of_an_unsettled_call_is_not_said_yet_and_of_a_settled_one_a_fact",),
    ),
    Bug(
        "a reading about another number is believed",
        "A stranger's outcome is stored as the contact's.",
        (Edit(FOLDING, "    if numbers and all(is_another_number", "    if not numbers and all(is_another_number"),),
        (RULES + "test_a_reading_about_another_number_is_about_another_call_unless_it_has_our_reference",),
    ),
    Bug(
        "what is read under a shared ID is believed of both calls",
        "The end of one call is stored as the other's, whose phone may still ring.",
        (Edit(REUSED, "        return reading.reference == call.reference\n", "        return True\n"),),
        (IDS + "test_what_proves_which_call_it_is_about_counts_for_this_one_alone",),
    ),
    Bug(
        "a voicemail that is known late changes nothing",
        "Nobody was reached, and the contact counts as reached and is not called again.",
        (Edit(RECORDING, "        reconsider(locked.unit, call, seen.now)\n", "        pass\n"),),
        (EVIDENCE + "test_a_voicemail_known_only_after_the_end_counts_for_the_retry",),
    ),
    Bug(
        "an opt-out is looked for in a structured result alone",
        "A contact who asked not to be called is called again, because the provider wrote the result as a text.",
        (Edit(HEARD, '        or _text_meets(rule["equals"], path[-1], reading.result_text)\n', ""),),
        (OPT_OUT + "test_a_result_that_is_text_is_read_for_the_name_and_its_value",),
    ),
    Bug(
        "a pending result is final",
        "The finished result that follows is a conflict and is not stored.",
        (
            Edit(
                FOLDING, '        return not self.ended or before == "pending" or ', "        return not self.ended or "
            ),
        ),
        (RULES + "test_a_fuller_result_wins_and_of_two_final_ones_the_first",),
    ),
    Bug(
        "a final result is replaced by a later one",
        "What the customer was told of a call changes afterwards.",
        (Edit(FOLDING, "        replaceable = self._result_is_provisional()\n", "        replaceable = True\n"),),
        (RULES + "test_a_final_result_stays_while_only_the_price_is_awaited",),
    ),
    Bug(
        "what is not believed is dropped in silence",
        "Nobody learns that the provider said something about the call.",
        (Edit(REMARKS, "    _add_doubts(locked.call, remarks)\n\n\ndef _new", "\n\ndef _new"),),
        (EVIDENCE + "test_each_oddity_is_told_once_and_a_doubt_stands_beside_the_field",),
    ),
    Bug(
        "a value that is not believed says no opt-out",
        "A contact whose opt-out came twice with different values is called again.",
        (Edit(HEARD, "for remark in reading.remarks if not remark.taken)\n", "for remark in ())\n"),),
        (OPT_OUT + "test_a_value_that_is_not_believed_counts_in_doubt",),
    ),
    Bug(
        "an opt-out under a shared ID lists one of the two",
        "The contact of the other call, who may have asked, is called again.",
        (
            Edit(
                RECORDING,
                "        _apply_opt_outs(locked, seen, *([other] if call.id_shared_with else []))\n",
                "        _apply_opt_outs(locked, seen)\n",
            ),
        ),
        (IDS + "test_an_opt_out_under_a_shared_id_lists_in_doubt",),
    ),
    Bug(
        "a reused ID is not looked for",
        "The answer to a placing cannot be stored: the worker fails, and the ID is nowhere.",
        (
            Edit(
                REUSED,
                "    return unit.holder_of(call, named) if named and not call.provider_call_id else None\n",
                "    return None\n",
            ),
        ),
        (IDS + "test_a_placing_with_an_id_that_is_taken_is_unconfirmed_at_once",),
    ),
    # Reconciling.
    Bug(
        "a number beside our reference refuses the row",
        "A call that the provider lists stays unconfirmed, for a person to decide.",
        (
            Edit(
                SEARCH,
                '            doubt = Remark("to_number"',
                '            return\n            doubt = Remark("to_number"',
            ),
        ),
        (SEARCHES + "test_a_reference_beside_another_number_is_proof_with_a_doubt",),
    ),
    Bug(
        "a row that cannot be read refuses the list",
        "One odd row of a stranger keeps all calls of the account unconfirmed.",
        (Edit(SEARCH, "            self._times.append(None)\n            return\n", "            raise\n"),),
        (SEARCHES + "test_the_reference_is_proof_whatever_is_beside_it",),
    ),
    Bug(
        "of two calls with our reference the first is taken",
        "The provider dialled twice, and nobody is told of the second call.",
        (Edit(SEARCH, "        if len(readings) == 1:\n", "        if readings:\n"),),
        (SEARCHES + "test_two_calls_with_our_reference_are_for_a_person",),
    ),
    # Our clock and money.
    Bug(
        "retry waits count from the provider's end",
        "Its clock is four hours behind: the person is called three times in eight seconds.",
        (
            Edit(RETRIES, "    terminal_at: datetime | None\n", "    ended_at: datetime | None\n"),
            Edit(RETRIES, "last.terminal_at or last.dialed_at", "last.ended_at or last.dialed_at"),
        ),
        (CLOCK + "test_no_form_of_a_providers_time_shortens_or_lengthens_a_wait",),
    ),
    Bug(
        "a provisional price is final",
        "What the provider charges in the end replaces nothing, and the budget is wrong.",
        (Edit(FOLDING, "        if old is None or replaces:\n", "        if old is None:\n"),),
        (RULES + "test_a_price_counts_whenever_it_comes_and_a_settled_read_has_the_last_word",),
    ),
    Bug(
        "our estimate stays the cost",
        "Calls of 0.50 count as 0.06 in budgets and reports, although their price is known.",
        (
            Edit(
                COSTING,
                'COST = Coalesce("cost_price", "cost_estimate")',
                'COST = Coalesce("cost_estimate", "cost_price")',
            ),
        ),
        (MONEY + "test_a_price_replaces_the_estimate_whenever_it_comes",),
    ),
    Bug(
        "a reserve is released before the price comes",
        "The budget is spent again while prices above our estimate are on their way.",
        (Edit(COSTS, "    if not price_is_awaited(call):\n", "    if True:\n"),),
        (MONEY + "test_the_reserve_is_kept_while_the_price_is_awaited_and_no_longer",),
    ),
    Bug(
        "a campaign pauses itself for an estimate",
        "Prices below the estimates leave money that the paused campaign does not spend.",
        (Edit(BUDGETS, "_FINAL = ~NOT_PRICED | Q(cost_reserved=0)\n", "_FINAL = Q()\n"),),
        (MONEY + "test_a_campaign_pauses_itself_for_prices_and_not_for_estimates",),
    ),
    Bug(
        "a price of zero is no price",
        "A free call is shown with our estimate, and reported so to the customer.",
        (
            Edit(
                COSTING,
                "self.cost_estimate if self.cost_price is None else self.cost_price",
                "self.cost_price or self.cost_estimate",
            ),
        ),
        (MONEY + "test_a_free_call_costs_nothing",),
    ),
    Bug(
        "an estimate follows the account's new price",
        "A call that was open while the price and its currency were edited is estimated at another price.",
        (Edit(COSTS, "price, seconds = call.price_per_minute,", "price, seconds = call.account.price_per_minute,"),),
        (CURRENCIES + "test_a_new_price_changes_no_earlier_call",),
    ),
    Bug(
        "what is set aside is in the currency of the cost",
        "Euros that are set aside count as dollars, and the budget in euros is spent twice.",
        (Edit(BUDGETS, "Money(beyond if own == currency else aside, own)", "Money(beyond, currency)"),),
        (CURRENCIES + "test_a_call_counts_in_both_currencies_while_its_price_may_change",),
    ),
    Bug(
        "a campaign's calls are placed in a currency that its budget cannot count",
        "A campaign spends yen without end, because its budget in euros never counts them.",
        (Edit(GATE, "if any(reserve.currency != facts.budget.currency for reserve in reserves):", "if False:"),),
        (CURRENCIES + "test_a_budget_stops_calls_that_it_cannot_count",),
    ),
    Bug(
        "zero seconds are no duration",
        "A call for which the provider bills nothing is estimated at its connected time.",
        (Edit(COSTS, "        if said is not None:\n", "        if said:\n"),),
        (MONEY + "test_the_estimate_is_the_price_of_the_time_that_is_paid",),
    ),
    # Overdue calls.
    Bug(
        "an overdue call holds its line",
        "Two ends that never come stop an account with two lines for a day.",
        (Edit(CALL, "        return self.open().filter(holds_a_line(now))\n", "        return self.open()\n"),),
        (OVERDUE + "test_overdue_calls_hold_no_line_of_anything",),
    ),
    Bug(
        "an overdue call frees its person",
        "A person whose call was never reported as over is rung at another number meanwhile.",
        (
            Edit(
                HISTORY,
                "        if status in OPEN:\n",
                "        if status in OPEN and (at is None or at > since + HISTORY - timedelta(hours=2)):\n",
            ),
        ),
        (OVERDUE + "test_the_contact_of_an_overdue_call_is_not_called",),
    ),
    Bug(
        "gaps count from the dial of a call that a team member ended",
        "A contact who was on the phone until then is called again at once.",
        (Edit(HISTORY, 'then=F("terminal_at")', 'then=F("dialed_at")'),),
        (OVERDUE + "test_the_gap_counts_from_the_moment_at_which_a_team_member_ended_the_call",),
    ),
    Bug(
        "a team member ends a call that is being placed",
        "The contact is free for another call while the request is on its way.",
        (Edit(STAFF, "        if call.status not in MAY_BE_OVERDUE:\n", "        if False:\n"),),
        (OVERDUE + "test_only_a_call_that_may_be_under_way_can_be_ended",),
    ),
    Bug(
        "a call that a team member ended is not asked about again",
        "Its real end, and the opt-out in it, are lost.",
        (Edit(STAFF, "ENDED_BY_STAFF, now\n", "ENDED_BY_STAFF, None\n"),),
        (OVERDUE + "test_the_real_end_of_a_call_that_a_team_member_ended_is_still_asked_for",),
    ),
    # Values and weights.
    Bug(
        "whoever is held is called all the same",
        "A contact hears “Hello {{first_name}}” before anybody decided.",
        (Edit(SPOKEN, "self.rule in (Rule.HOLD, Rule.SKIP)", "self.rule is Rule.SKIP"),),
        (HELD + "test_by_default_they_are_held_with_the_reason",),
    ),
    Bug(
        "a value is emptied only where the contact gave it",
        "Under the rule to send nothing, an assistant's default “TODO” is spoken.",
        (Edit(SPOKEN, 'values = clean | dict.fromkeys((each.variable for each in texts), "")', "values = clean"),),
        (HELD + "test_an_emptied_value_takes_the_default",),
    ),
    Bug(
        "an assistant of weight 0 keeps its people",
        "The variant that was switched off calls them again.",
        (
            Edit(
                SELECTION, " and choice.usable and (choice.weight > 0 or not self._weighted)\n", " and choice.usable\n"
            ),
        ),
        (TURNS + "test_retries_of_its_people_are_made_by_another",),
    ),
)
