"""Reconcile a restored database with the dial journals: restore, do again, and let workers start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction

from calls.journal import naming, reapplying, restoring, standing
from calls.journal.comparing import Comparison, compare
from calls.journal.gathering import Forgotten, gather
from calls.journal.persons import Numbers
from tenants import audit_log
from tenants.journal import folder as files
from tenants.journal.notes import done_again
from tenants.journal.writer import history
from tenants.models import DialJournal, Organization


@dataclass
class Report:
    """What was done, or would be, by what the journal tells of."""

    calls: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)  # hosts whose journals are declared lost
    presented: list[str] = field(default_factory=list)
    awaited: list[str] = field(default_factory=list)  # hosts without whose journals no worker starts


class CannotReconcile(Exception):
    """A folder holds no journal of this database. The message is a sentence."""


def reconcile(folders: Sequence[Path], lost: Sequence[str], *, actor: str, dry_run: bool = False) -> Report:
    """Do again what the database forgot. An interrupted run is resumed by another one. Raises CannotReconcile."""
    try:
        gone = {each.pk: each for each in naming.find(lost)}
    except naming.Unclear as error:
        raise CannotReconcile(str(error)) from error
    compared = [_compared(folder, gone, dry_run=dry_run) for folder in folders]
    if not dry_run:
        standing.begin_epoch_if_restored(compared)
    forgotten = gather(compared, settings.DIAL_JOURNAL_DAYS)
    report = Report()
    if dry_run:
        report.calls["to be restored"] = len(forgotten.intents)
        report.notes = Counter(line["kind"] for line in forgotten.notes)
        shown = {each.journal.host for each in compared if each.journal and each.is_whole}
        report.awaited = sorted(set(standing.awaited()).difference(shown, lost))
        return report
    with done_again():
        _do_again(forgotten, report)
    with transaction.atomic():
        damaged = _settle(compared, gone, report)
        detail = {"calls": +report.calls, "notes": +report.notes, "lost": report.lost, "journals": report.presented}
        audit_log.record(None, actor=actor, action="dial_journal.reconcile", subject="dial journal", detail=detail)
    report.awaited = sorted({*standing.awaited(), *naming.names(damaged)})
    return report


def _compared(folder: Path, gone: Mapping[int, DialJournal], *, dry_run: bool) -> Comparison:
    found = compare(folder, whole=True)
    here = [each for each in gone.values() if each.folder == str(folder)]
    if found.unreadable and here and not dry_run:
        # Its loss is declared: what can still be read of it counts all the same.
        with suppress(OSError):
            files.write_identity(folder, files.Identity(here[-1].uuid, history().installation, here[-1].host))
        found = compare(folder, whole=True)
    if found.unreadable:
        raise CannotReconcile(f"The dial journal cannot be read: {found.unreadable}")
    if found.is_other:
        raise CannotReconcile(f"The dial journal in {folder} belongs to another database.")
    if found.identity is None and not gone:
        raise CannotReconcile(f"There is no dial journal in {folder}. Name its folder with --journal.")
    return found


def _do_again(forgotten: Forgotten, report: Report) -> None:
    """Restore the calls first: a stop ends what waits, and a call that was dialled is not one of these."""
    wanted = reapplying.wanted_numbers(forgotten.notes)
    for intent in forgotten.intents.values():
        wanted.setdefault(intent.organization, set()).add(intent.number)
    numbers = {owner: Numbers(owned, wanted[owner]) for owner, owned in _organizations(wanted).items()}
    erased = reapplying.erased_contacts(forgotten.notes)
    for intent in forgotten.in_order():
        report.calls[restoring.restore(intent, forgotten.answer(intent), numbers, erased)] += 1
    if standing.is_restored():
        report.calls["given the provider's ID"] += restoring.learn_ids(forgotten.answers)
    report.notes += reapplying.stop_and_list(forgotten.notes, numbers)
    report.notes += reapplying.erase(forgotten.notes)
    reapplying.remember(forgotten.notes)


def _organizations(keys: Iterable[UUID]) -> dict[UUID, Organization]:
    return {row.uuid: row for row in Organization.objects.filter(uuid__in=list(keys))}


def _settle(compared: Sequence[Comparison], gone: Mapping[int, DialJournal], report: Report) -> list[DialJournal]:
    """Note which journals were compared or are lost. Return those that are damaged and have to be declared lost.

    The row of a lost journal stays: if its folder comes back, it is compared with what the database knows of it.
    """
    compared_well = {each.journal.pk for each in compared if each.journal and each.identity and each.is_whole}
    lost = [each for pk, each in gone.items() if pk not in compared_well]
    report.lost = naming.names(lost)
    damaged: list[DialJournal] = []
    for each in compared:
        if each.journal and not each.is_whole and each.journal.pk not in gone:
            damaged.append(each.journal)
            continue
        is_new = each.identity is None  # or its loss is declared: a journal begins there
        journal = each.journal if each.journal and not is_new else standing.register(each)
        standing.present(each, journal)
        if not is_new:
            report.presented.append(str(journal))
    DialJournal.objects.filter(pk__in=[each.pk for each in lost]).update(presented=history().epoch, trouble="")
    return damaged
