"""Actions on several contacts of the list: who may do them, with whose contacts, and what they do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.admin.people.bulk import BULK_STEPS
from campaigns.models import (
    Campaign,
    Contact,
    ContactList,
    ContactListMember,
    ContactNumber,
    ContactTag,
    DoNotCall,
    Recipient,
    Tag,
)
from tenants.backoffice import bulk_pages
from tenants.models import AuditEntry, Membership, Organization
from tests.test_admin import SignIn, sign_in
from tests.test_saved_unchanged import Form

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db
LIST, MANY = "admin:campaigns_contact_changelist", "admin:campaigns_contact_many"
VALUES = {
    "hold": {"reason": "On leave"},
    "do-not-call": {"reason": "Asked by letter"},
    "add-tags": {"tags": "VIP; new"},
}
ENTRIES = {
    "add-to-list": ["contactlist.contacts_added"],
    "remove-from-list": ["contactlist.contacts_removed"],
    "add-tags": ["tag.contacts_added"] * 2,
    "remove-tag": ["tag.contacts_removed"],
    "hold": ["contact.hold"] * 3,
    "do-not-call": ["do_not_call.numbers_added"],
}


def people(organization: Organization, count: int = 3, first: int = 0) -> list[Contact]:
    numbers = (f"+3361234{first + each:04d}" for each in range(count))
    return [Contact.objects.create(organization=organization, phone=phone) for phone in numbers]


def chosen(client: Client, step: str, rows: Sequence[Contact], **more: Any) -> Any:
    """Tick the rows in the list and choose the action, as its form does."""
    ticked = {"_selected_action": [row.pk for row in rows], "action": step, "index": 0, "select_across": 0}
    return client.post(reverse(LIST), ticked | more)


def confirmed(client: Client, page: Any, **values: Any) -> Any:
    [form] = [each for each in Form(page.content.decode()).forms if "step" in each]
    return client.post(reverse(MANY), form | values, follow=True)


def said(page: Any) -> str:
    return " ".join(map(str, page.context["messages"]))


def effect(rows: Sequence[Contact]) -> tuple[int, int, int, int]:
    """Return how many of the contacts are on a list, on hold, have a tag, and how many numbers may not be called."""
    of = [row.pk for row in rows]
    members = ContactListMember.objects.filter(contact__in=of).count()
    tagged = Contact.objects.filter(pk__in=of).exclude(tags=None).count()
    return members, Contact.objects.filter(pk__in=of, on_hold=True).count(), tagged, DoNotCall.objects.count()


@pytest.fixture
def home(organization: Organization) -> ContactList:
    return ContactList.objects.create(organization=organization, name="Patients")


@pytest.fixture
def vip(organization: Organization) -> Tag:
    return Tag.objects.create(organization=organization, name="VIP")


@pytest.mark.parametrize("step", [step.name for step in BULK_STEPS])
def test_what_is_chosen_is_confirmed_and_then_done_and_recorded(
    organization: Organization, home: ContactList, vip: Tag, sign_in: SignIn, step: str
) -> None:
    client, rows, other = sign_in(organization, "operator"), people(organization), people(organization, 1, 50)[0]
    ContactNumber.objects.create(organization=organization, contact=rows[0], phone="+33612349999", position=1)
    if step == "remove-from-list":
        ContactListMember.objects.bulk_create(
            ContactListMember(contact_list=home, contact=row) for row in [*rows, other]
        )
    if step == "remove-tag":
        ContactTag.objects.bulk_create(ContactTag(tag=vip, contact=row) for row in [*rows, other])
    before, entries = effect([*rows, other]), set(AuditEntry.objects.values_list("pk", flat=True))
    page = chosen(client, step, rows)
    assert "3 contacts" in page.content.decode()
    assert effect([*rows, other]) == before, "the confirmation page does nothing"
    values = VALUES.get(step, {"contact_list": home.pk, "tag": vip.pk})
    answer = confirmed(client, page, **values)
    after = {
        "add-to-list": (3, 0, 0, 0),
        "remove-from-list": (1, 0, 0, 0),
        "add-tags": (0, 0, 3, 0),
        "remove-tag": (0, 0, 1, 0),
        "hold": (0, 3, 0, 0),
        "do-not-call": (0, 0, 0, 4),
    }
    assert effect([*rows, other]) == after[step]
    assert effect([other]) == (step == "remove-from-list", 0, step == "remove-tag", after[step][3])
    made = AuditEntry.objects.exclude(pk__in=entries).order_by("pk")
    assert list(made.values_list("action", flat=True)) == ENTRIES[step]
    assert {entry.actor for entry in made} == {f"operator-{organization.pk}"}
    assert re.search("3 contacts (were|put)|4 numbers were|off 3 contacts", said(answer)), said(answer)
    again = confirmed(client, page, **values)
    assert "This form was sent before" in said(again)


def test_a_viewer_has_neither_boxes_nor_the_page(organization: Organization, sign_in: SignIn) -> None:
    rows = people(organization)
    for role, may in (("viewer", False), ("operator", True)):
        client = sign_in(organization, role)
        assert ("_selected_action" in client.get(reverse(LIST)).content.decode()) is may
        keys = {"step": "hold", "keys": ",".join(str(row.pk) for row in rows)}
        assert client.post(reverse(MANY), keys | VALUES["hold"]).status_code == (302 if may else 403)
        assert effect(rows) == (0, 3 if may else 0, 0, 0)


@pytest.mark.parametrize("step", [step.name for step in BULK_STEPS])
def test_contacts_of_another_organization_are_nobody(
    organization: Organization, stranger: Organization, home: ContactList, vip: Tag, sign_in: SignIn, step: str
) -> None:
    client, own, theirs = sign_in(organization, "admin"), people(organization, 2), people(stranger, 3, 50)
    foreign = ContactList.objects.create(organization=stranger, name="Theirs")
    ContactListMember.objects.create(contact_list=foreign, contact=theirs[0])
    hidden = Tag.objects.create(organization=stranger, name="Hidden")
    ContactTag.objects.create(tag=hidden, contact=theirs[0])
    values = {"step": step, **VALUES.get(step, {"contact_list": home.pk, "tag": hidden.pk})}
    keys = ",".join(str(row.pk) for row in theirs)
    for answer in (client.post(reverse(MANY), values | {"keys": keys}), chosen(client, step, theirs)):
        assert answer.status_code == 404
    both = client.post(reverse(MANY), values | {"keys": f"{keys},{own[0].pk}"})
    assert theirs[0].phone not in both.content.decode()
    client.post(reverse(MANY), {"step": step, "keys": own[0].pk, "contact_list": foreign.pk, "tag": hidden.pk})
    assert effect(theirs)[:3] == (1, 0, 1)
    assert set(DoNotCall.objects.values_list("organization", flat=True)) <= {organization.pk}
    assert foreign.members.count() == 1


def test_over_several_organizations_each_role_counts(
    organization: Organization, sister: Organization, home: ContactList
) -> None:
    user = User.objects.create(username="mona", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="operator")
    theirs = Membership.objects.create(user=user, organization=sister, role="viewer")
    client = Client()
    client.force_login(user)
    rows = [*people(organization, 2), *people(sister, 2, 50)]
    values = {"keys": ",".join(str(row.pk) for row in rows), "step": "hold", "reason": "x"}
    answer = client.post(reverse(MANY), values, follow=True)
    assert f"Your role does not allow this in {sister.name}." in said(answer)
    assert effect(rows) == (0, 0, 0, 0), "all or nothing"
    Membership.objects.filter(pk=theirs.pk).update(role="operator")
    answer = client.post(reverse(MANY), values | {"step": "add-to-list", "contact_list": home.pk}, follow=True)
    assert "belong to several organizations" in said(answer)
    client.post(reverse(MANY), values)
    client.post(reverse(MANY), values | {"step": "do-not-call"})
    assert effect(rows) == (0, 4, 0, 4)
    assert DoNotCall.objects.filter(organization=sister).count() == 2
    assert set(AuditEntry.objects.values_list("organization", "action")) == {
        (each.pk, action) for each in (organization, sister) for action in ("contact.hold", "do_not_call.numbers_added")
    }


def test_the_confirmed_rows_are_those_that_were_shown(organization: Organization, sign_in: SignIn) -> None:
    """All that a filter finds are chosen; the filter finds more when the form is sent."""
    client, rows = sign_in(organization, "operator"), people(organization)
    page = chosen(client, "hold", rows[:1], select_across=1)
    late = people(organization, 1, 60)
    confirmed(client, page, reason="x")
    assert effect([*rows, *late]) == (0, 3, 0, 0)


def test_too_many_rows_are_refused(
    organization: Organization, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_pages, "AT_ONCE", 2)
    client, rows = sign_in(organization, "operator"), people(organization)
    for ticked, more in ((rows, {}), (rows[:1], {"select_across": 1})):
        answer = client.get(chosen(client, "hold", ticked, **more)["Location"])
        assert "At most" in said(answer)
    assert chosen(client, "hold", rows[:2]).status_code == 200


@pytest.mark.parametrize("keys", ["", ",", "x", "-1", "0", "9" * 30, "²", "1;2", "999999"])
def test_keys_that_are_none(organization: Organization, sign_in: SignIn, keys: str) -> None:
    client = sign_in(organization, "operator")
    assert client.get(reverse(MANY), {"step": "hold", "keys": keys}).status_code == 404
    ticked = {"_selected_action": [keys or "x"], "action": "hold", "index": 0}
    assert client.post(reverse(LIST), ticked).status_code == 404


@pytest.mark.parametrize(
    ("held", "given", "left"),
    [(None, 2, None), (5, 2, 5), (2, 5, 5), (2, None, None), (-1, 2, 2)],
    ids=["no end", "longer", "shorter", "to no end", "over"],
)
def test_nobody_is_called_earlier_than_before(
    organization: Organization, sign_in: SignIn, held: int | None, given: int | None, left: int | None
) -> None:
    """Days from now until which a contact is held before, held in bulk, and held then; None has no end."""
    client, [row] = sign_in(organization, "operator"), people(organization, 1)
    now = timezone.now().replace(second=0, microsecond=0)
    days = {number: now + timedelta(days=number) for number in (-1, 2, 5)}
    Contact.objects.update(on_hold=True, hold_until=days.get(held) if held else None)
    values = {"step": "hold", "keys": row.pk, "reason": "x"}
    moment = days[given].astimezone(ZoneInfo(organization.timezone)).strftime("%Y-%m-%dT%H:%M") if given else ""
    client.post(reverse(MANY), values | {"until": moment})
    row.refresh_from_db()
    assert row.held(timezone.now())
    assert row.hold_until == (days[left] if left else None)


def test_an_ongoing_campaign_calls_who_is_added(callers: Organization, running: Campaign, sign_in: SignIn) -> None:
    client, rows = sign_in(callers, "operator"), people(callers)
    Campaign.objects.update(ongoing=True)
    confirmed(client, chosen(client, "add-to-list", rows), contact_list=running.contact_lists.get().pk)
    assert Recipient.objects.filter(campaign=running, contact__in=rows).count() == 3


def test_one_contact_is_added_and_removed_from_its_page(
    organization: Organization, home: ContactList, sign_in: SignIn
) -> None:
    [row] = people(organization, 1)
    url = reverse("admin:campaigns_contact_change", args=[row.pk])
    for role in ("viewer", "operator"):
        page = sign_in(organization, role).get(url).content.decode()
        assert ("Add to list…" in page) is (role == "operator")
    client = Client()
    client.force_login(User.objects.get(username=f"operator-{organization.pk}"))
    for step, members in (("add-to-list", 1), ("remove-from-list", 0)):
        [link] = re.findall(rf'href="([^"]*step={step}[^"]*)"', client.get(url).content.decode())
        asked = client.get(link.replace("&amp;", "&"))
        answer = confirmed(client, asked, contact_list=home.pk)
        assert answer.redirect_chain[-1][0] == url
        assert home.members.count() == members
    assert "remove-from-list" not in client.get(url).content.decode()
