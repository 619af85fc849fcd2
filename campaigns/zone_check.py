"""Find stored time zones of contacts that are no places or contradict the number, and tell each organization.

The gate judges a contact's zone at each decision. What is stored here serves lists, counts and the alert.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from django.db.models import Count

from campaigns.models import Contact
from campaigns.rules.whereabouts import zone_fault
from campaigns.wording import contacts
from tenants import alerts
from tenants.models import Organization

TIME_ZONES = "contact.time_zones"  # the kind of the alert
AT_ONCE = 2_000
Fault = Contact.ZoneFault
WORDS = {
    Fault.NO_PLACE: "{n} with a time zone that is no place, which counts for nothing: the number's own zones hold",
    Fault.CONTRADICTS: "{n} with a time zone that is none of the number's: they are called only when both are in "
    "calling hours, unless the campaign trusts the contact's",
}


def judge_all() -> int:
    """Judge the stored zones of all contacts anew. Return for how many the result changed.

    They can change without an edit: with a new version of the tz database or of the phone library. A contact that is
    edited meanwhile keeps what its edit found.
    """
    changed = 0
    for batch in _batches():
        found: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for pk, zone, phone, stored in batch:
            if (fault := zone_fault(zone, phone)) != stored:
                found[zone, fault].append(pk)
        for (zone, fault), keys in found.items():
            changed += Contact.objects.filter(pk__in=keys, timezone=zone).update(zone_fault=fault)
    return changed


def _batches() -> Iterator[Sequence[tuple[int, str, str, str]]]:
    """Yield key, zone, number and stored fault of the contacts with a zone, a bounded part at a time."""
    last = 0
    rows = Contact.objects.exclude(timezone="").order_by("pk").values_list("pk", "timezone", "phone", "zone_fault")
    while batch := list(rows.filter(pk__gt=last)[:AT_ONCE]):
        yield batch
        last = batch[-1][0]


def report(organization: Organization) -> Counter[str]:
    """Raise, update or end the organization's alert. Return how many contacts have each fault."""
    rows = Contact.objects.filter(organization=organization, erased_at=None).exclude(zone_fault="").order_by()
    found = Counter(dict(rows.values("zone_fault").annotate(n=Count("pk")).values_list("zone_fault", "n")))
    subject = str(organization.uuid)
    if found:
        alerts.tell_while(organization, TIME_ZONES, subject, message_of(found))
    else:
        alerts.end(organization, TIME_ZONES, subject)
    return found


def report_again() -> None:
    """Bring the alerts that last up to date, after contacts were corrected."""
    for alert in alerts.lasting(TIME_ZONES).select_related("organization"):
        report(alert.organization)


def message_of(found: Counter[str]) -> str:
    parts = [WORDS[fault].format(n=contacts(found[fault])) for fault in Fault if found[fault]]
    return f"{'; '.join(parts)}. Correct them in the list of contacts."
