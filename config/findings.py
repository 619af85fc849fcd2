"""What is wrong with this installation, in words: one list for `/readyz`, the System page and the start."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage, storages
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Min, Value
from django.utils import timezone

from calls.deadlines import CLUSTER_TIMING
from calls.journal import standing
from calls.reports import metrics as figures
from calls.reports.due import due_rows
from campaigns.models import number_hash
from config import setting_names, static_files
from config.environment import TABLE
from tenants import key_canary
from tenants.db import collations, replica, schema
from tenants.db.outages import outage_in, words_of
from tenants.db.postgresql.refusal import PoolerFound
from tenants.findings import Finding, Severity, fault, warning
from tenants.models import Organization

logger = logging.getLogger(__name__)

AT_START = (
    "database",
    "sort_order",
    "field_keys",
    "do_not_call_key",
    "clock",
    "disk",
    "static",
    "sign_in",
    "settings",
)  # the tables have been looked at
UNKNOWN = "Not known"
UPLOADS = "uploads"
SLOW = 0.25  # seconds for a question that the database answers without reading a table
CLOCK_OFF, CLOCK_WRONG = 2.0, 60.0  # seconds
LATE = timedelta(minutes=2)
QUEUES = {
    "reading": "reading the status of calls",
    "reconciling": "looking for unconfirmed calls",
    "callbacks": "taking in provider events",
    "webhooks": "webhook deliveries",
    "tasks": "background tasks",
}
GIGABYTE = 10**9
FULL, NEARLY_FULL, PLENTY, NEARLY = 0.1 * GIGABYTE, 1 * GIGABYTE, 20 * GIGABYTE, 0.05


class Look:
    """What several checks of one look need, each asked once."""

    @cached_property
    def newest_beat(self) -> datetime | None:
        return figures.newest_beat()

    @cached_property
    def clocks(self) -> tuple[datetime, datetime | None, datetime]:
        """Our clock before, the database's (None with SQLite, which has ours), and ours after a trivial question."""
        asked = timezone.now()
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()" if connection.vendor == "postgresql" else "SELECT NULL")
            (theirs,) = cursor.fetchone()
        return asked, theirs, timezone.now()


@dataclass(frozen=True)
class Check:
    """`title` and `fine`: the row on the page, and what it says while nothing is wrong."""

    name: str
    title: str
    fine: str
    run: Callable[[Look], Finding]
    asks_database: bool = True


def found(names: Collection[str] | None = None) -> dict[str, Finding]:
    """Run every check, or those named. While the database does not answer, nothing else asks it: each would wait."""
    results: dict[str, Finding] = {}
    look = Look()
    for check in CHECKS:
        if names is not None and check.name not in names:
            continue
        first = results.get("database")
        if check.asks_database and first and first.severity is Severity.FAULT:
            results[check.name] = fault(f"{UNKNOWN} while the database does not answer.")
            continue
        try:
            results[check.name] = check.run(look)
        except PoolerFound as error:
            results[check.name] = fault(str(error))
        except OSError as error:
            results[check.name] = fault(f"{UNKNOWN}: {error.strerror}.")
        except (DatabaseError, InterfaceError) as error:
            tables = results.get("migrations")
            without = tables is not None and tables.severity is Severity.FAULT
            outage = outage_in(error)
            words = f"{outage.log}." if outage else f"The database refused the question ({words_of(error)})."
            results[check.name] = fault(f"{UNKNOWN} without the tables." if without else words)
    return results


def log_at_start() -> None:
    for name, finding in found(AT_START).items():
        if finding.severity is not Severity.FINE and not finding.message.startswith(UNKNOWN):
            level = logging.ERROR if finding.severity is Severity.FAULT else logging.WARNING
            logger.log(level, "%s: %s", TITLES[name], finding.message)


def database(look: Look) -> Finding:
    begun = time.perf_counter()
    _ = look.clocks
    return slowness(time.perf_counter() - begun)


def slowness(seconds: float) -> Finding:
    if seconds < SLOW:
        return Finding()
    return warning(
        f"The database took {seconds:.1f} seconds for a trivial question. Look at its load, its disk and the network."
    )


def migrations() -> Finding:
    return fault(schema.what_is_wrong())


def sort_order() -> Finding:
    return warning(collations.what_is_wrong())


def worker(look: Look) -> Finding:
    if look.newest_beat is None:
        return fault("No worker has a heartbeat. Run manage.py worker.")
    age = (timezone.now() - look.newest_beat).total_seconds()
    if age > CLUSTER_TIMING.watcher:
        return fault(f"The last heartbeat of a worker was {age:.0f} seconds ago. Check that manage.py worker runs.")
    return Finding()


def queues() -> Finding:
    """Look for the oldest entry of each queue, in one query.

    Calls wait for the limits of accounts as well, and a large file takes its time: these are left out.
    """
    now = timezone.now()
    due = {name: each for name, each in due_rows(now).items() if name in QUEUES}
    oldest = [
        rows.order_by()
        .annotate(queue=Value(name))
        .values("queue")
        .annotate(since=Min(moment))
        .values_list("queue", "since")
        for name, (rows, moment) in due.items()
    ]
    ages = {name: now - since for name, since in oldest[0].union(*oldest[1:], all=True) if since}
    return lateness({name: age for name, age in ages.items() if age > LATE})


def lateness(ages: dict[str, timedelta]) -> Finding:
    if not ages:
        return Finding()
    named = ", ".join(f"{QUEUES[name]} for {_duration(age)}" for name, age in sorted(ages.items()))
    return warning(
        f"Work has been due for too long: {named}. If the workers run and the providers answer, start another worker "
        "or raise ENGINE_PROCESSES."
    )


def clock(look: Look) -> Finding:
    """Compare this machine's clock with the database's and with the workers'."""
    ahead = (look.newest_beat - timezone.now()).total_seconds() if look.newest_beat else 0.0
    if ahead > CLOCK_OFF:
        return warning(f"The clock of a worker is {ahead:.0f} seconds ahead of this machine's. Set both by NTP.")
    return skew(*look.clocks)


def skew(asked: datetime, theirs: datetime | None, answered: datetime) -> Finding:
    """Judge a clock that was read between two moments of ours."""
    if theirs is None:
        return Finding()
    off = max((asked - theirs).total_seconds(), (theirs - answered).total_seconds())
    if off < CLOCK_OFF:
        return Finding()
    side = "ahead of" if theirs < asked else "behind"
    sentence = (
        f"The clock of this machine is {off:.0f} seconds {side} the database's. Set both by NTP: calling hours and "
        "leases go by them."
    )
    return fault(sentence) if off >= CLOCK_WRONG else warning(sentence)


def disk() -> Finding:
    """Look at the folders that Trunkline writes to."""
    folders: dict[str, str | Path] = {"var/": settings.VAR_DIR}
    if isinstance(default_storage, FileSystemStorage):
        folders[UPLOADS] = settings.MEDIA_ROOT
    folders["temporary files"] = tempfile.gettempdir()
    if settings.DIAL_JOURNAL:
        folders["the dial journal"] = settings.DIAL_JOURNAL
    worst = Finding()
    for name, folder in folders.items():
        try:
            finding = _folder(name, _existing(Path(folder)))
        except OSError as error:  # a parent that cannot be entered, a share that went away
            finding = fault(
                f"The folder of {name} cannot be looked at: {error.strerror}. Mount it, or let it be entered."
            )
        worst = max(worst, finding, key=lambda each: each.severity)
    return worst


def _folder(name: str, here: Path) -> Finding:
    if name != UPLOADS and not os.access(here, os.W_OK):  # `storage` writes to that of uploads
        return fault(f"The folder of {name} cannot be written. Mount it writable for the user of the processes.")
    usage = shutil.disk_usage(here)
    return room(name, usage.free, usage.total) if usage.total else Finding()


def room(name: str, free: float, total: float) -> Finding:
    sentence = f"The disk with the folder of {name} has {free / GIGABYTE:.1f} GB left. Make room or enlarge it."
    if free < FULL:
        return fault(sentence)
    return warning(sentence if free < NEARLY_FULL or (free < PLENTY and free < NEARLY * total) else "")


def storage() -> Finding:
    """Write a small file where uploads go.

    A bucket that fails is no fault: it would take every web process out of service, and calls do not need it.
    """
    if not isinstance(default_storage, FileSystemStorage):
        bucket: Any = storages["default"]
        why = bucket.wrong()
        sentence = f"Uploads cannot be stored: {why}. Look at the server and the key of UPLOADS_URL."
        return warning(sentence if why else "")
    folder = Path(default_storage.location)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".ready-") as file:
            file.write(b" " * 4096)
            file.flush()
    except OSError as error:
        return fault(f"Files cannot be stored in {folder}: {error.strerror}. Free or mount the disk.")
    return Finding()


def journal() -> Finding:
    return fault(standing.wrong())


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.absolute().parents) if each.is_dir())


def given() -> Finding:
    """Look at the names in the environment, and at settings that are hardly meant."""
    return warning(" ".join(doubtful_settings()))


def doubtful_settings() -> list[str]:
    return [*settings.ENVIRONMENT.warnings, *_misspelt(frozenset(os.environ))]


@lru_cache(maxsize=1)  # the names hardly change, and each is compared with every setting
def _misspelt(names: frozenset[str]) -> tuple[str, ...]:
    known = {*TABLE, *(row.old_name for row in TABLE.values() if row.old_name)}
    return tuple(setting_names.misspelt(names, known))


def roles_of_nobody() -> Finding:
    """Look for organizations in OIDC_ROLES that do not exist: nobody would get the role."""
    given = settings.SIGN_IN_PROVIDER
    named = {each.organization for each in given.roles} if given else set()
    if not named:
        return Finding()
    left = named - set(Organization.objects.filter(uuid__in=named).values_list("uuid", flat=True))
    ids = ", ".join(sorted(str(each) for each in left))
    return warning(f"OIDC_ROLES names an organization that does not exist: {ids}. Correct its ID." if left else "")


def static() -> Finding:
    return fault(static_files.what_is_wrong())


def replica_for_files() -> Finding:
    """A replica that is away is no fault: files are then read from the database itself."""
    found = replica.source()
    if found.why:
        return warning(f"The replica is not used: {found.why}. Files are read from the database. Look at its server.")
    if found.as_of:
        return warning(f"The replica is late: files are as of {found.as_of:%Y-%m-%d %H:%M:%S} UTC. Look at its load.")
    return Finding()


def _duration(age: timedelta) -> str:
    minutes = round(age.total_seconds() / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"


def _alone(run: Callable[[], Finding]) -> Callable[[Look], Finding]:
    """Return a check that shares nothing with others of the same look."""
    return lambda _: run()


CHECKS = (
    Check("database", "Database", "It answers quickly.", database),
    Check("migrations", "Tables", "They are those of this version.", _alone(migrations)),
    Check("sort_order", "Sort order of texts", "It is the one that the indexes were built with.", _alone(sort_order)),
    Check("field_keys", "Encryption keys", "They fit this database.", _alone(key_canary.finding)),
    Check("do_not_call_key", "Key of the do-not-call list", "It can be read.", _alone(number_hash.finding)),
    Check("worker", "Worker", "It runs.", worker),
    Check("queues", "Work that is due", "None of it is late.", _alone(queues)),
    Check("clock", "Clock", "It agrees with the database's.", clock),
    Check("disk", "Disk", "It has room.", _alone(disk), asks_database=False),
    Check("storage", "Uploads", "Files can be stored.", _alone(storage), asks_database=False),
    Check("dial_journal", "Dial journal", "It agrees with the database.", _alone(journal)),
    Check("static", "Static files", "They are those of this version.", _alone(static), asks_database=False),
    Check("replica", "Read replica", "None is set, or it keeps up.", _alone(replica_for_files)),
    Check("sign_in", "Single sign-on", "The organizations of its roles exist.", _alone(roles_of_nobody)),
    Check("settings", "Settings", "All names are known.", _alone(given), asks_database=False),
)
TITLES = {check.name: check.title for check in CHECKS}
