"""What a provider means by its words. The expected meanings are those of the public pages that document them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.adapters import words
from providers.adapters.base import AccountConfig, Answer, CallHandle, CallState, Reading, Remark
from providers.adapters.registry import provider
from providers.adapters.vocabulary import ANSWERERS, REASONS
from providers.adapters.words import interpret, key, read_table, shown

ENDS = [state for state in CallState if state.is_terminal]


def ended(state: CallState = CallState.COMPLETED, **said: Any) -> Reading:
    return Reading(state, **({"provider_status": state.value} | said))


# Twilio's and Telnyx's pages on answering-machine detection, Bandwidth's machineDetectionComplete, Amazon Connect's
# AnsweringMachineDetectionStatus, Asterisk's AMDSTATUS, SignalWire's detect result.
BY_MACHINE = """machine machine_start machine_end_beep machine_end_silence machine_end_other fax answering-machine
    fax_detected VOICEMAIL_BEEP VOICEMAIL_NO_BEEP FAX_MACHINE_DETECTED MACHINE VoicemailBeep machineEndBeep"""
BY_HUMAN = "human human_residence human_business HUMAN_ANSWERED HumanAnswered Human"
UNDECIDED = "unknown not_sure NOTSURE silence timeout error AMD_UNRESOLVED AMD_ERROR AMD_NOT_APPLICABLE NotDetected"


def test_words_of_carriers_for_who_answered(subtests: Any) -> None:
    expected = dict.fromkeys(BY_MACHINE.split(), ("machine", "voicemail"))
    expected |= dict.fromkeys(BY_HUMAN.split(), ("human", "")) | dict.fromkeys(UNDECIDED.split(), ("", ""))
    for word, (answered_by, reason) in expected.items():
        with subtests.test(word):
            found = interpret(ended(answered_by=word), {})
            assert (found.reading.answered_by, found.reading.ended_reason) == (answered_by, reason)
            assert (found.reading.state, found.unknown) == (CallState.COMPLETED, ())


VOICEMAILS = """voicemail|voice_mail|Voice Mail|voiceMail|left-voicemail|voicemail_left|machine_detected|amd_machine|
    voicemail_reached|answering_machine|AnsweringMachine|Voicemail detected by AMD|Call went to voicemail|répondeur|
    voicemail-detected|voicemailDetected|ended by answering machine|Reached the voice mail system.|
    hangup on voicemail"""
NOT_VOICEMAILS = """No voicemail detected|voicemail or human|not a voicemail|asked about voicemail|is that voicemail|
    voicemail detection is off|human, no answering machine|machine|voicemail disabled|contact left a voicemail|
    left message|customer_ended_call|wrong voicemail|voicemail 20 percent|maybe voicemail|voicemail failed"""


def listed(text: str) -> list[str]:
    return [word.strip() for word in text.split("|")]


def test_reasons_that_tell_of_a_voicemail_and_nothing_else(subtests: Any) -> None:
    for word in listed(VOICEMAILS):
        with subtests.test(word):
            found = interpret(ended(provider_reason=word, ended_reason="other"), {})
            assert (found.reading.state, found.reading.ended_reason) == (CallState.COMPLETED, "voicemail")
            assert found.unknown == ()
    for word in listed(NOT_VOICEMAILS):
        with subtests.test(word):
            assert interpret(ended(provider_reason=word, ended_reason="other"), {}).reading.ended_reason != "voicemail"


def test_a_long_sentence_is_not_read() -> None:
    said = " ".join(["the voicemail was reached"] * 4)
    assert interpret(ended(provider_reason=said), {}).unknown[0].field == "reason"


# ITU-T Q.850 by FreeSWITCH's names, and the end reasons that Retell and Vapi document.
CAUSES = {
    ("NO_ANSWER", CallState.FAILED): "no_answer",
    ("NO_USER_RESPONSE", CallState.NO_ANSWER): "no_answer",
    ("USER_BUSY", CallState.FAILED): "busy",
    ("USER_BUSY", CallState.BUSY): "busy",
    ("UNALLOCATED_NUMBER", CallState.FAILED): "provider_error",
    ("NORMAL_TEMPORARY_FAILURE", CallState.FAILED): "provider_error",
    ("CALL_REJECTED", CallState.FAILED): "other",
    ("customer-did-not-answer", CallState.NO_ANSWER): "no_answer",
    ("customer-busy", CallState.FAILED): "busy",
    ("user_hangup", CallState.COMPLETED): "hangup_callee",
    ("customer-ended-call", CallState.COMPLETED): "hangup_callee",
    ("call queueing: max timeout limit exceeded", CallState.FAILED): "queue_timeout",
    ("NORMAL_CLEARING", CallState.COMPLETED): "",
    ("normalClearing", CallState.BUSY): "busy",
}


def test_hang_up_causes_name_the_reason(subtests: Any) -> None:
    by_state = {CallState.NO_ANSWER: "no_answer", CallState.BUSY: "busy"}
    for (word, state), reason in CAUSES.items():
        with subtests.test(word):
            found = interpret(ended(state, provider_reason=word, ended_reason=by_state.get(state, "")), {})
            assert (found.reading.state, found.reading.ended_reason, found.unknown) == (state, reason, ())


def test_no_built_in_word_changes_the_class_of_an_outcome() -> None:
    for state in CallState:
        reading = Reading(state, provider_status="a word", ended_reason="other" if state.is_terminal else "")
        for word in (*REASONS, *ANSWERERS, "Voicemail detected by AMD"):
            told = [
                replace(reading, provider_reason=word),
                replace(reading, answered_by=word),
                replace(reading, provider_status=word),
            ]
            assert [interpret(each, {}).reading.state for each in told] == [state] * 3, word


@pytest.mark.parametrize("word", ["NO_ANSWER", "user busy"])
def test_a_completed_call_whose_reason_says_otherwise_is_doubtful(word: str) -> None:
    found = interpret(ended(provider_reason=word, ended_reason="no_answer"), {}).reading
    assert (found.state, found.ended_reason) == (CallState.COMPLETED, "other")
    assert [(remark.field, remark.taken) for remark in found.remarks] == [("ended_reason", False)]
    assert interpret(found, {}).reading == found, "it is said once"


def test_a_person_and_a_voicemail_at_once_are_neither() -> None:
    earlier = Remark("x", "y", "z", taken=True)
    for state in (CallState.COMPLETED, CallState.NO_ANSWER, CallState.FAILED):
        reading = ended(state, answered_by="human", provider_reason="voicemail", ended_reason="other")
        found = interpret(replace(reading, remarks=(earlier,)), {}).reading
        assert (found.state, found.answered_by, found.ended_reason) == (state, "", "other")
        assert found.remarks[0] is earlier
        assert {(remark.field, remark.taken) for remark in found.remarks[1:]} == {
            ("answered_by", False),
            ("ended_reason", False),
        }


def test_a_later_reading_does_not_turn_a_person_into_a_voicemail_or_back() -> None:
    said: Any
    for before, said in (
        ("human", {"provider_reason": "voicemail", "ended_reason": "other"}),
        ("human", {"answered_by": "machine_end_beep"}),
        ("human", {"answered_by": "machine", "ended_reason": "voicemail"}),  # as CallingBox's adapter
        ("machine", {"answered_by": "person"}),
    ):
        found = interpret(ended(**said), {}, before).reading
        assert (found.answered_by, found.ended_reason) in (("", ""), ("", "other")), (before, said)
        assert {remark.field for remark in found.remarks} == {"answered_by", "ended_reason"}
        assert interpret(ended(), {}, before).reading == ended()
    assert interpret(ended(answered_by="human"), {}, "human").reading.answered_by == "human"
    assert interpret(ended(answered_by="fax"), {}, "machine").reading.ended_reason == "voicemail"


def test_a_voicemail_on_a_busy_line_is_doubtful() -> None:
    found = interpret(ended(CallState.BUSY, provider_reason="voicemail", ended_reason="busy"), {}).reading
    assert (found.ended_reason, found.remarks[0].field) == ("busy", "ended_reason")


def test_own_words_come_first() -> None:
    reading = ended(answered_by="machine", provider_reason="left message", ended_reason="other")
    assert interpret(reading, {}).unknown[0].word == "left message"
    own = {"reason": {"left_message": "voicemail"}}
    found = interpret(replace(reading, answered_by=""), own)
    assert (found.reading.ended_reason, found.unknown) == ("voicemail", ())
    found = interpret(reading, {"answered_by": {"machine": "human"}})  # its AI is what this provider calls the machine
    assert (found.reading.answered_by, found.reading.ended_reason) == ("human", "other")
    found = interpret(ended(provider_reason="voicemail"), {"reason": {"voicemail": "ignore"}})
    assert found.reading.ended_reason == ""
    documented = ended(CallState.NO_ANSWER, answered_by="machine", ended_reason="voicemail")  # as CallingBox's adapter
    assert interpret(documented, {}).reading.ended_reason == "voicemail"
    assert interpret(documented, {"answered_by": {"machine": "ignore"}}).reading.ended_reason == "no_answer"


def test_an_own_status_ends_a_call(subtests: Any) -> None:
    reading = Reading(CallState.UNRECOGNISED, provider_status="Wrapped-Up")
    found = interpret(reading, {})
    assert (found.reading.state, [word.key for word in found.unknown]) == (CallState.UNRECOGNISED, ["wrapped_up"])
    expected: dict[str, tuple[CallState, str]] = {
        state.value: (state, "") for state in CallState if state is not CallState.UNRECOGNISED
    }
    expected |= {
        "no_answer": (CallState.NO_ANSWER, "no_answer"),
        "busy": (CallState.BUSY, "busy"),
        "failed": (CallState.FAILED, "failure_unspecified"),
        "voicemail": (CallState.COMPLETED, "voicemail"),
        "ignore": (CallState.UNRECOGNISED, ""),
    }
    assert set(expected) == set(words.MEANINGS["status"])
    for meaning, (state, reason) in expected.items():
        with subtests.test(meaning):
            found = interpret(reading, {"status": {"wrapped_up": meaning}})
            assert (found.reading.state, found.reading.ended_reason, found.unknown) == (state, reason, ())


def test_an_own_status_does_not_end_a_call_that_the_provider_may_dial_again() -> None:
    reading = Reading(CallState.UNRECOGNISED, provider_status="missed", may_go_back=True)
    assert interpret(reading, {"status": {"missed": "no_answer"}}).reading.state is CallState.UNRECOGNISED
    assert interpret(reading, {"status": {"missed": "ringing"}}).reading.state is CallState.RINGING


def test_a_status_that_contradicts_itself_is_no_word() -> None:
    remark = Remark("status", "completed, busy", "Two values.", taken=False, field="state")
    found = interpret(Reading(CallState.UNRECOGNISED, provider_status="completed", remarks=(remark,)), {})
    assert (found.reading.state, found.unknown) == (CallState.UNRECOGNISED, ())


def test_an_own_reason_tells_no_answer_and_busy_from_a_failure() -> None:
    """PolyAI's pages: `failure` is failed to connect or not answered."""
    for meaning in ("no_answer", "busy"):
        own = {"reason": {"gave_up_after_ringing": meaning}}
        reading = ended(CallState.FAILED, provider_reason="gave up after ringing", ended_reason="other")
        found = interpret(reading, own).reading
        assert (found.state.value, found.ended_reason) == (meaning, meaning)
        for state in set(ENDS) - {CallState.FAILED}:
            assert interpret(replace(reading, state=state), own).reading.state is state


# One answer of each provider as its document writes it, with a word that no document names, and the account's table.
ON_THE_WIRE: list[tuple[str, dict[str, Any], dict[str, dict[str, str]], tuple[str, str]]] = [
    (
        "allomia",
        {"outboundCallId": "x1", "status": "completed", "callDetails": {"endedReason": "voicemail"}},
        {},
        ("completed", "voicemail"),
    ),
    (
        "allomia",
        {"outboundCallId": "x1", "status": "completed", "callDetails": {"answered_by": "machine_end_beep"}},
        {},
        ("completed", "voicemail"),
    ),
    ("polyai", {"callSid": "x1", "status": "success", "reason": "voicemail"}, {}, ("completed", "voicemail")),
    ("polyai", {"callSid": "x1", "status": "SUCCESS", "answered_by": "machine"}, {}, ("completed", "voicemail")),
    ("polyai", {"callSid": "x1", "status": "failure", "reason": "User busy"}, {}, ("failed", "busy")),
    (
        "callingbox",
        {"id": "x1", "status": "completed", "hangup_cause": "voicemail_detected"},
        {},
        ("completed", "voicemail"),
    ),
    (
        "callingbox",
        {"id": "x1", "status": "completed", "answered_by": "machine_end_beep", "hangup_cause": "NORMAL_CLEARING"},
        {},
        ("completed", "voicemail"),
    ),
    ("callingbox", {"id": "x1", "status": "no_answer", "answered_by": "machine"}, {}, ("no_answer", "voicemail")),
    (
        "polyai",
        {"callSid": "x1", "status": "failure", "reason": "Callee did not pick up"},
        {"reason": {"callee_did_not_pick_up": "no_answer"}},
        ("no_answer", "no_answer"),
    ),
    (
        "plumvoice",
        {"call_details": {"status": "answering machine", "attempts": 1, "max_attempts": 1}},
        {"status": {"answering_machine": "voicemail"}},
        ("completed", "voicemail"),
    ),
]


def test_words_on_the_wire(subtests: Any) -> None:
    keys = {"api_key": "k", "auth_token": "k", "email": "a@example.org", "developer_key": "k"}
    for slug, body, own, expected in ON_THE_WIRE:
        with subtests.test(slug):
            adapter = provider(slug, AccountConfig("https://example.org", keys))
            answer = Answer(200, {"content-type": "application/json"}, json.dumps(body).encode())
            reading = adapter.read_status(answer, CallHandle("x1"), datetime(2026, 5, 13, 10, tzinfo=UTC))
            found = interpret(reading, own)
            assert (found.reading.state.value, found.reading.ended_reason, found.unknown) == (*expected, ())


def test_reasons_before_the_end_are_left_alone() -> None:
    found = interpret(Reading(CallState.DIALING, provider_status="dialing", provider_reason="strange"), {})
    assert (found.reading.ended_reason, found.unknown) == ("", ())


def test_a_status_given_as_the_reason_is_one_word() -> None:
    """Plum Voice has no other reason than its status."""
    found = interpret(ended(CallState.FAILED, provider_status="exhausted", provider_reason="exhausted"), {})
    assert found.unknown == ()


FOLDED = {
    "Machine-End_Beep": "machine_end_beep",
    "machineEndBeep": "machine_end_beep",
    "  NO  ANSWER ": "no_answer",
    "AMDMachine": "amd_machine",
    "error 8f3a12 in call 4711": "error_0_in_call_0",
    "call 1 ended": "call_0_ended",
    "3f8d9c10-7b5e-4a52-9d1f-62c8e0b7a413 gone": "0_gone",
    "+33 6 12 34 56 78 declined": "0_declined",
    "SIP 486": "sip_486",
    "sip486": "sip_486",
    "Q.850 cause 17": "q_0_cause_17",
    "17": "17",
    "4711": "0",
    "...": "?",
    "Répondeur": "répondeur",
    "留守番電話": "留守番電話",
}


def test_words_are_compared_folded() -> None:
    assert {word: key(word) for word in FOLDED} == FOLDED


@given(st.text(max_size=300))
def test_the_key_of_a_key_is_itself(word: str) -> None:
    folded = key(word)
    assert key(folded) == folded and 0 < len(folded) <= 200


def test_ids_and_numbers_make_no_new_words() -> None:
    said = [
        f"call {number} of agent {number * 7919:x} on +3361234{number:04} failed at step {number}"
        for number in range(500)
    ]
    assert len({key(word) for word in said}) <= 2  # hexadecimal text may have no digit


def test_what_is_shown_names_nobody_and_can_be_stored() -> None:
    assert shown("busy: +33 6 12 34 56 78, ada@example.org\nx\ud800\x00") == "busy: #, @ x\ufffd\ufffd"
    assert len(shown("x" * 5000)) == 200


@given(
    st.sampled_from(list(CallState)), st.text(max_size=40), st.text(max_size=40), st.text(max_size=40), st.booleans()
)
def test_any_words_leave_the_class_of_the_outcome(
    state: CallState, status: str, reason: str, answered_by: str, again: bool
) -> None:
    reading = Reading(state, provider_status=status, provider_reason=reason, answered_by=answered_by, may_go_back=again)
    found = interpret(reading, {})
    assert found.reading.state is state
    assert interpret(found.reading, {}).reading.ended_reason == found.reading.ended_reason
    for junk in ({"status": None}, {"reason": [1]}, {"answered_by": {key(answered_by): ["x"]}}):
        assert interpret(reading, junk) == found


def test_a_table_of_own_words_is_folded_and_checked(subtests: Any) -> None:
    table, faults = read_table({"reason": {"Left Message": "voicemail", "left-message": "voicemail"}})
    assert (table, faults) == ({"reason": {"left_message": "voicemail"}}, {})
    assert read_table(table) == (table, {})
    wrong: list[tuple[Any, str]] = [
        ([], ""),
        ({"state": {}}, "state"),
        ({"reason": []}, "reason"),
        ({"reason": {"x": "maybe"}}, "reason.x"),
        ({"reason": {"x": 1}}, "reason.x"),
        ({"reason": {" ": "other"}}, "reason. "),
        ({"reason": {"x\x00": "other"}}, "reason.x\x00"),
        ({"answered_by": {"x": "voicemail"}}, "answered_by.x"),
        ({"reason": {"left message": "voicemail", "Left_Message": "busy"}}, "reason.Left_Message"),
        ({"status": {"Completed": "no_answer"}}, "status.Completed"),
        ({"status": {"ring-no-answer": "busy"}}, "status.ring-no-answer"),
        ({"reason": {f"word {chr(97 + n // 26)}{chr(97 + n % 26)}": "other" for n in range(201)}}, ""),
    ]
    for given_table, name in wrong:
        with subtests.test(name):
            assert list(read_table(given_table, ["completed", "ringnoanswer"])[1]) == [name]
