"""Connections through a pooler such as PgBouncer, which gives each transaction another connection of PostgreSQL.

Nothing of a session outlives a transaction there, and the pooler refuses `options` at the start of a connection. So
the parameters in `options` are set anew in each transaction, in the message of its first statement.
"""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base
from psycopg import sql
from psycopg.pq import TransactionStatus

_OPTION = re.compile(r"(?:-c\s*|--)(\w[\w.]*)=((?:\\.|[^\s\\])*)")
# Other statements may refuse to run in a transaction, as VACUUM does, and none of them has a limit.
_LIMITED = re.compile(r"\s*\(?\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)


def parameters(options: str) -> dict[str, str]:
    """Return the parameters in `options` as PostgreSQL reads them. Raises ImproperlyConfigured for other options."""
    if _OPTION.sub("", options).strip():
        raise ImproperlyConfigured("With DATABASE_POOLER, `options` of the database may only have `-c name=value`.")
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in _OPTION.findall(options)}


def cursor_with(given: dict[str, str]) -> type[base.Cursor]:
    """Return a class of cursors that set these parameters in each transaction."""
    calls = (sql.SQL("set_config({}, {}, true)").format(name, value) for name, value in given.items())
    return type("PooledCursor", (PooledCursor,), {"setting": sql.SQL("SELECT ") + sql.SQL(", ").join(calls)})


_Cursor: Any = base.Cursor  # psycopg's client-side cursor; the types of Django do not say so


class PooledCursor(_Cursor):
    """A cursor whose statement, when it begins a transaction, sets the parameters first."""

    setting: sql.Composable

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        if not self._begins(query):
            return super().execute(query, params, **kwargs)
        first = self.setting.as_string(self.connection)
        rest = query if isinstance(query, str) else sql.SQL("{}").format(query).as_string(self.connection)
        super().execute(f"{first if params is None else first.replace('%', '%%')}; {rest}", params, **kwargs)
        self.nextset()  # beyond the result of the setting
        return self

    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> None:
        self._set_before()
        super().executemany(query, *args, **kwargs)

    def copy(self, *args: Any, **kwargs: Any) -> Any:
        self._set_before()
        return super().copy(*args, **kwargs)

    def _set_before(self) -> None:
        if self._is_first and not self.connection.autocommit:
            super().execute(self.setting)

    def _begins(self, query: Any) -> bool:
        """Return whether the statement begins a transaction that needs the parameters."""
        limited = not self.connection.autocommit or (isinstance(query, str) and _LIMITED.match(query) is not None)
        return self._is_first and limited

    @property
    def _is_first(self) -> bool:
        return bool(self.connection.info.transaction_status == TransactionStatus.IDLE)
