"""Times that people type in the nights on which clocks change. The oracle is tzdata's tables and plain arithmetic."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import DateTimeField
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from calls.admin.launch.form import LaunchForm
from calls.models import CallBack
from campaigns.admin.do_not_call_import import NumbersForm
from campaigns.copying import copy_of
from campaigns.models import Campaign, Contact, DoNotCall, Recipient
from campaigns.rules.windows import Hours, Window, is_open
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.backoffice.typed_times import LocalTimeField, Typed
from tenants.clock_changes import change_between, change_over, readings, start_of_day
from tenants.models import ApiKey, Organization
from tests.calls import support
from tests.conftest import ApiClient
from tests.test_admin import SignIn, sign_in
from tests.tzfile import Jump, jumps_of

__all__ = ["sign_in"]  # a fixture

FIRST, LAST = 2026, 2028
ONE_MINUTE = timedelta(minutes=1)
ZONES = sorted(available_timezones() - {"localtime"})
NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
FIRST_HALF_PAST_TWO, SECOND_HALF_PAST_TWO = "+0200", "+0100"


def all_jumps() -> Iterator[tuple[str, Jump]]:
    for zone in ZONES:
        for jump in jumps_of(zone, FIRST, LAST):
            yield zone, jump


def shown(jump: Jump, offset: timedelta) -> datetime:
    """Return what clocks with this offset show at the jump, as a naive time."""
    return jump.at.replace(tzinfo=None) + offset


def minutes(first: datetime, end: datetime) -> Iterator[datetime]:
    """Return some minutes of [first, end): the first, the last, and every quarter of an hour."""
    moment = first
    while moment < end:
        yield moment
        moment += timedelta(minutes=15)
    yield end - ONE_MINUTE


def test_the_tables_have_the_known_nights() -> None:
    """France by directive 2000/84/EC: the last Sundays of March and October, at one o'clock UTC."""
    paris = [jump.at for jump in jumps_of("Europe/Paris", FIRST, LAST)]
    days = [(2026, 3, 29), (2026, 10, 25), (2027, 3, 28), (2027, 10, 31), (2028, 3, 26), (2028, 10, 29)]
    assert paris == [datetime(*day, 1, tzinfo=UTC) for day in days]
    assert jumps_of("Asia/Kolkata", FIRST, LAST) == []
    jumps = list(all_jumps())
    assert len(jumps) > 800 and any(after < before for _, (_, before, after) in jumps)
    assert {abs(jump.after - jump.before) for _, jump in jumps} >= {timedelta(minutes=30), timedelta(hours=1)}


def test_every_local_time_of_every_clock_change_has_its_moments() -> None:
    for name, jump in all_jumps():
        zone, (at, before, after) = ZoneInfo(name), jump
        low, high = sorted((shown(jump, before), shown(jump, after)))
        for local in minutes(low, high):
            first, second = local.replace(tzinfo=UTC) - before, local.replace(tzinfo=UTC) - after
            assert readings(local, zone) == (() if after > before else (first, second)), (name, local)
            change = change_over(local, zone)
            assert change and change == (type(change))(at, shown(jump, before), shown(jump, after)), (name, local)
        for local, offset in ((low - ONE_MINUTE, before), (high, after)):
            assert readings(local, zone) == (local.replace(tzinfo=UTC) - offset,), (name, local)
            assert change_over(local, zone) is None, (name, local)


def test_a_change_is_found_between_moments_of_any_fraction() -> None:
    paris, change = ZoneInfo("Europe/Paris"), datetime(2026, 10, 25, 1, tzinfo=UTC)
    for before, after in ((0.4, 1.1), (0.7, 0.8), (1, 0), (1800.123456, 1800.5), (0.000001, 0)):
        low, high = change - timedelta(seconds=before), change + timedelta(seconds=after)
        assert change_between(paris, low, high) == change, (before, after)
    assert change_between(paris, change + timedelta(microseconds=1), change + timedelta(hours=1)) is None


def test_the_first_moment_of_every_day_on_which_clocks_change() -> None:
    """Count back in UTC, minute by minute, to the first one whose date is still the same."""
    for name, jump in all_jumps():
        day = shown(jump, jump.after).date()
        offset = {True: jump.before, False: jump.after}
        moment = jump.at
        while (moment - ONE_MINUTE + offset[moment - ONE_MINUTE < jump.at]).date() >= day:
            moment -= ONE_MINUTE
        assert start_of_day(day, ZoneInfo(name)) == moment, (name, day)


def named(zone: str, local: datetime, near: datetime) -> str:
    same_day = near.date() == local.date()
    return f"{near:%H:%M}" if same_day else f"{near:%H:%M} on {near.day} {near:%B} {near.year}"


def test_a_field_refuses_what_does_not_exist_with_both_neighbours_and_asks_about_what_occurs_twice() -> None:
    field = LocalTimeField("Time")
    for name, jump in all_jumps():
        with timezone.override(ZoneInfo(name)):
            before, after = shown(jump, jump.before), shown(jump, jump.after)
            local = min(before, after) + timedelta(minutes=15)
            typed = Typed(f"{local:%Y-%m-%d}", f"{local:%H:%M}")
            with pytest.raises(ValidationError) as refused:
                field.clean(typed)
            [message] = refused.value.messages
            day = f"{local.day} {local:%B} {local.year} in {name}"
            if after > before:
                neighbours = named(name, local, before - ONE_MINUTE), named(name, local, after)
                assert message.startswith(f"{local:%H:%M} does not exist on {day}: "), message
                assert message.endswith(f" Write {neighbours[0]} or {neighbours[1]}."), message
                assert typed.choice() is None
                continue
            assert message.startswith(f"{local:%H:%M} occurs twice on {day}: "), message
            choice = typed.choice()
            assert choice
            for option, offset in zip(choice["options"], (jump.before, jump.after), strict=True):
                moment = field.clean(Typed(typed.day, typed.clock, option["value"]))
                assert moment == local.replace(tzinfo=UTC) - offset, (name, local)
                assert Typed.of(moment) == Typed(typed.day, f"{typed.clock}:00", option["value"])
                assert not field.has_changed(moment, Typed.of(moment)), "unchanged when it comes back as it was shown"


@pytest.mark.parametrize("day", ["12/05/2026", "05/12/2026", "12.05.2026", "12 May 2026", "2026/05/12"])
def test_a_day_that_two_people_read_differently_is_refused(day: str) -> None:
    """Django would read 12/05/2026 as 5 December, also for a reader who writes the day first."""
    with pytest.raises(ValidationError, match="Enter a date, like 2026-05-12"):
        Typed(day, "09:30").moment()


def test_the_sentences_as_people_read_them() -> None:
    field = LocalTimeField("Time")

    def said(zone: str, day: str, clock: str) -> str:
        with timezone.override(ZoneInfo(zone)), pytest.raises(ValidationError) as refused:
            field.clean(Typed(day, clock))
        return " ".join(refused.value.messages)

    assert said("Europe/Paris", "2027-03-28", "02:30") == (
        "02:30 does not exist on 28 March 2027 in Europe/Paris: clocks go from 02:00 to 03:00. Write 01:59 or 03:00."
    )
    assert said("America/Santiago", "2026-09-06", "00:30") == (
        "00:30 does not exist on 6 September 2026 in America/Santiago: clocks go from 00:00 to 01:00. "
        "Write 23:59 on 5 September 2026 or 01:00."
    )
    assert said("Pacific/Apia", "2011-12-30", "12:00").endswith(
        "Write 23:59 on 29 December 2011 or 00:00 on 31 December 2011."
    ), "Samoa left out a day"
    assert said("Europe/Paris", "2026-10-25", "02:30") == (
        "02:30 occurs twice on 25 October 2026 in Europe/Paris: clocks go back from 03:00 to 02:00. "
        "Choose the first or the second."
    )
    assert said("Europe/Paris", "2026-10-25", "") == "Enter a time, like 09:30."
    assert said("Europe/Paris", "tomorrow", "noon") == "Enter a date, like 2026-05-12. Enter a time, like 09:30."
    for day in ("0001-01-01", "9999-12-31"):
        assert said("Pacific/Kiritimati", day, "00:00") == "This date is out of range. Enter a year from 2 to 9998."
    with timezone.override(ZoneInfo("Asia/Kathmandu")):
        assert field.clean(Typed("2026-10-25", "02:30")) == datetime(2026, 10, 24, 20, 45, tzinfo=UTC)
    with timezone.override(ZoneInfo("Europe/Paris")):
        choice = Typed("2026-10-25", "02:30").choice()
        assert choice and choice["question"] == "Which 02:30 on 25 October 2026?"
        assert [option["label"] for option in choice["options"]] == [
            "The first, before clocks go back (CEST, UTC+2)",
            "The second, after clocks go back (CET, UTC+1)",
        ]
        stale = Typed("2026-10-25", "02:30", "+0530")  # offered in another zone
        with pytest.raises(ValidationError, match="occurs twice"):
            field.clean(stale)


def radios(page: str, name: str) -> dict[str, bool]:
    """Return the offered readings by their value, and which one is checked."""
    found = re.findall(rf'<input type="radio" name="{name}_offset" value="([^"]+)"( checked)?>', page)
    return {unescape(value): bool(checked) for value, checked in found}


@pytest.fixture
def draft(organization: Organization, phone_number: PhoneNumber, assistant: Assistant) -> Campaign:
    return support.campaign(phone_number, support.people(organization, ["+33612345601"]), status=Campaign.Status.DRAFT)


def when(**fields: str) -> dict[str, str]:
    """Return the form of the wizard's schedule, with one window and what is given."""
    window = {"windows-0-days": "mon", "windows-0-opens": "09:00", "windows-0-closes": "19:00"}
    counts = {"windows-TOTAL_FORMS": "1", "windows-INITIAL_FORMS": "0"}
    return {**window, **counts, "contact_zone_rule": "both_open", "timezone": "", "holidays": "", **fields}


@pytest.mark.django_db
@pytest.mark.time_machine(NOW)
def test_a_campaigns_start_and_end_in_the_night_of_autumn(
    organization: Organization, draft: Campaign, sign_in: SignIn
) -> None:
    draft.windows.all().delete()
    client = sign_in(organization, "manager")
    step = reverse("admin:campaigns_campaign_when", args=[draft.pk])
    typed = {
        f"{name}_{part}": text for name in ("starts_at", "ends_at") for part, text in enumerate(("2026-10-25", "02:30"))
    }
    page = client.post(step, when(**typed)).content.decode()
    assert page.count("02:30 occurs twice on 25 October 2026 in Europe/Paris") == 2
    assert radios(page, "starts_at") == radios(page, "ends_at") == {"+0200": False, "+0100": False}
    chosen = {"starts_at_offset": FIRST_HALF_PAST_TWO, "ends_at_offset": SECOND_HALF_PAST_TWO}
    assert client.post(step, when(**typed, **chosen)).status_code == 302
    both = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    draft.refresh_from_db()
    assert (draft.starts_at, draft.ends_at) == both
    # Opened and saved again as it is shown, on the step and on the page of the whole campaign.
    for address in (step, reverse("admin:campaigns_campaign_change", args=[draft.pk]) + "?tab=settings"):
        page = client.get(address).content.decode()
        assert radios(page, "starts_at") == {"+0200": True, "+0100": False}
        assert radios(page, "ends_at") == {"+0200": False, "+0100": True}
        sent = as_shown(client.get(address))
        assert client.post(address, sent).status_code == 302, address
        draft.refresh_from_db()
        assert (draft.starts_at, draft.ends_at) == both
    # A time that occurs once needs no choice, whatever choice came with it.
    once = {**typed, **chosen, "starts_at_1": "01:30", "ends_at_1": "03:00"}
    assert client.post(step, when(**once)).status_code == 302
    draft.refresh_from_db()
    assert draft.starts_at == datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    assert draft.ends_at == datetime(2026, 10, 25, 2, 0, tzinfo=UTC)
    assert radios(client.get(step).content.decode(), "starts_at") == {}


def as_shown(response: Any) -> dict[str, Any]:
    """Return the fields that a browser sends when a page's form is submitted as it is shown."""
    page = response.content.decode()
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input\b[^>]*>", page):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        ticked = attributes.get("type") not in ("radio", "checkbox") or re.search(
            r"\schecked\b", re.sub('"[^"]*"', "", tag)
        )
        if "name" in attributes and ticked and attributes.get("type") != "submit":
            found.setdefault(attributes["name"], []).append(unescape(attributes.get("value", "")))
    for name, options in re.findall(r'<select\b[^>]*\bname="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        for option in re.findall(r"<option\b[^>]*\bselected[^>]*>", options):
            found.setdefault(name, []).append(unescape(dict(re.findall(r'([\w-]+)="([^"]*)"', option))["value"]))
    for name, text in re.findall(r'<textarea\b[^>]*\bname="([^"]+)"[^>]*>(.*?)</textarea>', page, re.DOTALL):
        found[name] = unescape(text).removeprefix("\n")
    return found


@pytest.mark.django_db
@pytest.mark.time_machine(NOW)
def test_a_time_that_does_not_exist_is_refused_wherever_one_is_typed(
    organization: Organization, draft: Campaign, phone_number: PhoneNumber, sign_in: SignIn
) -> None:
    draft.status, draft.legal_override = Campaign.Status.RUNNING, "A test of clocks"
    draft.save()
    contact = draft.contact_lists.get().contacts.get()
    recipient = Recipient.objects.create(campaign=draft, contact=contact)
    client, key = sign_in(organization, "admin"), f"?organization={organization.pk}"
    launch = {"assistant": str(draft.assistant_id), "phone_number": str(phone_number.pk), "to_number": "0612345601"}
    pages: list[tuple[str, str, dict[str, str]]] = [
        (reverse("admin:campaigns_contact_step", args=[contact.pk, "hold"]), "until", {}),
        (reverse("admin:campaigns_recipient_step", args=[recipient.pk, "call-back"]), "at", {"tolerance": "30"}),
        (reverse("admin:calls_call_launch"), "not_before", launch | {"_launch": "1"}),
        (reverse("admin:campaigns_donotcall_add") + key, "expires_at", {"phone": "0612345699", "reason": "asked"}),
        (reverse("admin:campaigns_contact_add") + key, "consent_at", {"phone": "0612345698"}),
        (reverse("admin:tenants_apikey_add") + key, "expires_at", {"name": "k", "scope": "read"}),
        (reverse("admin:campaigns_campaign_change", args=[draft.pk]) + "?tab=settings", "ends_at", {}),
    ]
    for address, name, others in pages:
        single = name in ("until", "at")

        def sent(
            day: str, offset: str = "", *, name: str = name, others: dict[str, str] = others, single: bool = single
        ) -> str:
            parts = {name: f"{day}T02:30"} if single else {f"{name}_0": day, f"{name}_1": "02:30"}
            answer = client.post(address, {**others, **parts, f"{name}_offset": offset})  # noqa: B023
            return unescape(answer.content.decode()) if answer.status_code == 200 else f"went on: {answer.status_code}"

        text = sent("2027-03-28")
        assert "02:30 does not exist on 28 March 2027 in Europe/Paris" in text, address
        assert "Write 01:59 or 03:00." in text and radios(text, name) == {}, address
        text = sent("2026-10-25")
        assert "02:30 occurs twice on 25 October 2026 in Europe/Paris" in text, address
        assert radios(text, name) == {"+0200": False, "+0100": False}, address
        answer = sent("2026-10-25", SECOND_HALF_PAST_TWO)
        assert "occurs twice" not in answer, address
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    contact.refresh_from_db()
    assert contact.hold_until == second
    assert CallBack.objects.get().due_at == second
    assert DoNotCall.objects.get(phone="+33612345699").expires_at == second
    assert Contact.objects.get(phone="+33612345698").consent_at == second
    assert ApiKey.objects.get(name="k").expires_at == second


@pytest.mark.django_db
@pytest.mark.time_machine(NOW)
def test_the_time_of_a_single_call_stays_when_the_assistant_changes(
    organization: Organization, assistant: Assistant, phone_number: PhoneNumber, sign_in: SignIn
) -> None:
    client = sign_in(organization, "operator")
    typed = {"not_before_0": "2026-10-25", "not_before_1": "02:30", "not_before_offset": SECOND_HALF_PAST_TWO}
    answer = client.post(reverse("admin:calls_call_launch_fields"), {"assistant": str(assistant.pk), **typed})
    page = answer.content.decode()
    assert 'value="2026-10-25"' in page and 'value="02:30"' in page
    assert radios(page, "not_before") == {"+0200": False, "+0100": True}


# The person's day.


@pytest.mark.django_db
@pytest.mark.time_machine(NOW)
def test_the_last_day_on_the_list_ends_where_the_number_may_be(organization: Organization) -> None:
    """In Cairo 28 April 2028 begins at one o'clock, in Paris at midnight, in New York six hours later."""

    def form(day: str) -> NumbersForm:
        return NumbersForm([organization], {"numbers": "+33612345601", "reason": "asked", "last_day": day}, {})

    with timezone.override(ZoneInfo("Pacific/Auckland")):
        asked = form("2028-04-27")
        assert asked.is_valid()
        assert asked.expires_at(["+33612345601"]) == datetime(2028, 4, 27, 22, tzinfo=UTC)
        assert asked.expires_at(["+33612345601", "+12125550100"]) == datetime(2028, 4, 28, 4, tzinfo=UTC)
        organization.timezone = "Africa/Cairo"
        assert asked.expires_at([]) == datetime(2028, 4, 27, 22, tzinfo=UTC), "clocks go from 00:00 to 01:00"
        beyond = form("9999-12-31")
        assert not beyond.is_valid() and "too far ahead" in str(beyond.errors["last_day"])


@pytest.mark.django_db
def test_a_copy_keeps_a_holiday_until_it_is_over_everywhere(draft: Campaign) -> None:
    """In Honolulu Christmas ends at ten o'clock UTC on 26 December. A window of its evening ends a day later."""
    draft.holidays = ["2026-12-24", "2026-12-25"]
    draft.save()
    for moment, kept in (
        (datetime(2026, 12, 26, 9, 59, tzinfo=UTC), ["2026-12-24", "2026-12-25"]),
        (datetime(2026, 12, 27, 9, 59, tzinfo=UTC), ["2026-12-25"]),
        (datetime(2026, 12, 27, 12, tzinfo=UTC), []),
    ):
        assert copy_of(draft, moment).holidays == kept


def test_a_holiday_and_a_weekday_are_those_of_every_zone_in_every_night_of_a_clock_change() -> None:
    """Compare with the date that the tables give, every half hour of three days around each change."""
    days = tuple(Window(frozenset({day}), 0, 24 * 60) for day in range(7))
    for name, jump in list(all_jumps())[::7]:
        closed = shown(jump, jump.after).date()
        hours = Hours(days, frozenset({closed}))
        weekly = Hours(tuple(window for window in days if closed.weekday() not in window.days))
        for half_hours in range(-72, 73):
            moment = jump.at + half_hours * timedelta(minutes=30)
            local = moment.replace(tzinfo=None) + (jump.before if moment < jump.at else jump.after)
            for each in (hours, weekly):
                assert is_open([each], [name], moment) == (local.date() != closed), (name, moment)


# Nothing else reads a local time.

READERS = {"SplitDateTimeField", "SplitDateTimeWidget", "UnfoldAdminSplitDateTimeWidget", "AdminSplitDateTime"}
READERS |= {"make_aware", "from_current_timezone", "UnfoldAdminSplitDateTimeVerticalWidget", "DateTimeInput"}
ROOMS = ("calls", "campaigns", "config", "providers", "tenants")


def test_no_other_module_reads_a_local_time() -> None:
    found = {}
    for path in (path for room in ROOMS for path in Path(settings.BASE_DIR, room).rglob("*.py")):
        tree = ast.parse(path.read_text())
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
        of_forms = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "forms"
        }
        if used := names & READERS | of_forms & {"DateTimeField", "SplitDateTimeField"}:
            found[path.relative_to(settings.BASE_DIR).as_posix()] = used
    assert set(found) == {"tenants/backoffice/typed_times.py"}, found


@pytest.mark.django_db
def test_every_form_of_the_back_office_reads_times_with_the_same_field(account: ProviderAccount) -> None:
    request: Any = RequestFactory().get("/admin/")
    request.user = User.objects.create_superuser("root")
    request._chosen = {"organization": str(account.organization_id), "provider": "allomia", "account": str(account.pk)}
    others = forms.DateTimeField | forms.SplitDateTimeField
    seen = set()
    for model, page in admin.site._registry.items():
        shown_fields: dict[str, Any] = dict(getattr(page.get_form(request), "base_fields", {}))
        for step in getattr(page, "steps", ()):
            shown_fields |= {f"{step.name}.{name}": field for name, field in fields_of(step.form).items()}
        assert not [name for name, field in shown_fields.items() if isinstance(field, others)], model
        times = {name: field for name, field in shown_fields.items() if isinstance(field, LocalTimeField)}
        seen |= {f"{model.__name__}.{name}" for name in times}
        for column in (each for each in model._meta.fields if isinstance(each, DateTimeField)):
            assert column.name not in shown_fields or column.name in times, (model, column)
    assert seen >= {"Campaign.starts_at", "Campaign.ends_at", "Contact.consent_at", "DoNotCall.expires_at"}
    assert seen >= {"ApiKey.expires_at", "Contact.hold.until", "Recipient.hold.until", "Recipient.call-back.at"}
    assert "not_before" in LaunchForm.base_fields and isinstance(LaunchForm.base_fields["not_before"], LocalTimeField)


def fields_of(form: type[forms.Form] | None) -> dict[str, Any]:
    return dict(form.base_fields) if form else {}


# The API.


@pytest.mark.django_db
def test_the_api_takes_an_explicit_offset_and_no_guess(
    api: ApiClient, organization: Organization, contact: Contact
) -> None:
    hold = f"/api/v1/contacts/{contact.uuid}/hold/"
    for text, moment in (
        ("2099-10-25T02:30:00+02:00", datetime(2099, 10, 25, 0, 30, tzinfo=UTC)),
        ("2099-10-25T02:30:00+01:00", datetime(2099, 10, 25, 1, 30, tzinfo=UTC)),
        ("2099-03-29T02:30:00+01:00", datetime(2099, 3, 29, 1, 30, tzinfo=UTC)),
        ("2099-03-29t01:30:00z", datetime(2099, 3, 29, 1, 30, tzinfo=UTC)),
    ):
        assert api.post(hold, {"until": text}).status_code == 200
        contact.refresh_from_db()
        assert contact.hold_until == moment
        api.post(f"/api/v1/contacts/{contact.uuid}/unhold/")
    for text in ("2099-10-25T02:30:00", "2099-10-25T02:30", "2099-10-25", "2099-10-25T02:30:00 02:00"):
        assert api.post(hold, {"until": text}).status_code == 400
    for text in ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert "out of range" in api.post(hold, {"until": text}).content.decode()


@pytest.mark.django_db
def test_a_filter_takes_an_explicit_offset_and_no_guess(
    api: ApiClient, organization: Organization, phone_number: PhoneNumber, assistant: Assistant
) -> None:
    call = support.single(phone_number, "+33612345601")
    type(call).objects.filter(pk=call.pk).update(created_at=datetime(2026, 10, 25, 0, 45, tzinfo=UTC))

    def count(text: str) -> Any:
        answer = Client.get(api, "/api/v1/calls/", {"created_after": text})
        return len(answer.json()["results"]) if answer.status_code == 200 else answer.status_code

    assert count("2026-10-25T02:30:00+02:00") == 1, "half past midnight UTC"
    assert count("2026-10-25T02:30:00+01:00") == 0, "half past one UTC"
    for text in ("2026-10-25T00:30:00", "2026-10-25T00:30", "2026-10-25", "now", "2026-02-30T00:00:00Z"):
        assert count(text) == 400
    assert "with its zone" in Client.get(api, "/api/v1/calls/", {"created_after": "2026-10-25T00:30"}).content.decode()
    assert count("2026-10-25T02:30:00 02:00") == 1 and count("2026-10-25T02:30:00 0100") == 0, "a plus not escaped"
    assert count("2026-10-25t00:30:00z") == 1 and count("2026-10-25T00:46:00z") == 0
    assert count("0001-01-01T00:00:00+14:00") == 400 and count("9999-12-31T23:59:59-12:00") == 400
