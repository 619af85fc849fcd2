"""Deliberate bugs about what is believed: what cannot be becomes a fact, or what was said is lost."""

from __future__ import annotations

from tests.mutants.planting import Bug, Edit

FOLDING, PLAUSIBLE = "calls/outcomes/folding.py", "calls/outcomes/plausibility.py"
RECORDING, REUSED = "calls/outcomes/recording.py", "calls/outcomes/reused_ids.py"
HEARD = "calls/outcomes/opt_out_matching.py"
RULES, POSSIBLE = "tests/calls/test_folding.py::", "tests/calls/test_plausibility.py::"
EVIDENCE, IDS, OPT_OUT = (f"tests/calls/test_{name}.py::" for name in ("evidence", "reused_ids", "opt_out"))

BELIEF_BUGS: tuple[Bug, ...] = (
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
        (Edit(RECORDING, "        reconsider(call, seen.now)\n", "        pass\n"),),
        (EVIDENCE + "test_a_voicemail_known_only_after_the_end_counts_for_the_retry",),
    ),
    Bug(
        "an opt-out is looked for in a structured result alone",
        "A contact who asked not to be called is called again, because the provider wrote the result as a text.",
        (Edit(HEARD, '        or _text_meets(rule["equals"], path[-1], reading.result_text)\n', ""),),
        (OPT_OUT + "test_a_result_that_is_text_is_read_for_the_name_and_its_value",),
    ),
)
