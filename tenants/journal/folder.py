"""The folder of a journal: who it belongs to, its files, and what is written in them. Knows no database."""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import orjson

from tenants.journal.lines import Line, decode

IDENTITY = "journal.json"
TOLD = "told"  # the folder in which each process says how much it has told the database of
FILE = re.compile(r"(\d{4}-\d\d-\d\d)-[0-9]+-[0-9a-f]+\.jsonl")


@dataclass(frozen=True)
class Identity:
    """Which journal a folder holds, of which installation (`History`), written on which host."""

    journal: UUID
    installation: UUID
    host: str


@dataclass
class Part:
    """What was read of a file: its lines, how many cannot be read, and where the last whole line ends."""

    lines: list[Line]
    damaged: int
    end: int


def identity_of(folder: Path) -> Identity | None:
    """Return the identity of a folder, or None if it holds no journal. Raises ValueError if it cannot be read."""
    try:
        found = orjson.loads((folder / IDENTITY).read_bytes())
        return Identity(UUID(found["journal"]), UUID(found["installation"]), str(found["host"]))
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, orjson.JSONDecodeError) as error:
        raise ValueError(f"{folder / IDENTITY} is damaged.") from error


def this_host() -> str:
    """Return the name by which people know this machine."""
    return socket.gethostname()


def made_identity(folder: Path, installation: UUID) -> tuple[Identity, bool]:
    """Return the identity of a folder, and whether it is new. Make both if need be. Raises OSError, ValueError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if found := identity_of(folder):
        return found, False
    made = Identity(uuid4(), installation, this_host())
    draft = _draft(folder, made)
    try:
        os.link(draft, folder / IDENTITY)  # two processes that begin at once agree on one
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
    sync_names(folder)
    found = identity_of(folder)
    assert found is not None  # noqa: S101
    return found, found == made


def write_identity(folder: Path, identity: Identity) -> None:
    """Write the identity of a folder anew where it is damaged."""
    os.replace(_draft(folder, identity), folder / IDENTITY)
    sync_names(folder)


def _draft(folder: Path, identity: Identity) -> Path:
    """Write an identity to the disk, under another name."""
    draft = folder / f".{secrets.token_hex(8)}"
    words = {"journal": identity.journal, "installation": identity.installation, "host": identity.host}
    with open(draft, "xb", opener=_private) as file:
        file.write(orjson.dumps(words) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return draft


def new_file(folder: Path, day: date) -> tuple[str, int]:
    """Create a file for this process and day. Return its name and a descriptor that appends."""
    name = f"{day.isoformat()}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(folder / name, flags, 0o600)
    try:
        sync_names(folder)
    except OSError:
        os.close(descriptor)
        raise
    return name, descriptor


def sync_names(folder: Path) -> None:
    """Let the names in a folder survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def day_of(name: str) -> date | None:
    """Return the day of a file by its name, or None if it is no file of a journal."""
    found = FILE.fullmatch(name)
    return date.fromisoformat(found[1]) if found else None


def first_day(days: int, now: datetime | None = None) -> date:
    """Return the first day whose files are kept."""
    return (now or datetime.now(UTC)).date() - timedelta(days=days)


def sizes(folder: Path, days: int) -> dict[str, int]:
    """Return the files that are kept, with their sizes."""
    since, found = first_day(days), {}
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            day = day_of(entry.name)
            if day is not None and day >= since:
                found[entry.name] = entry.stat().st_size
    return dict(sorted(found.items()))


def begin_telling(folder: Path, name: str) -> int:
    """Return a descriptor for `tell`. What is written there outlives the process, so that others can rely on it."""
    (folder / TOLD).mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / TOLD / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    tell(descriptor, 0)
    return descriptor


def tell(descriptor: int, position: int) -> None:
    """Let the other processes know that the database was told of so many bytes of a file."""
    os.pwrite(descriptor, b"%020d" % position, 0)


def told(folder: Path, now: datetime | None = None) -> dict[str, int]:
    """Return how much the processes of this folder have told the database of their files, those of two days.

    What cannot be read tells nothing: 0. Raises OSError when the folder cannot be read.
    """
    since, found = first_day(1, now), {}
    with suppress(FileNotFoundError), os.scandir(folder / TOLD) as entries:
        for entry in entries:
            day = day_of(entry.name)
            if day is not None and day >= since:
                found[entry.name] = _told_in(Path(entry.path))
    return found


def _told_in(path: Path) -> int:
    with suppress(OSError, ValueError):  # removed meanwhile, of another user, or torn by a crash of the machine
        return int(path.read_bytes())
    return 0


def forget_told(folder: Path, names: Iterable[str]) -> None:
    """Forget what was told of files that are lost, or that their process has left for another one."""
    for name in names:
        (folder / TOLD / name).unlink(missing_ok=True)


def remove_old(folder: Path, days: int) -> list[str]:
    """Delete the files from before the days that are kept. Return their names."""
    since, gone = first_day(days), []
    for path in sorted((*folder.glob("*.jsonl"), *folder.glob(f"{TOLD}/*.jsonl"))):
        day = day_of(path.name)
        if day is not None and day < since:
            path.unlink(missing_ok=True)
            gone.append(path.name)
    return gone


def parts(path: Path, start: int = 0, size: int = 4 * 1024 * 1024) -> Iterator[Part]:
    """Read a file from a byte on, in parts. A last line without an end was torn by a crash and is left out.

    A start within a line begins with the next one.
    """
    with open(path, "rb") as file:
        place = start
        if start:
            file.seek(start - 1)
            place = start - 1 + len(file.readline())
        while lines := file.readlines(size):
            whole = [line for line in lines if line.endswith(b"\n")]
            read = [decode(line[:-1]) for line in whole]
            place += sum(map(len, whole))
            yield Part([line for line in read if line is not None], read.count(None), place)
