"""Give a contact further numbers."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import transaction

from campaigns.contact_locks import lock_numbers
from campaigns.models import Contact, ContactNumber, NumberKind
from providers.validators import check_e164

Numbers = Sequence[tuple[str, str]]  # E.164 and a value of NumberKind, in the order of calling


def check(first: str, numbers: Numbers) -> None:
    """Raise ValidationError unless these can be the further numbers of a contact with this first number."""
    if len(numbers) > ContactNumber.MAX:
        raise ValidationError(
            f"A contact has at most {ContactNumber.MAX + 1} numbers; give at most {ContactNumber.MAX} further ones.",
            code="too_many",
        )
    seen = {first}
    for phone, kind in numbers:
        check_e164(phone)
        if kind and kind not in NumberKind.values:
            raise ValidationError(f"'{kind}' is no kind of number; use {', '.join(NumberKind.values)}.", code="invalid")
        if phone in seen:
            raise ValidationError(f"{phone} is there twice; give each number of a contact once.", code="repeated")
        seen.add(phone)


@transaction.atomic
def replace(contact: Contact, numbers: Numbers) -> bool:
    """Make these the contact's further numbers, in this order. Return whether that changes anything.

    Raises ValidationError. The numbers are locked, then the contact: whoever locks the contact before, in the same
    transaction, calls `lock_numbers` with all numbers first.
    """
    lock_numbers(contact.organization_id, [phone for phone, _ in numbers], listed=())
    first = Contact.objects.select_for_update(no_key=True).values_list("phone", flat=True).get(pk=contact.pk)
    check(first, numbers)
    known = ContactNumber.objects.filter(contact=contact).order_by("position")
    if list(known.values_list("phone", "kind")) == [tuple(pair) for pair in numbers]:
        return False
    known.delete()
    ContactNumber.objects.bulk_create(
        ContactNumber(organization_id=contact.organization_id, contact=contact, phone=phone, kind=kind, position=place)
        for place, (phone, kind) in enumerate(numbers, start=1)
    )
    return True
