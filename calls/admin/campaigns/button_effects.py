"""Sentences on a confirmation page: how many contacts a campaign's button affects, at what hours, at what cost."""

from __future__ import annotations

from django.db.models import prefetch_related_objects

from calls.gate import budgets
from calls.gate.selection import weighted_assistants
from calls.reports.figures.recipients import counts_of
from campaigns import list_sizes, segments
from campaigns.models import Campaign, Contact, Recipient
from campaigns.rules.number_zones import country_name
from campaigns.rules.windows import DAYS
from campaigns.wording import counted
from tenants.backoffice.local_time import local_time
from tenants.money import money_text

COUNTED = 100_000  # beyond that a sentence says “more than”
DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NEW_ONES = "Contacts that came onto its lists or into its segments since it started become recipients"
LIVE = Recipient.WAITING_STATUSES


def start_effect(obj: Campaign) -> list[str]:
    prefetch_related_objects([obj], "segments", "windows")  # several parts of the page read them
    entries = _members(obj)
    tries = "time" if obj.max_attempts == 1 else "times"
    audience = "lists and segments" if obj.segments.all() else "lists"
    found = [
        f"Its {audience} have {_counted(entries, 'entry', 'entries')}. The campaign calls each contact at most "
        f"{obj.max_attempts} {tries}, within the rules."
    ]
    if obj.starts_at:
        found.append(f"It places the first call {local_time(obj.starts_at)}, or at once if that time has passed.")
    else:
        found.append("It places the first calls within seconds.")
    return [*found, hours(obj), cost(obj, entries)]


def pause_effect(obj: Campaign) -> list[str]:
    return [
        "This campaign places no more calls until you resume it.",
        f"{_counted(_left(obj), 'recipient')} still to be called: the calls wait until then.",
        open_calls(obj),
    ]


def resume_effect(obj: Campaign) -> list[str]:
    left = _left(obj)
    return [
        f"{_counted(left, 'recipient')} still to be called. Calls continue within seconds, within the rules.",
        hours(obj),
        cost(obj, left),
    ]


def reopen_effect(obj: Campaign) -> list[str]:
    found = [
        f"{NEW_ONES} and are called, within the rules.",
        "Recipients who are done are not called again.",
        hours(obj),
    ]
    if not obj.ongoing:
        found.append(
            "It finishes again when nobody is left to call. To keep it open, edit it and choose “Adds new contacts”."
        )
    return found


def cancel_effect(obj: Campaign) -> list[str]:
    return [
        f"Will not be called any more: {_counted(_left(obj), 'recipient')}.",
        open_calls(obj),
        "You cannot undo this. To stop for a while, pause the campaign instead.",
    ]


def refresh_effect(obj: Campaign) -> list[str]:
    return [
        f"{NEW_ONES}. No contact is called twice for it.",
        "Withdrawn recipients stay withdrawn.",
        hours(obj),
    ]


def held(obj: Campaign) -> int:
    """Return how many recipients are held for a value."""
    return counts_of([obj.pk])[obj.pk].held


def send_held_effect(obj: Campaign) -> list[str]:
    return [
        f"Held for a value that nobody means to speak: {_counted(held(obj), 'recipient')}. They are called with their "
        "values as they are, now and in later attempts.",
        "To correct values instead, edit the contacts or import them again. Recipients whose values are corrected are "
        "called by themselves.",
    ]


def skip_held_effect(obj: Campaign) -> list[str]:
    return [
        f"Held for a value that nobody means to speak: {_counted(held(obj), 'recipient')}. This campaign does not call "
        "them. Other campaigns may.",
        "You cannot undo this.",
    ]


def copy_effect(obj: Campaign) -> list[str]:
    found = [
        "The new draft has the same lists, segments, assistants, caller numbers, variables, windows, limits and "
        "budget.",
        "After its start it calls every contact of these lists and segments, including those that this campaign "
        "reached.",
        "Dates in the past are not copied.",
    ]
    if obj.legal_override:
        found.append("The reason to call outside the legal hours is not copied. Enter it again if it still applies.")
    if obj.campaign_zone_countries:
        found.append(
            "The countries called by the campaign's time zone are not copied. Choose them again if the reason still "
            "applies."
        )
    return found


def zone_choices(obj: Campaign) -> list[str]:
    """Return what the campaign chose about time zones, as sentences. Nothing where it chose nothing."""
    found = []
    if obj.zone_rule.trusts_contacts:
        found.append("A contact's own time zone counts alone, even where it contradicts the number.")
    if obj.campaign_zone_countries:
        names = _and([country_name(code) for code in obj.campaign_zone_countries])
        found.append(
            f"Numbers in {names} that may be in several time zones are called by the campaign's time zone, {obj.zone}. "
            f"Reason: {obj.campaign_zone_reason}"
        )
    return found


def open_calls(obj: Campaign) -> str:
    count = obj.calls.open().count()
    return (
        f"{count:,} call{'s' if count != 1 else ''} under way continue{'s' if count == 1 else ''} to the end."
        if count
        else "No call is under way."
    )


def hours(obj: Campaign) -> str:
    """Return the calling windows as a sentence."""
    windows = [
        f"{_days([DAYS.index(day) for day in DAYS if day in each.days])} from {_clock(each.opens)} to "
        f"{_clock(each.closes)}"
        for each in obj.windows.all()
    ]
    if not windows:
        return "The campaign has no calling window yet."
    law = "Legal calling hours do not apply." if obj.legal_override else "Legal calling hours narrow this further."
    days = len(obj.holidays or [])
    closed = f", except on {days} holiday{'' if days == 1 else 's'}" if days else ""
    text = f"Contacts are called {_and(windows)} in their own time zone{closed}. {law}"
    return " ".join([text, *zone_choices(obj)])


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


def _days(numbers: list[int]) -> str:
    if len(numbers) == len(DAY_NAMES):
        return "every day"
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{DAY_NAMES[numbers[0]]} to {DAY_NAMES[numbers[-1]]}"
    return _and([DAY_NAMES[number] for number in numbers])


def _and(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def cost(obj: Campaign, contacts: int) -> str:
    """Return an upper bound of the cost as a sentence.

    Without a budget, it assumes that every contact is called as often as allowed, and that each call lasts as long as
    money is set aside for it.
    """
    if (limit := obj.spending_limit) is not None:
        left = (limit - budgets.spent_on(obj).within(limit.currency)).at_least_nothing()
        used = f" of its budget of {money_text(limit)}" if left != limit else ", its budget"
        return f"The campaign costs at most {money_text(left)}{used}. Then it pauses itself."
    accounts = [assistant.account for assistant, _ in weighted_assistants(obj)]
    priced = [account for account in accounts if account.price is not None]
    if not accounts or len(priced) < len(accounts):
        return "The maximum cost is unknown: the campaign has no budget, and its provider account has no price."
    reserves = {account: budgets.reserve_of(account) for account in priced}
    if len({reserve.currency for reserve in reserves.values()}) > 1:
        return "The maximum cost is unknown: the prices of its provider accounts are in different currencies."
    dearest = max(priced, key=reserves.__getitem__)
    each, calls = reserves[dearest] * obj.max_attempts, counted(obj.max_attempts, "call")
    length = f"{calls} of up to {dearest.reserved_minutes.normalize():f} minutes to each contact"
    if contacts > COUNTED:
        return f"The campaign has no budget. It costs at most {money_text(each)} per contact: {length}."
    return f"The campaign costs at most {money_text(each * contacts)}: {length}."


def _members(obj: Campaign) -> int:
    """Return how many entries the lists and segments have; segments are counted a little beyond COUNTED."""
    matching = Contact.objects.filter(segments.of_campaign(obj)).order_by().values("pk")
    return sum(list_sizes.sizes_of(obj).values()) + matching[: COUNTED + 1].count()


def _left(obj: Campaign) -> int:
    statuses = counts_of([obj.pk])[obj.pk].by("status", {})
    return sum(statuses[status] for status in LIVE)


def _counted(n: int, one: str, many: str = "") -> str:
    return f"More than {COUNTED:,} {many or f'{one}s'}" if n > COUNTED else counted(n, one, many)
