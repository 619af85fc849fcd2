"""A value that nobody means to speak is held, skipped, emptied or sent, as the campaign says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from calls.actions import campaign_edits, campaigns, held_recipients, scheduled_callbacks
from calls.actions.held_recipients import Verdict
from calls.admin.campaigns.history import history_of
from calls.dialing import enqueueing, placing
from calls.forecast import forecast as forecasting
from calls.models import Call, CallBack, Status
from calls.reports.explain import explain
from calls.reports.idle_reasons import idle_reasons
from campaigns import launching
from campaigns.copying import copy_of
from campaigns.models import Campaign, Contact, Recipient
from providers.models import Assistant, PhoneNumber
from tenants.models import Alert, Membership, Organization
from tests.calls import support
from tests.calls.test_campaign_page import words_of
from tests.conftest import KeyMaker
from tests.test_saved_unchanged import submitted

pytestmark = pytest.mark.django_db

S = Recipient.Status
PEOPLE: list[tuple[str, dict[str, str]]] = [  # name and variables
    ("Ann Lee", {"slot": "9:30"}),
    ("{{first_name}}", {"slot": "9:30"}),
    ("Bob Null", {"slot": "#N/A"}),
    ("Cid", {"slot": "NULL", "unused": "NULL"}),
    ("Dan", {"slot": "10:00", "unused": "[object Object]"}),
]
SPOILED = {"{{first_name}}", "Bob Null", "Cid"}


@pytest.fixture
def line(organization: Organization) -> PhoneNumber:
    organization.min_gap_minutes, organization.max_attempts_per_day = 0, 100
    organization.default_region, organization.allowed_countries = "US", ["US"]
    organization.save()
    number = support.reach(organization, "http://127.0.0.1:9", "allomia")
    Assistant.objects.update(variables=[{"name": "slot", "required": True}])
    return number


def a_campaign(line: PhoneNumber, people: Iterable[tuple[str, dict[str, str]]] = PEOPLE, **fields: Any) -> Campaign:
    rows = list(people)
    numbers = [f"+1212555{n:04d}" for n in range(150, 150 + len(rows))]
    contacts = support.people(line.organization, numbers)
    for number, (name, values) in zip(numbers, rows, strict=True):
        Contact.objects.filter(phone=number).update(name=name, variables=values)
    return support.campaign(line, contacts, retries=3, **fields)


def started(made: Campaign) -> Campaign:
    campaigns.start(made, actor="ada")
    launching.step(made.pk)
    return made


def fed(made: Campaign) -> dict[str, tuple[str, str]]:
    """Feed the campaign and return each recipient's status and reason, by the contact's name."""
    enqueueing.feed_all(made.organization_id)
    rows = made.recipients.select_related("contact")
    return {row.contact.name: (row.status, row.reason) for row in rows}


def spoken(made: Campaign) -> dict[str, tuple[str, str]]:
    """Return name and slot of each queued call, by the contact's name."""
    calls = made.calls.queued().select_related("contact")
    return {call.contact.name: (call.customer_name, call.dynamic_variables["slot"]) for call in calls}


def test_by_default_they_are_held_with_the_reason(line: PhoneNumber) -> None:
    made = started(a_campaign(line))
    found = fed(made)
    assert found["{{first_name}}"] == (S.REVIEW, "placeholder_values: customer_name")
    assert found["Bob Null"] == found["Cid"] == (S.REVIEW, "placeholder_values: slot")
    assert {name for name, (status, _) in found.items() if status == S.CALLING} == {"Ann Lee", "Dan"}
    assert spoken(made) == {"Ann Lee": ("Ann Lee", "9:30"), "Dan": ("Dan", "10:00")}  # what is not sent is not judged


def test_a_campaign_may_skip_empty_or_send_them(line: PhoneNumber, subtests: pytest.Subtests) -> None:
    expected: dict[str, dict[str, tuple[str, str]]] = {
        "skip": {"Ann Lee": ("Ann Lee", "9:30"), "Dan": ("Dan", "10:00")},
        "empty": {"Ann Lee": ("Ann Lee", "9:30"), "Dan": ("Dan", "10:00"), "{{first_name}}": ("", "9:30")},
        "send": {name: (name, values["slot"]) for name, values in PEOPLE},
    }
    for rule, calls in expected.items():
        with subtests.test(rule=rule):
            made = started(a_campaign(line, placeholder_values=rule))
            found = fed(made)
            assert spoken(made) == calls
            others = {name: found[name] for name in found if name not in calls}
            reason = "missing_variables" if rule == "empty" else "placeholder_values"
            assert all(row[0] == S.SKIPPED and row[1].startswith(reason) for row in others.values())
            campaigns.cancel(made, actor="ada")


@pytest.mark.parametrize("done", [0, 1])
def test_the_engine_finishes_a_cancellation_that_was_cut_off(
    line: PhoneNumber, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    made = started(a_campaign(line))
    fed(made)
    Recipient.objects.filter(campaign=made, contact__name="Bob Null").update(attempts=1)
    Recipient.objects.filter(campaign=made, contact__name="Dan").update(status=S.PENDING)
    monkeypatch.setattr(campaigns, "AT_ONCE", 1)
    real, left = QuerySet.update, iter(range(done))

    def cut_off(rows: Any, **fields: Any) -> int:
        if rows.model is Recipient and fields.get("reason") == "campaign_canceled" and next(left, None) is None:
            raise OperationalError("canceling statement due to statement timeout")
        return real(rows, **fields)

    with monkeypatch.context() as patch:
        patch.setattr(QuerySet, "update", cut_off)
        with pytest.raises(OperationalError):
            campaigns.cancel(made, actor="ada")
    campaigns.wind_up_canceled()
    found = dict(made.recipients.values_list("contact__name", "status"))
    assert {name: found[name] for name in ("{{first_name}}", "Cid", "Dan")} == dict.fromkeys(
        ("{{first_name}}", "Cid", "Dan"), S.WITHDRAWN
    )
    assert found["Bob Null"] == S.DONE
    with CaptureQueriesContext(connection) as asked:
        campaigns.wind_up_canceled()
    assert len(asked) == 1, "nothing is left"


def test_an_emptied_value_takes_the_default(line: PhoneNumber) -> None:
    Assistant.objects.update(
        variables=[{"name": "slot", "default": "soon"}, {"name": "clinic", "default": "TODO"}, {"name": "greeting"}]
    )
    templates = {"greeting": 'Hello {{ contact.variables.first|default:"there" }}, {{ contact.variables.city }}'}
    people = [("Ann", {"slot": "NULL", "first": "undefined", "city": "Paris"})]
    made = started(a_campaign(line, people, placeholder_values="empty", variables=templates))
    fed(made)
    assert made.calls.get().dynamic_variables == {"slot": "soon", "clinic": "", "greeting": "Hello there, Paris"}


def test_the_campaigns_own_texts_and_the_assistants_defaults_count(line: PhoneNumber) -> None:
    Assistant.objects.update(variables=[{"name": "slot"}, {"name": "clinic", "default": "TODO"}])
    made = started(a_campaign(line, PEOPLE[:1], variables={"note": "xxx", "line": "Hi ${name}"}))
    assert fed(made)["Ann Lee"] == (S.REVIEW, "placeholder_values: clinic, line, note")


def test_a_part_of_a_text_counts_by_the_contacts_value(line: PhoneNumber) -> None:
    """ "Hello NULL" is no placeholder as a whole; its part is."""
    made = started(
        a_campaign(
            line, [("Ann", {"first": "NULL", "slot": "9"})], variables={"g": "Hello {{ contact.variables.first }}"}
        )
    )
    assert fed(made)["Ann"] == (S.REVIEW, "placeholder_values: first")


def test_a_mended_contact_is_taken_up_again(line: PhoneNumber) -> None:
    made = started(a_campaign(line))
    fed(made)
    Contact.objects.filter(name="Cid").update(variables={"slot": "11:00"})
    support.look()
    assert fed(made)["Cid"] == (S.CALLING, "")
    assert spoken(made)["Cid"] == ("Cid", "11:00")
    assert made.recipients.get(contact__name="Bob Null").held
    Contact.objects.filter(name="Bob Null").update(variables={"slot": "&amp;"})
    support.look()
    assert made.recipients.get(contact__name="Bob Null").held


def test_a_contact_mended_while_the_campaign_is_paused_is_taken_up_later(line: PhoneNumber) -> None:
    made = started(a_campaign(line))
    fed(made)
    campaigns.pause(made, actor="ada")
    Contact.objects.filter(name="Cid").update(variables={"slot": "11:00"})
    support.look()
    assert made.recipients.get(contact__name="Cid").status == S.PENDING
    campaigns.resume(made, actor="ada")
    assert fed(made)["Cid"] == (S.CALLING, "")


@pytest.mark.parametrize("rule", ["skip", "empty", "send"])
def test_an_edit_of_the_campaign_reaches_who_is_held(line: PhoneNumber, rule: str) -> None:
    made = started(a_campaign(line))
    fed(made)
    support.look()
    with campaign_edits.edit(made, actor="ada") as held:
        held.placeholder_values = rule
        held.save()
    support.look()
    spared = {"send": SPOILED, "empty": {"{{first_name}}"}, "skip": set[str]()}[rule]
    found = {name: status for name, (status, _) in fed(made).items()}
    assert found == {name: S.SKIPPED if name in SPOILED and name not in spared else S.CALLING for name, _ in PEOPLE}
    assert Campaign.objects.get(pk=made.pk).version == 2


def test_an_edit_of_the_assistant_reaches_who_is_held(line: PhoneNumber) -> None:
    made = started(a_campaign(line))
    fed(made)
    support.look()
    Assistant.objects.update(variables=[])
    support.look()
    found = fed(made)
    assert found["Cid"][0] == found["Bob Null"][0] == S.CALLING and found["{{first_name}}"][0] == S.REVIEW


def test_a_queued_call_whose_value_is_spoiled_is_not_placed(line: PhoneNumber) -> None:
    made = started(a_campaign(line, PEOPLE[:1]))
    fed(made)
    Contact.objects.filter(name="Ann Lee").update(variables={"slot": "NULL"})
    support.look()
    assert placing.claim(line.account_id) == []
    assert fed(made)["Ann Lee"] == (S.REVIEW, "placeholder_values: slot")
    assert not Call.objects.filter(dialed_at__isnull=False).exists()


def test_a_queued_call_follows_a_stricter_rule(line: PhoneNumber) -> None:
    made = started(a_campaign(line, PEOPLE[3:4], placeholder_values="send"))
    assert fed(made)["Cid"] == (S.CALLING, "")
    support.look()
    with campaign_edits.edit(made, actor="ada") as held:
        held.placeholder_values = "hold"
        held.save()
    support.look()
    assert placing.claim(line.account_id) == []
    assert fed(made)["Cid"] == (S.REVIEW, "placeholder_values: slot")


def test_a_retry_is_held_too_and_ends_as_done_when_it_is_skipped(line: PhoneNumber) -> None:
    made = started(a_campaign(line, PEOPLE[:1]))
    recipient = made.recipients.get()
    Recipient.objects.filter(pk=recipient.pk).update(status=S.WAITING, attempts=1, reason="busy", outcome="busy")
    Contact.objects.update(variables={"slot": "nan"})
    assert fed(made)["Ann Lee"] == (S.REVIEW, "placeholder_values: slot")
    held_recipients.decide(recipient, Verdict.SKIP, actor="ada")
    assert recipient.status == S.DONE


def test_many_are_decided_at_once(line: PhoneNumber) -> None:
    made = started(a_campaign(line))
    fed(made)
    assert held_recipients.decide_all(made, Verdict.SEND, actor="ada", variable="slot") == 2
    assert spoken_after(made) == {"Bob Null": ("Bob Null", "#N/A"), "Cid": ("Cid", "NULL")}
    assert held_recipients.decide_all(made, Verdict.SKIP, actor="ada") == 1
    assert made.recipients.get(contact__name="{{first_name}}").status == S.SKIPPED
    assert held_recipients.decide_all(made, Verdict.SEND, actor="ada") == 0
    support.look()  # an edit of nothing does not hold them again
    assert Counter(row[0] for row in fed(made).values()) == {S.CALLING: 4, S.SKIPPED: 1}


def spoken_after(made: Campaign) -> dict[str, tuple[str, str]]:
    fed(made)
    return {name: row for name, row in spoken(made).items() if name in SPOILED}


def test_a_campaign_does_not_end_while_somebody_is_held(line: PhoneNumber) -> None:
    made = started(a_campaign(line, PEOPLE[3:4]))
    fed(made)
    campaigns.finish_where_done()
    made.refresh_from_db()
    assert made.status == Campaign.Status.RUNNING
    (reason,) = idle_reasons(made)
    assert (reason["code"], reason["count"]) == ("placeholder_values", 1)
    Campaign.objects.filter(pk=made.pk).update(ends_at=timezone.now() - timedelta(seconds=1))
    campaigns.finish_where_done()
    made.refresh_from_db()
    assert made.status == Campaign.Status.FINISHED


def test_a_canceled_campaign_lets_go_of_them(line: PhoneNumber) -> None:
    made = started(a_campaign(line, PEOPLE[3:4]))
    fed(made)
    campaigns.cancel(made, actor="ada")
    assert made.recipients.get().status == S.WITHDRAWN


def test_the_explanation_names_the_value(line: PhoneNumber) -> None:
    made = started(a_campaign(line))
    before = explain(made.recipients.get(contact__name="Cid"))
    fed(made)
    for found in (before, explain(made.recipients.get(contact__name="Cid"))):
        (check,) = [each for each in found.checks if each.name == "placeholder_values"]
        assert (
            (found.decision, check.result) == ("defer", "defer") and "slot" in check.detail and "NULL" in check.detail
        )
    assert not [each for each in explain(made.recipients.get(contact__name="Dan")).checks if "placeholder" in each.name]


def test_the_forecast_counts_them_by_value_and_kind(line: PhoneNumber) -> None:
    made = a_campaign(line)
    found = forecasting.forecast(made, timezone.now())
    assert (found.recipients, found.callable_now, found.placeholders.recipients) == (5, 2, 3)
    assert dict(found.placeholders.found) == {
        ("customer_name", "template"): 1,
        ("slot", "spreadsheet_error"): 1,
        ("slot", "missing_value"): 1,
    }
    names = {str(example.contact) for *_, examples in found.placeholders.examples() for example in examples}
    assert names == {str(contact) for contact in Contact.objects.filter(name__in=SPOILED)}
    messages = [problem.message for problem in forecasting.warnings(found) if problem.code == "placeholder_values"]
    assert len(messages) == 3 and any("{{first_name}}" in text for text in messages)
    (summary,) = found.placeholders.summary()
    assert summary.message.startswith("3 recipients have a name or a variable that nobody means to speak")
    made.placeholder_values = "skip"
    assert forecasting.forecast(made, timezone.now()).skipped == {"placeholder_values": 3}
    made.placeholder_values = "empty"
    assert forecasting.forecast(made, timezone.now()).skipped == {"missing_variables": 2}
    made.placeholder_values = "send"
    assert forecasting.forecast(made, timezone.now()).callable_now == 5


def test_the_api_warns_and_decides(line: PhoneNumber, client_for: KeyMaker) -> None:
    api = client_for(line.organization, "manage")
    made = a_campaign(line)
    address = f"/api/v1/campaigns/{made.uuid}/"
    told = api.get(f"{address}preflight/").json()
    assert told["ok"] and [row["code"] for row in told["problems"]].count("placeholder_values") == 3
    cid = Contact.objects.get(name="Cid")
    assert {
        "variable": "slot",
        "kind": "missing_value",
        "recipients": 1,
        "examples": [{"contact": str(cid.uuid), "value": "NULL"}],
    } in told["placeholder_values"]
    (row,) = api.get(f"{address}preview/?contact={cid.uuid}").json()["variables"]
    assert (row["value"], row["placeholder"]) == ("NULL", "missing_value")
    started(made)
    fed(made)
    one = made.recipients.get(contact=cid)
    assert api.post(f"{address}recipients/{one.uuid}/send-as-is/").json()["status"] == "pending"
    assert api.post(f"{address}recipients/{one.uuid}/skip/").status_code == 409
    assert api.post(f"{address}held/skip/", {"variable": "customer_name"}).json() == {"recipients": 1}
    assert api.post(f"{address}held/send/").json() == {"recipients": 1}
    assert client_for(line.organization, "read").post(f"{address}held/send/").status_code == 403
    assert api.patch(address, {"placeholder_values": "speak"}).status_code == 400


def test_a_promise_is_not_kept_with_such_a_value_and_somebody_is_told_in_time(line: PhoneNumber) -> None:
    made = started(a_campaign(line, PEOPLE[3:4]))
    recipient = made.recipients.get()
    promise = scheduled_callbacks.schedule(recipient, timezone.now() + timedelta(hours=1), actor="ada")
    CallBack.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    assert [scheduled_callbacks.step(timezone.now()) for _ in range(2)] == [0, 0]
    assert Alert.objects.filter(key__startswith="call_back.held:").count() == 1
    Contact.objects.update(variables={"slot": "9:30"})
    support.look()
    assert scheduled_callbacks.step(timezone.now()) == 1
    promise.refresh_from_db()
    assert promise.call is not None and promise.call.dynamic_variables == {"slot": "9:30"}
    Contact.objects.update(variables={"slot": "NULL"})  # the call still waits for a line
    support.look()
    assert placing.claim(line.account_id) == [] and scheduled_callbacks.step(timezone.now()) == 0
    CallBack.objects.update(latest_at=timezone.now() - timedelta(seconds=1))
    scheduled_callbacks.step(timezone.now())
    promise.refresh_from_db()
    assert promise.status == CallBack.Status.MISSED and "NULL" in promise.reason
    assert fed(made)["Cid"] == (S.REVIEW, "placeholder_values: slot")


def test_a_promise_to_somebody_who_is_done_rings_nobody_twice(line: PhoneNumber) -> None:
    made = started(a_campaign(line, PEOPLE[3:4]))
    Recipient.objects.update(status=S.DONE, attempts=1, outcome="completed", next_attempt_at=None)
    scheduled_callbacks.schedule(made.recipients.get(), timezone.now() + timedelta(hours=1), actor="ada")
    CallBack.objects.update(due_at=timezone.now() - timedelta(hours=2))
    scheduled_callbacks.step(timezone.now())
    CallBack.objects.update(latest_at=timezone.now() - timedelta(hours=1))
    scheduled_callbacks.step(timezone.now())
    Contact.objects.update(variables={"slot": "9:30"})
    support.look()
    assert fed(made)["Cid"][0] == S.DONE and not made.calls.exists()


def test_a_single_call_is_sent_as_ordered_with_a_warning(line: PhoneNumber, client_for: KeyMaker) -> None:
    line.organization.single_call_hours = "any"
    line.organization.save()
    api, assistant = client_for(line.organization, "call"), line.account.assistants.get()
    order = {"to_number": "+12125550199", "assistant": str(assistant.uuid), "phone_number": str(line.uuid)}
    made = api.post("/api/v1/calls/", order | {"customer_name": "None", "dynamic_variables": {"slot": "${slot}"}})
    assert made.status_code == 201, made.content
    assert [each["field"] for each in made.json()["warnings"]] == ["customer_name", "dynamic_variables.slot"]
    call = Call.objects.get()
    assert (call.status, call.customer_name) == (Status.QUEUED, "None")
    assert "placeholder_values" in set(call.events.values_list("type", flat=True))
    Call.objects.all().update(status=Status.CANCELED)
    fine = api.post("/api/v1/calls/", order | {"customer_name": "Ann", "dynamic_variables": {"slot": "9:30"}})
    assert fine.status_code == 201 and "warnings" not in fine.json()


def test_a_stranger_decides_nothing(line: PhoneNumber, stranger: Organization, client_for: KeyMaker) -> None:
    made = started(a_campaign(line))
    fed(made)
    for action in ("send", "skip"):
        assert client_for(stranger, "manage").post(f"/api/v1/campaigns/{made.uuid}/held/{action}/").status_code == 404
    assert made.recipients.filter(Recipient.HELD).count() == 3


def test_team_members_decide_with_buttons(line: PhoneNumber) -> None:
    made = started(a_campaign(line))
    fed(made)
    user = User.objects.create(username="olga", is_staff=True)
    Membership.objects.create(user=user, organization=line.organization, role="operator")
    client = Client()
    client.force_login(user)

    def press(kind: str, pk: int, step: str, **values: str) -> str:
        address = reverse(f"admin:campaigns_{kind}_step", args=[pk, step])
        assert (
            "nobody means to speak" in (told := words_of(client.get(address).content.decode())) or kind == "recipient"
        ), told
        return words_of(client.post(address, values, follow=True).content.decode())

    home = words_of(client.get("/admin/").content.decode())
    assert "“Campaign” holds 3 recipients" in home
    cid = made.recipients.get(contact__name="Cid")
    page = words_of(client.get(reverse("admin:campaigns_recipient_change", args=[cid.pk])).content.decode())
    assert "values that nobody means to speak (slot)" in page and "Send values as they are" in page
    assert "is called with the values as they are" in press("recipient", cid.pk, "send-as-is")
    assert "No recipient is held for this value alone." in press("campaign", made.pk, "send-held", variable="note")
    assert "1 recipient is not called." in press("campaign", made.pk, "skip-held", variable="customer_name")
    assert "1 recipient is called with the values as they are." in press("campaign", made.pk, "send-held", variable="")
    assert not made.recipients.filter(Recipient.HELD).exists()
    page = words_of(client.get(reverse("admin:campaigns_campaign_change", args=[made.pk])).content.decode())
    assert "Call held recipients" not in page


def test_a_copy_keeps_the_rule_and_the_history_shows_it(line: PhoneNumber) -> None:
    made = a_campaign(line, placeholder_values="skip")
    assert copy_of(made, timezone.now()).placeholder_values == "skip"
    started(made)
    with campaign_edits.edit(made, actor="ada") as held:
        held.placeholder_values = "empty"
        held.save()
    (version,) = [row for row in made.versions.all() if row.changes]
    assert version.changes == {"placeholder_values": ["skip", "empty"]}
    assert any("treat the value as missing" in text for row in history_of(made) for text in row["lines"])


def test_the_same_word_in_the_campaigns_own_text_is_emptied_too(line: PhoneNumber) -> None:
    people = [("Ann", {"slot": "9:30", "first": "xxx"})]
    texts = {"first": "{{ contact.variables.first }}", "note": "xxx", "full_name": "{{ contact.variables.kind }}"}
    people[0][1]["kind"] = "Unknown"  # a value, and no name
    made = started(a_campaign(line, people, placeholder_values="empty", variables=texts))
    fed(made)
    assert made.calls.get().dynamic_variables == {"slot": "9:30", "first": "", "note": "", "full_name": ""}


def test_the_form_keeps_the_rule_if_none_is_chosen(line: PhoneNumber, admin_client: Client) -> None:
    made = a_campaign(line, placeholder_values="skip")
    Campaign.objects.filter(pk=made.pk).update(status=Campaign.Status.DRAFT)
    address = reverse("admin:campaigns_campaign_change", args=[made.pk]) + "?tab=settings"
    sent = submitted(admin_client.get(address).content.decode())
    assert sent["placeholder_values"] == ["skip"]
    answer = admin_client.post(address, {**sent, "placeholder_values": "", "name": "Renamed"})
    made.refresh_from_db()
    assert (answer.status_code, made.name, made.placeholder_values) == (302, "Renamed", "skip")
