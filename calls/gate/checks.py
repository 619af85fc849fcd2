"""The names of the gate's checks: what is true of each, and its sentence. Everything else asks this module."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What is true of a check. A check has at least one of `defers` and `ends_it`."""

    defers: bool = False  # it can put a call off until a moment
    ends_it: bool = False  # it can end a call that was not placed (a skip)
    # A rule about the contact or recipient, which can outlast the call: when the call's last moment comes before the
    # check would allow it, the call ends. A limit can have room sooner, so a call waits for it to the end.
    about_recipient: bool = False
    can_be_waited_out: bool = False  # its deferral ends at a moment that is known beforehand
    bars_contact: bool = False  # it keeps the contact from every call of the organization
    is_capacity: bool = False  # it counts open calls, so it allows the next call when one of them ends
    about_number: bool = False  # another caller number may be able to call
    about_assistant: bool = False  # another assistant, or one of another account, may be able to call
    spread_evenly: bool = False  # its deferral is exact to a fraction of a second
    named_by_order: bool = False  # a single call names it itself, so a single call is refused; a campaign has others
    is_filter: bool = False  # the list of recipients offers it as a filter
    only_explained: bool = False  # explanations ask it; the gate does not


class CheckName(StrEnum):
    """One check. Its value is stored with decisions and part of the API, so it never changes.

    When several checks forbid a single call, the first in this order is named.
    """

    traits: Traits
    words: str  # a sentence without a moment or a number, which holds for one recipient and for many

    DO_NOT_CALL = (
        "do_not_call",
        Traits(ends_it=True, bars_contact=True, is_filter=True),
        "The number is on the do-not-call list.",
    )
    COUNTRY = (
        "country",
        Traits(ends_it=True, bars_contact=True, is_filter=True),
        "Numbers of the country may not be called.",
    )
    CALLING_HOURS = (
        "calling_hours",
        Traits(defers=True, about_recipient=True, can_be_waited_out=True, is_filter=True),
        "Outside calling hours.",
    )
    NO_OPENING = (
        "no_opening",
        Traits(defers=True, about_recipient=True, is_filter=True),
        "No calling window opens in the next 13 months.",
    )
    MINIMUM_GAP = (
        "minimum_gap",
        Traits(defers=True, about_recipient=True, can_be_waited_out=True, is_filter=True),
        "Called a short time ago.",
    )
    CALLS_PER_DAY = (
        "calls_per_day",
        Traits(defers=True, about_recipient=True, can_be_waited_out=True, is_filter=True),
        "Called as often as allowed in 24 hours.",
    )
    CALLS_PER_30_DAYS = (
        "calls_per_30_days",
        Traits(defers=True, about_recipient=True, can_be_waited_out=True, is_filter=True),
        "Called as often as allowed in 30 days.",
    )
    RETRY_WAIT = (
        "retry_wait",
        Traits(defers=True, about_recipient=True, can_be_waited_out=True, is_filter=True),
        "Waits between two attempts.",
    )
    SCHEDULED_CALLBACK = (
        "scheduled_callback",
        Traits(defers=True, about_recipient=True, is_filter=True),
        "Another campaign calls the contact back at a time that it promised.",
    )
    OPEN_CALL = ("open_call", Traits(defers=True, is_filter=True), "Another call to this number is open.")
    HOLD = (
        "hold",
        Traits(
            defers=True,
            about_recipient=True,
            can_be_waited_out=True,
            bars_contact=True,
            is_filter=True,
        ),
        "The contact is on hold.",
    )
    ON_HOLD = (
        "on_hold",
        Traits(defers=True, about_recipient=True, bars_contact=True, is_filter=True),
        "The contact is on hold until a team member lifts the hold.",
    )
    NOT_BEFORE = (
        "not_before",
        Traits(defers=True, about_recipient=True, can_be_waited_out=True),
        "Not before the requested time.",
    )
    ASSISTANT = (
        "assistant",
        Traits(defers=True, about_assistant=True, named_by_order=True),
        "The assistant is switched off.",
    )
    CALLER_NUMBER = (
        "caller_number",
        Traits(defers=True, about_number=True, named_by_order=True),
        "The caller number is switched off.",
    )
    ATTEMPTS = ("attempts", Traits(ends_it=True, is_filter=True), "Called as often as the campaign allows.")
    NO_OPEN_WINDOW = ("no_open_window", Traits(ends_it=True, is_filter=True), "No calling window is left.")
    TOO_LATE = ("too_late", Traits(ends_it=True), "The last allowed time has passed.")
    CAMPAIGN = ("campaign", Traits(defers=True, ends_it=True), "The campaign is not running.")
    ORGANIZATION = ("organization", Traits(defers=True), "The organization is inactive.")
    CALLS_STOPPED = ("calls_stopped", Traits(defers=True), "All calls of the organization are stopped.")
    ACCOUNT = ("account", Traits(defers=True, about_assistant=True), "The provider account takes no calls.")
    CALLER_NUMBER_DAY = (
        "caller_number_day",
        Traits(defers=True, about_number=True, is_filter=True),
        "The caller number has reached its limit of calls in 24 hours.",
    )
    CALLER_NUMBER_CAPACITY = (
        "caller_number_capacity",
        Traits(defers=True, about_number=True, is_capacity=True, is_filter=True),
        "The caller number has no free line.",
    )
    CAMPAIGN_CAPACITY = (
        "campaign_capacity",
        Traits(defers=True, is_capacity=True, is_filter=True),
        "The campaign has reached its limit of open calls.",
    )
    CALLER_NUMBER_REST = (
        "caller_number_rest",
        Traits(defers=True, about_number=True, spread_evenly=True),
        "The caller number rests between two calls.",
    )
    PACE = ("pace", Traits(defers=True, spread_evenly=True), "The campaign has reached its limit of calls per minute.")
    BUDGET = (
        "budget",
        Traits(defers=True, is_filter=True),
        "The campaign's budget is spent or set aside.",
    )
    BUDGET_CURRENCY = (
        "budget_currency",
        Traits(defers=True, about_assistant=True, is_filter=True),
        "The campaign's budget is in another currency than the price of the provider account. Use one currency.",
    )
    ORGANIZATION_BUDGET = (
        "organization_budget",
        Traits(defers=True, is_filter=True),
        "The organization's daily budget is spent or set aside.",
    )
    ACCOUNT_BUDGET = (
        "account_budget",
        Traits(defers=True, about_assistant=True, is_filter=True),
        "The provider account's daily budget is spent or set aside.",
    )
    ACCOUNT_CAPACITY = (
        "account_capacity",
        Traits(defers=True, only_explained=True),
        "The provider account has no free line.",
    )
    ACCOUNT_RATE = (
        "account_rate",
        Traits(defers=True, only_explained=True),
        "The provider account has reached its limit of calls per second.",
    )
    NEXT_TURN = ("next_turn", Traits(defers=True, only_explained=True), "Waiting for their turn.")
    RECIPIENT = ("recipient", Traits(defers=True, ends_it=True, only_explained=True), "The recipient is not due.")
    VARIABLES = (
        "variables",
        Traits(ends_it=True, only_explained=True),
        "The assistant needs variables that are missing.",
    )

    PLACEHOLDER_VALUES = (
        "placeholder_values",
        Traits(defers=True, ends_it=True, is_filter=True, only_explained=True),
        "A value is one that nobody means to speak.",
    )

    def __new__(cls, value: str, traits: Traits, words: str) -> CheckName:
        member = str.__new__(cls, value)
        member._value_ = value
        member.traits, member.words = traits, words
        return member

    @classmethod
    def of(cls, code: str) -> CheckName | None:
        """Return the check that a stored reason names. None: the reason tells something else, such as an outcome."""
        return next((name for name in cls if name == code), None)

    @property
    def refuses_single_call(self) -> bool:
        """Whether a single call is refused at once. For everything else (a blocked account, no free line) it waits."""
        return self.traits.ends_it or self.traits.about_recipient or self.traits.named_by_order
