"""What a button of a campaign will do: to how many people, at what hours, for how much at most."""

from __future__ import annotations

from decimal import Decimal

from calls.admin.shared import labels
from calls.gate import budgets
from calls.gate.selection import weighted_assistants
from calls.reports import preflight
from campaigns import wording
from campaigns.models import Campaign, ContactListMember, Recipient
from campaigns.rules.windows import DAYS
from tenants.backoffice.local_time import local_time

COUNTED = 100_000  # people counted for a sentence; beyond it says “more than”
DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LIVE = (Recipient.Status.PENDING, Recipient.Status.WAITING)


def start_effect(obj: Campaign) -> list[str]:
    people = _members(obj)
    found = [
        f"{_entries(people)} on its lists {'is' if people == 1 else 'are'} called, each person once and at most "
        f"{obj.max_attempts} times, within the rules."
    ]
    if obj.starts_at:
        found.append(f"The first call is placed from {local_time(obj.starts_at)} on, or at once when that is past.")
    else:
        found.append("The first calls are placed within seconds.")
    found += [hours(obj), cost(obj, people)]
    return found + [problem.message for problem in preflight.problems(obj)]


def pause_effect(obj: Campaign) -> list[str]:
    return [
        "No further call of this campaign is placed until you resume it.",
        f"{_recipients(_left(obj))} still to be called wait until then.",
        open_calls(obj),
    ]


def resume_effect(obj: Campaign) -> list[str]:
    left = _left(obj)
    return [
        f"{_recipients(left)} still to be called: calls to them go on within seconds, within the rules.",
        hours(obj),
        cost(obj, left),
    ]


def cancel_effect(obj: Campaign) -> list[str]:
    return [
        f"{_recipients(_left(obj))} who are still to be called are not called any more.",
        open_calls(obj),
        "This cannot be undone. To stop for a while, pause the campaign instead.",
    ]


def refresh_effect(obj: Campaign) -> list[str]:
    return [
        "Whoever was put on one of its lists since it started is called, too. Nobody is called twice for it.",
        "Who was withdrawn stays withdrawn.",
        hours(obj),
    ]


def copy_effect(obj: Campaign) -> list[str]:
    found = [
        "A new draft has the same lists, assistants, numbers, variables, windows, limits and budget.",
        "When it is started, everybody on these lists is called, those too whom this campaign has reached.",
        "Dates that have passed are left out.",
    ]
    lifted = "The reason to call outside the legal hours is not copied: give one again where it still holds."
    return [*found, lifted] if obj.legal_override else found


def open_calls(obj: Campaign) -> str:
    count = obj.calls.open().count()
    return (
        f"{count:,} call{'s' if count != 1 else ''} under way go{'es' if count == 1 else ''} on to the end."
        if count
        else "No call is under way."
    )


def hours(obj: Campaign) -> str:
    """The calling windows as a sentence."""
    windows = [
        f"{_days([DAYS.index(day) for day in DAYS if day in each.days])} from {_clock(each.opens)} to "
        f"{_clock(each.closes)}"
        for each in obj.windows.all()
    ]
    if not windows:
        return "It has no calling window yet."
    law = (
        "The legal calling hours are lifted."
        if obj.legal_override
        else "Legal calling hours of their country narrow this."
    )
    days = len(obj.holidays or [])
    closed = f", except on {days} holiday{'' if days == 1 else 's'}" if days else ""
    return f"People are called {_and(windows)} where they are{closed}. {law}"


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


def cost(obj: Campaign, people: int) -> str:
    """A bound that holds whatever happens: everybody called as often as allowed, each call as long as is set aside."""
    left = None if obj.budget is None else max(obj.budget - budgets.spent_on(obj), Decimal(0))
    accounts = [assistant.account for assistant, _ in weighted_assistants(obj)]
    priced = [account for account in accounts if account.price_per_minute is not None]
    if left is not None:
        used = f" of its budget of {labels.money(obj.budget, obj.budget_currency)}" if left != obj.budget else ""
        within = f"It costs at most {labels.money(left, obj.budget_currency)}{used or ', its budget'}"
        return f"{within}: then it pauses itself."
    if not accounts or len(priced) < len(accounts):
        return "What it costs at most cannot be said: it has no budget, and its account has no price."
    if len({account.price_per_minute_currency for account in priced}) > 1:
        return "What it costs at most cannot be said: its accounts are paid in several currencies."
    dearest = max(priced, key=budgets.reserve_of)
    each, currency = budgets.reserve_of(dearest), dearest.price_per_minute_currency
    length = f"{obj.max_attempts} calls of up to {dearest.reserved_minutes.normalize():f} minutes to each person"
    if people > COUNTED:
        return f"It has no budget: it costs up to {labels.money(each * obj.max_attempts, currency)} a person, {length}."
    return f"It costs {labels.money(each * people * obj.max_attempts, currency)} at most: {length}."


def _members(obj: Campaign) -> int:
    return ContactListMember.objects.filter(contact_list__campaigns=obj)[: COUNTED + 1].count()


def _left(obj: Campaign) -> int:
    return obj.recipients.filter(status__in=LIVE)[: COUNTED + 1].count()


def _entries(people: int) -> str:
    if people > COUNTED:
        return f"More than {COUNTED:,} entries"
    return "1 entry" if people == 1 else f"{people:,} entries"


def _recipients(count: int) -> str:
    return f"More than {COUNTED:,} recipients" if count > COUNTED else wording.recipients(count)
