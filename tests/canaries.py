"""Words that are planted where people and programs enter something, and the places where they must not arrive."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.db import DatabaseError, connection
from django.test import Client
from django_q.models import OrmQ, Task

from config.logs import Formatter
from tenants.models import AuditEntry

SECRET = "canary-plumage"  # looks like a word: no pattern knows it, it must not get there at all
SPOKEN = "canary-marmalade"
NUMBER = "+33698765432"
SPELLINGS = [NUMBER, "06 98 76 54 32", "+33 (0)6-98-76-54-32", "0033.698.765.432"]
DIGITS = "98765432"


def planted_in(text: str) -> set[str]:
    """Return which canaries are in the text. A number is found in every spelling."""
    found = {word for word in (SECRET, SPOKEN) if word in text}
    return found | ({NUMBER} if DIGITS in re.sub(r"[^\w]|_", "", text) else set())


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Everything that is logged in the test, as the installation writes it."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(Formatter().format(record))

    handler, root = Keep(), logging.getLogger()
    root.addHandler(handler)
    yield found
    root.removeHandler(handler)


# What is written before a view begins. The view is what should fail.
ON_THE_WAY = "session|tenants_(apikey|requestbudget|storedanswer|secrettries)"


@contextmanager
def broken_writes() -> Iterator[None]:
    """Refuse every INSERT and UPDATE, and quote the values as PostgreSQL does."""

    def refuse(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if re.match(r"\s*(INSERT|UPDATE|WITH)", sql) and not re.search(ON_THE_WAY, sql):
            values = ", ".join(str(value) for value in params or ())
            raise DatabaseError(f"null value violates a constraint\nDETAIL:  Failing row contains ({values}).")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield
    connection.needs_rollback = False  # the test goes on in the same transaction


def logged(lines: list[str]) -> set[str]:
    """Return the canaries in the log, and forget its lines."""
    found = planted_in("\n".join(lines))
    lines.clear()
    return found


def kept() -> dict[str, set[str]]:
    """Return the canaries that are in metrics, e-mail, task rows, histories and the audit log."""
    rows = {
        model.__name__: repr(list(model._default_manager.values())) for model in (LogEntry, Task, OrmQ, AccessAttempt)
    }
    sinks = rows | {
        "e-mail": repr([message.message().as_string() for message in mail.outbox]),
        "metrics": Client().get("/metrics").content.decode(),
    }
    found = {name: planted_in(text) for name, text in sinks.items()}
    # Names of other objects and reasons belong into the audit log, even if somebody writes a number there.
    entries = [
        (row["action"].startswith(("contact.", "call.")), planted_in(repr(row))) for row in AuditEntry.objects.values()
    ]
    found["audit"] = {word for of_a_person, words in entries for word in words if of_a_person or word == SECRET}
    return {name: words for name, words in found.items() if words}


def shown(answer: Any) -> set[str]:
    """Return the canaries in an answer to what failed. A refused value is quoted to the one who sent it, by 400."""
    return planted_in(answer.getvalue().decode()) if answer.status_code in {401, 403, 404, 405, 413, 500} else set()
