"""The metrics of `/metrics`, counted on request over the indexes that the engine uses itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, QuerySet, Sum
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from calls.deadlines import CLUSTER_TIMING
from calls.models import OPEN, Call, Heartbeat, WebhookDelivery
from calls.reports.account_metrics import OF_ACCOUNTS, Accounts, requests_of
from calls.reports.due import due_rows
from campaigns.models import Campaign, ContactImport

# What each engine process stores with its heartbeat, by lane.
COUNTED = {
    "batches": "Batches of answers that a lane has stored.",
    "answers": "Answers that a lane has stored.",
    "flush_seconds": "Seconds in the database for the batches of a lane.",
    "wait_seconds": "Seconds for which the answers of a lane waited for their batch, summed up.",
    "failures": "Batches of a lane that were not stored at the first try.",
    "lost": "Answers of a lane that were not stored before their lease ended.",
}
GAUGED = {
    "in_flight": "What a lane has on the wire.",
    "queued": "Reads that are claimed and wait for a slot.",
    "waiting": "Answers of a lane that are not stored yet.",
    "largest": "Answers in the largest batch of a lane.",
}


def newest_beat() -> datetime | None:
    """Return the moment of the newest heartbeat of any engine process. None: there was none yet."""
    newest: datetime | None = Heartbeat.objects.filter(role=Heartbeat.Role.ENGINE).aggregate(at=Max("beaten_at"))["at"]
    return newest


def newest_beat_age() -> float | None:
    """Return the seconds since the newest heartbeat. None: there was none yet."""
    newest = newest_beat()
    return _age(newest, timezone.now()) if newest else None


class Figures(Collector):
    """The gauges of `/metrics`."""

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        accounts = Accounts(now)
        yield from _calls(now, accounts)
        yield from _queues(now, accounts)
        yield from _workers(now)
        running = Campaign.objects.filter(status=Campaign.Status.RUNNING).count()
        yield _gauge("trunkline_campaigns_running", "Campaigns that are running.", running)
        yield from accounts.metrics()


def _calls(now: datetime, accounts: Accounts) -> Iterator[Metric]:
    by_status = GaugeMetricFamily(
        "trunkline_calls_open", "Open calls. Unconfirmed ones need attention.", labels=["status"]
    )
    for status in OPEN:
        by_status.add_metric([str(status)], accounts.open_in(status))
    yield by_status
    overdue = Call.objects.overdue(now).count()
    yield _gauge("trunkline_calls_overdue", "Open calls that should have ended by now. They hold no line.", overdue)


def _queues(now: datetime, accounts: Accounts) -> Iterator[Metric]:
    """Yield how much is due in each queue, and for how long the oldest entry has been due."""
    due = GaugeMetricFamily("trunkline_queue_due", "Entries that are due in a queue of the engine.", labels=["queue"])
    oldest = GaugeMetricFamily(
        "trunkline_queue_oldest_seconds", "Seconds for which the oldest entry has been due.", labels=["queue"]
    )
    for name, (rows, moment) in due_rows(now).items():
        count, since = accounts.due_in(name) if name in OF_ACCOUNTS else _counted(rows, moment)
        due.add_metric([name], count)
        oldest.add_metric([name], _age(since, now) if since else 0.0)
    yield due
    yield oldest
    yield from _imports()
    yield _gauge("trunkline_calls_queued", "Queued calls.", Call.objects.queued().count())
    pending = WebhookDelivery.objects.filter(status=WebhookDelivery.Status.PENDING).count()
    yield _gauge("trunkline_webhooks_pending", "Pending webhook deliveries, due or not.", pending)


def _counted(rows: QuerySet[Any], moment: str) -> tuple[int, datetime | None]:
    """Return how many rows there are, and the oldest moment."""
    found = rows.order_by().aggregate(n=Count("pk"), since=Min(moment))
    return found["n"], found["since"]


def _imports() -> Iterator[Metric]:
    reading = ContactImport.objects.filter(status=ContactImport.Status.RUNNING).aggregate(
        rows=Sum("rows_read"), done=Sum("bytes_read"), size=Sum("bytes_total")
    )
    yield _gauge("trunkline_imports_rows_read", "Rows that the running imports have read.", reading["rows"] or 0)
    left = (reading["size"] or 0) - (reading["done"] or 0)
    yield _gauge("trunkline_imports_bytes_left", "Bytes that the running imports have not read.", max(0, left))


def _workers(now: datetime) -> Iterator[Metric]:
    """Yield what the processes of all workers last said. There are as many labels as processes and lanes.

    Of a process that was killed, only its silence is told: it leads no more, and nothing of it is in flight.
    """
    beats = {beat: _age(beat.beaten_at, now) for beat in Heartbeat.objects.order_by("worker", "role", "slot")}
    living = [beat for beat, age in beats.items() if age <= CLUSTER_TIMING.watcher]
    process = ["worker", "role", "slot"]
    ages = GaugeMetricFamily("trunkline_heartbeat_age_seconds", "Seconds since a slot's heartbeat.", labels=process)
    memory = GaugeMetricFamily("trunkline_process_memory_bytes", "Resident memory of a process.", labels=process)
    leads = GaugeMetricFamily("trunkline_leads", "1 for the process that leads.", labels=[*process, "lease"])
    counted = {
        name: CounterMetricFamily(f"trunkline_lane_{name}", words, labels=["worker", "slot", "lane"])
        for name, words in COUNTED.items()
    }
    gauged = {
        name: GaugeMetricFamily(f"trunkline_lane_{name}", words, labels=["worker", "slot", "lane"])
        for name, words in GAUGED.items()
    }
    for beat, age in beats.items():
        ages.add_metric([beat.worker, beat.role, str(beat.slot)], age)
    for beat in living:
        labels = [beat.worker, beat.role, str(beat.slot)]
        memory.add_metric(labels, beat.figures.get("memory_bytes", 0))
        for lease in beat.figures.get("leads", ()):
            leads.add_metric([*labels, lease], 1)
        for lane, figures in beat.figures.get("lanes", {}).items():
            for name, family in (counted | gauged).items():
                if name in figures:
                    family.add_metric([beat.worker, str(beat.slot), lane], figures[name])
    yield from (ages, memory, leads, *counted.values(), *gauged.values())
    yield from requests_of(living)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def _age(moment: datetime, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds())
