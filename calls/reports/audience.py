"""How many contacts of some lists may be called, and from when, before the campaign has an assistant.

The gate decides as for a call, but only the checks that bar the contact count. Long lists are counted up to a limit and
sampled, and the result says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import QuerySet

from calls.gate import facts as fact_sheet
from calls.gate.checks import CheckName
from calls.gate.decision import decide
from calls.models import Call
from calls.reports.never_open import ClosedPlace, closed_place
from campaigns import list_sizes, segments
from campaigns.models import Campaign, Contact, ContactListMember, Segment
from campaigns.phones import country_of
from campaigns.rules.whereabouts import candidate_zones
from campaigns.rules.windows import Hours, closed_zone, is_open, next_opening
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization

LOOKED_AT = 1_000  # contacts in the sample
# A contact counts for the first of them that fails.
BARS_CONTACT = [name for name in CheckName if name.traits.bars_contact]


def sample_of(lists: Sequence[int], within: Sequence[Segment] = ()) -> list[Contact]:
    """Return a sample of at most LOOKED_AT contacts of some lists and segments, each once.

    It takes the contacts found first, because an order would sort all of them.
    """
    members = ContactListMember.objects.filter(contact_list__in=lists).order_by()
    found = set(members.values_list("contact", flat=True)[:LOOKED_AT])
    if within and len(found) < LOOKED_AT:
        found.update(_in(within).order_by().values_list("pk", flat=True)[: LOOKED_AT - len(found)])
    columns = ("phone", "timezone", "on_hold", "hold_until", "organization")
    return list(Contact.objects.filter(pk__in=found).only(*columns).order_by("pk"))


def _in(within: Sequence[Segment]) -> QuerySet[Contact]:
    return Contact.objects.filter(segments.matching(within))


@dataclass(frozen=True)
class Audience:
    """The contacts of some lists. `counted`: contacts, or entries of the lists when there are too many to count."""

    counted: int
    too_many: bool
    looked_at: int
    kept_back: Counter[CheckName]  # contacts of the sample that may not be called, by the gate's check

    @property
    def all_looked_at(self) -> bool:
        return not self.too_many and self.looked_at >= self.counted

    @property
    def callable(self) -> int:
        """Return how many contacts of the sample may be called."""
        return self.looked_at - self.kept_back.total()


def audience_of(
    organization: Organization, lists: Sequence[int], now: datetime, within: Sequence[Segment] = ()
) -> Audience:
    """Return how many contacts the lists and segments have, and what the gate says about a sample. Writes nothing."""
    members = ContactListMember.objects.filter(contact_list__in=lists)
    entries = sum(list_sizes.sizes(lists).values())
    too_many = entries > list_sizes.COUNTED
    looked_at = sample_of(lists, within)
    if within and not too_many:
        either = segments.audience(organization.pk, lists, within)
        counted = either.order_by().values("pk")[: list_sizes.COUNTED + 1].count()
        too_many, counted = counted > list_sizes.COUNTED, min(counted, list_sizes.COUNTED)
    elif too_many or len(lists) < 2:
        counted = min(entries, list_sizes.COUNTED)
    else:
        counted = members.order_by().values("contact").distinct().count()
    return Audience(counted, too_many, len(looked_at), _kept_back(organization, looked_at, now))


class Enquiry:
    """A `Candidate` that asks the gate about a contact alone: everything else about it is switched on.

    It is a plain object and no `Call`, because a page creates a thousand of them while a team member waits.
    """

    account, assistant, phone_number = ProviderAccount(), Assistant(), PhoneNumber()
    account_id = phone_number_id = 0  # no row
    campaign = campaign_id = recipient = recipient_id = not_before = not_after = None
    asked_for = is_single = False

    def __init__(self, organization: Organization, contact: Contact) -> None:
        self.organization, self.organization_id = organization, organization.pk
        self.contact, self.contact_id, self.to_number = contact, contact.pk, contact.phone


def _kept_back(organization: Organization, contacts: Sequence[Contact], now: datetime) -> Counter[CheckName]:
    enquiries = [Enquiry(organization, contact) for contact in contacts]
    alike = Counter(replace(facts, hours=()) for facts in fact_sheet.load(enquiries, now))
    found: Counter[CheckName] = Counter()
    for facts, n in alike.items():
        decision = decide(facts, now)
        for name in [name for name in BARS_CONTACT if decision.failed(name)][:1]:
            found[name] += n
    return found


@dataclass(frozen=True)
class Opening:
    """The moment from which a number of contacts may be called. `at` is None: never; `place` says where and why."""

    at: datetime | None
    zone: str
    people: int
    place: ClosedPlace | None = None


def openings(campaign: Campaign, hours: Hours, contacts: Sequence[Contact], begin: datetime) -> list[Opening]:
    """Return when the campaign's hours within the legal hours open for these contacts, the earliest first."""
    alike: Counter[tuple[tuple[str, ...], tuple[Hours, ...], str, str]] = Counter()
    rule = campaign.zone_rule
    for contact in contacts:
        call = Call(organization=campaign.organization, campaign=campaign, to_number=contact.phone)
        zones = candidate_zones(contact.timezone, contact.phone, rule)
        told = contact.timezone if len(zones) > 1 else ""
        alike[zones, fact_sheet.hours_of(call, hours), country_of(contact.phone), told] += 1
    found: Counter[tuple[datetime | None, str, ClosedPlace | None]] = Counter()
    for (zones, both, country, told), n in alike.items():
        if is_open(both, zones, begin):
            found[begin, zones[0], None] += n
        elif opens := next_opening(both, zones, begin):
            found[opens, closed_zone(both, zones, begin), None] += n
        else:
            found[None, zones[0], closed_place(country, zones, told, both, begin)] += n
    rows = [Opening(at, zone, n, place) for (at, zone, place), n in found.items()]
    return sorted(rows, key=lambda row: (row.at is None, row.at or begin, -row.people, row.zone))
