"""May calls be placed, as far as the dial journals are concerned? Asked when a worker starts, and by the web.

Each host writes a journal of its own, and the database knows them all. When the database turns out to be restored,
because a journal knows more or because the server's database is another one, its epoch is raised. From then on no
worker starts until every journal was compared, or declared lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet, Subquery

from calls.journal import naming
from calls.journal.comparing import Comparison, compare
from campaigns.models.number_hash import begin_number_hashes
from tenants.journal import folder as folders
from tenants.journal.keeping import remove_old
from tenants.journal.notes import write_left
from tenants.journal.writer import history, writer
from tenants.models import DialJournal, History, JournalFile

COMMAND = "manage.py reconcile_journal"
OFF = "The dial journal is off (DIAL_JOURNAL=off). When a backup is restored, nobody knows who was called since."


class Refused(Exception):
    """No call may be placed. The message is a sentence that says what to do."""


def admit() -> None:
    """Let the worker of this machine start, and note that its journal was compared. Raises Refused."""
    begin_number_hashes()  # a backup without their key could not be compared by numbers
    folder: Path | None = settings.DIAL_JOURNAL
    found = _look_and_present(folder) if folder else None
    if found is not None and found.is_fine and found.journal is not None:
        _forget_trouble(found)
        with _as_refusal(found.folder):
            remove_old(found.folder, found.journal)
    if wrong := _sentence(found):
        raise Refused(wrong)
    write_left()


def stay() -> None:
    """Let a worker that runs go on. Raises Refused when the database was restored or moved meanwhile.

    That a journal cannot be read or written ends no worker: claims wait until it can be.
    """
    folder: Path | None = settings.DIAL_JOURNAL
    if folder is None:
        return
    try:
        found = _look_and_present(folder)
    except Refused:
        return
    if not found.unreadable and (wrong := _sentence(found)):
        raise Refused(wrong)
    write_left()


def introduce(folder: Path) -> None:
    """Compare a folder, and register it if nothing is wrong. Raises ValueError with a sentence if something is."""
    found = _look_and_present(folder)
    if not found.is_fine:
        raise ValueError(_sentence(found))


def begin_web() -> None:
    """Compare the journal of a web process that starts, so that no worker waits for a host that has none."""
    folder: Path | None = settings.DIAL_JOURNAL
    if folder is None:
        return
    with suppress(Refused):  # readiness says it
        found = _look_and_present(folder)
        _forget_trouble(found)
        if found.is_fine:
            write_left()
    tidy()


def tidy() -> None:
    """Delete what is older than the days that are kept. That it cannot be deleted does no harm."""
    folder: Path | None = settings.DIAL_JOURNAL
    with suppress(OSError, ValueError):
        identity = folders.identity_of(folder) if folder else None
        journal = DialJournal.objects.filter(uuid=identity.journal).first() if identity else None
        if folder and journal:
            remove_old(folder, journal)


def wrong() -> str:
    """Return in a sentence why no worker may place calls, or an empty string. Changes nothing."""
    folder: Path | None = settings.DIAL_JOURNAL
    mine = writer()
    return _sentence(compare(folder) if folder else None) or (mine.trouble if mine else "") or _trouble()


def _look_and_present(folder: Path) -> Comparison:
    """Compare a journal, and note that it was if nothing is wrong. Raises Refused if it cannot be written."""
    found = compare(folder)
    with _as_refusal(folder):
        begin_epoch_if_restored([found])
        if found.is_fine:
            present(found, register(found))
    return found


@contextmanager
def _as_refusal(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(f"The dial journal in {folder} cannot be written: {error.strerror}.") from error


def _forget_trouble(found: Comparison) -> None:
    """Forget what a process of before could not write. If it still cannot be written, the next line says so again."""
    if found.is_fine and found.journal is not None:
        DialJournal.objects.filter(pk=found.journal.pk).exclude(trouble="").update(trouble="")


def begin_epoch_if_restored(compared: Sequence[Comparison]) -> None:
    """Begin a new epoch, once for each time that the database is restored: all journals have to be compared again."""
    now = fingerprint()
    if history().fingerprint == now and not any(each.forgotten or _is_strange(each, now) for each in compared):
        return
    with transaction.atomic():
        known = _locked()
        moved = known.fingerprint not in ("", now)
        strange = any(_is_strange(each, now) for each in compared)
        news = [register(each, presented=known.epoch) for each in compared if each.forgotten]
        if moved or strange or any(journal.presented == known.epoch for journal in news):
            known.epoch += 1
        known.fingerprint = now
        known.save()


def _is_strange(found: Comparison, now: str) -> bool:
    """Return whether a folder has no journal, although the database knows others, and no server tells it from a copy.

    The machine or the setting is new, and so may be the file of the database: a backup that lacks what others wrote.
    """
    return not now and found.identity is None and found.is_fine and DialJournal.objects.exists()


def register(found: Comparison, presented: int = 0) -> DialJournal:
    """Return the row of a folder's journal. Make it, and the journal, if they are new."""
    identity = found.identity or folders.made_identity(found.folder, history().installation)[0]
    given = {"host": identity.host, "folder": str(found.folder), "presented": presented}
    found.identity = identity
    found.journal, _ = DialJournal.objects.get_or_create(uuid=identity.journal, defaults=given)
    return found.journal


def present(found: Comparison, journal: DialJournal) -> None:
    """Note that a journal was compared and holds nothing more that the database does not know."""
    rows = JournalFile.objects.filter(journal=journal)
    if found.short:  # declared lost: what is missing is not asked for again
        rows.filter(name__in=found.short).delete()
        folders.forget_told(found.folder, found.short)
    known, told = dict(rows.values_list("name", "position")), folders.told(found.folder)
    for name, end in found.ends.items():
        # A file whose odd lines are settled now is known to its end. Of another one the process may run: no further
        # than it told the database, because each of its claims has to tell of more than the one before.
        position = end if name in found.odd else min(end, told.get(name, end))
        if name not in known:
            JournalFile.objects.get_or_create(journal=journal, name=name, defaults={"position": position})
        elif known[name] < position:
            rows.filter(name=name, position__lt=position).update(position=position)
    DialJournal.objects.filter(_not_compared(), pk=journal.pk).update(presented=history().epoch)


def is_restored() -> bool:
    """Return whether the database was restored, and a journal was not compared with it yet."""
    return DialJournal.objects.filter(_not_compared()).exists()


def awaited(but: Collection[int] = ()) -> list[str]:
    """Return the names of the journals that were not compared since the database was restored, `but` these."""
    return naming.names(DialJournal.objects.filter(_not_compared()).exclude(pk__in=but))


def ailing() -> QuerySet[DialJournal]:
    """Return the journals that keep workers from placing calls: not compared, or not written."""
    return DialJournal.objects.filter(_not_compared() | ~Q(trouble="")).order_by("pk")


def _not_compared() -> Q:
    return Q(presented__lt=Subquery(History.objects.values("epoch")[:1]))


def _trouble() -> str:
    return DialJournal.objects.exclude(trouble="").order_by("pk").values_list("trouble", flat=True).first() or ""


def _locked() -> History:
    history()
    return History.objects.select_for_update().get(pk=1)


def fingerprint() -> str:
    """Return what tells this database from one that was restored or copied. On SQLite the journal alone does."""
    if connection.vendor != "postgresql":
        return ""
    table = History._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT oid FROM pg_database WHERE datname = current_database()), %s::regclass::oid,"
            " has_function_privilege('pg_control_system()', 'EXECUTE'),"
            " NOT pg_is_in_recovery() AND has_function_privilege('pg_current_wal_lsn()', 'EXECUTE')"
            " AND has_function_privilege('pg_walfile_name(pg_lsn)', 'EXECUTE')",
            [table],
        )
        database, oid, has_system, has_timeline = cursor.fetchone()
        system = timeline = ""
        if has_system:
            cursor.execute("SELECT system_identifier FROM pg_control_system()")
            system = cursor.fetchone()[0]
        if has_timeline:  # the name of a file of the log begins with it; the last checkpoint may be of an older one
            cursor.execute("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")
            timeline = cursor.fetchone()[0]
    return "/".join(str(part) for part in (system, timeline, database, oid))


def _sentence(found: Comparison | None) -> str:
    """Return what a comparison means, in a sentence that says what to do."""
    if found is not None:
        if found.unreadable:
            mend = "Put it back, or accept the loss by name."
            if found.is_forbidden:
                mend = f"Give the folder {found.folder} and its files to the user who runs the processes."
            return f"The dial journal cannot be read: {found.unreadable} {mend}"
        if found.is_other:
            return (
                f"The dial journal in {found.folder} belongs to another database. Set DIAL_JOURNAL to another folder, "
                "or move that one away if this database is new."
            )
        if found.forgotten:
            since = f" since {found.since[:19].replace('T', ' ')} UTC" if found.since else ""
            return (
                f"The database is older than the dial journal in {found.folder}: it was restored, and has forgotten "
                f"what happened{since}. Run {COMMAND} before any worker starts."
            )
        if not found.is_whole:
            name = naming.names([found.journal])[0] if found.journal else ""
            return (
                f"The dial journal in {found.folder} lost lines that the database knows of. Put it back, or accept the "
                f"loss with {COMMAND} --declare-lost {name}."
            )
    if hosts := awaited():
        return (
            f"The database was restored or moved, and the dial journal of {', '.join(hosts)} was not compared with it. "
            f"Start the worker or restart the web process there, run {COMMAND} --journal FOLDER with it, or {COMMAND} "
            f"--declare-lost {hosts[0]}."
        )
    return ""
