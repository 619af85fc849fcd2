"""The time zones in which a contact may be, and why: its number's, its own, and what the campaign chose about them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from campaigns.phones import EVERYWHERE, country_of, is_toll_free
from campaigns.rules.number_zones import country_name, keeps_a_clock_of, number_zones
from campaigns.rules.zone_words import is_place


@dataclass(frozen=True)
class ZoneRule:
    """What decides about the time zones of contacts beside their numbers and their own zones.

    `home` is the campaign's zone, or the organization's for a single call. `trusts_contacts`: a contact's own zone
    counts alone, even where it contradicts the number. In `home_countries`, `home` counts for numbers that name no
    single clock.
    """

    home: str
    trusts_contacts: bool = False
    home_countries: frozenset[str] = frozenset()


def candidate_zones(contact_timezone: str, phone: str, rule: ZoneRule) -> tuple[str, ...]:
    """Return the time zones in which a contact may be; calling hours must hold in all of them. Never empty.

    They are the zones of the number (`number_zones`). The contact's own zone narrows them when one of them keeps the
    same clock, and joins them when none does: it never widens the hours, unless the rule trusts it. The rule's `home`
    counts only for a contact without a zone whose number has no place, or names no single clock in a country for which
    a team member chose so. A stored word that is no place, like `EST` or `Etc/GMT-5`, counts for nothing.
    """
    zones = number_zones(phone)
    told = contact_timezone if is_place(contact_timezone) else ""
    if told:
        alone = not zones or rule.trusts_contacts or keeps_a_clock_of(told, zones)
        return (told,) if alone else (told, *zones)
    if not zones or _at_home(phone, zones, rule):
        return (rule.home,)
    return zones


def _at_home(phone: str, zones: Collection[str], rule: ZoneRule) -> bool:
    return len(zones) > 1 and bool(rule.home_countries) and country_of(phone) in rule.home_countries


def contradicts(contact_timezone: str, phone: str) -> bool:
    """Return whether a contact's zone is a place that keeps none of its number's clocks."""
    zones = number_zones(phone)
    return bool(zones) and is_place(contact_timezone) and not keeps_a_clock_of(contact_timezone, zones)


def zone_fault(contact_timezone: str, phone: str) -> str:
    """Return what is wrong with a contact's stored zone: "no_place", "contradicts" its number, or "" for nothing."""
    if contact_timezone and not is_place(contact_timezone):
        return "no_place"
    return "contradicts" if contact_timezone and contradicts(contact_timezone, phone) else ""


def choice_faults(countries: Collection[str], reason: str) -> dict[str, str]:
    """Return what is wrong with the choice of the campaign's zone for some countries, by the campaign's field."""
    unknown = sorted(set(countries) - EVERYWHERE)
    if unknown:
        return {
            "campaign_zone_countries": f"'{unknown[0]}' is not a country with phone numbers. Use a code such as RU."
        }
    if countries and not reason.strip():
        return {"campaign_zone_reason": "Give the reason to use the campaign's time zone for these countries."}
    if reason.strip() and not countries:
        return {"campaign_zone_reason": "Empty this, or name the countries that it is the reason for."}
    return {}


@dataclass(frozen=True)
class Whereabouts:
    """The zones a contact may be in, the source of this information, and its confidence.

    `chosen`: the zones follow from what a team member chose for the campaign.
    """

    zones: tuple[str, ...]
    source: Literal["contact", "number", "default"]
    confidence: Literal["certain", "likely", "guess"]
    reason: str  # a sentence
    chosen: bool = False


def whereabouts(contact_timezone: str, phone: str, rule: ZoneRule) -> Whereabouts:
    """Return the result of `candidate_zones`, and the reason."""
    zones, known = candidate_zones(contact_timezone, phone, rule), number_zones(phone)
    if is_place(contact_timezone):
        return _by_contact(contact_timezone, phone, zones)
    if is_toll_free(phone):
        return _by_default(zones, "The number is toll-free and may be in any time zone")
    if not known:
        return _by_default(zones, "The number has no known time zone")
    if _at_home(phone, known, rule):
        where = country_name(country_of(phone))
        text = f"The campaign's time zone is used, as chosen for numbers in {where} that may be in several time zones."
        return Whereabouts(zones, "default", "guess", text, chosen=True)
    if len(known) == 1:
        return Whereabouts(zones, "number", "likely", "The number was issued in this time zone.")
    text = f"The number may be in any of {len(known)} time zones; it must be calling hours in all."
    return Whereabouts(zones, "number", "guess", text)


def _by_contact(contact_timezone: str, phone: str, zones: tuple[str, ...]) -> Whereabouts:
    if not contradicts(contact_timezone, phone):
        return Whereabouts(zones, "contact", "certain", "The contact has a time zone.")
    if zones == (contact_timezone,):
        text = "The contact's time zone is none of the number's; the campaign trusts the contact's."
        return Whereabouts(zones, "contact", "likely", text, chosen=True)
    text = "The contact's time zone is none of the number's; it must be calling hours in all of them."
    return Whereabouts(zones, "contact", "guess", text)


def _by_default(zones: tuple[str, ...], why: str) -> Whereabouts:
    return Whereabouts(zones, "default", "guess", f"{why}; the campaign's time zone is used.")
