"""First calls use assistants by their weights and caller numbers equally, through the real enqueueing.

The expected shares are counted from the stored recipients: who holds an assistant and a number was given a first call.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from calls.actions import scheduled_callbacks
from calls.dialing import enqueueing, placing
from calls.dialing.dequeueing import dequeue
from calls.gate.selection import Choices
from calls.models import Call, Status
from calls.reports.explain import explain
from campaigns.models import Campaign, CampaignVariant, Contact, Recipient
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization, Tenant
from tests.calls import support
from tests.conftest import examples

pytestmark = pytest.mark.django_db
AREAS = ("212", "305", "415")
PROVIDERS = ("allomia", "callingbox", "plumvoice")
S = Recipient.Status


@pytest.fixture
def line(organization: Organization) -> PhoneNumber:
    return support.reach(organization, "http://127.0.0.1:9", "allomia", max_open_calls=500)


def add_number(line: PhoneNumber, n: int, area: str = "646", **fields: Any) -> PhoneNumber:
    e164, home = f"+1{area}555{n:04d}", line.organization
    return PhoneNumber.objects.create(organization=home, account=line.account, e164=e164, external_id="x", **fields)


def running(line: PhoneNumber, ids: Sequence[int], extra: Sequence[PhoneNumber] = (), **fields: Any) -> Campaign:
    """A running campaign whose contacts have these internal keys, all due."""
    home = line.organization
    known = set(Contact.objects.filter(pk__in=ids).values_list("pk", flat=True))
    missing = [n for n in ids if n not in known]
    phones = (f"+1{AREAS[n % 3]}{5_000_000 + n % 1_000_000}" for n in missing)
    made = (Contact(pk=n, organization=home, phone=phone) for n, phone in zip(missing, phones, strict=True))
    Contact.objects.bulk_create(made)
    found = support.campaign(line, support.people(home, []), status=Campaign.Status.RUNNING, retries=3, **fields)
    found.phone_numbers.add(*extra)
    now = timezone.now()
    Recipient.objects.bulk_create(
        Recipient(campaign=found, contact_id=n, next_attempt_at=now - timedelta(minutes=1), sort_key=place)
        for place, n in enumerate(ids)
    )
    return found


def use(made: Campaign) -> list[int]:
    """How often each caller number of the campaign has made a first call, in ascending order."""
    used = Counter(made.recipients.exclude(phone_number=None).values_list("phone_number", flat=True))
    return sorted(used[pk] for pk in made.phone_numbers.values_list("pk", flat=True))


def end(calls: Sequence[Call]) -> None:
    """The calls ended busy, and their recipients are due again."""
    then, people = timezone.now() - timedelta(seconds=1), [call.recipient_id or 0 for call in calls]
    ended = Call.objects.filter(pk__in=[call.pk for call in calls])
    ended.update(status=Status.BUSY, dialed_at=then, ended_at=then, terminal_at=then)
    Recipient.objects.filter(pk__in=people).update(attempts=1, status=S.WAITING, next_attempt_at=then)


# Sets of people.


@pytest.mark.parametrize("numbers", [1, 2, 3, 7])
@pytest.mark.parametrize("stride", [1, 2, 3, 7, 14, 50])
def test_every_stride_of_ids_uses_the_numbers_equally_after_every_step(
    line: PhoneNumber, numbers: int, stride: int
) -> None:
    made = running(line, range(70_000, 70_000 + 31 * stride, stride), [add_number(line, n) for n in range(1, numbers)])
    for at_most in (1, 2, 5, 1, 9, 13):
        assert enqueueing.feed(made.pk, at_most) == at_most
        assert max(use(made)) - min(use(made)) <= 1
    assert sum(use(made)) == 31


def test_recipients_who_may_not_be_called_take_no_turn(line: PhoneNumber) -> None:
    """Every second of the due recipients is on hold: the others use both numbers."""
    made = running(line, range(500, 540), [add_number(line, 1)])
    Contact.objects.filter(pk__in=range(500, 540, 2)).update(on_hold=True)
    for _ in range(20):
        assert enqueueing.feed(made.pk, 1) == 1
        assert max(use(made)) - min(use(made)) <= 1
    assert use(made) == [10, 10]


class AnyPeopleInAnySteps(TestCase):
    """Campaigns beside each other, in steps of any size, with calls that end, are retried and dequeued."""

    @examples(8, proof=100)
    @given(
        st.lists(st.tuples(st.integers(1, 9), st.integers(1, 4)), min_size=1, max_size=3),
        st.sampled_from(list(Campaign.NumberChoice)),
        st.integers(1, 50),
        st.lists(st.tuples(st.sampled_from(["feed", "dequeue", "end"]), st.integers(0, 2**16)), max_size=25),
    )
    def test(self, ways: list[tuple[int, int]], number_choice: str, stride: int, steps: list[tuple[str, int]]) -> None:
        """`ways`: for each account, the weight of its assistant and how many caller numbers it has."""
        campaigns = [self.campaign(ways, number_choice, stride, 3_000_000 + 1_000 * n) for n in range(2)]
        highest: defaultdict[Any, int] = defaultdict(int)
        for what, seed in steps:
            rng = random.Random(seed)
            made = rng.choice(campaigns)
            if what == "feed":
                enqueueing.feed(made.pk, rng.randint(1, 12))
            else:
                queued = list(made.calls.queued())
                chosen = rng.sample(queued, rng.randint(0, min(8, len(queued))))
                if what == "end":
                    end(chosen)
                else:
                    for call in chosen:
                        assert dequeue(call, "test", "Dequeued.", timezone.now())
            self.check(campaigns, ways, highest)
        for made in campaigns:
            while enqueueing.feed(made.pk):
                pass
            assert not made.recipients.filter(phone_number=None).exists()
        self.check(campaigns, ways, highest)
        for recipient in Recipient.objects.prefetch_related("calls").filter(attempts=1):
            sent = [call for call in recipient.calls.all() if call.status != Status.CANCELED]
            assert {(call.assistant_id, call.phone_number_id) for call in sent} == {
                (recipient.assistant_id, recipient.phone_number_id)
            }

    def campaign(self, ways: list[tuple[int, int]], number_choice: str, stride: int, base: int) -> Campaign:
        home = Organization.objects.filter(name="O").first() or Organization.objects.create(
            tenant=Tenant.objects.create(name="T"), name="O", default_region="US"
        )
        lines = []
        for place, (_, count) in enumerate(ways):
            line = PhoneNumber.objects.filter(account__provider=PROVIDERS[place]).first()
            if line is None:
                line = support.reach(home, "http://127.0.0.1:9", PROVIDERS[place], max_open_calls=500)
                for n in range(1, count):
                    add_number(line, 1000 * place + n, AREAS[n % 2])
            lines.append(line)
        extra = list(PhoneNumber.objects.all())
        ids = random.Random(base + stride).sample(range(base, base + 40 * stride, stride), 30)
        made = running(lines[0], ids, extra, number_choice=number_choice, assistant_weight=ways[0][0])
        for line, (weight, _) in zip(lines[1:], ways[1:], strict=True):
            CampaignVariant.objects.create(campaign=made, assistant=line.account.assistants.get(), weight=weight)
        return made

    def check(self, campaigns: Sequence[Campaign], ways: Sequence[tuple[int, int]], highest: dict[Any, int]) -> None:
        """Once as many first calls were made as ever before, each group is used within one call of its shares."""
        for key, used, shares in self.groups(campaigns, [weight for weight, _ in ways]):
            total = sum(used.values())
            if total >= highest[key]:
                highest[key] = total
                exact = {name: Fraction(total * share, sum(shares.values())) for name, share in shares.items()}
                assert all(abs(used[name] - exact[name]) < 1 for name in shares), (key, used, shares)

    def groups(
        self, campaigns: Sequence[Campaign], weights: Sequence[int]
    ) -> Iterator[tuple[Any, Counter[int], dict[int, int]]]:
        numbers = list(PhoneNumber.objects.order_by("pk"))
        assistants = list(Assistant.objects.order_by("pk"))
        for made in campaigns:
            rows = list(made.recipients.exclude(phone_number=None).select_related("contact", "phone_number"))
            used = Counter(row.assistant_id or 0 for row in rows)
            yield (made.pk, "a"), used, {a.pk: w for a, w in zip(assistants, weights, strict=True)}
            by_group: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
            for row in rows:
                mine = [n for n in numbers if row.phone_number and n.account_id == row.phone_number.account_id]
                if made.number_choice == "local":  # the first five characters: +1 and the area code
                    mine = [n for n in mine if n.e164[:5] == row.contact.phone[:5]] or mine
                by_group[tuple(n.pk for n in mine)][row.phone_number_id or 0] += 1
            for group, counts in by_group.items():
                yield (made.pk, group), counts, dict.fromkeys(group, 1)


# What is not a first call, and what comes and goes.


def test_turns_of_dequeued_calls_are_given_back(line: PhoneNumber) -> None:
    """All queued calls of one number are dequeued; whoever is called next makes the use equal again."""
    made = running(line, range(40), [add_number(line, 1), add_number(line, 2)])
    assert enqueueing.feed(made.pk, 18) == 18
    for call in made.calls.queued().filter(phone_number=line):
        assert dequeue(call, "test", "Dequeued.", timezone.now())
    assert use(made) == [0, 6, 6]
    made.recipients.filter(calls__phone_number=line).update(status=S.WITHDRAWN)
    assert enqueueing.feed(made.pk, 6) == 6
    assert use(made) == [6, 6, 6]


def test_a_number_added_in_mid_run_makes_up_for_nothing(line: PhoneNumber) -> None:
    made = running(line, range(70), [add_number(line, 1)])
    assert enqueueing.feed(made.pk, 40) == 40
    made.phone_numbers.add(add_number(line, 2))
    assert enqueueing.feed(made.pk, 30) == 30
    assert use(made) == [10, 30, 30]


def test_a_number_that_was_switched_off_makes_up_for_nothing(line: PhoneNumber) -> None:
    other = add_number(line, 1)
    made = running(line, range(120), [other, add_number(line, 2)])
    assert enqueueing.feed(made.pk, 30) == 30
    PhoneNumber.objects.filter(pk=other.pk).update(is_active=False)
    assert enqueueing.reroute(timezone.now()) == 10
    assert enqueueing.feed(made.pk, 40) == 40
    assert use(made) == [0, 30, 30]
    PhoneNumber.objects.filter(pk=other.pk).update(is_active=True)
    assert enqueueing.feed(made.pk, 30) == 30
    assert use(made) == [10, 40, 40]


def test_a_number_without_a_free_line_is_passed_over_and_makes_up_for_nothing(line: PhoneNumber) -> None:
    PhoneNumber.objects.filter(pk=line.pk).update(max_open_calls=2)
    made = running(line, range(60), [add_number(line, 1)])
    assert enqueueing.feed(made.pk, 20) == 20
    assert use(made) == [2, 18]
    PhoneNumber.objects.filter(pk=line.pk).update(max_open_calls=100)
    assert enqueueing.feed(made.pk, 20) == 20
    assert abs(use(made)[0] - 12) <= 1, "half of the last twenty, as far as a round was complete before"


def test_resting_numbers_take_one_call_each(line: PhoneNumber) -> None:
    extra = [add_number(line, n) for n in range(1, 4)]
    PhoneNumber.objects.update(rest_seconds=30)
    made = running(line, range(10), extra)
    assert enqueueing.feed(made.pk) == 4
    assert use(made) == [1, 1, 1, 1]


def test_an_account_that_has_no_room_keeps_its_turn(line: PhoneNumber) -> None:
    """The shares hold at every moment: the other assistant does not run ahead."""
    other = support.reach(line.organization, "http://127.0.0.1:9", "callingbox", max_open_calls=4)
    made = running(line, range(60), [other], assistant_weight=1)
    CampaignVariant.objects.create(campaign=made, assistant=other.account.assistants.get(), weight=1)
    assert 8 <= enqueueing.feed(made.pk) <= 9
    by_account = Counter(made.calls.values_list("account", flat=True))
    assert by_account[other.account_id] == 4


def test_recipients_who_wait_for_an_assistants_account_leave_the_turn_to_the_others(line: PhoneNumber) -> None:
    """An account's daily budget is spent: its share of the recipients waits for it, the others are called."""
    other = support.reach(line.organization, "http://127.0.0.1:9", "callingbox", price_per_minute=1, daily_budget=0)
    ProviderAccount.objects.filter(pk=line.account_id).update(price_per_minute=0)
    made = running(line, range(40), [other], assistant_weight=1)
    CampaignVariant.objects.create(campaign=made, assistant=other.account.assistants.get(), weight=1)
    assert enqueueing.feed(made.pk) == 20
    waiting = made.recipients.filter(reason="account_budget")
    assert waiting.filter(assistant__account=other.account, phone_number=None).count() == waiting.count() == 20
    ProviderAccount.objects.filter(pk=other.account_id).update(daily_budget=None)
    waiting.update(next_attempt_at=timezone.now())
    assert enqueueing.feed(made.pk) == 20
    assert Counter(made.calls.values_list("account", flat=True)) == {line.account_id: 20, other.account_id: 20}


def test_retries_take_no_turn_of_first_calls(line: PhoneNumber) -> None:
    """Recipients whose number is gone are spread too, and first calls stay equal."""
    gone, extra = add_number(line, 1), [add_number(line, 2), add_number(line, 3)]
    made = running(line, range(30), [gone, *extra])
    assert enqueueing.feed(made.pk, 12) == 12
    end(list(made.calls.queued()))
    PhoneNumber.objects.filter(pk=gone.pk).update(is_active=False)
    Recipient.objects.filter(attempts=1).update(sort_key=-1)
    assert enqueueing.feed(made.pk) == 30
    retried = Counter(made.calls.filter(attempt=2).values_list("phone_number", flat=True))
    assert sorted(retried.values()) == [4, 4, 4], "3 of their own, and 1 of the number that is gone"
    assert use(made) == [3, 9, 9, 9]


def test_a_scheduled_callback_before_the_first_call_takes_a_turn(line: PhoneNumber) -> None:
    made = running(line, range(20), [add_number(line, 1)])
    now = timezone.now()
    for recipient in made.recipients.order_by("sort_key")[:6]:
        scheduled_callbacks.schedule(recipient, now + timedelta(minutes=1), actor="a")
    assert scheduled_callbacks.queue_due(now + timedelta(minutes=2)) == 6
    assert use(made) == [3, 3]
    assert enqueueing.feed(made.pk) == 14
    assert use(made) == [10, 10]


# Who only asks.


def test_questions_change_nothing_and_name_what_the_engine_then_uses(line: PhoneNumber) -> None:
    made = running(line, range(9), [add_number(line, n) for n in range(1, 4)])
    for recipient in made.recipients.order_by("sort_key"):
        before = Campaign.objects.get(pk=made.pk).rotation
        asked = [Choices(Campaign.objects.get(pk=made.pk), timezone.now()).call_for(recipient) for _ in range(3)]
        explain(recipient)
        assert Campaign.objects.get(pk=made.pk).rotation == before
        assert enqueueing.feed(made.pk, 1) == 1
        used = made.calls.get(recipient=recipient).phone_number_id
        assert {call.phone_number_id for call in asked if call} == {used}


def test_an_explanation_passes_over_a_busy_number_as_the_engine_does(line: PhoneNumber) -> None:
    PhoneNumber.objects.filter(pk=line.pk).update(max_open_calls=1)
    made = running(line, range(6), [add_number(line, 1)])
    assert enqueueing.feed(made.pk, 4) == 4
    now = timezone.now()
    at_the_line = Call.objects.filter(phone_number=line)
    support.change(at_the_line, status=Status.IN_PROGRESS, dialed_at=now, next_read_at=now)
    for recipient in made.recipients.filter(status=S.PENDING):
        assert explain(recipient).decision == "allow"


# What it costs.


def test_rotation_asks_the_database_nothing_more(line: PhoneNumber) -> None:
    """A campaign with seven numbers and one with one number make the same queries."""
    first, few = running(line, range(300, 320)), running(line, range(100, 120))
    many = running(line, range(200, 220), [add_number(line, n) for n in range(1, 7)])
    found = []
    for made in (first, few, many):
        with CaptureQueriesContext(connection) as asked:
            assert enqueueing.feed(made.pk, 10) == 10
        found.append(len(asked))
    assert found[1] == found[2], "the first fills the caches"


def test_a_claim_places_what_rotation_has_queued(line: PhoneNumber) -> None:
    made = running(line, range(12), [add_number(line, n) for n in range(1, 3)])
    assert enqueueing.feed(made.pk) == 12
    assert len(placing.claim(line.account_id, 12)) == 12
    placed = Counter(made.calls.filter(status=Status.PLACING).values_list("phone_number", flat=True))
    assert sorted(placed.values()) == [4, 4, 4]
