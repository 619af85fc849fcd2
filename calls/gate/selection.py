"""Select the assistant and the caller number for a recipient of a campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from django.db.models import Q

from calls.gate import facts as fact_sheet
from calls.gate.candidate import Candidate
from calls.models import Call
from campaigns.models import Campaign, Contact, Recipient
from campaigns.phones import area_of, country_of
from campaigns.rules import variables
from providers.models import Assistant, PhoneNumber, ProviderAccount

NEVER = datetime.max.replace(tzinfo=UTC)
# Odd constants that scatter neighbouring contacts, differently in each campaign and unlike the order of calling.
SPREAD, TURN = 0x6A09E667, 0x9E3779B1


@dataclass(frozen=True)
class Choice:
    """One assistant of a campaign, and the campaign's caller numbers at its account.

    An assistant of weight 0 calls only as a stand-in. `usable`: it can call now.
    """

    assistant: Assistant
    weight: int
    numbers: tuple[PhoneNumber, ...]
    usable: bool

    @property
    def account(self) -> ProviderAccount:
        return self.assistant.account


class Selectable(Protocol):
    """A recipient, or its stand-in in a forecast. The assistant and caller number are those of its first call."""

    contact_id: int
    assistant_id: int | None
    phone_number_id: int | None


class Choices:
    """What a campaign can call with at a moment, in the order in which one assistant stands in for another."""

    def __init__(self, campaign: Campaign, now: datetime, *, include_unusable: bool = False) -> None:
        """`include_unusable`: count blocked or inactive accounts and inactive assistants too.

        Forecasts and explanations do, because these states can end.
        """
        self.campaign = campaign
        numbers = list(campaign.phone_numbers.filter(is_active=True).order_by("pk"))
        self.use = fact_sheet.use_of(numbers, now)
        self._stored_use = dict(self.use)  # without the calls selected here
        self.all = [_choice(pair, numbers, now, include_unusable) for pair in weighted_assistants(campaign)]
        self.usable = [choice for choice in self.all if choice.usable]
        self._total = sum(choice.weight for choice in self.all)

    def accounts(self) -> list[ProviderAccount]:
        """Return the accounts of the usable choices, each once."""
        return list({choice.account.pk: choice.account for choice in self.usable}.values())

    def numbers(self) -> set[PhoneNumber]:
        """Return the caller numbers of the usable choices."""
        return {number for choice in self.usable for number in choice.numbers}

    def calls_left(self, number: PhoneNumber) -> int | None:
        """Return how many more calls a number may make in its 24 hours. None: it has no cap."""
        return self.use.get(number.pk, fact_sheet.UNUSED).left(number)

    def rests_until(self, number: PhoneNumber, moment: datetime) -> datetime | None:
        """Return the end of the number's rest. None: it does not rest at that moment."""
        last = self.use.get(number.pk, fact_sheet.UNUSED).last
        until = last and last + timedelta(seconds=number.rest_seconds)
        return until if until and until > moment else None

    def is_limited(self, number: PhoneNumber) -> bool:
        """Return whether the number has any limit."""
        return _limited(number) or number.max_open_calls is not None

    def next_at(self, now: datetime) -> datetime | None:
        """Return when the first number that rests, or has reached its daily cap, may call again."""
        return min(filter(None, (self._next_at(number, now) for number in self.numbers())), default=None)

    def _next_at(self, number: PhoneNumber, now: datetime) -> datetime | None:
        if self._full(number):
            first = self.use.get(number.pk, fact_sheet.UNUSED).first
            return first and first + fact_sheet.A_DAY
        return self.rests_until(number, now)

    def shares(self) -> list[tuple[Choice, float]]:
        """Return the usable choices for recipients not called before, and the share of them that each calls."""
        with_weight = [choice for choice in self.usable if choice.weight]
        total = sum(choice.weight for choice in with_weight)
        if total:
            return [(choice, choice.weight / total) for choice in with_weight]
        return [(self.usable[0], 1.0)] if self.usable else []

    def choice_for(self, recipient: Selectable) -> Choice | None:
        """Return the assistant of the recipient's first call, else the one of its share.

        If that one cannot call now, return the next that can. None: no assistant can call.
        """
        if not self.usable:
            return None
        own = next((choice for choice in self.all if choice.assistant.pk == recipient.assistant_id), None)
        own = own or self._by_weight(recipient.contact_id)
        if own.usable:
            return own
        return next((choice for choice in self._after(own) if choice.usable), None)

    def _by_weight(self, contact_id: int) -> Choice:
        """Return the choice of a new recipient. Even a short run of neighbouring contacts is split by weight."""
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

    def number_for(self, choice: Choice, recipient: Selectable, phone: str) -> PhoneNumber:
        """Return the caller number for a recipient.

        It is the number of the first call while it may still call today, else one by the campaign's rule. If none may
        call today, it is the one that may call again first: waiting for it is shorter than waiting for the recipient's
        own number.
        """
        able = [number for number in choice.numbers if not self._full(number)]
        if not able:
            return min(choice.numbers, key=lambda number: self.use.get(number.pk, fact_sheet.UNUSED).first or NEVER)
        for number in able:
            if number.pk == recipient.phone_number_id:
                return number
        if self.campaign.number_choice == Campaign.NumberChoice.LOCAL:
            able = nearest(able, phone)
        if any(_limited(number) for number in able):
            return min(able, key=lambda number: (self._used(number), number.pk))
        return able[recipient.contact_id % len(able)]

    def _used(self, number: PhoneNumber) -> int:
        return self.use.get(number.pk, fact_sheet.UNUSED).count

    def _full(self, number: PhoneNumber) -> bool:
        return self.calls_left(number) == 0

    def another_may_call(self, call: Call, taken: Mapping[int, int]) -> bool:
        """Return whether any number of the call's assistant may call today, after the calls in `taken`, by number."""
        numbers = next(choice.numbers for choice in self.all if choice.assistant.pk == call.assistant_id)
        left = {number.pk: self._stored_use.get(number.pk, fact_sheet.UNUSED).left(number) for number in numbers}
        return any(calls is None or calls > taken.get(pk, 0) for pk, calls in left.items())

    def _count(self, number: PhoneNumber) -> None:
        """Count a call from the number, so that the next selection takes it into account."""
        if _limited(number):
            used = self.use.get(number.pk, fact_sheet.UNUSED)
            self.use[number.pk] = fact_sheet.NumberUse(used.count + 1, used.first, used.last)

    def call_for(self, recipient: Recipient) -> Call | None:
        """Return the next call to a recipient, unsaved and without its variables. None: nothing can call now."""
        choice = self.choice_for(recipient)
        if choice is None:
            return None
        contact: Contact = recipient.contact
        number = self.number_for(choice, recipient, contact.phone)
        self._count(number)
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
    """Return the campaign's assistants and their weights: its own first, then its variants."""
    own = [(campaign.assistant, campaign.assistant_weight)] if campaign.assistant else []
    variants = campaign.variants.all()
    if "variants" not in getattr(campaign, "_prefetched_objects_cache", ()):
        variants = variants.select_related("assistant__account").order_by("pk")
    return own + [(variant.assistant, variant.weight) for variant in variants]


def _choice(
    pair: tuple[Assistant, int], numbers: Sequence[PhoneNumber], now: datetime, include_unusable: bool
) -> Choice:
    assistant, weight = pair
    account = assistant.account
    own = tuple(number for number in numbers if number.account_id == account.pk)
    works = assistant.is_active and account.is_active and not account.blocked(now)
    return Choice(assistant, weight, own, bool(own) and (works or include_unusable))


def _limited(number: PhoneNumber) -> bool:
    return bool(number.rest_seconds) or number.max_calls_per_day is not None


def nearest(numbers: Sequence[PhoneNumber], phone: str) -> list[PhoneNumber]:
    """Return the numbers with the area code of `phone`, else those of its country, else all."""
    area, country = area_of(phone), country_of(phone)
    same_area = [number for number in numbers if area and number.e164.startswith(area)]
    return same_area or [number for number in numbers if country_of(number.e164) == country] or list(numbers)


def values_for(campaign: Campaign, call: Candidate) -> tuple[dict[str, str], list[str]]:
    """Return the values of the call's variables, and the names of required ones that are missing.

    A declared variable that the campaign does not set comes from the contact.
    """
    return variables.values_for(campaign.variables, call.assistant.variables, call.contact)


def takes_calls(call: Call, now: datetime) -> bool:
    """Return whether the call's own account, assistant and caller number can place it now."""
    account = call.account
    return account.is_active and not account.blocked(now) and call.assistant.is_active and call.phone_number.is_active


def unusable(call: Call, now: datetime) -> str:
    """Return the name of what keeps the call from going out: its account, assistant or caller number."""
    if not call.account.is_active or call.account.blocked(now):
        return call.account.name
    return call.phone_number.e164 if call.assistant.is_active else call.assistant.name


# Queued calls that may have to go out another way; `takes_calls` decides.
PERHAPS_STUCK = (
    Q(account__blocked_at__isnull=False)
    | Q(account__is_active=False)
    | Q(assistant__is_active=False)
    | Q(phone_number__is_active=False)
)


def can_go_on(campaign: Campaign, now: datetime) -> bool:
    """Return whether any of the campaign's assistants can call now."""
    return bool(Choices(campaign, now).usable)
