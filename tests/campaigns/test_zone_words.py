"""What people write for a time zone: read as a place that the number's country knows, or refused."""

from __future__ import annotations

import string
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.rules.zone_words import NotAZone, is_place, read_zone
from tests.tables import cases

NEW_YORK, LOS_ANGELES, DENVER, PHOENIX = "+12125550142", "+12135550143", "+13035550144", "+16025550144"
FRANCE, GERMANY, BRITAIN, INDIA, IRELAND, AUSTRALIA = (
    "+33123456789",
    "+4930123456",
    "+447400123456",
    "+919812345678",
    "+353861234567",
    "+61412345678",
)


@cases(
    ("text", "number", "expected"),
    [
        ("", NEW_YORK, ""),
        ("  ", NEW_YORK, ""),
        ("america/new_york", NEW_YORK, "America/New_York"),
        ("EUROPE/PARIS", FRANCE, "Europe/Paris"),
        ("Asia/Tokyo", NEW_YORK, "Asia/Tokyo"),  # a place: that it contradicts the number is for the caller to say
        ("US/Eastern", NEW_YORK, "US/Eastern"),
        ("EST", NEW_YORK, "America/New_York"),
        ("EST/EDT", NEW_YORK, "America/New_York"),
        ("America/New York", NEW_YORK, "America/New_York"),
        ("europe/paris", NEW_YORK, "Europe/Paris"),
        ("edt", NEW_YORK, "America/New_York"),
        ("ET", NEW_YORK, "America/New_York"),
        ("PST", LOS_ANGELES, "America/Los_Angeles"),
        ("MST", DENVER, "America/Denver"),
        ("MST", PHOENIX, "America/Phoenix"),
        ("CET", FRANCE, "Europe/Paris"),
        ("CEST", GERMANY, "Europe/Berlin"),
        ("MEZ", GERMANY, "Europe/Berlin"),
        ("GMT", BRITAIN, "Europe/London"),
        ("BST", BRITAIN, "Europe/London"),
        ("IST", INDIA, "Asia/Kolkata"),
        ("IST", IRELAND, "Europe/Dublin"),
        ("Eastern Standard Time", NEW_YORK, "America/New_York"),
        ("Eastern Daylight Time", NEW_YORK, "America/New_York"),
        ("W. Europe Standard Time", GERMANY, "Europe/Berlin"),
        ("Romance Standard Time", FRANCE, "Europe/Paris"),
        ("(UTC-05:00) Eastern Time (US & Canada)", NEW_YORK, "America/New_York"),
        ("Pacific Time (US & Canada)", NEW_YORK, "America/Los_Angeles"),
        ("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", GERMANY, "Europe/Berlin"),
        ("(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi", INDIA, "Asia/Kolkata"),
        ("Paris", FRANCE, "Europe/Paris"),
        ("new york", NEW_YORK, "America/New_York"),
        ("EST", "+18005551234", "America/New_York"),  # toll-free, of a country all the same
    ],
)
def test_words_become_places(text: str, number: str, expected: str) -> None:
    assert read_zone(text, number) == expected


@cases(
    ("text", "number", "words"),
    [
        ("UTC-5", NEW_YORK, "fixed offset"),
        ("Etc/GMT-5", NEW_YORK, "fixed offset"),
        ("GMT+1", FRANCE, "fixed offset"),
        ("-05:00", NEW_YORK, "fixed offset"),
        ("UTC", FRANCE, "fixed offset"),
        ("5", NEW_YORK, "fixed offset"),
        ("Z", NEW_YORK, "fixed offset"),
        ("EST", FRANCE, "not a time zone of this number's country"),
        ("EST/PDT", NEW_YORK, "not a time zone of this number's country"),
        ("Tokyo Standard Time", NEW_YORK, "not a time zone of this number's country"),
        ("EST5EDT", NEW_YORK, "not a time zone"),
        ("Factory", NEW_YORK, "not a time zone"),
        ("Nowhere/Land", NEW_YORK, "not a time zone"),
        ("MST", NEW_YORK, "America/Denver or America/Phoenix"),
        ("AEST", AUSTRALIA, "Australia/Brisbane or Australia/Sydney"),
        ("EST", "", "not the name of a place"),
    ],
)
def test_what_names_no_one_clock_is_refused_with_what_to_write(text: str, number: str, words: str) -> None:
    with pytest.raises(NotAZone, match=words):
        read_zone(text, number)


def test_every_name_of_the_database_is_a_place_or_refused() -> None:
    for name in available_timezones():
        fixed = name.startswith("Etc/") or ("/" not in name and name.upper() == name and name not in PLACES_IN_CAPITALS)
        if fixed:
            assert not is_place(name), name
            with pytest.raises(NotAZone):
                read_zone(name, "")
        elif is_place(name):
            assert read_zone(name.swapcase(), "") == name


PLACES_IN_CAPITALS = {"GB", "NZ", "PRC", "ROC", "ROK", "GB-EIRE", "NZ-CHAT", "W-SU"}


@given(st.text(alphabet=string.printable, max_size=200), st.sampled_from([NEW_YORK, FRANCE, AUSTRALIA, ""]))
def test_any_text_is_read_or_refused_in_a_sentence(text: str, number: str) -> None:
    try:
        found = read_zone(text, number)
    except NotAZone as error:
        assert str(error).endswith(".")  # noqa: PT017
    else:
        assert found == "" or is_place(found)
