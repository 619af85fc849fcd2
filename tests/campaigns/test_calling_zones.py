"""The table of numbers in several time zones is what the rules give, and its statements hold."""

from __future__ import annotations

from campaigns.rules.legal_hours import legal_hours
from campaigns.rules.number_zones import number_zones
from tests.campaigns.calling_zones import PAGE, WORKING, generated, numbers_by_region, open_hours, rows, spread


def test_the_page_is_as_the_rules_are() -> None:
    expected = "\n".join(generated())
    assert expected in PAGE.read_text(), "run python -m tests.campaigns.calling_zones"


def test_numbers_of_one_clock_can_be_called_at_working_hours() -> None:
    never = [
        (number, zones)
        for numbers in numbers_by_region().values()
        for number in numbers
        if len(zones := number_zones(number)) == 1 and open_hours(zones, legal_hours(number), WORKING)[0] == 0
    ]
    assert never == []


def test_the_arithmetic_of_the_table() -> None:
    """By hand: from Kaliningrad (UTC+2) to Kamchatka (UTC+12), and the law of the default, 8:00 to 21:00 every day."""
    [mobile] = [row for row in rows() if (row.region, row.kind) == ("RU", "mobile")]
    assert (mobile.apart, mobile.working, mobile.legal) == (10, (5, 5), (21, 21))
    assert spread(("America/New_York", "America/Phoenix")) == 3  # in summer; two in winter
    law = legal_hours("+33123456789")  # 10:00-13:00 and 14:00-20:00 from Monday to Friday
    assert open_hours(("Europe/Paris",), law, WORKING) == (45, 45)
