"""May calls be placed, as far as the dial journals are concerned? Asked when a worker starts, and by the web.

Each host writes a journal of its own, and the database knows them all. When the database turns out to be restored,
because a journal knows more or because the server's database is another one, its epoch is raised. From then on no
worker starts until every journal was compared, or declared lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet, Subquery

from calls.journal.comparing import Comparison, compare
from campaigns.models.number_hash import begin_number_hashes
from tenants.journal import folder as folders
from tenants.journal.keeping import remove_old
from tenants.journal.writer import history
from tenants.models import DialJournal, History, JournalFile

COMMAND = "manage.py reconcile_journal"
OFF = "The dial journal is off (DIAL_JOURNAL=off). When a backup is restored, nobody knows who was called since."


class Refused(Exception):
    """No call may be placed. The message is a sentence that says what to do."""


def admit() -> None:
    """Let the worker of this machine start, and note that its journal was compared. Raises Refused."""
    begin_number_hashes()  # a backup without their key could not be compared by numbers
    found = look()
    if found is not None and found.is_fine:
        try:
            journal = register(found)
            present(found, journal)
            remove_old(found.folder, journal)
        except OSError as error:
            raise Refused(f"The dial journal in {found.folder} cannot be written: {error.strerror}.") from error
    if wrong := _sentence(found):
        raise Refused(wrong)


def wrong() -> str:
    """Return in a sentence why no worker may place calls, or an empty string. Changes nothing."""
    folder: Path | None = settings.DIAL_JOURNAL
    return _sentence(compare(folder) if folder else None) or _trouble()


def look() -> Comparison | None:
    """Compare this machine's journal, and begin a new epoch if the database was restored since the last look."""
    folder: Path | None = settings.DIAL_JOURNAL
    found = compare(folder) if folder else None
    with transaction.atomic():
        begin_epoch_if_restored([found] if found else [])
    return found


def begin_epoch_if_restored(compared: Iterable[Comparison]) -> None:
    """Begin a new epoch, once for each time that the database is restored: all journals have to be compared again."""
    known, now = _locked(), fingerprint()
    moved = known.fingerprint not in ("", now)
    news = [register(each, presented=known.epoch) for each in compared if each.forgotten]
    if moved or any(journal.presented == known.epoch for journal in news):
        known.epoch += 1
    known.fingerprint = now
    known.save()


def register(found: Comparison, presented: int = 0) -> DialJournal:
    """Return the row of a folder's journal. Make it, and the journal, if they are new."""
    identity, _ = folders.made_identity(found.folder, history().installation)
    given = {"host": identity.host, "folder": str(found.folder), "presented": presented}
    found.identity = identity
    found.journal, _ = DialJournal.objects.get_or_create(uuid=identity.journal, defaults=given)
    return found.journal


def present(found: Comparison, journal: DialJournal) -> None:
    """Note that a journal was compared and holds nothing more that the database does not know."""
    rows = JournalFile.objects.filter(journal=journal)
    if not found.is_whole:  # declared lost: what is missing is not asked for again
        rows.filter(name__in=found.short).delete()
    told = dict(rows.values_list("name", "position"))
    for name, end in found.ends.items():
        if told.get(name, -1) < end:
            JournalFile.objects.update_or_create(journal=journal, name=name, defaults={"position": end})
    DialJournal.objects.filter(pk=journal.pk).update(presented=history().epoch, trouble="")


def is_restored() -> bool:
    """Return whether the database was restored, and a journal was not compared with it yet."""
    return DialJournal.objects.filter(_not_compared()).exists()


def awaited() -> list[str]:
    """Return the hosts whose journals were not compared since the database was restored."""
    return sorted(set(DialJournal.objects.filter(_not_compared()).values_list("host", flat=True)))


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
            " has_function_privilege('pg_control_system()', 'EXECUTE')"
            " AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE')",
            [table],
        )
        database, oid, may_ask = cursor.fetchone()
        server = ("", "")
        if may_ask:
            cursor.execute("SELECT system_identifier, timeline_id FROM pg_control_system(), pg_control_checkpoint()")
            server = cursor.fetchone()
    return "/".join(str(part) for part in (*server, database, oid))


def _sentence(found: Comparison | None) -> str:
    """Return what a comparison means, in a sentence that says what to do."""
    if found is not None:
        if found.unreadable:
            return f"The dial journal cannot be read: {found.unreadable}"
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
            host = found.journal.host if found.journal else ""
            return (
                f"The dial journal in {found.folder} lost lines that the database knows of. Put it back, or accept the "
                f"loss with {COMMAND} --declare-lost {host}."
            )
    if hosts := awaited():
        return (
            f"The database was restored or moved, and the dial journal of {', '.join(hosts)} was not compared with it. "
            f"Start the worker there, run {COMMAND} --journal FOLDER with it, or {COMMAND} --declare-lost {hosts[0]}."
        )
    return ""
