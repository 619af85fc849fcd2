"""Reconcile a restored database with the dial journals: restore, do again, and let workers start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction

from calls.journal import reapplying, restoring, standing
from calls.journal.comparing import Comparison, compare
from calls.journal.gathering import Forgotten, gather
from calls.journal.persons import Numbers
from tenants import audit_log
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
    compared = [_compared(folder, lost) for folder in folders]
    if not dry_run:
        with transaction.atomic():
            standing.begin_epoch_if_restored(compared)
    forgotten = gather(compared, settings.DIAL_JOURNAL_DAYS)
    report = Report()
    if dry_run:
        report.calls["to be restored"] = len(forgotten.intents)
        report.notes = Counter(line["kind"] for line in forgotten.notes)
        shown = {each.journal.host for each in compared if each.journal and each.is_whole}
        report.awaited = sorted(set(standing.awaited()).difference(shown, lost))
        return report
    _do_again(forgotten, report)
    with transaction.atomic():
        _settle(compared, lost, report)
        detail = {"calls": +report.calls, "notes": +report.notes, "lost": report.lost, "journals": report.presented}
        audit_log.record(None, actor=actor, action="dial_journal.reconcile", subject="dial journal", detail=detail)
    damaged = {each.journal.host for each in compared if each.journal and not each.is_whole}
    report.awaited = sorted({*standing.awaited(), *damaged.difference(lost)})
    return report


def _compared(folder: Path, lost: Sequence[str]) -> Comparison:
    found = compare(folder, whole=True)
    if found.unreadable:
        raise CannotReconcile(f"The dial journal cannot be read: {found.unreadable}")
    if found.is_other:
        raise CannotReconcile(f"The dial journal in {folder} belongs to another database.")
    if found.identity is None and not lost:
        raise CannotReconcile(f"There is no dial journal in {folder}. Name its folder with --journal.")
    return found


def _do_again(forgotten: Forgotten, report: Report) -> None:
    wanted = reapplying.wanted_numbers(forgotten.notes)
    for intent in forgotten.intents.values():
        wanted.setdefault(intent.organization, set()).add(intent.number)
    numbers = {owner: Numbers(owned, wanted[owner]) for owner, owned in _organizations(wanted).items()}
    report.notes += reapplying.stop_and_list(forgotten.notes, numbers)
    erased = reapplying.erased_contacts(forgotten.notes)
    for intent in forgotten.in_order():
        report.calls[restoring.restore(intent, forgotten.answer(intent), numbers, erased)] += 1
    if standing.is_restored():
        report.calls["given the provider's ID"] += restoring.learn_ids(forgotten.answers)
    report.notes += reapplying.erase(forgotten.notes)
    reapplying.remember(forgotten.notes)


def _organizations(keys: Iterable[UUID]) -> dict[UUID, Organization]:
    return {row.uuid: row for row in Organization.objects.filter(uuid__in=list(keys))}


def _settle(compared: Sequence[Comparison], lost: Sequence[str], report: Report) -> None:
    """Note which journals were compared or are lost. One that is damaged has to be declared lost as well."""
    for each in compared:
        if each.journal is None and each.identity is not None:
            standing.register(each)
        host = each.journal.host if each.journal else ""
        if each.journal and each.identity and (each.is_whole or host in lost):
            standing.present(each, each.journal)
            report.presented.append(str(each.journal))
    kept = [each.journal.pk for each in compared if each.journal and each.identity]
    gone = DialJournal.objects.filter(host__in=lost).exclude(pk__in=kept)
    damaged = {each.journal.host for each in compared if each.journal and not each.is_whole}
    report.lost = sorted({*gone.values_list("host", flat=True), *damaged.intersection(lost)})
    gone.delete()
