"""The connection: its check costs no round trip while it is in use, and times are read quickly."""

from __future__ import annotations

import select
import time
from datetime import UTC
from typing import Any

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from tenants.db.quick_times import QuickLoader

QUIET = 5.0  # seconds: a connection that was checked longer ago is asked


class DatabaseWrapper(base.DatabaseWrapper):
    """With `CONN_HEALTH_CHECKS`, Django sends `SELECT 1` for each request. That is a third of a short request's time.

    A server that ends a connection, for whatever reason, says so: its last message waits in the socket, or the kernel
    reports an error. Only a server that vanishes without a word leaves the socket quiet, so a connection that has
    rested for QUIET is asked as before.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._checked_at = float("-inf")

    def get_new_connection(self, conn_params: Any) -> Any:
        made = super().get_new_connection(conn_params)
        if self.timezone is UTC:
            made.adapters.register_loader("timestamptz", QuickLoader)
        self._checked_at = time.monotonic()
        return made

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
