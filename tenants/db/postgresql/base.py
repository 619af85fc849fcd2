"""The connection: its check costs no round trip while it is in use, times are read quickly, and a pooler is noticed."""

from __future__ import annotations

import select
import time
from datetime import UTC
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from tenants.db.postgresql import pooled
from tenants.db.postgresql.refusal import PoolerFound
from tenants.db.quick_times import QuickLoader

QUIET = 5.0  # seconds: a connection that was checked longer ago is asked
_without_pooler: set[tuple[str, int]] = set()  # servers that this process knows to be PostgreSQL itself


class DatabaseWrapper(base.DatabaseWrapper):
    """With `CONN_HEALTH_CHECKS`, Django sends `SELECT 1` for each request. That is a third of a short request's time.

    A server that ends a connection, for whatever reason, says so: its last message waits in the socket, or the kernel
    reports an error. Only a server that vanishes without a word leaves the socket quiet, so a connection that has
    rested for QUIET is asked as before.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._checked_at = float("-inf")

    def get_connection_params(self) -> dict[str, Any]:
        """With `POOLER`, leave the parameters in `options` to the cursors."""
        found: dict[str, Any] = super().get_connection_params()
        if self.settings_dict.get("POOLER"):
            given = pooled.parameters(found.pop("options", ""))
            if given:
                found["cursor_factory"] = pooled.cursor_with(given)
        return found

    def get_new_connection(self, conn_params: Any) -> Any:
        """Raises PoolerFound for a pooler that the settings do not name: the connection would lack its limits."""
        try:
            made = super().get_new_connection(conn_params)
        except psycopg.OperationalError as error:
            if "unsupported startup parameter" not in str(error):
                raise
            raise PoolerFound() from error
        if not self.settings_dict.get("POOLER"):
            self._refuse_pooler(made)
        if self.timezone is UTC:
            made.adapters.register_loader("timestamptz", QuickLoader)
        self._checked_at = time.monotonic()
        return made

    def _refuse_pooler(self, made: Any) -> None:
        """Ask the server once in each process. A pooler tells clients another process number than the server has."""
        server = (made.info.host, made.info.port)
        if server in _without_pooler:
            return
        if made.execute("SELECT pg_backend_pid()").fetchone()[0] != made.info.backend_pid:
            made.close()
            raise PoolerFound()
        made.rollback()
        _without_pooler.add(server)

    def is_usable(self) -> bool:
        """Return whether the connection works."""
        now = time.monotonic()
        usable = (now - self._checked_at < QUIET and self._is_quiet()) or bool(super().is_usable())
        self._checked_at = now if usable else float("-inf")
        return usable

    def _is_quiet(self) -> bool:
        """Return whether no error occurred, no transaction is open, and no message or error waits in the socket."""
        if self.connection is None or self.connection.closed or self.errors_occurred:
            return False
        if self.connection.info.transaction_status != TransactionStatus.IDLE:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN | select.POLLPRI)
        return not poll.poll(0)
