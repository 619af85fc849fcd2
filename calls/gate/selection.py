"""With what a recipient is called: which of the campaign's assistants, from which caller number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from calls.gate import facts as fact_sheet
from calls.gate.candidate import Candidate
from calls.models import Call
from campaigns.models import Campaign, Contact, Recipient
from campaigns.phones import area_of, country_of
from campaigns.rules import variables
from providers.models import Assistant, PhoneNumber, ProviderAccount

NEVER = datetime.max.replace(tzinfo=UTC)
SPREAD, TURN = 0x6A09E667, 0x9E3779B1  # neighbours fall far apart, and otherwise than in the order of calling


@dataclass(frozen=True)
class Choice:
    """One assistant that people may be called by, and the caller numbers of its account. Weight 0: fallback alone."""

    assistant: Assistant
    weight: int
    numbers: tuple[PhoneNumber, ...]
    usable: bool

    @property
    def account(self) -> ProviderAccount:
        return self.assistant.account


class Person(Protocol):
    """A recipient, or what stands for one in a forecast."""

    contact_id: int
    assistant_id: int | None
    phone_number_id: int | None


class Choices:
    """All that a campaign can call with at a moment, in the order in which one stands in for another."""

    def __init__(self, campaign: Campaign, now: datetime, *, whatever_their_state: bool = False) -> None:
        """`whatever_their_state`: to foresee and to explain, where what is blocked or switched off now counts too."""
        self.campaign = campaign
        numbers = list(campaign.phone_numbers.filter(is_active=True).order_by("pk"))
        self.use = fact_sheet.use_of(numbers, now)
        self._used_so_far = dict(self.use)
        self.all = [_choice(pair, numbers, now, whatever_their_state) for pair in weighted_assistants(campaign)]
        self.usable = [choice for choice in self.all if choice.usable]
        self._total = sum(choice.weight for choice in self.all)

    def accounts(self) -> list[ProviderAccount]:
        """Of the usable choices, each once."""
        return list({choice.account.pk: choice.account for choice in self.usable}.values())

    def numbers(self) -> set[PhoneNumber]:
        """Of the usable choices."""
        return {number for choice in self.usable for number in choice.numbers}

    def calls_left(self, number: PhoneNumber) -> int | None:
        """How many calls a number may still make today; None where it has no cap."""
        return self.use.get(number.pk, fact_sheet.UNUSED).left(number)

    def rests_until(self, number: PhoneNumber, moment: datetime) -> datetime | None:
        """None where it does not rest at that moment."""
        last = self.use.get(number.pk, fact_sheet.UNUSED).last
        until = last and last + timedelta(seconds=number.rest_seconds)
        return until if until and until > moment else None

    def bounds(self, number: PhoneNumber) -> bool:
        """Whether anything bounds what a number may call."""
        return _limited(number) or number.max_open_calls is not None

    def next_at(self, now: datetime) -> datetime | None:
        """When the first of its numbers that are spent for the day, or rest, may call again."""
        return min(filter(None, (self._next_at(number, now) for number in self.numbers())), default=None)

    def _next_at(self, number: PhoneNumber, now: datetime) -> datetime | None:
        if self._full(number):
            first = self.use.get(number.pk, fact_sheet.UNUSED).first
            return first and first + fact_sheet.A_DAY
        return self.rests_until(number, now)

    def shares(self) -> list[tuple[Choice, float]]:
        """The usable choices that new people are called by, and the part of them that each will have."""
        with_weight = [choice for choice in self.usable if choice.weight]
        total = sum(choice.weight for choice in with_weight)
        if total:
            return [(choice, choice.weight / total) for choice in with_weight]
        return [(self.usable[0], 1.0)] if self.usable else []

    def choice_for(self, person: Person) -> Choice | None:
        """The assistant of the person's first call, else their share's; where it cannot call now, the next that can."""
        if not self.usable:
            return None
        own = next((choice for choice in self.all if choice.assistant.pk == person.assistant_id), None)
        own = own or self._by_weight(person.contact_id)
        if own.usable:
            return own
        return next((choice for choice in self._after(own) if choice.usable), None)

    def _by_weight(self, contact_id: int) -> Choice:
        """Shares come out even over any run of neighbours, not only in the long run."""
        if not self._total:
            return self.all[0]
        point = (contact_id * SPREAD + self.campaign.pk * TURN) % 2**32 * self._total >> 32
        for choice in self.all:
            if point < choice.weight:
                return choice
            point -= choice.weight
        raise AssertionError("a point lies within the weights")

    def _after(self, own: Choice) -> list[Choice]:
        place = self.all.index(own)
        others = self.all[place + 1 :] + self.all[:place]
        return sorted(others, key=lambda choice: choice.weight == 0)

    def number_for(self, choice: Choice, person: Person, phone: str) -> PhoneNumber:
        """The number of the person's first call while it may still call today; else by the campaign's rule. Where none
        may call today, the one that may again first: who waits for it need not wait for their own."""
        able = [number for number in choice.numbers if not self._full(number)]
        if not able:
            return min(choice.numbers, key=lambda number: self.use.get(number.pk, fact_sheet.UNUSED).first or NEVER)
        for number in able:
            if number.pk == person.phone_number_id:
                return number
        if self.campaign.number_choice == Campaign.NumberChoice.LOCAL:
            able = nearest(able, phone)
        if any(_limited(number) for number in able):
            return min(able, key=lambda number: (self._used(number), number.pk))
        return able[person.contact_id % len(able)]

    def _used(self, number: PhoneNumber) -> int:
        return self.use.get(number.pk, fact_sheet.UNUSED).count

    def _full(self, number: PhoneNumber) -> bool:
        return self.calls_left(number) == 0

    def another_may_call(self, call: Call, taken: Mapping[int, int]) -> bool:
        """Whether a number of its assistant has calls of the day left, `taken` having just been used by others."""
        numbers = next(choice.numbers for choice in self.all if choice.assistant.pk == call.assistant_id)
        left = {number.pk: self._used_so_far.get(number.pk, fact_sheet.UNUSED).left(number) for number in numbers}
        return any(calls is None or calls > taken.get(pk, 0) for pk, calls in left.items())

    def _took(self, number: PhoneNumber) -> None:
        """The next choice takes this one into account."""
        if _limited(number):
            used = self.use.get(number.pk, fact_sheet.UNUSED)
            self.use[number.pk] = fact_sheet.NumberUse(used.count + 1, used.first, used.last)

    def call_for(self, recipient: Recipient) -> Call | None:
        """The next call to a recipient, not saved and without its variables. None when nothing can call now."""
        choice = self.choice_for(recipient)
        if choice is None:
            return None
        contact: Contact = recipient.contact
        number = self.number_for(choice, recipient, contact.phone)
        self._took(number)
        return Call(
            organization=self.campaign.organization,
            campaign=self.campaign,
            recipient=recipient,
            contact=contact,
            account=choice.account,
            assistant=choice.assistant,
            phone_number=number,
            to_number=contact.phone,
            from_number=number.e164,
            customer_name=contact.name,
            attempt=recipient.attempts + 1,
            callback_url=self.campaign.callback_url,
            not_after=self.campaign.ends_at,
        )


def weighted_assistants(campaign: Campaign) -> list[tuple[Assistant, int]]:
    """The campaign's own assistant first, then its variants."""
    own = [(campaign.assistant, campaign.assistant_weight)] if campaign.assistant else []
    variants = campaign.variants.all()
    if "variants" not in getattr(campaign, "_prefetched_objects_cache", ()):
        variants = variants.select_related("assistant__account").order_by("pk")
    return own + [(variant.assistant, variant.weight) for variant in variants]


def _choice(
    pair: tuple[Assistant, int], numbers: Sequence[PhoneNumber], now: datetime, whatever_its_state: bool
) -> Choice:
    assistant, weight = pair
    account = assistant.account
    own = tuple(number for number in numbers if number.account_id == account.pk)
    works = assistant.is_active and account.is_active and not account.blocked(now)
    return Choice(assistant, weight, own, bool(own) and (works or whatever_its_state))


def _limited(number: PhoneNumber) -> bool:
    return bool(number.rest_seconds) or number.max_calls_per_day is not None


def nearest(numbers: Sequence[PhoneNumber], phone: str) -> list[PhoneNumber]:
    """Those of the person's area code, else of their country, else all."""
    area, country = area_of(phone), country_of(phone)
    same_area = [number for number in numbers if area and number.e164.startswith(area)]
    return same_area or [number for number in numbers if country_of(number.e164) == country] or list(numbers)


def values_for(campaign: Campaign, call: Candidate) -> tuple[dict[str, str], list[str]]:
    """The campaign's variables for this contact. A declared one it does not name comes from the contact's own."""
    return variables.values_for(campaign.variables, call.assistant.variables, call.contact)


def can_go_on(campaign: Campaign, now: datetime) -> bool:
    """Whether any of its assistants can call: none does through an account that is blocked or switched off."""
    return bool(Choices(campaign, now).usable)
