"""Undo within a minute: what an action changed is as before, and what anybody decided since stays."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.actions import campaigns, erasure, recipients, undo
from calls.dialing import enqueueing
from calls.engine import leftovers
from calls.models import Call
from campaigns import launching, list_members
from campaigns.contact_locks import lock_everyone
from campaigns.do_not_call import entries
from campaigns.imports import job
from campaigns.models import (
    Campaign,
    Contact,
    ContactImport,
    ContactList,
    ContactListMember,
    DoNotCall,
    Recipient,
    UndoableAction,
    UndoableChange,
)
from campaigns.undoable import Kind, Undoable
from providers.models import PhoneNumber
from tenants.models import AuditEntry, Membership, Organization
from tests.calls import support
from tests.calls.test_interleavings import Beside
from tests.conftest import ApiClient, KeyMaker
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db
connection = connection  # named in the condition below
postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")
Act = Callable[[Client], Any]


class World:
    """Three contacts; the third is on hold until tomorrow and on a list, and its number is on the do-not-call list."""

    def __init__(self, home: Organization) -> None:
        self.home = home
        self.people = [
            Contact.objects.create(organization=home, phone=f"+3361234560{place}", name=f"Ada {place}")
            for place in range(3)
        ]
        last = self.people[2]
        tomorrow = timezone.now() + timedelta(days=1)
        recipients.hold(last, actor="eve", until=tomorrow, reason="On a journey")
        self.list = ContactList.objects.create(organization=home, name="Patients")
        ContactListMember.objects.create(contact_list=self.list, contact=last)
        entries.add(home, last.phone, reason="Asked by letter", source="eve")

    def bulk(self, step: str, **values: Any) -> Act:
        keys = ",".join(str(each.pk) for each in self.people)
        given = {"step": step, "keys": keys, "reason": "By mistake", "contact_list": self.list.pk, **values}
        return lambda client: client.post(reverse("admin:campaigns_contact_many"), given, follow=True)

    def hold(self, client: Client) -> Any:
        url = reverse("admin:campaigns_contact_step", args=[self.people[0].pk, "hold"])
        return client.post(url, {"reason": "By mistake", "until": ""}, follow=True)

    def list_one(self, client: Client) -> Any:
        until = f"{timezone.now() + timedelta(days=9):%Y-%m-%d}"
        given = {"phone": "06 12 34 56 00", "reason": "By mistake", "expires_at_0": until, "expires_at_1": "10:00"}
        given["expires_at"] = f"{until}T10:00"
        return client.post(reverse("admin:campaigns_donotcall_add"), given, follow=True)

    def list_file(self, client: Client) -> Any:
        given = {"numbers": "0612345600\n0612345602\n0612345677", "reason": "Asked by letter"}
        return client.post(reverse("admin:campaigns_donotcall_import"), given)

    def actions(self) -> dict[str, Act]:
        return {
            "hold": self.hold,
            "hold many": self.bulk("hold"),
            "add": self.bulk("add-to-list"),
            "remove": self.bulk("remove-from-list"),
            "list": self.list_one,
            "list many": self.bulk("do-not-call", reason="Asked by letter"),
            "list file": self.list_file,
        }


ACTIONS = ["hold", "hold many", "add", "remove", "list", "list many", "list file"]
LEFT = {  # the audit entries of the undo
    "hold": ["contact.hold_undone"],
    "hold many": ["contact.hold_undone"] * 3,
    "add": ["contactlist.addition_undone"],
    "remove": ["contactlist.removal_undone"],
    "list": ["do_not_call.removed"],
    "list many": ["do_not_call.removed"] * 2,
    "list file": ["do_not_call.removed"] * 2,
}


def state() -> dict[str, Any]:
    """Return what actions change, without the keys of rows."""
    return {
        "holds": list(Contact.objects.order_by("phone").values_list("phone", "on_hold", "hold_until", "hold_reason")),
        "lists": set(ContactListMember.objects.values_list("contact_list", "contact", "created_by_import")),
        "entries": set(DoNotCall.objects.values_list("organization", "phone", "reason", "source", "expires_at")),
        "recipients": set(Recipient.objects.values_list("campaign", "contact", "status")),
    }


def button(page: Any) -> str:
    """Return the address of the button *Undo* of a page, or ""."""
    found = re.search(r'action="(/admin/undo/[^"]+/)"', page.content.decode())
    return found[1] if found else ""


def said(page: Any) -> str:
    return " ".join(map(str, page.context["messages"]))


@pytest.fixture
def world(organization: Organization) -> World:
    found = World(organization)
    Contact.objects.create(organization=organization, phone="+33612345677")  # the file's number has a contact before
    return found


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_is_undone_once_and_recorded(world: World, sign_in: SignIn, name: str) -> None:
    client, before = sign_in(world.home, "operator"), state()
    page = world.actions()[name](client)
    assert state() != before
    recorded = AuditEntry.objects.count()
    answer = client.post(button(page), {"next": "/admin/campaigns/contact/"}, follow=True)
    assert urlsplit(answer.redirect_chain[-1][0]).path == "/admin/campaigns/contact/"
    assert said(answer).startswith("Undone: "), said(answer)
    assert state() == before
    made = AuditEntry.objects.order_by("pk")[recorded:]
    assert [entry.action for entry in made] == LEFT[name]
    assert {entry.actor for entry in made} == {f"operator-{world.home.pk}"}
    assert not UndoableChange.objects.exists()
    world.hold(client)  # a second undo must not touch what came after
    after = state()
    assert "There is nothing to undo" in said(client.post(button(page), follow=True))
    assert state() == after


@pytest.mark.parametrize("name", ACTIONS)
def test_after_a_minute_of_the_database_it_is_too_late(world: World, sign_in: SignIn, name: str) -> None:
    client = sign_in(world.home, "operator")
    page = world.actions()[name](client)
    done = state()
    UndoableAction.objects.update(done_at=F("done_at") - timedelta(seconds=61))
    answer = client.post(button(page), follow=True)
    assert said(answer).startswith("It is too late to undo this: a minute is over.")
    assert said(answer).endswith("instead.")
    assert state() == done


def test_the_clock_of_this_machine_does_not_count(world: World, sign_in: SignIn, frozen: Any) -> None:
    client, before = sign_in(world.home, "operator"), state()
    page = world.bulk("hold")(client)
    frozen.shift(timedelta(seconds=300))
    client.post(button(page))
    assert state() == before


@pytest.mark.parametrize("name", ACTIONS)
def test_nobody_else_undoes_it(world: World, sign_in: SignIn, stranger: Organization, name: str) -> None:
    page = world.actions()[name](sign_in(world.home, "operator"))
    done = state()
    for other in (sign_in(world.home, "admin"), sign_in(stranger, "admin"), sign_in()):
        assert "There is nothing to undo" in said(other.post(button(page), follow=True))
    assert Client().post(button(page)).status_code == 302
    assert state() == done


@pytest.mark.parametrize("name", ACTIONS)
def test_the_right_is_asked_again(world: World, sign_in: SignIn, name: str) -> None:
    client = sign_in(world.home, "operator")
    page = world.actions()[name](client)
    done = state()
    Membership.objects.update(role="viewer")
    assert client.post(button(page)).status_code == 403
    assert state() == done


def test_an_action_without_effect_has_no_button(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.home, "operator")
    entries.add(world.home, world.people[0].phone, reason="Before", source="eve")
    assert not button(world.list_one(client)), "the entry is older"
    world.bulk("add-to-list")(client)
    assert not button(world.bulk("add-to-list")(client))
    get = client.get(reverse("undo", args=["00000000-0000-4000-8000-000000000000"]))
    assert get.status_code == 302


def test_the_way_back_stays_on_this_site(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.home, "operator")
    answer = client.post(button(world.hold(client)), {"next": "https://example.org/"})
    assert answer["Location"] == "/admin/"


# What anybody decided since stays: a hold.


def _lifted_and_held(world: World) -> None:
    recipients.unhold(world.people[0], actor="eve")
    recipients.hold(world.people[0], actor="eve", reason="By mistake")


@pytest.mark.parametrize(
    "since",
    [
        lambda world: recipients.hold(world.people[0], actor="eve", reason="By mistake"),
        lambda world: recipients.hold(world.people[0], actor="eve", until=timezone.now() + timedelta(days=3)),
        lambda world: recipients.hold_many(world.people, actor="eve", reason="Longer, or as long"),
        lambda world: recipients.hold_many(world.people, actor="eve", until=timezone.now() + timedelta(hours=1)),
        _lifted_and_held,
        lambda world: recipients.unhold(world.people[0], actor="eve"),
        lambda world: Contact.objects.filter(pk=world.people[0].pk).update(hold_reason="Written by a command"),
        lambda world: erasure.erase(world.people[0], actor="eve", reason="Asked", never_again=False),
    ],
)
def test_a_hold_that_was_decided_anew_stays(world: World, sign_in: SignIn, since: Callable[[World], Any]) -> None:
    client = sign_in(world.home, "operator")
    page = world.hold(client)
    since(world)
    after = state()
    assert "Nothing was undone. 1 contact stays as it is" in said(client.post(button(page), follow=True))
    assert state() == after


def test_what_has_nothing_to_do_with_the_hold_does_not_matter(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.home, "operator")
    page = world.hold(client)
    Contact.objects.filter(pk=world.people[0].pk).update(name="Other")
    world.bulk("add-to-list")(client)
    assert said(client.post(button(page), follow=True)).startswith("Undone: the hold of 1 contact is as it was before.")
    assert not Contact.objects.get(pk=world.people[0].pk).on_hold


# A number on the do-not-call list.


def _by_a_program(world: World, client_for: KeyMaker, reason: str) -> None:
    program: ApiClient = client_for(world.home)
    answer = program.post("/api/v1/do-not-call/", {"phone": world.people[0].phone, "reason": reason})
    assert answer.status_code == 200, answer.content


def _changed_by_a_program(world: World, client_for: KeyMaker, reason: str) -> None:
    entry = DoNotCall.objects.get(phone=world.people[0].phone)
    answer = client_for(world.home).patch(f"/api/v1/do-not-call/{entry.uuid}/", {"reason": reason})
    assert answer.status_code == 200, answer.content


def _by_hash(world: World, client_for: KeyMaker, reason: str) -> None:
    entry = DoNotCall.objects.get(phone=world.people[0].phone)
    entries.add_hash(world.home, entry.phone_hash, reason=reason, source="dial journal", expires_at=None)


def _added(world: World, client_for: KeyMaker, reason: str) -> None:
    """As `calls/outcomes/opt_out.py` does."""
    entries.add(world.home, world.people[0].phone, reason=reason, source="opt-out")


def _added_with_others(world: World, client_for: KeyMaker, reason: str) -> None:
    entries.add_many(world.home, [each.phone for each in world.people[::2]], reason=reason, source="import")


AGAIN = [_by_a_program, _changed_by_a_program, _by_hash, _added, _added_with_others]
UNCHANGED = (_changed_by_a_program, "By mistake")  # an object that is sent back as it is: nothing is decided


@pytest.mark.parametrize(
    ("again", "reason"),
    [
        (again, reason)
        for again in AGAIN
        for reason in ("Stop calling", "By mistake", "")
        if (again, reason) != UNCHANGED
    ],
)
def test_a_number_that_anybody_listed_again_stays_listed(
    world: World, sign_in: SignIn, client_for: KeyMaker, again: Callable[[World, KeyMaker, str], None], reason: str
) -> None:
    client = sign_in(world.home, "operator")
    page = world.bulk("do-not-call")(client)
    again(world, client_for, reason)
    kept = set(DoNotCall.objects.exclude(phone=world.people[1].phone).values_list("pk", "reason", "source"))
    assert "1 number stays as it is, because it was changed or confirmed since." in said(
        client.post(button(page), follow=True)
    )
    assert set(DoNotCall.objects.values_list("pk", "reason", "source")) == kept


def test_an_entry_that_was_there_before_stays(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.home, "operator")
    client.post(button(world.bulk("do-not-call", reason="Asked again")(client)))
    [entry] = DoNotCall.objects.all()
    assert (entry.phone, entry.reason, entry.source) == (world.people[2].phone, "Asked again", "eve")


@postgresql
@pytest.mark.django_db(transaction=True)
def test_a_listing_under_way_is_waited_for(organization: Organization) -> None:
    """The person opts out in a call while a team member undoes the addition of the same number."""
    phone, user = "+33612345600", User.objects.create(username="ada")
    undoable = Undoable(Kind.BAR, user.pk)
    entries.add(organization, phone, reason="By mistake", source="ada", undoable=undoable)
    action = undo.found(undoable.uuid, user.pk)
    with transaction.atomic():
        lock_everyone(organization, [phone])
        beside = Beside(lambda: undo.undo(action, actor="ada"))
        assert beside.waits_for_a_lock()
        entries.add(organization, phone, reason="", source="opt-out")
    assert beside.join().restored == 0
    assert DoNotCall.objects.filter(phone=phone).exists()


@pytest.mark.django_db(transaction=True)
def test_the_dial_journal_is_told_both_ways(
    organization: Organization, sign_in: SignIn, settings: Any, tmp_path: Path
) -> None:
    world, client = World(organization), sign_in(organization, "operator")
    settings.DIAL_JOURNAL = tmp_path / "journal"
    for act, kinds in ((world.bulk("do-not-call"), ("listed", "unlisted")), (world.bulk("hold"), ("held", "unheld"))):
        page = act(client)
        client.post(button(page))
        lines = "".join(path.read_text() for path in settings.DIAL_JOURNAL.glob("*.jsonl"))
        assert all(f'"kind":"{kind}"' in lines for kind in kinds), lines


# Lists and their campaigns.


@pytest.fixture
def ongoing(number: PhoneNumber) -> Campaign:
    """A started campaign that adds new contacts, with one recipient."""
    made = support.campaign(number, support.people(number.organization, ["+12125550150"]), ongoing=True)
    campaigns.start(made, actor="ada")
    launching.step(made.pk)
    return made


def added(campaign: Campaign, *contacts: Contact) -> UndoableAction:
    user, _ = User.objects.get_or_create(username="ada")
    undoable = Undoable(Kind.ADD, user.pk)
    chosen = campaign.contact_lists.get()
    with transaction.atomic():
        list_members.add(chosen, contacts, launching.locked_users_of(chosen.pk), actor="ada", undoable=undoable)
    return undo.found(undoable.uuid, user.pk)


def new(campaign: Campaign, phone: str = "+12125550151") -> Contact:
    return Contact.objects.create(organization=campaign.organization, phone=phone)


def test_recipients_that_an_addition_made_go_with_it(ongoing: Campaign) -> None:
    before, contact = state(), new(ongoing)
    known = Recipient.objects.get().contact
    action = added(ongoing, contact, known)
    assert ongoing.recipients.count() == 2
    assert undo.undo(action, actor="ada") == undo.Result(restored=1, stayed=0, still_called=0)
    assert {name: value for name, value in state().items() if name != "holds"} == {
        name: value for name, value in before.items() if name != "holds"
    }


def test_a_recipient_whose_call_is_queued_stays_and_is_counted(ongoing: Campaign) -> None:
    action = added(ongoing, new(ongoing))
    enqueueing.feed(ongoing.pk)
    assert Call.objects.count() == 2
    assert undo.undo(action, actor="ada") == undo.Result(restored=1, stayed=0, still_called=1)
    assert ongoing.recipients.count() == 2


def test_a_recipient_that_another_list_has_stays(ongoing: Campaign) -> None:
    contact = new(ongoing)
    action = added(ongoing, contact)
    other = ContactList.objects.create(organization=ongoing.organization, name="Others")
    ongoing.contact_lists.add(other)
    ContactListMember.objects.create(contact_list=other, contact=contact)
    assert undo.undo(action, actor="ada").still_called == 1
    assert ongoing.recipients.filter(contact=contact).exists()


def test_an_import_of_the_same_contact_keeps_it_on_the_list(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.home, "operator")
    page = world.bulk("add-to-list")(client)
    file = SimpleUploadedFile("people.csv", b"phone,name\n+33612345600,Ada 0\n")
    row = ContactImport.objects.create(
        organization=world.home, contact_list=world.list, filename="people.csv", file=file, mapping={"phone": "phone"}
    )
    _imported(row)
    assert "Undone: 1 contact was taken off the list. 1 contact stays" in said(client.post(button(page), follow=True))
    assert world.list.members.filter(contact=world.people[0]).exists()
    assert not world.list.members.filter(contact=world.people[1]).exists()


def _imported(row: ContactImport) -> None:
    while not job.run_step(row.pk):
        pass
    row.refresh_from_db()
    assert row.status == ContactImport.Status.COMPLETED, (row.status, row.error)


def test_a_member_comes_back_with_its_import_unless_that_is_undone(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.home, "operator")
    origin = ContactImport.objects.create(organization=world.home, contact_list=world.list, filename="people.csv")
    world.list.members.update(created_by_import=origin)
    before = state()
    client.post(button(world.bulk("remove-from-list")(client)))
    assert state() == before
    page = world.bulk("remove-from-list")(client)
    ContactImport.objects.update(status=ContactImport.Status.UNDONE)
    assert "Nothing was undone. 1 contact stays" in said(client.post(button(page), follow=True))
    assert not world.list.members.exists()


def test_who_comes_back_on_the_list_of_an_ongoing_campaign_is_called(ongoing: Campaign) -> None:
    """The campaign was made ongoing, and started, while the contact was off the list."""
    user = User.objects.create(username="ada")
    contact, chosen = new(ongoing), ongoing.contact_lists.get()
    ContactListMember.objects.create(contact_list=chosen, contact=contact)
    undoable = Undoable(Kind.REMOVE, user.pk)
    with transaction.atomic():
        list_members.remove(chosen, [contact], actor="ada", undoable=undoable)
    undo.undo(undo.found(undoable.uuid, user.pk), actor="ada")
    assert ongoing.recipients.filter(contact=contact).exists()


# What waited waits again, under the rules of the gate.


def test_who_was_held_waits_again_under_all_rules(running: Campaign, recipient: Recipient) -> None:
    user, contact = User.objects.create(username="ada"), recipient.contact
    undoable = Undoable(Kind.HOLD, user.pk)
    recipients.hold(contact, actor="ada", undoable=undoable)
    assert enqueueing.feed(running.pk) == 0
    running.organization.calls_stopped = True
    running.organization.save()
    undo.undo(undo.found(undoable.uuid, user.pk), actor="ada")
    support.look()
    assert enqueueing.feed(running.pk) == 0, "the rules hold"
    running.organization.calls_stopped = False
    running.organization.save()
    support.look()
    assert enqueueing.feed(running.pk) == 1


def test_a_recipient_that_the_entry_ended_stays_ended(running: Campaign, recipient: Recipient) -> None:
    user = User.objects.create(username="ada")
    undoable = Undoable(Kind.BAR, user.pk)
    entries.add(running.organization, recipient.contact.phone, reason="x", source="ada", undoable=undoable)
    enqueueing.feed(running.pk)
    support.look()
    recipient.refresh_from_db()
    assert recipient.status == Recipient.Status.SKIPPED
    undo.undo(undo.found(undoable.uuid, user.pk), actor="ada")
    support.look()
    recipient.refresh_from_db()
    assert (recipient.status, enqueueing.feed(running.pk)) == (Recipient.Status.SKIPPED, 0)


# What is kept.


def test_an_undo_that_failed_halfway_continues(world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    client, before = sign_in(world.home, "operator"), state()
    page = world.bulk("hold")(client)
    monkeypatch.setattr(undo, "AT_ONCE", 1)
    real, times = recipients.undo_hold, []

    def failing(keys: Any, actor: str) -> int:
        times.append(1)
        if len(times) == 2:
            raise OSError
        return real(keys, actor)

    monkeypatch.setattr(recipients, "undo_hold", failing)
    client.raise_request_exception = False
    assert client.post(button(page)).status_code == 500
    assert UndoableChange.objects.count() == 2
    client.post(button(page))
    assert state() == before


def test_erasing_a_contact_deletes_what_was_kept_about_it(world: World, sign_in: SignIn) -> None:
    world.bulk("hold")(sign_in(world.home, "operator"))
    erasure.erase(world.people[2], actor="eve", reason="Asked", never_again=False)
    assert "On a journey" not in str(list(UndoableChange.objects.values_list("before", flat=True)))
    assert UndoableChange.objects.count() == 2


def test_an_action_is_kept_for_a_day(world: World, sign_in: SignIn) -> None:
    world.bulk("hold")(sign_in(world.home, "operator"))
    leftovers.purge(timezone.now())
    assert UndoableChange.objects.count() == 3
    leftovers.purge(timezone.now() + timedelta(hours=25))
    assert not UndoableAction.objects.exists() and not UndoableChange.objects.exists()
