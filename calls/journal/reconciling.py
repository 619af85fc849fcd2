"""Reconcile a restored database with the dial journals: restore, do again, and let workers start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction

from calls.actions import campaigns
from calls.journal import naming, reapplying, restoring, standing
from calls.journal.comparing import Comparison, compare
from calls.journal.gathering import Forgotten, gather
from calls.journal.persons import Numbers
from tenants import audit_log
from tenants.journal import folder as files
from tenants.journal.notes import done_again
from tenants.journal.writer import history
from tenants.models import DialJournal, Organization

WHY_PAUSED = (
    "The database was restored from a backup, so changes since then are lost. Check the start, the calling hours and "
    "the contacts, then resume the campaign."
)


@dataclass
class Report:
    """What was done, or would be, by what the journal tells of."""

    calls: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)  # hosts whose journals are declared lost
    presented: list[str] = field(default_factory=list)
    awaited: list[str] = field(default_factory=list)  # hosts without whose journals no worker starts


class CannotReconcile(Exception):
    """A folder holds no journal of this database, or cannot be read or written. The message is a sentence."""


@dataclass
class _Compared:
    """The journals that were compared, by what becomes of them."""

    to_present: list[Comparison] = field(default_factory=list)
    damaged: list[DialJournal] = field(default_factory=list)  # and not declared lost
    lost: list[DialJournal] = field(default_factory=list)  # declared so, and not compared

    def awaited(self) -> list[str]:
        """Return the names of the journals without which no worker starts, once all of these are settled."""
        done = [each.journal.pk for each in self.to_present if each.journal] + [each.pk for each in self.lost]
        return sorted({*standing.awaited(but=done), *naming.names(self.damaged)})


def reconcile(
    folders: Sequence[Path], lost: Sequence[str], *, actor: str, dry_run: bool = False, keep_running: bool = False
) -> Report:
    """Do again what the database forgot. An interrupted run is resumed by another one. Raises CannotReconcile.

    A database that turned out to be restored has forgotten edits as well, so its campaigns are paused, unless
    `keep_running`.
    """
    try:
        gone = {each.pk: each for each in naming.find(lost)}
        compared = [_compared(folder, gone, dry_run=dry_run) for folder in folders]
        if dry_run:
            return _foretell(compared, gone, keep_running)
        return _reconcile(compared, gone, actor, keep_running)
    except naming.Unclear as error:
        raise CannotReconcile(str(error)) from error
    except OSError as error:
        raise CannotReconcile(f"The dial journal cannot be read and written: {error}.") from error


def _foretell(compared: Sequence[Comparison], gone: Mapping[int, DialJournal], keep_running: bool) -> Report:
    """Return what would be done, and change nothing."""
    forgotten = gather(compared, settings.DIAL_JOURNAL_DAYS)
    report = Report()
    report.calls["to be restored"] = len(forgotten.intents)
    report.notes = Counter(line["kind"] for line in forgotten.notes)
    with transaction.atomic(), done_again():
        standing.begin_epoch_if_restored(compared)
        if not keep_running:
            _pause(report, actor="")
        report.awaited = _sorted(compared, gone).awaited()
        transaction.set_rollback(True)
    return report


def _reconcile(
    compared: Sequence[Comparison], gone: Mapping[int, DialJournal], actor: str, keep_running: bool
) -> Report:
    standing.begin_epoch_if_restored(compared)
    forgotten = gather(compared, settings.DIAL_JOURNAL_DAYS)
    report = Report()
    with done_again():
        _do_again(forgotten, report)
        if not keep_running:
            _pause(report, actor)
    found = _sorted(compared, gone)
    with transaction.atomic():
        _settle(found, report)
        detail = {"calls": +report.calls, "notes": +report.notes, "lost": report.lost, "journals": report.presented}
        audit_log.record(None, actor=actor, action="dial_journal.reconcile", subject="dial journal", detail=detail)
    report.awaited = found.awaited()
    return report


def _pause(report: Report, actor: str) -> None:
    if standing.is_restored():
        report.notes["campaigns paused until they are resumed"] += campaigns.pause_all(WHY_PAUSED, actor=actor)


def _compared(folder: Path, gone: Mapping[int, DialJournal], *, dry_run: bool) -> Comparison:
    found = compare(folder, whole=True)
    here = [each for each in gone.values() if each.folder == str(folder)]
    if found.unreadable and here:
        # Its loss is declared: what can still be read of it counts all the same.
        identity = files.Identity(here[-1].uuid, history().installation, here[-1].host)
        if not dry_run:
            files.write_identity(folder, identity)
        found = compare(folder, whole=True, identity=identity)
    if found.unreadable:
        raise CannotReconcile(f"The dial journal cannot be read: {found.unreadable}")
    if found.is_other:
        raise CannotReconcile(f"The dial journal in {folder} belongs to another database.")
    if found.identity is None and not gone:
        raise CannotReconcile(f"There is no dial journal in {folder}. Name its folder with --journal.")
    return found


def _sorted(compared: Sequence[Comparison], gone: Mapping[int, DialJournal]) -> _Compared:
    found = _Compared()
    for each in compared:
        if each.journal and not each.is_whole and each.journal.pk not in gone:
            found.damaged.append(each.journal)
        else:
            found.to_present.append(each)
    well = {each.journal.pk for each in compared if each.journal and each.identity and each.is_whole}
    found.lost = [each for pk, each in gone.items() if pk not in well]
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


def _settle(found: _Compared, report: Report) -> None:
    """Note which journals were compared or are lost.

    The row of a lost journal stays: if its folder comes back, it is compared with what the database knows of it.
    """
    for each in found.to_present:
        is_new = each.identity is None  # or its loss is declared: a journal begins there
        journal = each.journal if each.journal and not is_new else standing.register(each)
        standing.present(each, journal)
        if not is_new:
            report.presented.append(str(journal))
    report.lost = naming.names(found.lost)
    lost = DialJournal.objects.filter(pk__in=[each.pk for each in found.lost])
    lost.update(presented=history().epoch, trouble="")
