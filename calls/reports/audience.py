"""Who stands on some lists, how many of them may be called at all, and from when: before there is anybody to call with.

The gate answers, as it would for a call; of its checks those about the person alone are looked at. Long lists are
counted to an end and sampled, and say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from calls.gate import facts as fact_sheet
from calls.gate.checks import CheckName
from calls.gate.decision import decide
from calls.models import Call
from campaigns.list_sizes import COUNTED
from campaigns.models import Campaign, Contact, ContactListMember
from campaigns.rules.windows import Hours, candidate_zones, closed_zone, is_open, next_opening
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization

LOOKED_AT = 1_000  # people
BARS_CONTACT = [name for name in CheckName if name.traits.bars_contact]  # the first that fails counts


def some_people(lists: Sequence[int]) -> list[Contact]:
    """LOOKED_AT people of some lists at most, each once. Whichever are found first: to order them, all are sorted."""
    members = ContactListMember.objects.filter(contact_list__in=lists).order_by()
    found = set(members.values_list("contact", flat=True)[:LOOKED_AT])
    columns = ("phone", "timezone", "on_hold", "hold_until", "organization")
    return list(Contact.objects.filter(pk__in=found).only(*columns).order_by("pk"))


@dataclass(frozen=True)
class People:
    """`counted`: people, or entries where they are too many to find who stands on several lists."""

    counted: int
    too_many: bool
    looked_at: int
    kept_back: Counter[CheckName]  # by the gate's check

    @property
    def all_looked_at(self) -> bool:
        return not self.too_many and self.looked_at >= self.counted

    @property
    def callable(self) -> int:
        """Of those looked at."""
        return self.looked_at - self.kept_back.total()


def people(organization: Organization, lists: Sequence[int], now: datetime) -> People:
    """How many stand on these lists, and what the gate says of some of them. Writes nothing."""
    members = ContactListMember.objects.filter(contact_list__in=lists)
    entries = members.order_by()[: COUNTED + 1].count()
    too_many = entries > COUNTED
    looked_at = some_people(lists)
    if too_many or len(lists) < 2:
        counted = min(entries, COUNTED)
    else:
        counted = members.order_by().values("contact").distinct().count()
    return People(counted, too_many, len(looked_at), _kept_back(organization, looked_at, now))


class Enquiry:
    """A call that nobody makes, to ask the gate about a person alone: everything else about it is switched on. In one
    plain object, because a thousand are made while somebody waits."""

    account, assistant, phone_number = ProviderAccount(), Assistant(), PhoneNumber()
    account_id = phone_number_id = 0  # no row
    campaign = campaign_id = recipient = not_before = not_after = None
    asked_for = False

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
    """From when so many people may be called; None: never in the next days."""

    at: datetime | None
    zone: str
    people: int


def openings(campaign: Campaign, hours: Hours, contacts: Sequence[Contact], begin: datetime) -> list[Opening]:
    """When the campaign's hours, narrowed by the law's, open for these people; the earliest first."""
    alike: Counter[tuple[tuple[str, ...], tuple[Hours, ...]]] = Counter()
    for contact in contacts:
        call = Call(organization=campaign.organization, campaign=campaign, to_number=contact.phone)
        zones = candidate_zones(contact.timezone, contact.phone, campaign.zone)
        alike[zones, fact_sheet.hours_of(call, hours)] += 1
    found: Counter[tuple[datetime | None, str]] = Counter()
    for (zones, both), n in alike.items():
        if is_open(both, zones, begin):
            found[begin, zones[0]] += n
        else:
            opens = next_opening(both, zones, begin)
            found[opens, closed_zone(both, zones, begin)] += n
    rows = [Opening(at, zone, n) for (at, zone), n in found.items()]
    return sorted(rows, key=lambda row: (row.at is None, row.at or begin, -row.people, row.zone))
