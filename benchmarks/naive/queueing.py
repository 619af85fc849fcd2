from __future__ import annotations

import logging

import django

django.setup()
logging.disable(logging.INFO)  # the queue logs each task

from django_q.brokers import get_broker  # noqa: E402
from django_q.models import OrmQ  # noqa: E402
from django_q.tasks import async_task  # noqa: E402

from benchmarks.naive.models import NaiveCall  # noqa: E402


def queue(address: str, total: int) -> None:
    """Make the calls, and a task for each."""
    calls = NaiveCall.objects.bulk_create(NaiveCall(phone=f"+1212{2_000_000 + n}") for n in range(total))
    broker = get_broker()
    for call in calls:
        async_task("benchmarks.naive.tasks.call", call.pk, address, broker=broker)
    assert OrmQ.objects.count() == total  # noqa: S101
