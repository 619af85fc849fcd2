"""The wizard for a new campaign: what each step asks, saves, shows and refuses, by role."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from calls.admin.campaigns import wizard_previews
from calls.admin.campaigns.wizard_steps import FIXED_AT, OF_THE_ORGANIZATION, STEPS
from calls.models import Call
from calls.reports import audience
from campaigns import list_sizes, versions
from campaigns.copying import copy_of
from campaigns.do_not_call import entries
from campaigns.models import (
    CallingWindow,
    Campaign,
    CampaignVariant,
    Contact,
    ContactList,
    Recipient,
    RetryRule,
    Segment,
)
from campaigns.rules.whereabouts import ZoneRule
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.backoffice.buttons import Finding
from tenants.backoffice.local_time import local_time
from tenants.backoffice.scoped_admin import page_of
from tenants.models import AuditEntry, Membership, Organization
from tests.calls import support
from tests.calls.test_campaign_page import words_of
from tests.conftest import a_number, an_account, an_assistant
from tests.tables import cases, rolled_back

pytestmark = pytest.mark.django_db
ADD = "/admin/campaigns/campaign/add/"
MOST_QUESTIONS = 15


def staff(organization: Organization, role: str = "manager", name: str = "mona") -> Client:
    user, _ = User.objects.get_or_create(username=name, is_staff=True)
    Membership.objects.create(user=user, organization=organization, role=role)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def manager(organization: Organization) -> Client:
    return staff(organization)


@pytest.fixture
def people(organization: Organization) -> ContactList:
    return support.people(organization, ["+33612345678", "+33612345679"], name="Ada", variables={"slot": "9:30"})


@pytest.fixture
def draft(organization: Organization, people: ContactList) -> Campaign:
    """A draft as the first step saves it."""
    made = Campaign.objects.create(organization=organization, name="Reminders", drafted_through=1)
    made.contact_lists.add(people)
    return made


def at(campaign: Campaign, step: str) -> str:
    name = step if step in {each.name for each in STEPS} else f"draft_{step}"
    return reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk])


def whole_page(campaign: Campaign) -> str:
    return reverse("admin:campaigns_campaign_change", args=[campaign.pk])


def text_of(answer: Any) -> str:
    return words_of(answer.content.decode())


def rows(prefix: str, *filled: dict[str, Any], initial: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = {f"{prefix}-TOTAL_FORMS": len(filled), f"{prefix}-INITIAL_FORMS": initial}
    for number, row in enumerate(filled):
        found |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return found


def what(assistant: Assistant, *numbers: PhoneNumber, **more: Any) -> dict[str, Any]:
    return {
        "assistant": assistant.pk,
        "assistant_weight": "1",
        "phone_numbers": [number.pk for number in numbers],
        "number_choice": "rotate",
        "variables-rows": "0",
        **rows("variants"),
        **more,
    }


def when(**more: Any) -> dict[str, Any]:
    windows = rows("windows", {"days": ["mon", "tue"], "opens": "09:00", "closes": "19:00"})
    return windows | {"contact_zone_rule": "both_open"} | more


def limits(**more: Any) -> dict[str, Any]:
    given = {"max_attempts": "3", "priority": "1", "budget_currency": "USD"}
    return given | rows("retry_rules") | more


# All steps in order.


def test_a_campaign_is_made_step_by_step(
    manager: Client, people: ContactList, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    page = text_of(manager.get(ADD))
    assert "Which contacts do you want to call?" in page and "Contacts" in page
    answer = manager.post(ADD, {"name": "Reminders", "contact_lists": [people.pk]})
    made = Campaign.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, at(made, "what"))
    assert (made.status, made.drafted_through, list(made.contact_lists.all())) == ("draft", 1, [people])
    sent = what(assistant, phone_number) | {
        "variables-rows": "1",
        "variables-0-name": "slot",
        "variables-0-value": "{{ contact.variables.slot }}",
    }
    assert manager.post(at(made, "what"), sent)["Location"] == at(made, "when")
    assert manager.post(at(made, "when"), when(holidays="2026-12-25"))["Location"] == at(made, "limits")
    busy = {"outcome": "busy", "wait_minutes": "30", "multiplier": "1", "max_attempts": "2"}
    sent = limits(budget="12.50") | rows("retry_rules", busy)
    assert manager.post(at(made, "limits"), sent)["Location"] == at(made, "check")
    made.refresh_from_db()
    assert (made.assistant, made.variables) == (assistant, {"slot": "{{ contact.variables.slot }}"})
    assert (made.budget, made.holidays, made.drafted_through) == (Decimal("12.5"), ["2026-12-25"], 4)
    assert made.windows.get().opens == 540 and made.retry_rules.get().wait_minutes == 30
    page = text_of(manager.get(at(made, "check")))
    assert "Before it can start" not in page and "Start calling now" in page and "aria-disabled" not in page
    for line in ("Mon, Tue 09:00-19:00", "01 42 00 00 01 (FR)", "After busy: retry in 30 minutes, 2 attempts in all"):
        assert line in page
    started = manager.post(reverse("admin:campaigns_campaign_step", args=[made.pk, "start"]), follow=True)
    assert "“Reminders” is running." in text_of(started)
    assert AuditEntry.objects.filter(action="campaign.added", actor="mona").count() == 1


def test_every_field_of_the_whole_form_is_asked_in_one_step(manager: Client, draft: Campaign) -> None:
    whole = manager.get(whole_page(draft), {"tab": "settings"}).context["adminform"].form
    asked = [name for step in STEPS for name in step.fields]
    assert sorted(asked) == sorted(whole.fields)
    assert {step.inline for step in STEPS} - {None} == set(page_of(Campaign).inlines)


def test_each_step_keeps_its_own_fields_alone(
    manager: Client, draft: Campaign, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    sent = when() | {"max_attempts": "9", "name": "Other", "assistant": assistant.pk}
    assert manager.post(at(draft, "when"), sent).status_code == 302
    draft.refresh_from_db()
    assert (draft.name, draft.max_attempts, draft.assistant) == ("Reminders", 3, None)


def test_a_step_is_saved_as_a_draft_and_gone_on_with_later(
    manager: Client, draft: Campaign, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    answer = manager.post(at(draft, "what"), what(assistant, phone_number, _later="1"), follow=True)
    page = text_of(answer)
    assert "is saved as a draft" in page and "Continue with step 3: Schedule" in page
    assert at(draft, "when") in answer.content.decode()
    manager.post(at(draft, "whom"), {"name": "Renamed", "contact_lists": []})
    draft.refresh_from_db()
    assert (draft.name, draft.drafted_through) == ("Renamed", 2), "going back does not undo later steps"


def test_the_steps_say_what_is_done_and_what_is_missing(
    manager: Client, draft: Campaign, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    def marks(step: str) -> list[str]:
        return [each["state"] for each in manager.get(at(draft, step)).context["stepper"]]

    assert marks("what") == ["done", "todo", "todo", "todo", "todo"]
    manager.post(at(draft, "what"), what(assistant))
    assert marks("when") == ["done", "problem", "todo", "todo", "todo"], "a caller number is missing"
    manager.post(at(draft, "what"), what(assistant, phone_number))
    assert marks("when") == ["done", "done", "todo", "todo", "todo"]
    Campaign.objects.update(drafted_through=0)
    assert marks("check") == ["done", "done", "problem", "done", "todo"], "created at once, so every step is checked"


# Errors are shown, and nothing of the form is saved.


@cases(
    ("step", "sent", "words"),
    [
        ("whom", {"name": " "}, "This field is required."),
        ("what", {"variables-rows": "1", "variables-0-name": "a", "variables-0-value": "{{ x }}"}, "not understood"),
        ("what", {"variables-rows": "1", "variables-0-name": "", "variables-0-value": "x"}, "Give each value a name."),
        ("when", when(**{"windows-0-opens": "9 o'clock"}), "Write it like 09:00."),
        ("when", when(**{"windows-0-opens": "00:00", "windows-0-closes": "0:00"}), "All day is 00:00 to 24:00."),
        ("when", when(holidays="Christmas"), "is not a day"),
        (
            "when",
            when(starts_at_0="2099-01-02", starts_at_1="10:00", ends_at_0="2099-01-01", ends_at_1="10:00"),
            "The end must be after the start.",
        ),
        ("when", when(timezone="Paris"), "time zone"),
        ("when", when(campaign_zone_countries=["US"]), "Give the reason to use the campaign's time zone"),
        ("when", when(campaign_zone_countries=["FR"], campaign_zone_reason="x"), "Select a valid choice"),
        ("when", when(campaign_zone_reason="Left over"), "Empty this, or name the countries"),
        ("limits", limits(max_attempts="0"), "greater than or equal to 1"),
        ("limits", limits(budget="lots"), "Enter a number."),
        ("limits", limits(callback_url="http://10.0.0.1/x"), "callback_url"),
    ],
)
@rolled_back
def test_errors_are_named_at_each_step(
    manager: Client, draft: Campaign, assistant: Assistant, step: str, sent: dict[str, Any], words: str
) -> None:
    answer = manager.post(at(draft, step), what(assistant) | sent if step == "what" else sent)
    assert answer.status_code == 200
    page = text_of(answer)
    assert "Nothing was saved." in page
    assert "Constraint" not in page, "a name of the database"
    if words == "callback_url":
        assert answer.context["form"].errors["callback_url"]
    else:
        assert words in page
    draft.refresh_from_db()
    assert (draft.name, draft.drafted_through, draft.windows.count()) == ("Reminders", 1, 0)


def test_a_number_of_another_account_is_neither_offered_nor_taken(
    manager: Client, draft: Campaign, organization: Organization, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    elsewhere = a_number(an_account(organization, name="Other"), e164="+33142000077")
    manager.post(at(draft, "what"), what(assistant))
    page = manager.get(at(draft, "what")).content.decode()
    assert "01 42 00 00 01 (FR)" in page and "01 42 00 00 77" not in page
    refused = text_of(manager.post(at(draft, "what"), what(assistant, elsewhere)))
    assert "No assistant of the campaign uses the provider account of +33142000077." in refused
    assert not draft.phone_numbers.exists()


def test_nothing_of_another_organization_is_offered_or_taken(
    manager: Client, draft: Campaign, stranger: Organization, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    account = an_account(stranger)
    theirs = an_assistant(account, name="Hidden voice")
    number = a_number(account, e164="+33142000088")
    hidden = support.people(stranger, ["+33612345611"], name="Hidden person")
    ContactList.objects.filter(pk=hidden.pk).update(name="Hidden list")
    for step in ("whom", "what", "when", "limits", "check", "preview", "openings", "forecast", "fields"):
        assert "Hidden" not in manager.get(at(draft, step)).content.decode(), step
    never = [{"field": "last_call", "is": "never"}]
    segment = Segment.objects.create(organization=stranger, name="Hidden segment", conditions=never)
    assert "Hidden" not in manager.get(ADD).content.decode()
    answers = [
        manager.post(ADD, {"name": "New", "contact_lists": [hidden.pk]}),
        manager.post(at(draft, "whom"), {"name": "New", "contact_lists": [hidden.pk]}),
        manager.post(ADD, {"name": "New", "segments": [segment.pk]}),
        manager.post(at(draft, "whom"), {"name": "New", "segments": [segment.pk]}),
        manager.post(at(draft, "what"), what(theirs)),
        manager.post(at(draft, "what"), what(assistant, number)),
        manager.post(at(draft, "what"), what(assistant) | rows("variants", {"assistant": theirs.pk, "weight": 1})),
    ]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    fields = manager.post(at(draft, "fields"), what(theirs)).content.decode()
    assert "Hidden" not in fields and "01 42 00 00 88" not in fields
    counted = text_of(
        manager.get("/admin/campaigns/campaign/people/", {"contact_lists": hidden.pk, "segments": segment.pk})
    )
    assert "Select the lists" in counted
    draft.refresh_from_db()
    assert (draft.name, draft.assistant, draft.phone_numbers.count(), Campaign.objects.count()) == (
        "Reminders",
        None,
        0,
        1,
    )


def test_one_who_may_not_make_campaigns_sees_no_step(organization: Organization, draft: Campaign) -> None:
    for role in ("viewer", "operator"):
        client = staff(organization, role, role)
        assert "Continue with step" not in text_of(client.get(whole_page(draft)))
        for step in ("whom", "what", "when", "limits", "check", "preview", "openings", "forecast", "fields"):
            assert client.get(at(draft, step)).status_code == 403
            assert client.post(at(draft, step), {"name": "x"}).status_code == 403
        assert client.get(ADD).status_code == client.get("/admin/campaigns/campaign/people/").status_code == 403


def test_one_with_several_organizations_says_first_for_which(
    manager: Client, organization: Organization, sister: Organization, people: ContactList
) -> None:
    Membership.objects.create(user=User.objects.get(username="mona"), organization=sister, role="manager")
    theirs = ContactList.objects.create(organization=sister, name="Of the sister")
    assert "For which organization?" in text_of(manager.get(ADD))
    page = text_of(manager.get(ADD, {"organization": sister.pk}))
    assert "Of the sister" in page and f"{people.name} contacts" not in page
    refused = manager.post(f"{ADD}?organization={sister.pk}", {"name": "New", "contact_lists": [people.pk]})
    assert refused.status_code == 200
    manager.post(f"{ADD}?organization={sister.pk}", {"name": "New", "contact_lists": [theirs.pk]})
    assert Campaign.objects.get().organization == sister


def test_a_campaign_that_was_started_has_no_steps(manager: Client, draft: Campaign, organization: Organization) -> None:
    Campaign.objects.update(status="running")
    answer = manager.post(at(draft, "whom"), {"name": "Changed"}, follow=True)
    assert answer.redirect_chain == [(whole_page(draft), 302)] and "The campaign has started." in text_of(answer)
    part = manager.get(at(draft, "preview"), headers={"HX-Request": "true"})
    assert part["HX-Redirect"] == whole_page(draft)
    draft.refresh_from_db()
    assert draft.name == "Reminders"


def test_a_step_does_not_change_a_campaign_that_is_started_at_the_same_moment(
    manager: Client, draft: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calls.admin.campaigns.form import CampaignForm

    real = CampaignForm.clean

    def slow(self: Any) -> Any:
        Campaign.objects.update(status="running")
        return real(self)

    monkeypatch.setattr(CampaignForm, "clean", slow)
    answer = manager.post(at(draft, "limits"), limits(max_attempts="9"), follow=True)
    assert "Nothing was changed: the campaign was started meanwhile." in text_of(answer)
    draft.refresh_from_db()
    assert (draft.max_attempts, draft.status) == (3, "running")


# Beside the fields: contacts, variables, opening hours.


def test_people_are_counted_once_and_asked_by_the_gate(
    manager: Client, organization: Organization, people: ContactList
) -> None:
    numbers = ["+33612345678", "+33612345670", "+33612345671", "+33612345672", "+4915112345678"]
    second = support.people(organization, numbers)
    entries.add(organization, "+33612345670", reason="asked", source="staff")
    Contact.objects.filter(phone="+33612345671").update(on_hold=True)
    later = timezone.now() + timedelta(days=1)
    Contact.objects.filter(phone="+33612345672").update(on_hold=True, hold_until=later)
    url = reverse("admin:campaigns_campaign_listed")
    page = text_of(manager.get(url, {"contact_lists": [people.pk, second.pk]}))
    assert "6 contacts on 2 lists, each counted once" in page and "2 of them may be called." in page
    for line in (
        "1 contact on the do-not-call list",
        "1 contact with a number in a country that may not be called",
        "1 contact on hold until a date",
        "1 contact on hold until the hold is lifted",
    ):
        assert line in page
    assert "All of them may be called." in text_of(manager.get(url, {"contact_lists": people.pk}))
    empty = ContactList.objects.create(organization=organization, name="Empty")
    assert "No contacts on this list yet" in text_of(manager.get(url, {"contact_lists": empty.pk}))
    assert "Select the lists" in text_of(manager.get(url, {"contact_lists": "x"}))


def test_a_segment_is_an_audience_beside_lists(
    manager: Client, organization: Organization, people: ContactList
) -> None:
    Contact.objects.create(organization=organization, phone="+33612345670")
    never = [{"field": "last_call", "is": "never"}]
    segment, second = (
        Segment.objects.create(organization=organization, name=f"{name} called", conditions=never)
        for name in ("Never", "Not yet")
    )
    url = reverse("admin:campaigns_campaign_listed")
    both: dict[str, Any] = {"contact_lists": people.pk, "segments": [segment.pk, second.pk]}
    page = text_of(manager.get(url, both))
    assert "3 contacts on 1 list and in 2 segments, each counted once" in page
    assert "All of them may be called." in page
    assert "3 contacts All of them" in text_of(manager.get(url, {"segments": segment.pk}))
    chosen = manager.get(ADD, {"organization": organization.pk, "segments": segment.pk}).content.decode()
    assert re.search(rf'name="segments" value="{segment.pk}"[^>]*\schecked[\s>]', chosen)
    assert not re.search(rf'name="segments" value="{second.pk}"[^>]*\schecked[\s>]', chosen)
    made = manager.post(ADD, {"name": "New", **both}, follow=True)
    campaign = Campaign.objects.get()
    assert made.status_code == 200 and set(campaign.segments.all()) == {segment, second}
    summary = text_of(manager.get(at(campaign, "check")))
    assert "Never called: Contacts never called." in summary
    assert "3 contacts" in text_of(manager.get(at(campaign, "forecast")))
    Contact.objects.all().delete()
    assert "No contacts in this segment yet" in text_of(manager.get(url, {"segments": segment.pk}))


def test_long_lists_are_sampled_and_say_so(
    manager: Client, people: ContactList, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = reverse("admin:campaigns_campaign_listed")
    monkeypatch.setattr(audience, "LOOKED_AT", 1)
    page = text_of(manager.get(url, {"contact_lists": people.pk}))
    assert "2 contacts 1 of them were checked: all of these may be called." in page
    monkeypatch.setattr(list_sizes, "COUNTED", 1)
    assert "more than 1 contacts" in text_of(manager.get(url, {"contact_lists": people.pk}))
    counts = manager.get(reverse("admin:campaigns_contactlist_counts"), {"ids": people.pk})
    assert "more than 1" in text_of(counts)


def test_the_preview_shows_the_form_as_it_stands_and_saves_nothing(
    manager: Client, draft: Campaign, assistant: Assistant
) -> None:
    assistant.variables = [{"name": "slot", "required": True}, {"name": "clinic", "required": True}]
    assistant.save()
    assert "Choose an assistant." in text_of(manager.get(at(draft, "preview")))
    sent = what(assistant) | {
        "variables-rows": "1",
        "variables-0-name": "slot",
        "variables-0-value": "at {{ contact.variables.slot }} <i>",
    }
    answer = manager.post(at(draft, "preview"), sent)
    page = text_of(answer)
    assert "at 9:30 &lt;i&gt;" in answer.content.decode()
    assert "slot at 9:30" in page and "Will not be called: clinic is missing." in page
    faulty = manager.post(at(draft, "preview"), sent | {"variables-0-value": "{{ contact.password }}"})
    assert "is not understood" in text_of(faulty)
    draft.refresh_from_db()
    assert (draft.assistant, draft.variables) == (None, {})


def test_numbers_and_variables_follow_the_assistant_chosen(
    manager: Client, draft: Campaign, organization: Organization, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    other = an_account(organization, name="Other")
    a_number(other, e164="+33142000077")
    second = an_assistant(other, name="Second")
    assistant.variables = [{"name": "slot", "required": True, "description": "The time", "example": "9:30"}]
    assistant.save()
    typed = {
        "variables-rows": "2",
        "variables-0-name": "greeting",
        "variables-0-value": "Hello",
        "variables-1-name": "",
    }
    page = manager.post(at(draft, "fields"), what(assistant) | typed).content.decode()
    assert "01 42 00 00 01 (FR)" in page and "01 42 00 00 77" not in page
    assert 'value="slot"' in page and 'value="Hello"' in page and "The time" in page
    both = what(assistant) | rows("variants", {"assistant": second.pk, "weight": "1"})
    page = manager.post(at(draft, "fields"), both).content.decode()
    assert "01 42 00 00 01 (FR), AlloMia" in page and "01 42 00 00 77 (FR), Other" in page
    nothing = manager.post(at(draft, "fields"), what(assistant) | {"assistant": ""})
    assert "First choose an assistant" in text_of(nothing)
    draft.refresh_from_db()
    assert (draft.assistant, draft.variables) == (None, {})


def test_without_a_script_the_numbers_are_asked_for(
    manager: Client, draft: Campaign, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    assistant.variables = [{"name": "slot", "required": True}]
    assistant.save()
    assert "01 42 00 00 01" not in manager.get(at(draft, "what")).content.decode()
    shown = manager.post(at(draft, "what"), what(assistant, _show="1"))
    assert shown.status_code == 200 and "01 42 00 00 01" in shown.content.decode()
    assert "Nothing was saved" not in text_of(shown) and 'value="slot"' in shown.content.decode()
    draft.refresh_from_db()
    assert draft.assistant is None


@pytest.mark.time_machine(datetime(2026, 11, 27, 12, tzinfo=UTC), tick=False)
def test_the_windows_of_the_form_say_when_they_open(manager: Client, draft: Campaign) -> None:
    support.people(draft.organization, [])
    people = draft.contact_lists.get()
    person = Contact.objects.create(organization=draft.organization, phone="+12125550100")
    people.contacts.add(person)
    monday = {"starts_at_0": "2026-11-30", "starts_at_1": "00:00"}
    page = text_of(manager.post(at(draft, "openings"), when(**monday)))
    assert "Mon 30 Nov 10:00 Europe/Paris: 2 contacts" in page, "the law of France allows none before ten"
    assert "Mon 30 Nov 09:00 America/New_York: 1 contact" in page
    lifted = text_of(manager.post(at(draft, "openings"), when(**monday, legal_override="Recall")))
    assert "Mon 30 Nov 09:00 Europe/Paris: 2 contacts" in lifted and "Legal calling hours do not apply." in lifted
    night = when(**monday, **{"windows-0-opens": "03:00", "windows-0-closes": "04:00"})
    assert "Never: 2 contacts in France (Europe/Paris). The calling windows leave no hour" in text_of(
        manager.post(at(draft, "openings"), night)
    )
    assert "First complete the fields" in text_of(manager.post(at(draft, "openings"), when(**{"windows-0-opens": "9"})))
    removed = when(**{"windows-0-DELETE": "on"})
    assert "Without a calling window the campaign calls nobody" in text_of(manager.post(at(draft, "openings"), removed))
    assert not draft.windows.exists()


def test_the_campaigns_zone_is_chosen_for_countries_of_several_zones_with_a_reason(
    manager: Client, draft: Campaign
) -> None:
    Organization.objects.update(allowed_countries=["FR", "RU", "US"])
    page = manager.get(at(draft, "when"))
    offered = page.context["form"].fields["campaign_zone_countries"].choices
    assert offered == [("RU", "Russia (RU)"), ("US", "United States (US)")], "France has one clock"
    chosen = {"campaign_zone_countries": ["RU"], "campaign_zone_reason": "One office", "timezone": "Europe/Moscow"}
    assert manager.post(at(draft, "when"), when(**chosen, contact_zone_rule="trust_contact")).status_code == 302
    draft.refresh_from_db()
    assert draft.zone_rule == ZoneRule("Europe/Moscow", True, frozenset({"RU"}))
    entry = AuditEntry.objects.get(action="campaign.campaign_zone")
    assert entry.detail == {"countries": ["RU"], "reason": "One office"}
    told = (
        "Numbers in Russia that may be in several time zones are called by the campaign's time zone, Europe/Moscow. "
        "Reason: One office"
    )
    assert told in text_of(manager.get(whole_page(draft))) and told in text_of(manager.get(at(draft, "check")))
    assert "A contact's own time zone counts alone" in text_of(manager.get(whole_page(draft)))


def test_a_row_that_nobody_touched_is_no_rule(manager: Client, draft: Campaign, assistant: Assistant) -> None:
    """Return the rows as the pages show them, with a spare row for browsers without scripts."""
    page = manager.get(at(draft, "limits"))
    [spare] = page.context["formsets"][0].forms
    shown = {name: spare[name].value() or "" for name in ("wait_minutes", "multiplier", "max_attempts")}
    first = next(iter(spare.fields["outcome"].choices))[0]
    manager.post(at(draft, "limits"), limits() | rows("retry_rules", shown | {"outcome": first}))
    assert not draft.retry_rules.exists()
    manager.post(at(draft, "what"), what(assistant) | rows("variants", {"assistant": "", "weight": "0"}))
    assert not draft.variants.exists()


def test_a_window_is_proposed_until_there_is_one(manager: Client, draft: Campaign) -> None:
    page = manager.get(at(draft, "when")).content.decode()
    assert 'value="09:00"' in page and 'value="19:00"' in page
    proposed = {"days": ["mon", "tue", "wed", "thu", "fri"], "opens": "09:00", "closes": "19:00"}
    assert manager.post(at(draft, "when"), when() | rows("windows", proposed)).status_code == 302
    assert draft.windows.get().closes == 19 * 60, "an unchanged proposal is saved"
    assert len(manager.get(at(draft, "when")).context["formsets"][0].forms) == 1


# The review step.


def start_of(answer: Any) -> tuple[str, bool, str]:
    """Return the part of a page before its facts, whether its button is off, and where the button leads."""
    page = answer.content.decode()
    off = re.search(r'<button[^>]*aria-disabled="true"[^>]*>', page)
    link = re.search(r'href="([^"]*/do/start/)"', page)
    assert not off or 'type="button"' in off[0]
    return text_of(answer), off is not None, link[1] if link else ""


def found_on(answer: Any) -> list[Finding]:
    found = answer.context["found"]
    return [*found.blockers, *found.notes]


def test_what_prevents_the_start_comes_first_and_the_button_is_off(
    manager: Client, draft: Campaign, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    """Of the draft's page, its review and the confirmation; the server refuses besides."""
    confirm = reverse("admin:campaigns_campaign_step", args=[draft.pk, "start"])
    box = "Before it can start Choose an assistant. Fix : Step 2: Assistant"
    for url in (whole_page(draft), at(draft, "check"), confirm):
        text, off, way = start_of(manager.get(url))
        assert (
            off
            and not way
            and "It places the first calls" not in text
            and text.count("Before it can start Choose") == 1
        )
        assert box in text and "Not yet: see “Before it can start”." in text
        facts = ("A draft calls nobody.", "Your choices")
        assert all(text.index(box) < text.index(fact) for fact in facts if fact in text)
    assert "The campaign cannot start yet." in text_of(manager.post(confirm, follow=True))
    draft.refresh_from_db()
    assert draft.status == "draft"
    Campaign.objects.update(assistant=assistant)
    draft.phone_numbers.add(phone_number)
    draft.windows.create(days=["mon"], opens=540, closes=600)
    Organization.objects.update(calls_stopped=True)
    for url in (whole_page(draft), at(draft, "check")):
        text, off, way = start_of(manager.get(url))
        assert (off, way) == (False, confirm) and "Before it can start" not in text
        assert "Please note" in text and "All calls of the organization are stopped." in text
    text, off, _ = start_of(manager.get(confirm))
    assert not off and "Start calling" in text and "Before it can start" not in text


@pytest.mark.parametrize(("role", "ways"), [("viewer", False), ("operator", False), ("manager", True)])
def test_only_who_may_fix_a_draft_has_the_way_there(
    organization: Organization, draft: Campaign, role: str, ways: bool
) -> None:
    page = staff(organization, role).get(whole_page(draft))
    text = text_of(page)
    assert "Before it can start Choose an assistant." in text
    assert ("Ask a manager of the organization to fix this." in text) != ways
    assert (at(draft, "what") in page.content.decode()) == ways


def test_each_problem_has_the_way_to_where_it_is_mended(
    manager: Client, draft: Campaign, assistant: Assistant, account: ProviderAccount
) -> None:
    answer = manager.get(at(draft, "check"))
    page = text_of(answer)
    assert "Choose an assistant. Fix : Step 2: Assistant" in page
    assert "Add at least one calling window" in page and "Fix : Step 3: Schedule" in page
    assert at(draft, "when") in answer.content.decode()
    Campaign.objects.update(assistant=assistant, budget=10, budget_currency="EUR")
    Assistant.objects.update(is_active=False)
    Organization.objects.update(calls_stopped=True)
    answer = manager.get(at(draft, "check"))
    ways = {row.message: (row.where, row.url) for row in found_on(answer)}
    at_assistant = reverse("admin:providers_assistant_change", args=[assistant.pk])
    assert ways["The assistant is switched off."] == ("Open the assistant", at_assistant)
    assert ways["All calls of the organization are stopped."][0] == "Open the organization"
    an_assistant(account, name="Second")
    CampaignVariant.objects.create(campaign=draft, assistant=Assistant.objects.latest("pk"), weight=1)
    answer = manager.get(at(draft, "check"))
    ways = {row.message: (row.where, row.url) for row in found_on(answer)}
    assert ways["Assistant 'Reminder' is switched off."] == ("Step 2: Assistant", at(draft, "what"))


def test_every_finding_is_mended_somewhere() -> None:
    import inspect
    import re

    from calls.forecast import forecast
    from calls.reports import preflight, unfed_rules

    source = inspect.getsource(preflight) + inspect.getsource(unfed_rules)
    codes = set(re.findall(r'(?:error\(|Problem\()"(\w+)"', source)) | set(forecast.SKIPPED)
    codes |= {"not_reached", "budget"}
    assert len(codes) > 15 and codes - set(FIXED_AT) - OF_THE_ORGANIZATION == set()


def test_the_check_says_what_comes_of_it(
    manager: Client, draft: Campaign, assistant: Assistant, phone_number: PhoneNumber, account: ProviderAccount
) -> None:
    assert "The forecast needs an assistant and a caller number" in text_of(manager.get(at(draft, "forecast")))
    ready(draft, assistant, phone_number)
    ProviderAccount.objects.update(price_per_minute=Decimal("0.10"), price_per_minute_currency="EUR")
    entries.add(draft.organization, "+33612345679", reason="asked", source="staff")
    page = text_of(manager.get(at(draft, "forecast")))
    assert "2 on the lists" in page and "1 will not be called" in page and "EUR, at most" in page
    assert "1 recipient on the do-not-call list: not called. Step 1: Contacts" in page
    starts = timezone.now().replace(microsecond=0) + timedelta(days=3)
    Campaign.objects.update(starts_at=starts)
    page = text_of(manager.get(at(draft, "check")))
    with timezone.override(ZoneInfo(draft.organization.timezone)):
        assert f"Start calling {local_time(starts)}" in page
    manager.post(reverse("admin:campaigns_campaign_step", args=[draft.pk, "start"]))
    draft.refresh_from_db()
    assert draft.status == "scheduled"


def test_too_many_people_are_not_forecast_while_somebody_waits(
    manager: Client, draft: Campaign, assistant: Assistant, phone_number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(draft, assistant, phone_number)
    monkeypatch.setattr(wizard_previews, "FORECAST_AT_ONCE", 1)
    assert "More than 1 contacts on the lists: too many" in text_of(manager.get(at(draft, "forecast")))


def ready(draft: Campaign, assistant: Assistant, phone_number: PhoneNumber) -> None:
    draft.assistant, draft.drafted_through, draft.legal_override = assistant, 4, "test"
    draft.save()
    draft.phone_numbers.add(phone_number)
    CallingWindow.objects.create(campaign=draft, days=support.EVERY_DAY, opens=0, closes=1440)


# The test call.


def test_a_test_call_says_what_the_first_person_would_be_told(
    manager: Client, draft: Campaign, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    sent = what(assistant, phone_number, test_number="06 99 00 00 01", _test="1") | {
        "variables-rows": "1",
        "variables-0-name": "slot",
        "variables-0-value": "at {{ contact.variables.slot }}",
    }
    answer = manager.post(at(draft, "what"), sent, follow=True)
    call = Call.objects.get()
    assert (call.to_number, call.from_number, call.campaign) == ("+33699000001", "+33142000001", None)
    assert (call.dynamic_variables, call.created_by) == ({"slot": "at 9:30"}, "mona")
    assert Contact.objects.get(phone="+33699000001").name == "", "it is not the first contact of the lists"
    assert reverse("admin:calls_call_change", args=[call.pk]) in answer.content.decode()
    assert 'value="06 99 00 00 01"' in answer.content.decode(), "saved for the next test call"
    again = text_of(manager.post(at(draft, "what"), sent, follow=True))
    assert "the test call was not placed. A call to this number is already open" in again
    assert not Recipient.objects.exists() and Call.objects.count() == 1


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("", "Enter your number first."),
        ("12", "is not a phone number"),
        ("+33612345679", "The number is on the do-not-call list."),
    ],
)
def test_a_test_call_is_refused_in_words(
    manager: Client, draft: Campaign, assistant: Assistant, phone_number: PhoneNumber, number: str, words: str
) -> None:
    entries.add(draft.organization, "+33612345679", reason="asked", source="staff")
    sent = what(assistant, phone_number, test_number=number, _test="1")
    assert words in text_of(manager.post(at(draft, "what"), sent, follow=True))
    assert not Call.objects.exists()


def test_a_test_call_needs_what_the_campaign_needs(
    manager: Client, draft: Campaign, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    def tried(**sent: Any) -> str:
        return text_of(manager.post(at(draft, "what"), what(**sent, test_number="0699000001", _test="1"), follow=True))

    assert "First choose an assistant and a caller number of its provider account." in tried(assistant=assistant)
    assistant.variables = [{"name": "clinic", "required": True}]
    assistant.save()
    sent = what(assistant, phone_number, test_number="0699000001", _test="1")
    page = text_of(manager.post(at(draft, "what"), sent, follow=True))
    assert "The assistant needs clinic, but Ada has no value for it." in page
    assert not Call.objects.exists()


# Copying a campaign.


def test_a_copy_has_the_rules_and_nothing_of_what_became_of_the_first(
    manager: Client, draft: Campaign, organization: Organization, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    ready(draft, assistant, phone_number)
    now = timezone.now()
    rules: dict[str, Any] = {
        "status": "finished",
        "starts_at": now - timedelta(days=9),
        "ends_at": now + timedelta(days=9),
        "started_at": now,
        "finished_at": now,
        "launched_at": now,
        "launched_through": 7,
        "version": 3,
        "status_reason": "x",
        "variables": {"slot": "1"},
        "holidays": ["2020-12-25", "2099-12-25"],
        "max_attempts": 5,
        "try_next_number": True,
        "calls_per_minute": 7,
        "budget": Decimal(9),
        "budget_currency": "EUR",
        "priority": 4,
        "callback_url": "https://example.org/hook",
        "timezone": "Europe/Paris",
        "contact_zone_rule": "trust_contact",
        "campaign_zone_countries": ["US"],
        "campaign_zone_reason": "One office",
    }
    Campaign.objects.update(**rules)
    RetryRule.objects.create(campaign=draft, outcome="busy", wait_minutes=7, max_attempts=2)
    second = an_assistant(assistant.account, name="Second")
    CampaignVariant.objects.create(campaign=draft, assistant=second, weight=2)
    Recipient.objects.create(campaign=draft, contact=Contact.objects.earliest("pk"), status="withdrawn")
    url = reverse("admin:campaigns_campaign_step", args=[draft.pk, "copy"])
    page = text_of(manager.get(url))
    assert "The reason to call outside the legal hours is not copied" in page
    assert "countries called by the campaign's time zone are not copied" in page
    answer = manager.post(url)
    made = Campaign.objects.get(name="Copy of Reminders")
    assert answer["Location"] == at(made, "whom")
    kept = (
        *("variables", "max_attempts", "try_next_number", "calls_per_minute"),
        *("budget", "budget_currency", "priority", "callback_url"),
    )
    assert made.contact_zone_rule == "trust_contact"
    assert (made.campaign_zone_countries, made.campaign_zone_reason) == ([], "")
    assert {name: getattr(made, name) for name in kept} == {name: rules[name] for name in kept}
    assert (made.status, made.starts_at, made.ends_at) == ("draft", None, rules["ends_at"])
    assert (made.holidays, made.legal_override) == (["2099-12-25"], "")
    assert (made.started_at, made.launched_at, made.launched_through, made.version) == (None, None, 0, 1)
    assert (made.uuid != draft.uuid, made.status_reason, made.timezone) == (True, "", "Europe/Paris")
    assert list(made.contact_lists.all()) == list(draft.contact_lists.all())
    assert list(made.phone_numbers.all()) == [phone_number]
    assert (made.windows.get().closes, made.retry_rules.get().wait_minutes) == (1440, 7)
    assert (made.variants.get().assistant, made.variants.get().weight) == (second, 2)
    assert draft.windows.count() == draft.retry_rules.count() == draft.variants.count() == 1
    assert not made.recipients.exists() and not made.versions.exists()
    assert AuditEntry.objects.get(action="campaign.added").detail["copy_of"] == str(draft.uuid)


def test_a_long_name_is_still_a_name_when_copied(draft: Campaign) -> None:
    draft.name = "x" * 200
    assert len(copy_of(draft, timezone.now()).name) == 200


def test_every_rule_of_a_campaign_is_copied_or_left_out_knowingly() -> None:
    known = {*versions.PLAIN, *versions.SETS} | {
        "assistant",
        "budget",
        "budget_currency",
        "starts_at",
        "ends_at",
        "result_fields",
    }
    machines = {
        *("id", "uuid", "organization", "status", "status_reason", "created_at", "started_at", "finished_at"),
        *("drafted_through", "version", "next_call_at", "share_used", "launched_through", "launched_at"),
        "matched_through",
        *("look_again_after", "look_again_until", "inputs_digest", "rotation"),
    }
    columns = {field.name for field in (*Campaign._meta.concrete_fields, *Campaign._meta.many_to_many)}
    assert columns - machines == known


# The number of queries.


@pytest.mark.parametrize("step", [*(step.name for step in STEPS), "preview", "openings", "fields"])
def test_a_step_asks_a_fixed_number_of_questions(
    manager: Client, draft: Campaign, assistant: Assistant, phone_number: PhoneNumber, step: str
) -> None:
    ready(draft, assistant, phone_number)
    counts = []
    for batch in range(2):
        for number in range(4):
            one = an_assistant(assistant.account, name=f"More {batch}{number}")
            CampaignVariant.objects.create(campaign=draft, assistant=one, weight=1)
            draft.phone_numbers.add(a_number(assistant.account, e164=f"+3314200{batch}2{number}00", external_id="x"))
            draft.contact_lists.add(support.people(draft.organization, [f"+3361200{batch}0{number}00"]))
            CallingWindow.objects.create(campaign=draft, days=["mon"], opens=number, closes=100 + number)
        if not batch:
            RetryRule.objects.create(campaign=draft, outcome="busy")
            RetryRule.objects.create(campaign=draft, outcome="no_answer")
            manager.get(at(draft, step))  # cached between requests
        with CaptureQueriesContext(connection) as queries:
            assert manager.get(at(draft, step)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= MOST_QUESTIONS, [query["sql"][:160] for query in queries]
