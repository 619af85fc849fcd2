"""Wait for the database at the start of a process: while it is away, or while its tables are not of this version."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection

from tenants.db.outages import Outage, outage_in, outage_of, words_of
from tenants.db.postgresql.refusal import PoolerFound

PAUSE = 1.0  # seconds between two looks


class Away(Exception):
    """The database was away, full, read-only or busy until the end of the wait. The message is a sentence."""

    def __init__(self, outage: Outage, error: Exception) -> None:
        super().__init__(f"{outage.log or 'The database is busy'} ({words_of(error)}).")


def wait_until_fine(look: Callable[[], str], say: Callable[[str], object], seconds: float = math.inf) -> str:
    """Repeat `look` until it returns "", at most for so many seconds. Return in a sentence what is still wrong then.

    Outages are waited for as well; one that has not ended by then is raised as Away. The first sentence is said. Any
    other error of the database, and a pooler that the settings do not name, is raised at once.
    """
    deadline, said = time.monotonic() + seconds, False
    while True:
        away: Away | None = None
        try:
            wrong = look()
        except PoolerFound:
            raise
        except (DatabaseError, InterfaceError) as error:
            if (outage := outage_in(error) or outage_of(error)) is None:
                raise
            away = Away(outage, error)
            wrong = str(away)
            connection.close()
        if not wrong or time.monotonic() >= deadline:
            if away:
                raise away
            return wrong
        if not said:
            say(f"{wrong} Waiting for it.")
            said = True
        time.sleep(min(PAUSE, max(0.0, deadline - time.monotonic())))
