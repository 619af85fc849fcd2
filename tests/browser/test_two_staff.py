"""Two team members of one organization at once: each sees the other's actions, and no role exceeds its rights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import models

from calls.models import Call, CallBack, StaffDecision, Status
from campaigns.models import Campaign, Contact, ContactImport, DoNotCall, Recipient
from providers.models import ProviderAccount
from tenants.backoffice.buttons import Step
from tenants.backoffice.scoped_admin import page_of
from tenants.models import Alert, AuditEntry, Organization
from tenants.policy import Level
from tests.browser.support import MARKS, expect, forged, visit
from tests.sizes import one_in

pytestmark = MARKS
DASHBOARD = "/admin/"
STOPPED = "text=All calls of Acme are stopped."


@dataclass(frozen=True)
class Doing:
    """A button that one role has and the next lower one has not, and where the lower role sees the effect."""

    step: str
    row: Callable[[], models.Model]
    sees: str = ""
    misses: str = ""  # text that disappears
    fields: Mapping[str, str] = field(default_factory=dict)
    at: Callable[[models.Model], str] = lambda row: url_of(row)


def url_of(row: models.Model) -> str:
    return page_of(type(row)).url("change", row.pk)


def step_of(row: models.Model, name: str) -> tuple[Step, str]:
    page = page_of(type(row))
    return next(each for each in page.steps if each.name == name), page.url("step", row.pk, name)


def campaign(name: str) -> Campaign:
    return Campaign.objects.get(name=name)


def running() -> Campaign:
    return campaign("Spring check-ups")


def draft() -> Campaign:
    return campaign("Reminders over PolyAI")


def waiting() -> Recipient:
    return Recipient.objects.filter(campaign=running(), contact__on_hold=False).latest("pk")


def contact() -> Contact:
    return waiting().contact


def promise() -> CallBack:
    return CallBack.objects.get()


def call(status: Status) -> Callable[[], Call]:
    return lambda: Call.objects.filter(status=status).earliest("pk")


def plum() -> ProviderAccount:
    return ProviderAccount.objects.get(provider="plumvoice")


def file(name: str) -> Callable[[], ContactImport]:
    return lambda: ContactImport.objects.get(filename=name)


def badge(text: str) -> str:
    return f"#panel .tl-badge >> text=/^{text}$/"


DOINGS = [
    Doing("seen", lambda: Alert.objects.get(key="example"), sees="text=/^1 new alert$/", at=lambda _: DASHBOARD),
    Doing("stop-calls", Organization.objects.get, sees=STOPPED, at=lambda _: DASHBOARD),
    Doing("allow-calls", Organization.objects.get, misses=STOPPED, at=lambda _: DASHBOARD),
    Doing("start", draft, sees=badge("Running")),
    Doing("pause", running, sees=badge("Paused")),
    Doing("resume", running, sees=badge("Running")),
    Doing("withdraw", waiting, sees="#people >> text=Withdrawn", at=lambda _: f"{url_of(running())}?tab=recipients"),
    Doing("hold", contact, sees="text=On hold.", fields={"reason": "Asked for it"}),
    Doing("unhold", lambda: Contact.objects.get(hold_reason="Asked for it"), misses="text=On hold."),
    Doing("cancel-call-back", promise, sees=badge("Canceled"), at=lambda row: url_of(row.contact)),  # type: ignore[attr-defined]
    Doing("cancel", draft, sees=badge("Canceled")),
    Doing("cancel", call(Status.QUEUED), sees=badge("Canceled")),
    Doing(
        "confirm-placed",
        call(Status.UNCONFIRMED),
        sees="#panel >> text=Settled by operator",
        fields={"provider_call_id": "oc_found", "reason": "Its dashboard shows it"},
    ),
    Doing(
        "release",
        call(Status.UNCONFIRMED),
        sees="#panel >> text=Settled by operator",
        fields={"reason": "Its dashboard does not show it"},
    ),
    Doing("unblock", plum, misses="text=refused the credentials"),
    Doing("cancel", file("waits.csv"), sees=badge("Canceled")),
    Doing(
        "erase",
        lambda: Contact.objects.get(name="Forget Me"),
        sees="text=This record was deleted or erased meanwhile.",
        fields={"reason": "Asked by letter"},
    ),
]


def take(page: Any, row: models.Model, name: str, fields: Mapping[str, str]) -> None:
    """Take a step by its button on the object's page."""
    step, url = step_of(row, name)
    page.goto(url_of(row))
    if step.in_menu:
        page.click("#panel summary:has-text('More')")
    page.click(f"#panel a[href='{url}']")
    page.wait_for_url(f"**{url}")
    for field_name, text in fields.items():
        page.fill(f"[name={field_name}]", text)
    page.click(f"button:has-text('{step.button or step.label}')")
    page.wait_for_url(lambda url: "/do/" not in url)


def state(row: models.Model) -> dict[str, Any]:
    return dict(type(row)._default_manager.filter(pk=row.pk).values().get())


@pytest.mark.long
def test_what_one_does_arrives_and_who_may_not_can_not(staff: Mapping[Level, Any]) -> None:
    for doing in DOINGS:
        row = doing.row()
        step, url = step_of(row, doing.step)
        doer, onlooker = staff[step.action.role], staff[Level(step.action.role - 1)]
        what = f"{doing.step} {row}"
        visit(onlooker, url_of(row))
        expect(onlooker.locator(f"a[href='{url}']"), what).to_have_count(0)
        before = state(row)
        refused = forged(onlooker, url, **doing.fields)
        assert refused.status == 403 and "Your role does not include this action" in refused.text(), what
        assert state(row) == before, what
        onlooker.goto(doing.at(row))
        onlooker.wait_for_selector(doing.misses or "#panel, #overview")
        if doing.sees:
            expect(onlooker.locator(doing.sees), what).to_have_count(0)
        take(doer, row, doing.step, doing.fields)
        if doing.sees:
            onlooker.wait_for_selector(doing.sees)
        else:
            onlooker.wait_for_selector(doing.misses, state="detached")


def both_at(one: Any, other: Any, path: str) -> None:
    for page in (one, other):
        page.goto(path)


@pytest.mark.long
def test_the_same_doubt_is_settled_once(staff: Mapping[Level, Any]) -> None:
    """The second team member sees the present status."""
    for first, second, fields in (
        ("release", "release", {}),
        ("confirm-placed", "release", {"provider_call_id": "oc_found"}),
    ):
        row = call(Status.UNCONFIRMED)()
        operator, manager = staff[Level.OPERATOR], staff[Level.MANAGER]
        (kept, url), (late, other_url) = step_of(row, first), step_of(row, second)
        operator.goto(url)
        manager.goto(other_url)
        for page, values in ((operator, fields), (manager, {})):
            for name, text in {**values, "reason": "I looked it up"}.items():
                page.fill(f"[name={name}]", text)
        operator.click(f"button:has-text('{kept.button}')")
        operator.wait_for_selector("text=The call counts as")
        row.refresh_from_db()
        assert row.status != Status.UNCONFIRMED
        manager.click(f"button:has-text('{late.button}')")
        told = f"“{late.label}” is not possible any more: the status is now “{row.get_status_display()}”."
        manager.wait_for_selector(f"text={told}")
        assert StaffDecision.objects.filter(call=row).count() == 1


def test_a_campaign_is_started_and_paused_once(staff: Mapping[Level, Any]) -> None:
    row = draft()
    operator, manager = staff[Level.OPERATOR], staff[Level.MANAGER]
    for name, becomes in (("start", "Running"), ("pause", "Paused"), ("resume", "Running"), ("cancel", "Canceled")):
        step, url = step_of(row, name)
        both_at(operator, manager, url)
        for page in (operator, manager):
            page.click(f"button:has-text('{step.button or step.label}')")
            page.wait_for_selector(badge(becomes))
        told = f"“{step.label}” is not possible any more: the status is now “{becomes}”."
        expect(manager.locator("body")).to_contain_text(told)
        expect(operator.locator("body")).not_to_contain_text(told)
    done = AuditEntry.objects.filter(subject=str(row.uuid)).order_by("pk").values_list("action", "actor")
    assert list(done) == [(f"campaign.{name}", "operator") for name in ("running", "paused", "running", "canceled")]


@pytest.mark.long
def test_two_launch_a_call_to_one_number(staff: Mapping[Level, Any]) -> None:
    speaker = plum().assistants.get()
    both = staff[Level.OPERATOR], staff[Level.MANAGER]
    filled = f"assistant={speaker.pk}&to_number=%2B12125550145&variable-appointment=noon"
    both_at(*both, f"/admin/calls/call/launch/?{filled}")
    for page, said in zip(both, ("The call is queued. This", "A call to this number is already open."), strict=True):
        page.click("text=Place the call")
        page.wait_for_selector(f"text={said}")
    assert Call.objects.get(to_number="+12125550145").created_by == "operator"


@pytest.mark.long
def test_two_list_the_same_number(staff: Mapping[Level, Any]) -> None:
    both = staff[Level.OPERATOR], staff[Level.MANAGER]
    both_at(*both, "/admin/campaigns/donotcall/add/")
    for page, said in zip(
        both, ("is on the do-not-call list.", "is on the list already. Its source is operator."), strict=True
    ):
        page.fill("[name=phone]", "+12125550146")
        page.fill("[name=reason]", "A letter")
        page.click("button[name=_save]")
        page.wait_for_selector(f"text={said}")
    assert DoNotCall.objects.get(phone="+12125550146").source == "operator"


@pytest.mark.parametrize("page", one_in(2, ["change/?tab=settings", "steps/whom/"]))
def test_a_form_that_somebody_else_overtook_is_not_saved_in_silence(staff: Mapping[Level, Any], page: str) -> None:
    row = draft()
    manager, admin = staff[Level.MANAGER], staff[Level.ADMIN]
    both_at(manager, admin, url_of(row).replace("change/", page))
    save = "button[name=_save]" if page.startswith("change/") else "text=Save and continue"
    manager.fill("[name=name]", "Of the manager")
    manager.click(save)
    manager.wait_for_url(lambda url: not url.endswith(page))
    admin.fill("[name=name]", "Of the admin")
    admin.click(save)
    admin.wait_for_selector("text=Changed since you opened this page: “Name”.")
    row.refresh_from_db()
    assert row.name == "Of the manager"
    expect(admin.locator("[name=name]"), "typed text stays").to_have_value("Of the admin")
    admin.click(save)
    admin.wait_for_url(lambda url: not url.endswith(page))
    row.refresh_from_db()
    assert row.name == "Of the admin"


def test_who_is_erased_stays_so(staff: Mapping[Level, Any]) -> None:
    """One team member has the contact's form open; another was about to put the contact on hold."""
    person = call(Status.COMPLETED)().contact
    manager, admin, operator = staff[Level.MANAGER], staff[Level.ADMIN], staff[Level.OPERATOR]
    admin.goto(url_of(person))
    operator.goto(step_of(person, "hold")[1])
    take(manager, person, "erase", {"reason": "Asked by letter"})
    for page, path in ((admin, url_of(person)), (operator, operator.url)):
        answer = forged(page, path, name="Remember Me", reason="late")
        assert answer.status == 404 and "The object does not exist, was deleted" in answer.text()
    admin.wait_for_selector("text=This record was deleted or erased meanwhile.")
    person.refresh_from_db()
    assert person.name == "" and person.phone.startswith("erased")
