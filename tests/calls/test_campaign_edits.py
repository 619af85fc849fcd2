"""Edits of a started campaign: in force at once, versioned, and no recipient waits for a rule that is gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.utils import timezone

from calls.actions import campaign_edits, campaigns
from calls.dialing import enqueueing, placing
from calls.gate import facts as fact_sheet
from calls.models import Call, Status
from campaigns import launching
from campaigns.imports import job
from campaigns.models import Campaign, Contact, ContactImport, ContactList, ContactListMember, Recipient
from campaigns.rules.windows import parse_clock
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support
from tests.calls.test_interleavings import Beside, held
from tests.conftest import ApiClient, KeyMaker, a_number, an_account, an_assistant
from tests.waiting import PATIENCE

connection = connection  # named in conditions below
NUMBER, OTHER = "+12125550150", "+12125550151"
S, R = Campaign.Status, Recipient.Status
CAMPAIGNS = "/api/v1/campaigns/"


@pytest.fixture
def number(callers: Organization) -> PhoneNumber:
    return support.reach(callers, "http://127.0.0.1:9", "allomia")


@pytest.fixture
def running(number: PhoneNumber) -> Campaign:
    made = support.campaign(number, support.people(number.organization, [NUMBER]))
    campaigns.start(made, actor="ada")
    launching.step(made.pk)
    made.refresh_from_db()
    return made


@pytest.fixture
def program(callers: Organization, client_for: KeyMaker) -> ApiClient:
    return client_for(callers)


def at(campaign: Campaign, action: str = "") -> str:
    return f"{CAMPAIGNS}{campaign.uuid}/" + (f"{action}/" if action else "")


def closed_now() -> list[dict[str, Any]]:
    """Return a window that is closed now in New York."""
    hour = (timezone.now().astimezone(ZoneInfo("America/New_York")).hour + 6) % 24
    return [{"days": support.EVERY_DAY, "opens": f"{hour:02}:00", "closes": f"{hour:02}:30"}]


OPEN_ALWAYS = [{"days": support.EVERY_DAY, "opens": "00:00", "closes": "24:00"}]


# Versions.


def test_every_change_is_a_version_with_who_and_what(program: ApiClient, running: Campaign) -> None:
    assert program.get(at(running)).json()["version"] == 1
    answer = program.patch(at(running), {"max_attempts": 5, "priority": 3})
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    closed = closed_now()
    program.patch(at(running), {"windows": closed})
    third, second, first = program.get(at(running, "versions")).json()["results"]
    assert (first["number"], first["actor"], first["changes"]) == (1, "ada", {})
    assert second["changes"] == {"max_attempts": [1, 5], "priority": [1, 3]}
    assert second["actor"].startswith("key ") and second["at"].endswith("Z")
    assert third["changes"] == {"windows": [OPEN_ALWAYS, closed]}
    assert (third["rules"]["max_attempts"], first["rules"]["max_attempts"]) == (5, 1)
    shown = program.get(at(running)).json()
    assert {name: shown[name] for name in third["rules"]} == third["rules"], "the rules as the API shows them"


def test_sending_back_what_is_there_makes_no_version(program: ApiClient, running: Campaign) -> None:
    assert program.patch(at(running), program.get(at(running)).json()).json()["version"] == 1
    assert running.versions.count() == 1


def test_a_draft_has_no_history(program: ApiClient, number: PhoneNumber) -> None:
    draft = support.campaign(number, support.people(number.organization, [NUMBER]))
    assert program.patch(at(draft), {"max_attempts": 5}).json()["version"] == 1
    assert program.get(at(draft, "versions")).json()["results"] == []


def test_a_campaign_started_before_versions_were_kept_gets_its_first(program: ApiClient, running: Campaign) -> None:
    running.versions.all().delete()
    program.patch(at(running), {"max_attempts": 5})
    assert [row.number for row in running.versions.all()] == [2, 1]
    assert running.versions.get(number=1).rules["max_attempts"] == 1


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"windows": []}, 422, "calling window"),
        ({"phone_numbers": []}, 422, "caller number"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, 422, "in the past"),
        ({"assistant": None}, 409, "Pause the campaign to change assistant."),
        ({"contact_lists": []}, 409, "Withdraw"),
    ],
)
def test_what_would_leave_nobody_to_call_is_refused_and_nothing_is_kept(
    program: ApiClient, running: Campaign, change: dict[str, Any], status: int, says: str
) -> None:
    answer = program.patch(at(running), {"name": "New", **change})
    assert (answer.status_code, says in answer.json()["error"]) == (status, True), answer.json()
    running.refresh_from_db()
    assert (running.name, running.version, running.windows.count()) == ("Campaign", 1, 1)
    assert running.contact_lists.count() == 1 and running.assistant is not None


def test_a_call_keeps_the_version_it_was_placed_under(program: ApiClient, running: Campaign) -> None:
    program.patch(at(running), {"max_attempts": 5})
    enqueueing.feed(running.pk)
    call = running.calls.get()
    [claim] = placing.claim(call.account_id)
    call.refresh_from_db()
    assert (claim.call.pk, call.campaign_version) == (call.pk, 2)
    assert program.get(f"/api/v1/calls/{call.uuid}/").json()["campaign_version"] == 2


# An edit holds for every placing after it.


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")
def test_an_edit_waits_for_the_claim_it_met_and_holds_for_the_next(
    program: ApiClient, running: Campaign, number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueueing.feed(running.pk)
    queued = running.calls.get()
    with held(monkeypatch, fact_sheet, "read", after=True) as (reached, go_on):
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert reached.wait(PATIENCE)
        editing = Beside(lambda: program.patch(at(running), {"windows": closed_now()}))
        assert editing.waits_for_a_lock(), "the edit must wait for the campaign's lock"
        go_on.set()
        assert [claim.call.pk for claim in claiming.join()] == [queued.pk]
        assert editing.join().status_code == 200
    Call.objects.filter(pk=queued.pk).update(status=Status.QUEUED, lease_until=None, dialed_at=None)
    assert placing.claim(number.account_id) == [], "the window is closed now"


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")
def test_a_claim_that_comes_second_sees_the_new_rules(
    running: Campaign, number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueueing.feed(running.pk)

    opens = parse_clock(closed_now()[0]["opens"])

    def edit() -> None:
        with campaign_edits.edit(running, actor="ada"):
            running.windows.update(opens=opens, closes=opens + 30)

    with held(monkeypatch, campaign_edits, "_refuse", after=True) as (reached, go_on):
        editing = Beside(edit)
        assert reached.wait(PATIENCE)
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert claiming.waits_for_a_lock(), "the claim must wait for the campaign's lock"
        go_on.set()
        editing.join()
        assert claiming.join() == []


# No recipient waits for a rule that is gone.


def test_recipients_deferred_by_the_old_window_are_decided_about_at_once(program: ApiClient, running: Campaign) -> None:
    assert program.patch(at(running), {"windows": closed_now()}).status_code == 200
    support.look()
    enqueueing.feed(running.pk)
    waiting = running.recipients.get()
    assert waiting.reason == "calling_hours"
    assert waiting.next_attempt_at and waiting.next_attempt_at > timezone.now() + timedelta(hours=1)
    program.patch(at(running), {"windows": OPEN_ALWAYS})
    support.look()
    enqueueing.feed(running.pk)
    assert running.calls.get().status == Status.QUEUED


def test_a_queued_call_made_by_the_old_rules_is_replaced(
    program: ApiClient, running: Campaign, number: PhoneNumber
) -> None:
    running.callback_url = "https://example.org/hook"
    running.save()
    enqueueing.feed(running.pk)
    old = running.calls.get()
    other = PhoneNumber.objects.create(
        organization=number.organization, account=number.account, e164="+16465550199", external_id="y"
    )
    program.patch(at(running), {"phone_numbers": [str(other.uuid)]})
    support.look()
    old.refresh_from_db()
    assert (old.status, old.ended_reason) == (Status.CANCELED, "rules_changed")
    assert not hasattr(old, "webhook_delivery"), "no webhook reports a call that another replaces"
    recipient = running.recipients.get()
    assert (recipient.status, recipient.attempts, recipient.outcome) == (R.PENDING, 0, "")
    enqueueing.feed(running.pk)
    assert running.calls.queued().get().from_number == "+16465550199"


# More contacts.


def test_a_list_is_added_while_it_runs_and_nobody_stands_there_twice(program: ApiClient, running: Campaign) -> None:
    more = support.people(running.organization, [NUMBER, OTHER])
    lists = [*program.get(at(running)).json()["contact_lists"], str(more.uuid)]
    assert program.patch(at(running), {"contact_lists": lists}).status_code == 200
    assert campaigns.finish_where_done() == 0
    assert campaigns.launching_now() == [running.pk]
    launching.step(running.pk)
    assert sorted(running.recipients.values_list("contact__phone", flat=True)) == [NUMBER, OTHER]


def test_refresh_takes_in_who_came_since_and_leaves_the_withdrawn(
    program: ApiClient, running: Campaign, client_for: KeyMaker
) -> None:
    running.recipients.update(status=R.WITHDRAWN)
    [group] = running.contact_lists.all()
    late = Contact.objects.create(organization=running.organization, phone=OTHER)
    ContactListMember.objects.create(contact_list=group, contact=late)
    assert client_for(running.organization, "call").post(at(running, "refresh")).status_code == 200
    launching.step(running.pk)
    found = dict(running.recipients.values_list("contact__phone", "status"))
    assert found == {NUMBER: R.WITHDRAWN, OTHER: R.PENDING}
    Campaign.objects.update(status=S.FINISHED)
    assert program.post(at(running, "refresh")).status_code == 409


@pytest.mark.parametrize("overlaps", [True, False])
def test_an_import_that_ran_into_the_launch_is_taken_in_when_it_ends(running: Campaign, overlaps: bool) -> None:
    [group] = running.contact_lists.all()
    file = ContactImport.objects.create(
        organization=running.organization, contact_list=group, filename="x.csv", status="running"
    )
    if overlaps:
        ContactImport.objects.update(created_at=timezone.now() - timedelta(hours=1))
        running.recipients.update(status=R.DONE)
        assert campaigns.finish_where_done() == 0, "more recipients are being added"
    late = Contact.objects.create(organization=running.organization, phone=OTHER)
    ContactListMember.objects.create(contact_list=group, contact=late)
    file.refresh_from_db()
    job._end(file, ContactImport.Status.COMPLETED)
    launching.step(running.pk)
    assert running.recipients.filter(contact=late).exists() is overlaps


# Fields.


@pytest.mark.parametrize("form", ["1.25", 1.25])
def test_a_multiplier_is_a_number_or_text(program: ApiClient, running: Campaign, form: Any) -> None:
    answer = program.patch(at(running), {"retry_rules": [{"outcome": "busy", "multiplier": form}]})
    assert answer.json()["retry_rules"] == [
        {
            "outcome": "busy",
            "wait_minutes": 60,
            "max_attempts": 3,
            "multiplier": 1.25,
            "max_wait_minutes": None,
            "other_time_of_day": False,
        }
    ]
    for wrong in ("x", "0.5", 11, "NaN", "1.234", True):
        answer = program.patch(at(running), {"retry_rules": [{"outcome": "busy", "multiplier": wrong}]})
        assert answer.status_code == 400, wrong


def test_variants_are_other_assistants_of_the_organization_and_bring_their_numbers(
    program: ApiClient, number: PhoneNumber, stranger: Organization
) -> None:
    draft = support.campaign(number, support.people(number.organization, [NUMBER]))
    home = number.organization
    account = an_account(home)
    second, line = an_assistant(account), a_number(account)
    off = an_assistant(an_account(home, is_active=False))
    theirs = an_assistant(an_account(stranger))
    own = number.account.assistants.get()
    for wrong in (own, theirs, off):
        body = {"variants": [{"assistant": str(wrong.uuid), "weight": 1}]}
        answer = program.patch(at(draft), body)
        assert [fault["field"] for fault in answer.json()["details"]] == ["variants.0.assistant"]
    both = [{"assistant": str(second.uuid), "weight": 1}, {"assistant": str(second.uuid), "weight": 2}]
    assert program.patch(at(draft), {"variants": both}).status_code == 400
    numbers = [str(number.uuid), str(line.uuid)]
    assert program.patch(at(draft), {"phone_numbers": numbers}).status_code == 400
    answer = program.patch(at(draft), {"phone_numbers": numbers, "variants": both[:1]})
    assert (answer.status_code, answer.json()["variants"]) == (200, both[:1])
    assert program.patch(at(draft), {"variants": []}).status_code == 400, "a caller number would have no account"


def test_another_campaigns_versions_do_not_exist(
    running: Campaign, client_for: KeyMaker, stranger: Organization
) -> None:
    ContactList.objects.create(organization=stranger, name="x")
    assert client_for(stranger).get(at(running, "versions")).status_code == 404
