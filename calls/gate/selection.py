"""Select the assistant and the caller number for a recipient of a campaign."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Protocol

from django.db.models import Exists, F, OuterRef, Q

from calls.gate import facts as fact_sheet
from calls.gate.candidate import Candidate
from calls.gate.decision import Decision
from calls.gate.rotation import Members, Turn, Turns, scattered
from calls.models import Call
from campaigns.models import Campaign, CampaignVariant, Contact, Recipient
from campaigns.phones import area_of, country_of
from campaigns.rules.spoken import Rule, Spoken, speak
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.db.loaded import like, relate

NEVER = datetime.max.replace(tzinfo=UTC)
# Kinds of rotations: assistants and caller numbers of first calls, caller numbers of later calls.
ASSISTANTS, FIRST, LATER = "a", "n", "l"


@dataclass(frozen=True)
class Choice:
    """One assistant of a campaign, and the campaign's caller numbers at its account.

    An assistant of weight 0 calls only as a stand-in (`Choices.may_call`). `usable`: it can call now.
    """

    assistant: Assistant
    weight: int
    numbers: tuple[PhoneNumber, ...]
    usable: bool

    @property
    def account(self) -> ProviderAccount:
        return self.assistant.account


@dataclass(frozen=True)
class Selection:
    """An assistant and a caller number for a call, and the turns that they take once the call is queued."""

    choice: Choice
    number: PhoneNumber
    assistant_turn: Turn | None
    number_turn: Turn | None

    def put_on(self, call: Call) -> None:
        """Set what the call is made with."""
        relate(call, account=self.choice.account, assistant=self.choice.assistant, phone_number=self.number)
        call.from_number = self.number.e164


class Selectable(Protocol):
    """A recipient, or its stand-in in a forecast. The assistant and caller number are those of its first call.

    A recipient without a caller number may wait for an assistant whose turn it took.
    """

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
        self.all = [_choice(pair, numbers, now, include_unusable) for pair in weighted_assistants(campaign)]
        self.usable = [choice for choice in self.all if choice.usable]
        self._weighted = {choice.assistant.pk: choice.weight for choice in self.usable if choice.weight}
        self._sharing = tuple(self._by_weight().items())
        self._by_key = {choice.assistant.pk: choice for choice in self.all}
        self._able_of: dict[int, list[PhoneNumber]] = {}
        self.turns = Turns(campaign.rotation)

    def accounts(self) -> list[ProviderAccount]:
        """Return the accounts of the usable choices, each once."""
        return list({choice.account.pk: choice.account for choice in self.usable}.values())

    def read_facts(self, calls: Sequence[Call], now: datetime) -> fact_sheet.Batch:
        """Read the facts of calls of this campaign that may be made with any usable choice."""
        accounts = {account.pk: (account, self.campaign.organization) for account in self.accounts()}
        return fact_sheet.read(calls, self.numbers(), accounts, now)

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
        limits = (number.max_calls_per_day, number.max_open_calls)
        return bool(number.rest_seconds) or any(limit is not None for limit in limits)

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
        total = sum(weight for _, weight in self._sharing)
        return [(self._by_key[assistant], weight / total) for assistant, weight in self._sharing]

    def _by_weight(self) -> dict[int, int]:
        """Return the weight of each assistant that calls new recipients. Without a weight, it is the first usable."""
        return self._weighted or {choice.assistant.pk: 1 for choice in self.usable[:1]}

    def has(self, assistant_id: int) -> bool:
        """Return whether the assistant is one of the campaign's."""
        return assistant_id in self._by_key

    def may_call(self, assistant_id: int | None) -> bool:
        """Return whether an assistant may make calls now, first or later ones.

        An assistant of weight 0 may only while no assistant with a weight can call, whoever it has called before.
        """
        choice = self._by_key.get(assistant_id or 0)
        return choice is not None and choice.usable and (choice.weight > 0 or not self._weighted)

    def select(self, recipient: Selectable, phone: str, busy: Collection[int] = ()) -> Selection | None:
        """Return what the recipient's next call is made with. None: no assistant can call. Nothing is counted.

        `busy`: caller numbers, by internal key, to pass over where another of the same rotation can call.
        """
        found = self._choice_for(recipient)
        return found and self._select_number(*found, recipient, phone, busy)

    def choice_for(self, recipient: Selectable) -> Choice | None:
        """Return the assistant of the recipient's next call. None: no assistant can call."""
        found = self._choice_for(recipient)
        return found and found[0]

    def number_for(self, choice: Choice, recipient: Selectable, phone: str) -> PhoneNumber:
        """Return the caller number of the recipient's next call, if that assistant makes it."""
        return self._select_number(choice, None, recipient, phone, ()).number

    def _choice_for(self, recipient: Selectable) -> tuple[Choice, Turn | None] | None:
        """Return the assistant that the recipient has, else the one whose turn is next.

        If an assistant that has called the recipient may not call now, return the next that may.
        """
        if not self.usable:
            return None
        own = self._by_key.get(recipient.assistant_id or 0)
        if own and self.may_call(own.assistant.pk):
            return own, None
        if own and not _is_new(recipient):
            return next(choice for choice in self._after(own) if self.may_call(choice.assistant.pk)), None
        turn = self.turns.next(ASSISTANTS, self._sharing, self._seed(recipient, 1))
        return self._by_key[turn.key], turn

    def _seed(self, recipient: Selectable, kind: int) -> int:
        """Return what chooses among members of a rotation that may all be next.

        So neither the order of calling nor the assistant goes with the caller number, and short campaigns do not all
        begin with the same one.
        """
        return scattered(self.campaign.pk, recipient.contact_id, kind)

    def _after(self, own: Choice) -> list[Choice]:
        place = self.all.index(own)
        return self.all[place + 1 :] + self.all[:place]

    def _select_number(
        self, choice: Choice, turn: Turn | None, recipient: Selectable, phone: str, busy: Collection[int]
    ) -> Selection:
        """Select the caller number of the first call while it may still call today, else the one whose turn is next.

        If none may call today, it is the one that may call again first: waiting for it is shorter than waiting for the
        recipient's own number.
        """
        able = self.able(choice, phone)
        if not able:
            first = min(choice.numbers, key=lambda number: self.use.get(number.pk, fact_sheet.UNUSED).first or NEVER)
            return Selection(choice, first, turn, None)
        for number in choice.numbers:
            if number.pk == recipient.phone_number_id and not self._full(number):
                return Selection(choice, number, turn, None)
        able = [number for number in able if number.pk not in busy] or able
        kind = FIRST if _is_new(recipient) else LATER
        next_number = self.turns.next(kind, _equal(able), self._seed(recipient, 2))
        return Selection(choice, next(each for each in able if each.pk == next_number.key), turn, next_number)

    def able(self, choice: Choice, phone: str) -> list[PhoneNumber]:
        """Return the numbers that may call `phone` today, of the nearest if the campaign wants that."""
        able = self._able_of.get(choice.assistant.pk)
        if able is None:
            able = self._able_of[choice.assistant.pk] = [number for number in choice.numbers if not self._full(number)]
        return nearest(able, phone) if self.campaign.number_choice == Campaign.NumberChoice.LOCAL else able

    def take(self, selection: Selection) -> None:
        """Count the turns of a call that is queued, so that the next selection takes them into account."""
        for turn in (selection.assistant_turn, selection.number_turn):
            if turn:
                self.turns.take(turn)

    def keep_assistant(self, selection: Selection) -> bool:
        """Count the assistant's turn of a recipient that waits for the assistant. Return whether it took a turn."""
        if selection.assistant_turn is None or len(selection.assistant_turn.members) == 1:
            return False
        self.turns.take(selection.assistant_turn)
        return True

    def give_back(self, recipient: Selectable, phone: str) -> None:
        """Give back the turns of a recipient whose first call is not placed."""
        assistant, number = recipient.assistant_id or 0, recipient.phone_number_id or 0
        self.turns.give_back(Turn(ASSISTANTS, self._sharing, assistant))
        choice = self._by_key.get(assistant)
        if choice and (able := self.able(choice, phone)):
            self.turns.give_back(Turn(FIRST, _equal(able), number))

    def _full(self, number: PhoneNumber) -> bool:
        return self.calls_left(number) == 0

    def count(self, number: PhoneNumber) -> None:
        """Count a call from the number, so that the next selection takes its daily cap into account."""
        if number.max_calls_per_day is not None:
            used = self.use.get(number.pk, fact_sheet.UNUSED)
            self.use[number.pk] = fact_sheet.NumberUse(used.count + 1, used.first, used.last)
            self._able_of.clear()

    def call_for(self, recipient: Recipient) -> Call | None:
        """Return the recipient's next call, unsaved and without variables, and count it. None: nothing can call."""
        selection = self.select(recipient, recipient.number)
        if selection is None:
            return None
        self.take(selection)
        self.count(selection.number)
        call = self.call_to(recipient)
        selection.put_on(call)
        return call

    def call_to(self, recipient: Recipient) -> Call:
        """Return the recipient's next call, unsaved, without variables and without what it is made with."""
        contact: Contact = recipient.contact
        call = like(
            self._blank_call, to_number=recipient.number, customer_name=contact.name, attempt=recipient.attempts + 1
        )
        relate(call, recipient=recipient, contact=contact)
        return call

    @cached_property
    def _blank_call(self) -> Call:
        """A call of the campaign to nobody yet, of which the calls are made."""
        return Call(
            organization=self.campaign.organization,
            campaign=self.campaign,
            callback_url=self.campaign.callback_url,
            not_after=self.campaign.ends_at,
        )


def choices_of(campaign: Campaign, now: datetime) -> Choices:
    """Return what the campaign can call with now or, if that is nothing, what it could call with."""
    choices = Choices(campaign, now)
    return choices if choices.usable else Choices(campaign, now, include_unusable=True)


def select_free(
    choices: Choices, call: Call, judge: Callable[[Call], Decision], busy: set[int]
) -> tuple[Selection, Decision] | None:
    """Select for a call, and pass over caller numbers for which the gate would put it off. None: nothing can call.

    `judge` asks the gate. `busy` collects the numbers passed over. A recipient waits for the number of its first call.
    """
    assert call.recipient is not None  # noqa: S101
    while selection := choices.select(call.recipient, call.to_number, busy):
        selection.put_on(call)
        decision = judge(call)
        turn, reason = selection.number_turn, decision.reason
        if turn is None or turn.key in busy or not (reason and reason.traits.about_number):
            return selection, decision
        busy.add(turn.key)
    return None


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


def _equal(numbers: Sequence[PhoneNumber]) -> Members:
    return tuple((number.pk, 1) for number in numbers)


def _is_new(recipient: Selectable) -> bool:
    """Return whether no call to the recipient was queued yet. An assistant that it waits for makes no call."""
    return recipient.phone_number_id is None


def nearest(numbers: Sequence[PhoneNumber], phone: str) -> list[PhoneNumber]:
    """Return the numbers with the area code of `phone`, else those of its country, else all."""
    area, country = area_of(phone), country_of(phone)
    same_area = [number for number in numbers if area and number.e164.startswith(area)]
    return same_area or [number for number in numbers if country_of(number.e164) == country] or list(numbers)


def values_for(campaign: Campaign, call: Candidate) -> Spoken:
    """Return what the call is made with, and why it is not made where a value is missing or nobody means to speak it.

    A declared variable that the campaign does not set comes from the contact.
    """
    approved = call.recipient is not None and call.recipient.values_approved
    rule = Rule.SEND if approved else Rule(campaign.placeholder_values)
    return speak(campaign.variables, call.assistant.variables, call.contact, rule)


def takes_calls(call: Call, now: datetime) -> bool:
    """Return whether the call's own account, assistant and caller number can place it now."""
    account = call.account
    return account.is_active and not account.blocked(now) and call.assistant.is_active and call.phone_number.is_active


def unusable(call: Call, now: datetime) -> str:
    """Return the name of what keeps the call from going out: its account, assistant or caller number."""
    if not call.account.is_active or call.account.blocked(now):
        return call.account.name
    return call.phone_number.e164 if call.assistant.is_active else call.assistant.name


_WEIGHT_0_OF_CAMPAIGN = Q(campaign__assistant=F("assistant"), campaign__assistant_weight=0)
_WEIGHT_0_OF_VARIANT = Exists(
    CampaignVariant.objects.filter(campaign=OuterRef("campaign"), assistant=OuterRef("assistant"), weight=0)
)
# Calls whose assistant has weight 0 in their campaign now; `Choices.may_call` decides.
BY_A_STAND_IN = _WEIGHT_0_OF_CAMPAIGN | Q(_WEIGHT_0_OF_VARIANT)
# Queued calls that may have to go out another way; `takes_calls` and `Choices.may_call` decide.
PERHAPS_STUCK = (
    Q(account__blocked_at__isnull=False)
    | Q(account__is_active=False)
    | Q(assistant__is_active=False)
    | Q(phone_number__is_active=False)
    | BY_A_STAND_IN
)


def why_another_way(choices: Choices, call: Call, now: datetime) -> str:
    """Return why a queued call has to go out another way, as a sentence. Empty: it may go out as it is, or must wait.

    It waits where the campaign cannot call another way.
    """
    if not choices.usable:
        return ""
    if not takes_calls(call, now):
        return f"{unusable(call, now)} takes no calls now; the campaign calls another way."
    if choices.has(call.assistant_id) and not choices.may_call(call.assistant_id):
        return f"{call.assistant.name} has weight 0 and another assistant can call; it calls instead."
    return ""


def can_go_on(campaign: Campaign, now: datetime) -> bool:
    """Return whether any of the campaign's assistants can call now."""
    return bool(Choices(campaign, now).usable)
