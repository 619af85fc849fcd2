"""The further numbers of a campaign's contacts, as a forecast counts them."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Case, Count, F, OuterRef, Q, Subquery, When
from django.db.models.functions import Coalesce

from campaigns.models import Campaign, ContactListMember, ContactNumber, Recipient

_IN_PLACE = ContactNumber.objects.filter(contact=OuterRef("contact"), position=OuterRef("number_position"))
# The number that a recipient is called at next, see `Recipient.number`.
NUMBER = Case(
    When(number_position=0, then=F("contact__phone")),
    default=Coalesce(Subquery(_IN_PLACE.values("phone")[:1]), F("contact__phone")),
)


def shares(campaign: Campaign, recipients: int) -> Sequence[float]:
    """Return which share of the recipients has a first further number, a second one and so on.

    It is empty where the campaign tries no further number.
    """
    if not campaign.try_next_number or not recipients:
        return ()
    contacts = Q(contact__in=Recipient.objects.filter(campaign=campaign).values("contact"))
    contacts |= Q(contact__in=ContactListMember.objects.filter(contact_list__campaigns=campaign).values("contact"))
    rows = ContactNumber.objects.filter(contacts).order_by().values_list("position").annotate(n=Count("pk"))
    found = dict(rows)
    return [min(1.0, found.get(place, 0) / recipients) for place in range(1, ContactNumber.MAX + 1)]
