"""Where a contact may be: by its number, its own zone, and the campaign's choices."""

from __future__ import annotations

import pytest

from campaigns.rules.whereabouts import ZoneRule, candidate_zones, choice_faults, contradicts, whereabouts
from tests.oracle import numbers, zones
from tests.simulation import plan
from tests.tables import cases

DENVER = ZoneRule("America/Denver")
TRUSTS = ZoneRule("America/Denver", trusts_contacts=True)
RUSSIA_AT_HOME = ZoneRule("Europe/Moscow", home_countries=frozenset({"RU", "US", "FR"}))
MOSCOW_MOBILE = "+79161234567"


@cases(
    ("own", "phone", "expected"),
    [
        ("", "+33123456789", ("Europe/Paris",)),
        ("", "+12125551234", ("America/New_York",)),
        ("", "+447400123456", ("Europe/London",)),  # Jersey and Guernsey keep the same clock
        ("", "+18005551234", ("America/Denver",)),  # toll-free: the campaign's
        ("", "+999123", ("America/Denver",)),
        ("Asia/Tokyo", "+18005551234", ("Asia/Tokyo",)),
        ("America/Detroit", "+12125551234", ("America/Detroit",)),  # the same clock as New York's
        ("America/Chicago", "+12195551234", ("America/Chicago",)),  # one of the area's two
        ("Asia/Tokyo", "+33123456789", ("Asia/Tokyo", "Europe/Paris")),  # it never widens: both must be open
        ("EST", "+12125551234", ("America/New_York",)),  # no place, so it counts for nothing
        ("Etc/GMT-5", "+12125551234", ("America/New_York",)),
        ("Etc/GMT-5", "+18005551234", ("America/Denver",)),
        ("Nowhere/Land", "+33123456789", ("Europe/Paris",)),
    ],
)
def test_a_contact_may_be_where_its_number_and_its_zone_say(own: str, phone: str, expected: tuple[str, ...]) -> None:
    assert candidate_zones(own, phone, DENVER) == expected


def test_a_mobile_number_of_a_large_country_may_be_anywhere_there() -> None:
    assert {"Australia/Perth", "Australia/Sydney"} <= set(candidate_zones("", "+61412345678", ZoneRule("Europe/Paris")))
    assert {"Europe/Kaliningrad", "Asia/Kamchatka"} <= set(
        candidate_zones("", "+79161234567", ZoneRule("Asia/Kolkata"))
    )


@pytest.mark.parametrize(
    ("own", "phone", "source", "confidence", "words"),
    [
        ("Europe/Paris", "+33123456789", "contact", "certain", "has a time zone"),
        ("Asia/Tokyo", "+18005551234", "contact", "certain", "has a time zone"),
        ("Asia/Tokyo", "+33123456789", "contact", "guess", "none of the number's"),
        ("", "+33123456789", "number", "likely", "was issued in this time zone"),
        ("", "+447400123456", "number", "likely", "was issued in this time zone"),
        ("", "+13095551234", "number", "likely", "was issued"),
        ("", "+18005551234", "default", "guess", "toll-free"),
        ("", "+61412345678", "number", "guess", "any of 7 time zones"),
        ("", "+12085551234", "number", "guess", "any of 2 time zones"),  # Idaho
        ("", "+999123", "default", "guess", "has no known time zone"),
    ],
)
def test_where_a_zone_is_known_from_and_how_sure_it_is(
    own: str, phone: str, source: str, confidence: str, words: str
) -> None:
    found = whereabouts(own, phone, DENVER)
    assert found.zones == candidate_zones(own, phone, DENVER)
    assert (found.source, found.confidence) == (source, confidence)
    assert words in found.reason


@pytest.mark.parametrize(
    ("own", "phone", "expected"),
    [
        ("Asia/Tokyo", "+33123456789", ("Asia/Tokyo",)),  # it contradicts, and is trusted
        ("Asia/Tokyo", "+18005551234", ("Asia/Tokyo",)),
        ("America/Chicago", "+12195551234", ("America/Chicago",)),
        ("", "+33123456789", ("Europe/Paris",)),
        ("", "+18005551234", ("America/Denver",)),
        ("Etc/GMT-5", "+12125551234", ("America/New_York",)),  # no place: there is nothing to trust
        ("EST", "+12125551234", ("America/New_York",)),
    ],
)
def test_a_trusted_zone_of_a_contact_counts_alone(own: str, phone: str, expected: tuple[str, ...]) -> None:
    assert candidate_zones(own, phone, TRUSTS) == expected


@pytest.mark.parametrize(
    ("own", "phone", "expected"),
    [
        ("", MOSCOW_MOBILE, ("Europe/Moscow",)),
        ("EST", MOSCOW_MOBILE, ("Europe/Moscow",)),  # no place, so the contact has no zone
        ("Asia/Omsk", MOSCOW_MOBILE, ("Asia/Omsk",)),  # a contact with a zone keeps it
        ("Asia/Tokyo", "+12195551234", ("Asia/Tokyo", "America/Chicago", "America/New_York")),
        ("", "+12125551234", ("America/New_York",)),  # the area code names one clock
        ("", "+12195551234", ("Europe/Moscow",)),  # the area code names two
        ("", "+33123456789", ("Europe/Paris",)),  # the country has one
        ("", "+18005551234", ("Europe/Moscow",)),
    ],
)
def test_the_campaigns_zone_counts_in_chosen_countries_for_numbers_of_several_clocks(
    own: str, phone: str, expected: tuple[str, ...]
) -> None:
    assert candidate_zones(own, phone, RUSSIA_AT_HOME) == expected


def test_a_country_that_was_not_chosen_keeps_all_its_zones() -> None:
    assert len(candidate_zones("", "+61412345678", RUSSIA_AT_HOME)) > 1


def test_a_choice_of_the_campaign_is_named_as_the_reason() -> None:
    at_home = whereabouts("", MOSCOW_MOBILE, RUSSIA_AT_HOME)
    assert (at_home.zones, at_home.source, at_home.chosen) == (("Europe/Moscow",), "default", True)
    assert "as chosen for numbers in Russia" in at_home.reason
    trusted = whereabouts("Asia/Tokyo", "+33123456789", TRUSTS)
    assert (trusted.zones, trusted.source, trusted.chosen) == (("Asia/Tokyo",), "contact", True)
    assert "the campaign trusts the contact's" in trusted.reason
    assert not whereabouts("America/New_York", "+12125551234", TRUSTS).chosen


@pytest.mark.parametrize(
    ("own", "phone", "expected"),
    [
        ("Asia/Tokyo", "+33123456789", True),
        ("Europe/Berlin", "+33123456789", False),  # the same clock
        ("America/Detroit", "+12125551234", False),
        ("America/Chicago", "+12195551234", False),
        ("Asia/Tokyo", "+18005551234", False),  # a number without a place contradicts nothing
        ("EST", "+12125551234", False),  # no place
        ("", "+12125551234", False),
    ],
)
def test_a_zone_contradicts_a_number_that_is_never_in_it(own: str, phone: str, expected: bool) -> None:
    assert contradicts(own, phone) is expected


@pytest.mark.parametrize(
    ("countries", "reason", "faulty"),
    [
        ([], "", None),
        (["RU"], "Customers of one city", None),
        (["RU"], " ", "campaign_zone_reason"),
        ([], "Left over", "campaign_zone_reason"),
        (["ZZ"], "x", "campaign_zone_countries"),
    ],
)
def test_countries_need_a_reason_and_a_reason_needs_countries(
    countries: list[str], reason: str, faulty: str | None
) -> None:
    assert list(choice_faults(countries, reason)) == ([faulty] if faulty else [])


OWN_ZONES = ("", "America/Chicago", "America/Detroit", "Asia/Tokyo", "Europe/Athens", "EST", "Etc/GMT-5", "No/Land")


@cases("place", plan.PLACES + plan.WORLD)
def test_a_number_may_be_where_the_tz_database_says(place: plan.Place) -> None:
    """Judged by `zone1970.tab`: no clock is missing, and none is added but those of the prefix's own row."""
    phone = place.prefix + "1234567890"[: place.more]
    for own in OWN_ZONES:
        found = {zones.changes(zone) for zone in candidate_zones(own, phone, ZoneRule("Asia/Kolkata"))}
        must = {zones.changes(zone) for zone in numbers.zones_for(phone, own, "Asia/Kolkata")}
        may = {zones.changes(zone) for zone in numbers.careful_zones_for(phone, own, "Asia/Kolkata")}
        assert must <= found <= may, (phone, own)
