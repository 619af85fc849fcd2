"""How long a statement may take in the web process. Commands have no limit, and the engine has limits of its own.

The limit is an option of the connection, as the engine's are (`calls/engine/database.py`): each reconnect keeps it, and
a rollback does not undo it. What makes options fit for a pooler makes this fit.
"""

from __future__ import annotations

from typing import Any

from django.db import connection

CONNECT = 5  # seconds, while somebody waits for an answer
_ATTRIBUTE = "trunkline_statement_seconds"  # of a thread's connection; without it there is no limit


def limit_statements(seconds: int) -> None:
    """Let the server end statements of this thread after so many seconds; 0: never. PostgreSQL only.

    An open connection with another limit is closed, so that the next statement opens one. Inside a transaction, which
    would be lost, the limit stays as it is.
    """
    wrapper: Any = connection
    before = getattr(wrapper, _ATTRIBUTE, None)
    if (before is None and not seconds) or (before and before[0] == seconds):
        return
    if connection.vendor != "postgresql" or wrapper.in_atomic_block:
        return
    plain = before[1] if before else wrapper.settings_dict
    wrapper.close()
    wrapper.settings_dict = _limited(plain, seconds) if seconds else plain
    setattr(wrapper, _ATTRIBUTE, (seconds, plain))


def _limited(plain: dict[str, Any], seconds: int) -> dict[str, Any]:
    connect = min(int(plain.get("OPTIONS", {}).get("connect_timeout", CONNECT)), CONNECT)
    return with_options(plain, {"statement_timeout": seconds * 1000}, connect_timeout=connect)


def with_options(plain: dict[str, Any], parameters: dict[str, object], **others: object) -> dict[str, Any]:
    """Return the settings of a connection to PostgreSQL with further parameters of its session, and other options."""
    options = plain.get("OPTIONS", {})
    words = [options.get("options", ""), *(f"-c {name}={value}" for name, value in parameters.items())]
    return {**plain, "OPTIONS": {**options, "options": " ".join(filter(None, words)), **others}}
