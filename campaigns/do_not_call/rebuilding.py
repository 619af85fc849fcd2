"""Rebuild the do-not-call list under a new key, when the key of its hashes is lost for ever."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from django.db import transaction

from campaigns.models import DoNotCall
from campaigns.models.number_hash import finding, number_hashes, replace_key
from tenants import audit_log

AT_ONCE = 1_000


@dataclass(frozen=True)
class Entries:
    """How many entries have their number, and how many have a hash alone, because the number was erased."""

    with_number: int
    erased: int


class CannotRebuild(Exception):
    """The key is not lost, or more entries would be given up than somebody has agreed to."""


@transaction.atomic
def rebuild(*, give_up: int, actor: str) -> Entries:
    """Hash the numbers of the list under a new key. Raises CannotRebuild.

    Entries whose number was erased stay, and keep nobody from calls any more: nobody knows their number. There may be
    `give_up` of them.
    """
    if not finding().message:
        raise CannotRebuild("The key of the do-not-call list can be read. Nothing has to be rebuilt.")
    erased = DoNotCall.objects.filter(phone="").count()
    if erased > give_up:
        raise CannotRebuild(
            f"{erased} entries have no number, because it was erased, and cannot be rebuilt: those people may be "
            f"called again if a file brings their number. To go on without them, give --give-up {erased}."
        )
    replace_key()
    rows, last, rebuilt = DoNotCall.objects.exclude(phone="").order_by("pk"), 0, 0
    while page := list(rows.filter(pk__gt=last)[:AT_ONCE]):
        last, rebuilt = page[-1].pk, rebuilt + len(page)
        hashes = {phone: hashed for hashed, phone in number_hashes(entry.phone for entry in page).items()}
        for entry in page:
            entry.phone_hash = hashes[entry.phone]
        DoNotCall.objects.bulk_update(page, ["phone_hash"])
    _record(actor)
    return Entries(rebuilt, erased)


def _record(actor: str) -> None:
    """Record it in the audit log of the installation, and of each organization with entries."""
    audit_log.record(None, actor=actor, action="do_not_call.rebuilt", subject="do-not-call list")
    entries = DoNotCall.objects.order_by("organization", "pk").values_list("organization", "phone")
    for home, phones in groupby(entries, key=lambda row: row[0]):
        known = [bool(phone) for _, phone in phones]
        detail = {"entries": known.count(True), "without_number": known.count(False)}
        audit_log.record(home, actor=actor, action="do_not_call.rebuilt", subject="do-not-call list", detail=detail)
