"""An outcome that means "do not call me again" lists the number in the transaction that stores it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from calls.dialing import placing
from calls.following import polling
from calls.gate import facts as fact_sheet
from calls.models import Call, Polling, Status
from calls.outcomes import opt_out, recording
from calls.outcomes.opt_out_matching import matching_rule
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, ContactNumber, DoNotCall, Recipient
from providers.adapters.base import CallState, Reading, Remark
from providers.adapters.errors import MayBeRinging, NotSent
from providers.models import Assistant, PhoneNumber
from tenants.models import Alert, AuditEntry, Organization
from tests.calls import support
from tests.calls.test_interleavings import Beside, held
from tests.waiting import PATIENCE

NUMBER = "+12125550150"
RULE = {"field": "result.opt_out", "equals": "true"}
DIALING = Reading(CallState.DIALING, provider_call_id="x1")
END = Reading(CallState.COMPLETED, provider_call_id="x1", provider_status="completed", duration_seconds=60)
OPTED_OUT = replace(END, result={"opt_out": True}, result_status="completed")

postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")
connection = connection  # named in the condition above


@pytest.mark.parametrize(
    ("field", "equals", "seen"),
    [
        ("result.opt_out", "true", {"result": {"opt_out": True}}),
        ("result.opt_out", "TRUE", {"result": {"opt_out": True}}),
        ("result.opt_out", "false", {"result": {"opt_out": False}}),
        ("result.opt_out", "true", {"result": {"opt_out": "True "}}),
        ("result.wish.code", "3", {"result": {"wish": {"code": 3}}}),
        ("result.wish.code", "0.5", {"result": {"wish": {"code": 0.5}}}),
        ("result.wish", "Stop calling", {"result": {"wish": "stop CALLING"}}),
        ("ended_reason", "do_not_call", {"ended_reason": "do_not_call"}),
        ("provider_reason", "caller opted out", {"provider_reason": "Caller opted out"}),
        ("provider_status", "opted-out", {"provider_status": "opted-out"}),
        ("answered_by", "lawyer", {"answered_by": "lawyer"}),
    ],
)
def test_a_rule_is_met(field: str, equals: str, seen: dict[str, Any]) -> None:
    rule = {"field": field, "equals": equals}
    assert matching_rule([RULE | {"equals": "never"}, rule], Reading(CallState.COMPLETED, **seen)) == rule


@pytest.mark.parametrize(
    ("field", "equals", "seen"),
    [
        ("result.opt_out", "true", {}),
        ("result.opt_out", "true", {"result": {"opt_out": False}}),
        ("result.opt_out", "null", {"result": {"opt_out": None}}),
        ("result.opt_out.why", "true", {"result": {"opt_out": True}}),
        ("result.opt_out", "[]", {"result": {"opt_out": []}}),
        ("result.1", "1", {"result": {"1": True}}),
        ("ended_reason", " ", {"ended_reason": ""}),
        ("ended_reason", "do_not_call", {"ended_reason": "do_not_call_back_today"}),
    ],
)
def test_a_rule_is_not_met(field: str, equals: str, seen: dict[str, Any]) -> None:
    assert matching_rule([{"field": field, "equals": equals}], Reading(CallState.COMPLETED, **seen)) is None


YES = [
    True,
    "true",
    "True",
    " YES ",
    "yes.",
    "y",
    1,
    1.0,
    "1",
    "on",
    [True],
    ["no", "yes"],
    {"value": True, "why": "x"},
]
NO = [
    False,
    "false",
    "No",
    "n",
    0,
    0.0,
    "0",
    "off",
    None,
    "",
    [],
    {},
    [False],
    {"value": False},
    "not asked",
    2,
    "maybe",
]


@pytest.mark.parametrize("name", ["opt_out", "optOut", "opt-out", "Opt_Out", "OPT OUT"])
def test_a_yes_is_heard_however_it_is_written_and_a_no_never_lists(name: str) -> None:
    for value in YES:
        assert matching_rule([RULE], Reading(CallState.COMPLETED, result={name: value})), (name, value)
    for value in NO:
        assert not matching_rule([RULE], Reading(CallState.COMPLETED, result={name: value})), (name, value)


def test_the_exact_name_counts_before_a_similar_one() -> None:
    both = {"opt_out": False, "optOut": True}
    assert not matching_rule([RULE], Reading(CallState.COMPLETED, result=both))


@pytest.mark.parametrize(
    "result",
    [
        {"result": {"opt_out": True}},
        {"data": {"result": {"optOut": "yes"}}},
        {"analysis": '{"opt_out": true}'},
    ],
)
def test_a_result_within_another_is_looked_into(result: dict[str, Any]) -> None:
    assert matching_rule([RULE], Reading(CallState.COMPLETED, result=result))


SAID_IN_TEXT = [
    "opt_out: true",
    "opt_out=true",
    "{'opt_out': True, 'mood': 'bad'}",
    '{"optOut": true, "mood": NaN}',
    '{\\"opt_out\\": \\"true\\"}',
    "{&quot;opt_out&quot;: true}",
    "<result><opt_out>yes</opt_out></result>",
    "Summary: angry.\nOpt-out: Yes.\nMood: bad",
    "Summary: angry.\\nopt_out: 1",
    "opt_out\ttrue",
    '[{"name": "opt_out", "value": "true"}]',
    '[{"name": "opt_out", "value": false}, {"name": "opt_out", "value": true}]',
    "name=opt_out&value=true",
    "[('opt_out', True)]",
    "Opt out is true",
    "true",
    "YES",
]
NOT_SAID_IN_TEXT = [
    "opt_out: false",
    "{'opt_out': False, 'confirmed': True}",
    '{"opt_out": null, "confirmed": true}',
    "<opt_out>no</opt_out><confirmed>yes</confirmed>",
    "Opt-out: No. Confirmed: yes",
    "no_opt_out: true",
    "opt_out_reason: yes",
    "opt_out: 1.5",
    "opt_out: trueish",
    "We talked about how to opt out on the website.",
    "false",
    "",
    "confirmed: true",
]


def test_a_result_that_is_text_is_read_for_the_name_and_its_value() -> None:
    for text in SAID_IN_TEXT:
        assert matching_rule([RULE], Reading(CallState.COMPLETED, result_text=text)), text
    for text in NOT_SAID_IN_TEXT:
        assert not matching_rule([RULE], Reading(CallState.COMPLETED, result_text=text)), text
    wish = {"field": "result.wish.text", "equals": "stop calling"}
    for text in ("wish: x, text: Stop  Calling", "{'text': 'stop_calling'}", "Stop calling"):
        assert matching_rule([wish], Reading(CallState.COMPLETED, result_text=text)), text
    for text in ("text: do not stop", "text: stop callings"):
        assert not matching_rule([wish], Reading(CallState.COMPLETED, result_text=text)), text


def test_a_value_that_is_not_believed_counts_in_doubt() -> None:
    def doubted(path: str, said: str, field: str = "result", *, taken: bool = False) -> Reading:
        return Reading(CallState.COMPLETED, remarks=(Remark(path, said, "It is given twice.", taken, field),))

    heard = [
        doubted("result.opt_out", "[true, false]"),
        doubted("data.result.optOut", "false, true"),
        doubted("result", "{'opt_out': True}"),
        doubted("result", '{"opt_out": true, "opt_out": false}', ""),
    ]
    for reading in heard:
        assert matching_rule([RULE], reading), reading.remarks
    not_heard = [
        doubted("result.opt_out", "false"),
        doubted("result.mood", "true"),
        doubted("callDetails.duration", "true", "duration_seconds"),
        doubted("result.opt_out", "true", taken=True),
    ]
    for reading in not_heard:
        assert not matching_rule([RULE], reading), reading.remarks
    who = {"field": "answered_by", "equals": "lawyer"}
    assert matching_rule([who], doubted("answered_by", "lawyer, human", "answered_by"))


def test_a_word_is_met_in_other_spelling_and_not_within_a_longer_one() -> None:
    rule = {"field": "provider_reason", "equals": "caller_opted_out"}
    for said in ("Caller opted out", "callerOptedOut", "caller-opted-out"):
        assert matching_rule([rule], Reading(CallState.COMPLETED, provider_reason=said)), said
    assert not matching_rule([rule], Reading(CallState.COMPLETED, provider_reason="caller opted out of e-mails"))


WISHES: list[Any] = [
    {"answers": {"opt_out": True}, "summary": "x"},
    {"answers": [{"name": "opt_out", "value": True}, {"name": "slot", "value": "10:00"}], "summary": ""},
    {"items": [{"question": "opt_out", "answer": "yes", "turn": 4}, {"question": "slot", "answer": "no", "turn": 5}]},
    {"data": {"opt_out": "true"}, "meta": {}},
    {"result": {"inner": {"optOut": True}}, "id": 1},
    {"payload": '{"opt_out": true}', "kind": "json"},
    {"summary": "The contact said stop. opt_out: true"},
    {"opt_out": {"value": {"value": True}}},
    {"opt_out": {"selected": True}},
    {"opt_out": [["true"]]},
    {"opt_out": "\u200ftrue\u200e"},
    {"opt\u200b_out": True},
    {"opt.out": True},
    {"opt_out": "\uff34\uff32\uff35\uff25"},  # in full width
    {"opt_out": "1.0"},
    {"opt_out": "yes, please"},
    {"opt_out": "Yes - do not call again"},
    {"opt_out": "true (high confidence)"},
]
NO_WISHES: list[Any] = [
    {"opt_out": "not true"},
    {"opt_out": "untrue"},
    {"opt_out": "yes/no"},
    {"opt_out": {"value": False, "reason": "true"}},
    {"answers": {"opt_out": False}, "other": True},
    {"answers": {"no_opt_out": True, "opt_out_offered": True}, "other": True},
    {"answers": [{"name": "opt_out", "value": False, "required": True}], "other": True},
    {"summary": "The contact did not opt out. Yes, he will be there."},
]
WISH_TEXTS = ["a=no opt_out=yes", "confirmed: no\nopt out: yes", "answer no, opt-out: true", "Opt out (yes/no): yes"]
NO_WISH_TEXTS = [
    "did not opt out. Yes, he confirmed",
    "no opt-out: yes",
    "She didn't opt out: true story",
    "opt_out (yes/no): no",
    "Opt out? yes or no: no",
    "opt_out: not true",
]


def test_a_wish_is_heard_wherever_it_is_in_the_result_and_a_denial_is_none() -> None:
    for result in WISHES:
        assert matching_rule([RULE], Reading(CallState.COMPLETED, result=result)), result
    for text in WISH_TEXTS:
        assert matching_rule([RULE], Reading(CallState.COMPLETED, result_text=text)), text
    for result in NO_WISHES:
        assert not matching_rule([RULE], Reading(CallState.COMPLETED, result=result)), result
    for text in NO_WISH_TEXTS:
        assert not matching_rule([RULE], Reading(CallState.COMPLETED, result_text=text)), text


def test_a_number_is_met_in_every_spelling_and_no_other_number_is() -> None:
    rule = {"field": "result.digit", "equals": "9"}
    for value in (9, 9.0, "9", "9.0", " 9 ", "9#", "\uff19", "\u0669", ["9"]):  # \uff19, \u0669: in full width, Arabic
        assert matching_rule([rule], Reading(CallState.COMPLETED, result={"digit": value})), value
    for value in (19, 9.5, "90", "9.01", "99", -9, "8", True):
        assert not matching_rule([rule], Reading(CallState.COMPLETED, result={"digit": value})), value


@given(st.text(max_size=200), st.text(max_size=20), st.text(max_size=20))
def test_any_text_can_be_looked_at(text: str, name: str, equals: str) -> None:
    rule = {"field": f"result.{name or 'x'}", "equals": equals or "true"}
    for result in (None, {name: text}, {"x": [text, {name: text}]}):
        matching_rule([rule], Reading(CallState.COMPLETED, result=result, result_text=text))


@pytest.fixture
def number(callers: Organization) -> PhoneNumber:
    found = support.reach(callers, "http://127.0.0.1:9", "allomia")
    Assistant.objects.update(opt_out_rules=[RULE])
    return found


def on_its_way(number: PhoneNumber, **fields: Any) -> Call:
    call = support.single(number, NUMBER, **fields)
    (claim,) = placing.claim(number.account_id)
    placing.record(claim, DIALING)
    return call


def listed() -> bool:
    return DoNotCall.objects.exists()


@pytest.mark.parametrize("late", [False, True])
def test_an_end_or_its_late_result_lists_the_number_and_says_why(number: PhoneNumber, late: bool) -> None:
    call = on_its_way(number)
    if late:
        recording.record(call.pk, replace(END, settled=False, result_status="pending"), "read")
        assert not listed()
    recording.record(call.pk, OPTED_OUT, "callback")
    entry = DoNotCall.objects.get()
    assert (entry.phone, entry.source, entry.expires_at) == (NUMBER, "opt-out", None)
    assert entry.reason == f"Call {call.uuid}: result.opt_out is true."
    event = call.events.get(type="opt_out")
    assert (event.source, "result.opt_out" in event.detail) == ("callback", True)
    audit = AuditEntry.objects.get(action="do_not_call.opt_out")
    assert audit.detail == {**RULE, "entry": str(entry.uuid), "listed_already": False}
    assert NUMBER not in str(audit.detail)
    found = Call.objects.get(pk=call.pk)
    assert (found.status, found.result) == (Status.COMPLETED, {"opt_out": True})


def test_a_placing_answered_by_an_end_lists_the_number(number: PhoneNumber) -> None:
    support.single(number, NUMBER)
    (claim,) = placing.claim(number.account_id)
    placing.record(claim, OPTED_OUT)
    assert listed()


def test_a_conflicting_end_that_says_so_counts(number: PhoneNumber) -> None:
    call = on_its_way(number)
    recording.record(call.pk, Reading(CallState.NO_ANSWER, provider_call_id="x1"), "read")
    recording.record(call.pk, OPTED_OUT, "callback")
    assert listed()
    assert Call.objects.get(pk=call.pk).status == Status.NO_ANSWER


@pytest.mark.parametrize("text", [True, False])
def test_a_result_after_the_end_is_heard_in_any_form_and_so_is_a_different_one(number: PhoneNumber, text: bool) -> None:
    call = on_its_way(number)
    recording.record(call.pk, replace(END, result={"confirmed": True}), "read")
    assert not listed()
    late = {"result_text": "opt_out: yes"} if text else {"result": {"confirmed": False, "optOut": "Yes"}}
    recording.record(call.pk, replace(END, **late), "read")
    assert listed()


def test_evidence_about_another_call_lists_nobody(number: PhoneNumber) -> None:
    call = on_its_way(number)
    recording.record(call.pk, replace(OPTED_OUT, provider_call_id="another"), "callback")
    assert not listed()


def test_without_rules_nothing_is_concluded(number: PhoneNumber) -> None:
    Assistant.objects.update(opt_out_rules=[])
    recording.record(on_its_way(number).pk, OPTED_OUT, "read")
    assert not listed()


def test_the_same_evidence_again_does_not_undo_what_staff_did(number: PhoneNumber) -> None:
    call = on_its_way(number)
    recording.record(call.pk, OPTED_OUT, "callback")
    entries.remove(DoNotCall.objects.get(), "ada", "They asked us to call again.")
    recording.record(call.pk, OPTED_OUT, "read")
    assert not listed()
    assert call.events.filter(type="opt_out").count() == 1


def test_a_number_that_was_listed_for_a_while_is_listed_for_ever(number: PhoneNumber) -> None:
    call = on_its_way(number)
    entries.add(number.organization, NUMBER, source="staff", expires_at=timezone.now())
    recording.record(call.pk, OPTED_OUT, "read")
    assert DoNotCall.objects.get().expires_at is None


def test_nothing_queued_to_the_number_is_placed_afterwards(number: PhoneNumber, callers: Organization) -> None:
    other = support.reach(callers, "http://127.0.0.1:9", "polyai")
    call = on_its_way(number)
    waiting = in_another_campaign(other)
    recording.record(call.pk, OPTED_OUT, "read")
    assert placing.claim(other.account_id) == []
    waiting.refresh_from_db()
    assert (waiting.status, waiting.ended_reason) == (Status.CANCELED, "do_not_call")
    assert Recipient.objects.get().reason == "do_not_call"


def in_another_campaign(number: PhoneNumber) -> Call:
    made = support.campaign(number, support.people(number.organization, [NUMBER]), status=Campaign.Status.RUNNING)
    contact = number.organization.contacts.get(phone=NUMBER)
    recipient = Recipient.objects.create(campaign=made, contact=contact, status=Recipient.Status.CALLING)
    return support.single(number, NUMBER, campaign=made, recipient=recipient, priority=0)


def test_an_outcome_is_kept_and_the_contact_held_while_the_list_cannot_be_read(number: PhoneNumber) -> None:
    call, other = on_its_way(number), support.single(number, "+12125550151")
    (claim,) = placing.claim(number.account_id)
    namesake = Contact.objects.create(organization=number.organization, phone="+12125550160")
    ContactNumber.objects.create(organization=number.organization, contact=namesake, phone=NUMBER, position=2)
    with support.unreadable_list():
        leases = {due.call.pk: due for due in leased(call)}
        assert polling.record_all([(leases[call.pk], OPTED_OUT, b"")]) == []
        assert placing.record_all([(claim, replace(OPTED_OUT, provider_call_id="x2"))]) == []
        for each in (call, other):
            found = Call.objects.get(pk=each.pk)
            assert (found.status, found.result) == (Status.COMPLETED, {"opt_out": True})
            assert found.events.filter(type="opt_out_held").count() == 1
        assert not listed()
        held = Contact.objects.filter(on_hold=True, hold_until=None, hold_reason__contains=str(call.uuid))
        assert {contact.phone for contact in held} == {NUMBER, namesake.phone}
        assert Alert.objects.filter(subject=str(call.uuid)).count() == 1
        recording.record(call.pk, OPTED_OUT, "read")
        assert call.events.filter(type="opt_out_held").count() == 1, "it is said once"
    recording.record(call.pk, OPTED_OUT, "read")
    assert DoNotCall.objects.get().phone == NUMBER


def leased(call: Call) -> list[polling.DueRead]:
    Polling.objects.filter(calls=call).update(next_read_at=timezone.now())
    return list(polling.claim())


# Beside a claim for the same contact, held at the worst moment, in both orders.


@postgresql
@pytest.mark.parametrize("one_account", [True, False])
def test_a_claim_waits_for_the_opt_out_and_sees_it(
    number: PhoneNumber, callers: Organization, monkeypatch: pytest.MonkeyPatch, one_account: bool
) -> None:
    other = number if one_account else support.reach(callers, "http://127.0.0.1:9", "polyai")
    call = on_its_way(number)
    waiting = in_another_campaign(other)
    with held(monkeypatch, entries, "number_hash", after=False) as (reached, go_on):
        ending = Beside(lambda: recording.record(call.pk, OPTED_OUT, "read"))
        assert reached.wait(PATIENCE), "the outcome's transaction holds the contact's lock by now"
        claiming = Beside(lambda: placing.claim(other.account_id))
        assert claiming.waits_for_a_lock(), "the claim must wait for the contact's lock"
        go_on.set()
        assert ending.join() == Status.COMPLETED
        assert claiming.join() == []
    waiting.refresh_from_db()
    assert (waiting.status, waiting.ended_reason) == (Status.CANCELED, "do_not_call")


@postgresql
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("one_account", [True, False])
def test_an_opt_out_waits_for_the_claim_that_came_first(
    number: PhoneNumber, callers: Organization, monkeypatch: pytest.MonkeyPatch, one_account: bool, after: bool
) -> None:
    other = number if one_account else support.reach(callers, "http://127.0.0.1:9", "polyai")
    call = on_its_way(number)
    recording.record(call.pk, replace(END, settled=False, result_status="pending"), "read")
    in_another_campaign(other)
    with held(monkeypatch, fact_sheet, "read", after=after) as (reached, go_on):
        claiming = Beside(lambda: placing.claim(other.account_id))
        assert reached.wait(PATIENCE)
        ending = Beside(lambda: recording.record(call.pk, OPTED_OUT, "read"))
        assert ending.waits_for_a_lock(), "the entry must wait for the contact's lock"
        go_on.set()
        assert len(claiming.join()) == 1
        ending.join()
    assert listed()


@postgresql
@pytest.mark.parametrize("claim_first", [True, False])
@pytest.mark.parametrize("answer", [MayBeRinging("?"), NotSent("?")])
def test_evidence_for_a_call_that_a_claim_wants_does_not_lock_both_up(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, answer: Any, claim_first: bool
) -> None:
    """A claim holds account and queued call and wants the contact. Recording the outcome wants all three."""
    call = support.single(number, NUMBER)
    (claim,) = placing.claim(number.account_id)
    placing.record(claim, answer)
    if isinstance(answer, MayBeRinging):
        in_another_campaign(number)
    Call.objects.update(due_at=call.created_at)
    place = (lambda: placing.claim(number.account_id), placing, "_lock_contacts", False)
    end = (lambda: recording.record(call.pk, OPTED_OUT, "callback"), opt_out, "lock_contact", True)
    (first, module, name, after), (second, *_) = (place, end) if claim_first else (end, place)
    with held(monkeypatch, module, name, after=after) as (reached, go_on):
        one = Beside(first)
        assert reached.wait(PATIENCE)
        other = Beside(second)
        other.waits_for_a_lock()  # or has ended: either order is fine
        go_on.set()
        one.join()
        other.join()
    assert listed()
    assert Call.objects.get(pk=call.pk).status == Status.COMPLETED


def test_many_ends_and_claims_at_once_never_lock_each_other_up(number: PhoneNumber, callers: Organization) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite runs one writer at a time")
    other = support.reach(callers, "http://127.0.0.1:9", "polyai")
    Assistant.objects.update(opt_out_rules=[RULE])
    numbers = [f"+121255501{ending}" for ending in range(40, 60)]
    calls = [support.single(number, phone) for phone in numbers]
    while claims := placing.claim(number.account_id):
        for claim in claims:
            placing.record(claim, replace(DIALING, provider_call_id=str(claim.call.pk)))
    assert not Call.objects.queued().exists()
    for phone in numbers:
        support.single(other, phone)

    def end(call: Call) -> str:
        return recording.record(call.pk, replace(OPTED_OUT, provider_call_id=str(call.pk)), "read")

    work: list[Callable[[], Any]] = []
    for call in calls:
        work += [lambda call=call: end(call), lambda: placing.claim(other.account_id)]  # type: ignore[misc]
    for start in range(0, len(work), 8):
        for beside in [Beside(each) for each in work[start : start + 8]]:
            beside.join()
    assert DoNotCall.objects.count() == len(numbers)
