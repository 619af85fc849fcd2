"""Random actions, decisions of others and undos: the database has what a model of plain dictionaries has.

The model says what an undo means: a thing has a value and a stamp, the number of the last decision about it. An undo
gives a thing its value back if it still has the stamp of the action that is undone.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from calls.actions import barring, recipients, undo
from campaigns import launching, list_members
from campaigns.do_not_call import entries
from campaigns.models import Contact, ContactList, ContactListMember, DoNotCall
from campaigns.undoable import Kind, Undoable
from tenants.models import Organization

pytestmark = pytest.mark.django_db
STEPS, PEOPLE, LISTS = 40, 5, 2
NOON = datetime(2090, 6, 1, 12, tzinfo=UTC)
FREE = (False, None, "")
Hold = tuple[bool, datetime | None, str]
Thing = tuple[Any, ...]


@dataclass
class Model:
    """The value and the stamp of each thing: `("hold", contact)`, `("member", list, contact)`, `("entry", number)`."""

    values: dict[Thing, Any] = field(default_factory=dict)
    stamps: dict[Thing, int] = field(default_factory=dict)
    clock: int = 0

    def decide(self, thing: Thing, value: Any) -> tuple[Thing, Any, int]:
        """Give a thing a value, and return what an undo needs."""
        before = self.values.get(thing)
        self.clock += 1
        self.values[thing], self.stamps[thing] = value, self.clock
        return thing, before, self.clock

    def undo(self, changes: list[tuple[Thing, Any, int]]) -> int:
        undone = 0
        for thing, before, stamp in changes:
            if self.stamps[thing] == stamp:
                self.decide(thing, before)
                undone += 1
        return undone


class Run:
    def __init__(self, home: Organization, user: User, seed: int) -> None:
        self.home, self.user, self.random, self.model = home, user, random.Random(seed), Model()
        self.people = [Contact.objects.create(organization=home, phone=f"+3361234560{n}") for n in range(PEOPLE)]
        self.lists = [ContactList.objects.create(organization=home, name=f"List {n}") for n in range(LISTS)]
        self.actions: list[tuple[Undoable, list[tuple[Thing, Any, int]]]] = []

    def some(self) -> list[int]:
        return self.random.sample(range(PEOPLE), self.random.randint(1, 3))

    def step(self) -> None:
        act = self.random.choice([self.hold, self.hold_many, self.unhold, self.add, self.remove, self.list_, self.undo])
        act(self.random.random() < 0.6)

    def _begun(self, kind: Kind, mine: bool) -> Undoable | None:
        return Undoable(kind, self.user.pk) if mine else None

    def _done(self, undoable: Undoable | None, changes: list[tuple[Thing, Any, int]]) -> None:
        if undoable:
            assert undoable.size == len(changes)
            if changes:
                self.actions.append((undoable, changes))

    def _until(self) -> datetime | None:
        return self.random.choice([None, NOON, NOON + timedelta(days=1)])

    def hold(self, mine: bool) -> None:
        undoable, who, until = self._begun(Kind.HOLD, mine), self.random.randrange(PEOPLE), self._until()
        reason = self.random.choice("ab")
        recipients.hold(self.people[who], actor="x", until=until, reason=reason, undoable=undoable)
        self._done(undoable, [self.model.decide(("hold", who), (True, until, reason))])

    def hold_many(self, mine: bool) -> None:
        undoable, some, until = self._begun(Kind.HOLD, mine), self.some(), self._until()
        recipients.hold_many(
            [self.people[who] for who in some], actor="x", until=until, reason="many", undoable=undoable
        )
        changes = []
        for who in some:
            held, present, _ = self.model.values.get(("hold", who)) or FREE
            if held and (present is None or (until is not None and present >= until)):
                self.model.decide(("hold", who), self.model.values["hold", who])  # confirmed
            else:
                changes.append(self.model.decide(("hold", who), (True, until, "many")))
        self._done(undoable, changes)

    def unhold(self, mine: bool) -> None:
        who = self.random.randrange(PEOPLE)
        recipients.unhold(self.people[who], actor="x")
        self.model.decide(("hold", who), FREE)

    def add(self, mine: bool) -> None:
        undoable, some, chosen = self._begun(Kind.ADD, mine), self.some(), self.random.randrange(LISTS)
        self._members(list_members.add, undoable, chosen, some, True)

    def remove(self, mine: bool) -> None:
        undoable, some, chosen = self._begun(Kind.REMOVE, mine), self.some(), self.random.randrange(LISTS)
        self._members(list_members.remove, undoable, chosen, some, False)

    def _members(
        self, act: Callable[..., int], undoable: Undoable | None, chosen: int, some: list[int], wanted: bool
    ) -> None:
        contacts, changes = [self.people[who] for who in some], []
        with transaction.atomic():
            used = (launching.locked_users_of(self.lists[chosen].pk),) if wanted else ()
            act(self.lists[chosen], contacts, *used, actor="x", undoable=undoable)
        for who in some:
            was = bool(self.model.values.get(("member", chosen, who)))
            change = self.model.decide(("member", chosen, who), wanted)
            if was != wanted:
                changes.append(change)
        self._done(undoable, changes)

    def list_(self, mine: bool) -> None:
        undoable, some, reason = self._begun(Kind.BAR, mine), self.some(), self.random.choice(["", "a", "b"])
        phones, source, changes = [self.people[who].phone for who in some], self.random.choice("pq"), []
        if mine:
            barring.bar(self.home, phones, reason=reason, actor=source, undoable=undoable)
        else:
            for phone in phones:
                entries.add(self.home, phone, reason=reason, source=source)
        for phone in phones:
            present = self.model.values.get(("entry", phone))
            value = (reason or present[0], present[1]) if present else (reason, source)
            change = self.model.decide(("entry", phone), value)
            if not present:
                changes.append(change)
        self._done(undoable, changes)

    def undo(self, mine: bool) -> None:
        if not self.actions:
            return
        undoable, changes = self.actions.pop(self.random.randrange(len(self.actions)))
        expected = self.model.undo(changes)
        result = undo.undo(undo.found(undoable.uuid, self.user.pk), actor="x")
        assert (result.restored, result.stayed) == (expected, len(changes) - expected)

    def check(self) -> None:
        values = self.model.values
        for who, contact in enumerate(self.people):
            contact.refresh_from_db()
            hold: Hold = (contact.on_hold, contact.hold_until, contact.hold_reason)
            assert hold == (values.get(("hold", who)) or FREE), who
        members = set(ContactListMember.objects.values_list("contact_list", "contact"))
        assert members == {
            (self.lists[thing[1]].pk, self.people[thing[2]].pk)
            for thing, value in values.items()
            if thing[0] == "member" and value
        }
        listed = {phone: (reason, source) for phone, reason, source in self._listed()}
        assert listed == {thing[1]: value for thing, value in values.items() if thing[0] == "entry" and value}

    def _listed(self) -> Any:
        return DoNotCall.objects.values_list("phone", "reason", "source")


@pytest.mark.parametrize("seed", range(12))
def test_the_state_is_that_of_the_model(organization: Organization, seed: int) -> None:
    run = Run(organization, User.objects.create(username="ada"), seed)
    for _ in range(STEPS):
        run.step()
        run.check()
