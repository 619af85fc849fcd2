"""Team members of two organizations at once: no page or form shows or changes data of the other organization."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.urls import URLPattern, reverse

from calls.models import Call
from campaigns.imports import job, upload
from campaigns.models import Campaign, Contact, ContactList, Recipient
from providers.models import PhoneNumber
from tenants.backoffice.scoped_admin import ScopedAdmin
from tenants.models import Membership, Organization
from tests.browser import work
from tests.browser.pages import pages_of
from tests.browser.support import MARKS, Contexts, desk, expect, forged, refreshed, visit
from tests.calls import support
from tests.conftest import a_number, an_account, an_assistant

pytestmark = MARKS
MARK = "Zanzibar"  # occurs in every text of one organization and nowhere else
NUMBERS = r"(303|415|617)\)?[ .-]?555"  # of contacts that only this organization calls
PHONE = "+12125550101"  # a number that both call
SAYS_NOTHING = (
    "new ",
    "legal hours",
    "api keys",
    "own password",
    "own sessions",
    "saved mappings",
    "provider callbacks",
    "two-step sign-in",
    "webhook deliver",
)


@pytest.fixture
def theirs(organization: Organization) -> Organization:
    """An organization with calls, and with its mark in every text that a user may write."""
    work.done(organization, MARK)
    work.trouble(organization)
    people = ContactList.objects.earliest("pk")
    row = upload.start_import(people, BytesIO(f"phone\n{MARK}\n".encode()), "a.csv")
    while not job.run_step(row.pk):
        pass
    work.mark(organization, MARK)
    Contact.objects.filter(phone=PHONE).update(external_id=f"{MARK}-7")
    Call.objects.filter(to_number=PHONE).update(provider_call_id=f"{MARK}-oc-1")
    return organization


@pytest.fixture
def ours(theirs: Organization) -> Organization:
    """Another organization of the same tenant. It calls one of the same numbers."""
    mine = Organization.objects.create(
        tenant=theirs.tenant,
        name="Ours",
        default_region="US",
        single_call_hours=Organization.SingleCallHours.ANY,
        timezone="America/New_York",
    )
    line = a_number(an_account(mine, name="Our account"), e164="+12125550190", label="Our line")
    an_assistant(line.account, name="Our voice")
    people = support.people(mine, [PHONE], name="Our Ada")
    campaign = support.campaign(line, people, name="Our campaign", status="running")
    Recipient.objects.create(campaign=campaign, contact=Contact.objects.get(organization=mine))
    return mine


def found_in(text: str) -> re.Match[str] | None:
    return re.search(rf".{{0,200}}({MARK}|{NUMBERS}).{{0,200}}", text)


def unmarked(text: str, where: str) -> None:
    found = found_in(text)
    assert found is None, f"{where}: {found[0]}"


def addresses(row: Model) -> Iterator[str]:
    """Return every address about one row: its pages, parts and steps."""
    page = admin.site._registry[type(row)]
    assert isinstance(page, ScopedAdmin)
    for route in page.get_urls():
        if isinstance(route, URLPattern) and route.name and "/" in str(route.pattern):
            names = list(route.pattern.converters) or (["object_id"] if "object_id" in str(route.pattern) else [])
            if names == ["pk", "step"]:
                yield from (reverse(f"admin:{route.name}", args=[row.pk, step.name]) for step in page.steps)
            elif len(names) == 1:
                yield reverse(f"admin:{route.name}", args=[row.pk])


def rows_of(organization: Organization) -> Iterator[Model]:
    """Return one row of every kind."""
    for model, page in admin.site._registry.items():
        if isinstance(page, ScopedAdmin):
            found = model._default_manager.filter(**{page.organization_path: organization.pk}).last()
            if found is not None:
                yield found


def lists(path: str) -> Iterator[str]:
    """Yield addresses of a list: plain, searched, and its file. A page repeats the search, so search for less than
    the mark."""
    for query in ("", f"?q={MARK[:-1]}", f"?q={quote(PHONE)}"):
        yield f"{path}{query}"
        yield f"{path}export.csv{query}"


@pytest.mark.long
def test_the_mark_is_everywhere_at_home(browsers: Contexts, theirs: Organization) -> None:
    """Otherwise its absence elsewhere would prove nothing."""
    page = desk(browsers, theirs, "admin")
    unseen = [name for name, path in pages_of(theirs).items() if not found_in(page.request.get(path).text())]
    steps = [name for name in unseen if ", " in name]  # a confirmation may show only a number
    assert [name for name in unseen if not name.startswith(SAYS_NOTHING) and name not in steps] == []


@pytest.mark.long
def test_pages_lists_files_and_forms_have_no_word_of_it(
    browsers: Contexts, theirs: Organization, ours: Organization
) -> None:
    page = desk(browsers, ours, "admin")
    for name, path in pages_of(ours).items():
        visit(page, path)  # with all its parts, filters and choices
        unmarked(page.content(), name)
    for model, pages in admin.site._registry.items():
        if isinstance(pages, ScopedAdmin):
            for path in lists(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")):
                answer = page.request.get(path)
                assert answer.status == 200, path
                unmarked(answer.text(), path)


@pytest.mark.parametrize(
    "share",
    [9, pytest.param(3, marks=pytest.mark.long), pytest.param(1, marks=pytest.mark.proof)],
    ids=["a ninth", "a third", "all"],
)
def test_its_addresses_are_pages_that_do_not_exist(
    browsers: Contexts, theirs: Organization, ours: Organization, share: int
) -> None:
    """Ask for a share of the addresses of each row. `tests/tenants/test_routes.py` asks for all, without a browser."""
    page = desk(browsers, ours, "admin")
    before = {row: type(row)._default_manager.filter(pk=row.pk).values().get() for row in rows_of(theirs)}
    assert len(before) > 15
    for number, (row, values) in enumerate(before.items()):
        for path in list(addresses(row))[number % share :: share]:
            for answer in (page.request.get(path), forged(page, path, reason="forged", name="Forged")):
                # An action that no role has is refused before any lookup.
                assert answer.status in ({403, 404} if path.endswith(("/delete/", "/change/")) else {404}), path
                unmarked(answer.text(), path)
        assert type(row)._default_manager.filter(pk=row.pk).values().get() == values, row
    contact = Contact.objects.filter(organization=theirs).latest("pk")
    assert page.request.get(f"{reverse('admin:calls_call_evidence')}?contact={contact.pk}").status == 404


@pytest.mark.long
def test_search_finds_nothing_of_it(browsers: Contexts, theirs: Organization, ours: Organization) -> None:
    page = desk(browsers, ours, "operator")
    call = Call.objects.filter(organization=theirs, to_number=PHONE).earliest("pk")
    other = Contact.objects.filter(organization=theirs).exclude(phone=PHONE).latest("pk")
    terms = (MARK, MARK[:4].lower(), f"{MARK}-7", f"{MARK}-oc-1", str(call.uuid), str(call.uuid)[:8], str(other.uuid))
    area, exchange, line = other.phone[2:5], other.phone[5:8], other.phone[8:]
    spelled = (other.phone, f"({area}) {exchange}-{line}", f"{area}.{exchange}.{line}", f"001 {area} {exchange} {line}")
    page.keyboard.press("/")
    for term in (*terms, *spelled):
        page.fill("#search-input-command", term)
        page.wait_for_selector(f"text=Nothing found for “{term}”")
    # A number that both have leads only to one's own contact, also when a call is launched.
    page.fill("#search-input-command", PHONE)
    page.wait_for_selector("#command-results [role=option]:has-text('Our Ada')")
    unmarked(page.inner_html("#command-results"), "search")
    page.goto(reverse("admin:calls_call_launch"))
    for term in (PHONE, MARK):
        page.fill("#find", "")
        page.locator("#find").press_sequentially(term)
        page.wait_for_selector("#found >> text=" + ("Our Ada" if term == PHONE else "No contact"))
        unmarked(page.inner_html("#found"), "launch")
    expect(page.locator("select[name=assistant] option", has_text=MARK)).to_have_count(0)
    number = PhoneNumber.objects.filter(organization=theirs).earliest("pk")
    sent = {"assistant": str(number.account.assistants.get().pk), "phone_number": str(number.pk), "to_number": PHONE}
    answer = forged(page, page.url, **sent, contact=str(other.pk), _launch="1")
    unmarked(answer.text(), "launch, forged")
    assert not Call.objects.filter(to_number=PHONE, created_by="operator").exists()


def test_what_happens_there_stays_there(browsers: Contexts, theirs: Organization, ours: Organization) -> None:
    """Both have their dashboards open while one campaign is paused and all calls are stopped."""
    mine, other = desk(browsers, ours, "manager"), desk(browsers, theirs, "viewer")
    visit(mine, "/admin/")
    before = overview_of(mine)
    Organization.objects.filter(pk=theirs.pk).update(calls_stopped=True)
    Campaign.objects.filter(organization=theirs, status="running").update(status="paused", status_reason=MARK)
    other.wait_for_selector("text=/All calls of .* are stopped/")
    refreshed(mine, "#overview", "**/overview/")
    unmarked(mine.content(), "overview")
    expect(mine.locator("body")).not_to_contain_text("are stopped")
    assert overview_of(mine) == before


def overview_of(page: Any) -> str:
    """Return the text of a dashboard that has settled, without the time of day."""
    text: str = page.inner_text("#overview")
    return text.replace(page.inner_text("#overview h3 .tl-faint"), "")


def offered(buttons: Any, may: bool) -> None:
    if may:
        expect(buttons.first).to_be_attached()
    else:
        expect(buttons).to_have_count(0)


def test_a_role_is_held_in_its_organization_alone(browsers: Contexts, theirs: Organization, ours: Organization) -> None:
    """A manager of one organization who is a viewer of the other: each row follows its own organization's role."""
    page = desk(browsers, ours, "manager", "mona")
    there = Membership.objects.create(user=User.objects.get(username="mona"), organization=theirs, role="viewer")
    running = Campaign.objects.filter(organization=theirs, status="running").earliest("pk")
    own = Campaign.objects.get(organization=ours)
    page.goto(reverse("admin:campaigns_campaign_changelist"))
    rows = page.locator("#result_list tbody tr")
    expect(rows.filter(has_text="Ours")).to_have_count(1)
    expect(rows.filter(has_text=MARK).nth(1)).to_be_attached()
    step = "admin:campaigns_campaign_step"
    for row, may in ((own, True), (running, False)):
        visit(page, reverse("admin:campaigns_campaign_change", args=[row.pk]))
        offered(page.locator("#panel a[href*='/do/']"), may)
        pause = reverse(step, args=[row.pk, "pause"])
        assert page.request.get(pause).status == (200 if may else 403)
        assert forged(page, pause).status == (302 if may else 403)
        row.refresh_from_db()
        assert row.status == ("paused" if may else "running")
        visit(page, f"{reverse('admin:campaigns_campaign_change', args=[row.pk])}?tab=settings")
        offered(page.locator("button[name=_save]"), may)
    # A form for a new object does not offer the other organization.
    for path in ("admin:campaigns_campaign_add", "admin:calls_call_launch", "admin:campaigns_contactlist_import_new"):
        visit(page, reverse(path))
        unmarked(page.inner_html("form[method=post]:not([action*=logout]):not(:has(#place))"), path)
    # A revoked role's rows leave the open page; the others stay.
    page.goto(reverse("admin:campaigns_campaign_change", args=[running.pk]))
    page.wait_for_selector("#panel >> text=Running")
    there.delete()
    page.wait_for_selector("text=This record was deleted or erased meanwhile.")
    unmarked(page.inner_html("#content"), "after leaving")  # the switcher of the open page still has its name
    Membership.objects.update(role="viewer")
    page.goto(reverse("admin:campaigns_campaign_change", args=[own.pk]))
    page.wait_for_selector("#panel >> text=Paused")
    offered(page.locator("#panel a[href*='/do/']"), False)
    assert forged(page, reverse(step, args=[own.pk, "resume"])).status == 403
