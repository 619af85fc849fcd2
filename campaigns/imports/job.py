"""The import job: turns a stored file into contacts, step by step.

Each batch of rows is one transaction, together with the offset after it and the counters. So an import that dies
continues after its last commit and counts nothing twice. The rejected rows are written before the commit, at the offset
of the last commit. What a dead worker wrote after that offset is cut off.
"""

from __future__ import annotations

import csv
import io
import logging
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from copy import deepcopy
from datetime import timedelta
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from campaigns import launching
from campaigns.imports import growing_files
from campaigns.imports.batches import Batch, Batches
from campaigns.imports.columns import ColumnMapping, UnreadableFile
from campaigns.imports.file_format import format_of
from campaigns.imports.number_reading import ReadingOf
from campaigns.imports.readings import Readings, Watched
from campaigns.imports.rows import ContactRow, ReadRow, RejectedRow, contact_of, read_rows
from campaigns.imports.stored_files import as_binary
from campaigns.imports.text_lines import UTF_8_MARK
from campaigns.imports.upsert import Upsert
from campaigns.imports.zone_notices import ZoneNotices
from campaigns.models import ContactImport
from campaigns.models.contact_import import upload_path
from tenants import audit_log, failpoints
from tenants.spreadsheets import harmless

logger = logging.getLogger(__name__)

BATCH = 5_000
LEASE = timedelta(seconds=120)
OPEN_STATUSES = (ContactImport.Status.PENDING, ContactImport.Status.RUNNING)


class _Interrupted(Exception):
    """The import was canceled, or another worker has the lease: this batch must not be committed."""


def due() -> list[int]:
    """Return the ids of the imports that a worker can continue now, oldest first, at most 100."""
    return list(_claimable().order_by("id").values_list("pk", flat=True)[:100])


def _claimable() -> Any:
    free = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
    return ContactImport.objects.filter(
        Q(status=ContactImport.Status.PENDING) | Q(free, status=ContactImport.Status.RUNNING)
    )


def cancel(imp: ContactImport, actor: str) -> bool:
    """Cancel an import. Its contacts stay. Return False if it is over already."""
    now = timezone.now()
    with transaction.atomic():
        stopped = ContactImport.objects.filter(pk=imp.pk, status__in=OPEN_STATUSES).update(
            status=ContactImport.Status.CANCELED, finished_at=now, lease_until=None
        )
        if stopped:
            launching.after_import(imp)
            audit_log.record(
                imp.organization_id,
                actor=actor,
                action="contactimport.canceled",
                subject=str(imp.uuid),
                detail={"object": imp.filename},
            )
    return stopped == 1


def run_step(import_id: int, seconds: float = 8.0) -> bool:
    """Work on an import for some seconds.

    Return True when nothing is left to do: it is completed, failed, canceled or deleted. Return False to be called
    again. Another worker may have the lease meanwhile; `due` lists the import when it is free.
    """
    lease = timezone.now() + LEASE
    claimed = (
        _claimable()
        .filter(pk=import_id)
        .update(
            status=ContactImport.Status.RUNNING,
            lease_until=lease,
            started_at=Coalesce(F("started_at"), timezone.now()),
        )
    )
    if not claimed:
        return not ContactImport.objects.filter(pk=import_id, status__in=OPEN_STATUSES).exists()
    failpoints.reach("importing.claimed")
    row = ContactImport.objects.select_related("organization").get(pk=import_id)
    try:
        finished = _Step(row).run(time.monotonic() + seconds)
    except _Interrupted:
        return not ContactImport.objects.filter(pk=import_id, status__in=OPEN_STATUSES).exists()
    except UnreadableFile as error:
        return _end(row, ContactImport.Status.FAILED, error=str(error))
    except FileNotFoundError:
        return _end(row, ContactImport.Status.FAILED, error="The uploaded file is gone; upload it again.")
    if finished:
        return _end(row, ContactImport.Status.COMPLETED, bytes_read=row.bytes_total, note=_closing_note(row))
    _held(row).update(lease_until=None)  # any worker may continue at once
    return False


def _held(row: ContactImport) -> Any:
    """Return the import as a queryset; empty if this worker lost the lease. The lease time is the worker's token."""
    return ContactImport.objects.filter(pk=row.pk, status=ContactImport.Status.RUNNING, lease_until=row.lease_until)


def _end(row: ContactImport, status: str, **fields: Any) -> bool:
    with transaction.atomic():
        if _held(row).update(status=status, finished_at=timezone.now(), lease_until=None, **fields):
            launching.after_import(row)
    return True


def _closing_note(row: ContactImport) -> str:
    note = row.note
    if row.rows_read and row.rejected == row.rows_read:
        note = f"{note} All {row.rejected} rows were rejected. Download them to see why, and check the mapping.".strip()
    return note


class _Step:
    """One run of a worker on one import."""

    def __init__(self, row: ContactImport) -> None:
        self.row = row
        self.region = row.default_region
        self.allowed = row.organization.callable_countries

    def run(self, deadline: float) -> bool:
        """Read and write until the end of the file or the deadline. Return True at the end of the file."""
        row = self.row
        with default_storage.open(row.file.name or "") as stored:
            file = as_binary(stored)
            form = format_of(file, delimiter=row.delimiter, encoding=row.encoding)
            self.columns = ColumnMapping.of(form.header, row.mapping)
            self.readings = Readings(
                form, self.region, self._opened_again, known=row.phone_readings, keep=self._keep_readings
            )
            rows = read_rows(file, form, row.bytes_read, row.lines_read, phones=self.columns.phone_indexes)
            with closing(iter(Batches(rows, row.bytes_read, BATCH, self._read, self.readings))) as batches:
                for batch in batches:
                    self._write(batch)
                    if time.monotonic() >= deadline:
                        return False
        return True

    @contextmanager
    def _opened_again(self) -> Iterator[Any]:
        """Open the file a second time. While it is read the lease is renewed."""
        with default_storage.open(self.row.file.name or "") as stored:
            yield Watched(as_binary(stored), self._renew)

    def _renew(self) -> None:
        """Raises _Interrupted if another worker has the lease."""
        if self.row.lease_until and self.row.lease_until - timezone.now() > LEASE / 2:
            return
        self._update(lease_until=timezone.now() + LEASE)

    def _keep_readings(self, readings: dict[str, str]) -> None:
        """Keep how a column is read, so that the rest of the file is read alike after a crash."""
        self._update(phone_readings=readings)

    def _update(self, **fields: Any) -> None:
        if _held(self.row).update(**fields) != 1:
            raise _Interrupted
        for name, value in fields.items():
            setattr(self.row, name, value)

    def _read(self, row: ReadRow, reading_of: ReadingOf) -> ContactRow | RejectedRow:
        return contact_of(row, self.columns, self.region, self.allowed, reading_of)

    def _write(self, batch: Batch) -> None:
        """Write contacts, members, rejected rows, counters and the offset in one transaction. Raises _Interrupted."""
        row = self.row
        with transaction.atomic():
            beside = [phone for each in batch.rejected for phone in each.listed]
            written = Upsert(row, self.columns).write(batch.contacts, beside)
            refused = [RejectedRow(line, batch.cells[line], reason) for line, reason in written.refused.items()]
            rejected = sorted([*batch.rejected, *refused], key=lambda each: each.line)
            text = self._rejected_text(rejected)
            zones = self._zone_notices(batch.contacts, written.refused)
            name = row.rejected_file.name or (upload_path(row, "x.rejected") if text else "")
            after = {
                "bytes_read": batch.end,
                "lines_read": batch.line,
                "rows_read": row.rows_read + batch.rows,
                **{name: getattr(row, name) + count for name, count in written.counts.items()},
                "rejected": row.rejected + len(rejected),
                "zones_contradicting": zones.contradicting,
                "zones_interpreted": zones.interpreted,
                "zone_examples": zones.examples,
                "rejected_bytes": row.rejected_bytes + len(text),
                "rejected_file": name,
                "lease_until": timezone.now() + LEASE,
            }
            if _held(row).update(**after) != 1:
                raise _Interrupted
            if text:  # no other worker can write here: this transaction has the import's row locked
                growing_files.write_at(name, row.rejected_bytes, text)
            failpoints.reach("importing.writing")
        failpoints.reach("importing.written")
        for column, value in after.items():
            setattr(row, column, value)

    def _zone_notices(self, contacts: Iterable[ContactRow], refused: Container[int]) -> ZoneNotices:
        """Return the notices of the rows so far, these included, except those that were refused."""
        row = self.row
        found = ZoneNotices(row.zones_contradicting, row.zones_interpreted, deepcopy(row.zone_examples))
        for each in contacts:
            if each.line not in refused:
                found.take(each)
        return found

    def _rejected_text(self, rejected: Sequence[RejectedRow]) -> bytes:
        if not rejected:
            return b""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        if not self.row.rejected_bytes:
            writer.writerow(harmless([*self.columns.header, "line", "reason"]))
        for each in rejected:
            cells = _fitted(each.cells, len(self.columns.header), self.row.delimiter or ",")
            writer.writerow(harmless([*cells, str(each.line), each.reason]))
        data = text.getvalue().encode("utf-8", "replace")
        return data if self.row.rejected_bytes else UTF_8_MARK + data


def _fitted(cells: Sequence[str], width: int, delimiter: str) -> list[str]:
    """Return as many cells as the header has. Extra cells are joined in the last one."""
    fitted = list(cells[:width]) + [""] * (width - len(cells))
    if len(cells) > width:
        fitted[-1] = delimiter.join(cells[width - 1 :])
    return fitted
