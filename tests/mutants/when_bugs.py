"""Deliberate bugs about the time of a call: zones of numbers and contacts, closures, and what ends a recipient."""

from __future__ import annotations

from tests.mutants.planting import Bug, Edit

WINDOWS = "tests/campaigns/test_windows.py::"
SOMEWHERE = ("tests/campaigns/test_whereabouts.py::test_a_number_may_be_where_the_tz_database_says",)
CLOSURES = "tests/calls/test_closures.py::"
WAITING = "tests/calls/test_waiting.py::"

WHEN_BUGS: tuple[Bug, ...] = (
    Bug(
        "the campaign's zone stands in for a country",
        "A mobile number of a country with many zones is called by the campaign's clock, at night.",
        (
            Edit(
                "campaigns/rules/number_zones.py",
                "return _near(country, told, tuple(_hidden(e164))) if told else everywhere",
                "return _near(country, told, tuple(_hidden(e164))) if told else ()",
            ),
        ),
        SOMEWHERE,
    ),
    Bug(
        "a fixed offset counts as a contact's zone",
        "A contact with `EST` or `Etc/GMT-5` is called by that clock, which has no summer time or the wrong sign.",
        (
            Edit(
                "campaigns/rules/whereabouts.py",
                'told = contact_timezone if is_place(contact_timezone) else ""',
                "told = contact_timezone if contact_timezone[:2] in {'ES', 'Et'} or is_place(contact_timezone) else ''",
            ),
        ),
        SOMEWHERE,
    ),
    Bug(
        "an area code counts for its first zone alone",
        "In an area code that two zones share, half of the contacts are called an hour too early or too late.",
        (
            Edit(
                "campaigns/rules/number_zones.py",
                "return tuple(sorted(found | set(ALSO_IN.get(covers, ()))))",
                "return tuple(sorted(found | set(ALSO_IN.get(covers, ()))))[:1]",
            ),
        ),
        SOMEWHERE,
    ),
    Bug(
        "a contact's zone widens the hours",
        "A contact's zone that contradicts the number replaces the number's: New York is called by Tokyo's clock.",
        (
            Edit(
                "campaigns/rules/whereabouts.py",
                "return (told,) if alone else (told, *zones)",
                "return (told,)",
            ),
        ),
        SOMEWHERE,
    ),
    Bug(
        "a closure of more than fifteen days ends recipients",
        "Holidays of three weeks skip everybody, and the campaign finishes within seconds.",
        (
            Edit(
                "campaigns/rules/windows.py",
                "    start, end = now, now + timedelta(days=horizon_days)\n",
                "    start, end = now, now + timedelta(days=15)\n",
            ),
            Edit(
                "calls/gate/decision.py",
                'yield Check(CheckName.NO_OPENING, "defer", detail, now + timedelta(days=1))',
                'yield Check(CheckName.NO_OPENING, "skip", detail)',
            ),
        ),
        (CLOSURES + "test_a_new_campaign_waits_for_the_end_of_a_closure",),
    ),
    Bug(
        "a holiday is a date of UTC",
        "East and west of Greenwich, a part of each holiday is open and a part of the day beside it is closed.",
        (
            Edit(
                "campaigns/rules/windows.py",
                "if self.holidays and local.date() in self.holidays:",
                "if self.holidays and local.astimezone(UTC).date() in self.holidays:",
            ),
        ),
        (WINDOWS + "test_a_holiday_is_a_day_of_the_place",),
    ),
    Bug(
        "summer time is not counted",
        "In summer everybody is called an hour too late, and an hour after the window has closed.",
        (
            Edit(
                "campaigns/rules/windows.py",
                "        local = now.astimezone(zone)\n        for each in hours:\n",
                "        local = now.astimezone(zone)\n"
                "        local -= local.dst() or timedelta()\n"
                "        for each in hours:\n",
            ),
        ),
        (WINDOWS + "test_every_minute_around_every_clock_change_agrees_with_the_table",),
    ),
    Bug(
        "an opening that clocks skip is missed",
        "A window that opens in the hour that does not exist is waited for until the next day.",
        (Edit("campaigns/rules/windows.py", "if change is not None and start <= change <= end:", "if change is end:"),),
        (WINDOWS + "test_a_nonexistent_opening_opens_when_the_clock_jumps",),
    ),
    Bug(
        "the next opening looks at the first zone alone",
        "A recipient is due while another of its zones is closed, again and again.",
        (
            Edit(
                "campaigns/rules/windows.py",
                "_search(hours, zones, now, horizon_days)\n    return found[1]",
                "_search(hours, zones[:1], now, horizon_days)\n    return found[1]",
            ),
        ),
        (WINDOWS + "test_the_next_opening_is_open_and_nothing_before_it_is",),
    ),
    Bug(
        "a remembered opening is used after it has passed",
        "A recipient is due at an opening of the past, so the engine looks at it without end.",
        (
            Edit(
                "campaigns/rules/windows.py",
                "return asked <= now < (opens or asked + ONE_HOUR)",
                "return asked <= now",
            ),
        ),
        (WINDOWS + "test_an_opening_found_before_holds_until_it_comes_and_not_after",),
    ),
    Bug(
        "the retry rule of the plan holds",
        "A recipient who waits is called although the rule for its outcome was removed meanwhile.",
        (
            Edit(
                "calls/gate/facts.py",
                "return min(retry.max_attempts, most) if retry and retry.max_attempts is not None else most",
                "return most",
            ),
        ),
        (WAITING + "test_a_rule_that_changed_holds_for_those_who_wait",),
    ),
    Bug(
        "a switched-off caller number ends recipients",
        "Recipients queued on a caller number are skipped for good when it is switched off for an hour.",
        (
            Edit(
                "calls/gate/decision.py",
                "yield _defer(CheckName.CALLER_NUMBER, now + LATER)",
                "yield _skip(CheckName.CALLER_NUMBER)",
            ),
        ),
        (WAITING + "test_without_another_way_a_queued_call_waits_and_goes_on",),
    ),
)
