"""Imports: progress, results, rejected rows and undo."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.core.files.storage import default_storage
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.decorators import display

from campaigns.admin.contact_list import LIST_FILTER, campaign_url
from campaigns.admin.import_forms import target_label
from campaigns.admin.import_pages import import_links
from campaigns.admin.import_preview import zone_notices_of
from campaigns.imports import job, readings, rejected_rows, retention, undo
from campaigns.models import Contact, ContactImport
from campaigns.wording import contacts, counted
from tenants.backoffice.buttons import NotDone, Step
from tenants.backoffice.lists import ScopedRelatedFilter
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import ReadOnlyAdmin
from tenants.policy import Action


def _cancel(request: HttpRequest, obj: ContactImport, values: Mapping[str, Any]) -> str:
    job.cancel(obj, reach_of(request).actor)
    return "The import is canceled. Contacts imported so far stay on the list."


def _undo_effect(obj: ContactImport) -> list[str]:
    found = undo.extent(obj)
    effects = [
        f"Deleted: {contacts(found.removed)} that this file created.",
        f"Kept: {contacts(found.kept)} that it created, because of calls, a campaign or another list.",
        f"Restored: what it changed in {contacts(found.restored)} that existed before, except what was changed since.",
        "Contacts that the file put on the list leave it, unless they were called since.",
    ]
    if obj.updated and obj.finished_at and obj.finished_at < timezone.now() - retention.OVERWRITTEN_KEPT:
        days = retention.OVERWRITTEN_KEPT.days
        effects[2] = f"Not restored: what it changed in existing contacts. Former values are kept for {days} days."
    if obj.listed:
        effects.append(f"Not called as before: {counted(obj.listed, 'number')} that it put on the do-not-call list.")
    return [*effects, "The undo runs in the background and cannot be reversed. You can import the file again."]


def _undo(request: HttpRequest, obj: ContactImport, values: Mapping[str, Any]) -> str:
    try:
        undo.undo(obj, reach_of(request).actor)
    except undo.NotOver as error:
        raise NotDone(str(error)) from error
    return "The import is being undone. You can leave this page."


IMPORT_COLOURS = {
    "Waiting": "info",
    "Running": "primary",
    "Completed": "success",
    "Failed": "danger",
    "Canceled": "warning",
    "Being undone": "primary",
    "Undone": "default",
}


@admin.register(ContactImport)
class ContactImportAdmin(ReadOnlyAdmin):
    empty_words = "No file has been imported yet. “Import contacts” takes a CSV file or a workbook."
    list_display = ("filename", "contact_list", "state", "numbers", "uploaded")
    list_filter = ("status", ("contact_list", ScopedRelatedFilter))
    list_select_related = ("contact_list", "organization")
    text_fields = ("filename",)
    panel_only = True
    panel_template = "trunkline/contact_import.html"
    uploaded = local_time_column("created_at", "uploaded")
    steps = (
        Step(
            "cancel",
            "Cancel import",
            Action.IMPORT,
            lambda obj: [
                "No further rows are read.",
                f"Contacts imported so far stay on the list: {obj.created + obj.updated:,}.",
            ],
            _cancel,
            offered=lambda obj: obj.status in job.OPEN_STATUSES,
            tone="danger",
            icon="cancel",
        ),
        Step(
            "undo",
            "Undo import…",
            Action.UNDO_IMPORT,
            _undo_effect,
            _undo,
            offered=lambda obj: obj.status in undo.OVER and bool(obj.created or obj.updated or obj.skipped),
            tone="danger",
            icon="undo",
            button="Undo the import",
        ),
    )

    def list_links(self, request: HttpRequest) -> Sequence[tuple[str, str, str]]:
        return [
            *import_links(request),
            (reverse("admin:campaigns_importmapping_changelist"), "Saved mappings", "bookmark"),
        ]

    @display(description="status", label=IMPORT_COLOURS)
    def state(self, row: ContactImport) -> str:
        return str(row.get_status_display())

    @admin.display(description="result")
    def numbers(self, row: ContactImport) -> str:
        """Return why the import failed, and what became of the rows that were read."""
        rows = f"{row.created:,} new, {row.updated:,} updated, {row.skipped:,} skipped, {row.rejected:,} rejected"
        if row.why_failed and row.rows_read:
            return f"{row.why_failed} {rows}"
        return row.why_failed or rows

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]

    def panel_context(self, request: HttpRequest, obj: ContactImport) -> dict[str, Any]:
        running = obj.status in job.OPEN_STATUSES
        undoing = obj.status == ContactImport.Status.UNDOING
        percent = 100 if not running else min(99, obj.bytes_read * 100 // obj.bytes_total) if obj.bytes_total else 0
        return {
            "row": obj,
            "live": running or undoing,
            "undoing": undoing,
            "removed": contacts(obj.removed),
            "percent": percent,
            "colour": IMPORT_COLOURS[self.state(obj)],
            "begun": local_time(obj.started_at, "not started yet" if running else "-"),
            "ended": local_time(obj.finished_at),
            "mapping": [(column, target_label(target)) for column, target in (obj.mapping or {}).items()],
            "summary": _summary(obj),
            "campaign_url": self._campaign_url(request, obj),
            "rows_read": f"{obj.rows_read:,}",
            "tiles": [
                (f"{obj.created:,}", "new contact" if obj.created == 1 else "new contacts", ""),
                (f"{obj.updated:,}", "updated", ""),
                (f"{obj.skipped:,}", "skipped", ""),
                (f"{obj.rejected:,}", "rejected", "danger" if obj.rejected else ""),
                *_number_tiles(obj),
            ],
            "readings": readings.sentences(obj.phone_readings, obj.default_region or obj.organization.default_region),
            "list_url": reverse("admin:campaigns_contactlist_change", args=[obj.contact_list_id]),
            "rejected_url": self.url("rejected", obj.pk) if obj.rejected and obj.rejected_file else "",
            "zone_notices": zone_notices_of(
                obj.zones_contradicting, obj.zones_interpreted, obj.zone_examples, _contradicting_url(obj)
            ),
            "examples": _rejected_examples(obj) if obj.rejected and obj.rejected_file and not running else [],
        }

    def _campaign_url(self, request: HttpRequest, obj: ContactImport) -> str:
        over = obj.status == ContactImport.Status.COMPLETED
        return campaign_url(obj.contact_list) if over and self.holds(request, Action.CHANGE_CAMPAIGN, obj) else ""

    def get_urls(self) -> list[URLPattern]:
        ours = path(
            "<int:pk>/rejected.csv",
            self.admin_site.admin_view(self.rejected_view),
            name="campaigns_contactimport_rejected",
        )
        return [ours, *super().get_urls()]

    def rejected_view(self, request: HttpRequest, pk: int) -> Any:
        obj = self.found(request, pk, Action.EXPORT)
        if obj is None or not obj.rejected_file or not default_storage.exists(str(obj.rejected_file.name)):
            return self.not_found(request)
        return rejected_rows.download(obj, reach_of(request).actor, "rejected-rows.csv")


def _number_tiles(obj: ContactImport) -> list[tuple[str, str, str]]:
    listed, left_out = obj.listed, obj.numbers_left_out
    tiles = [
        (listed, f"number{'' if listed == 1 else 's'} put on the do-not-call list", "danger"),
        (left_out, f"further number{'' if left_out == 1 else 's'} left out", ""),
    ]
    return [(f"{count:,}", what, tone) for count, what, tone in tiles if count]


def _contradicting_url(obj: ContactImport) -> str:
    """Return the address of the list's contacts whose time zone contradicts their number."""
    query = f"{LIST_FILTER}={obj.contact_list_id}&zone_fault={Contact.ZoneFault.CONTRADICTS}"
    return f"{reverse('admin:campaigns_contact_changelist')}?{query}"


def _summary(obj: ContactImport) -> str:
    """Return the result of a completed import as a sentence, else ""."""
    if obj.status != ContactImport.Status.COMPLETED:
        return ""
    parts = [
        contacts(obj.created, "new") if obj.created else "",
        f"{obj.updated:,} existing and updated" if obj.updated else "",
        f"{obj.skipped:,} existing and unchanged" if obj.skipped else "",
        f"{obj.rejected:,} rejected" if obj.rejected else "",
    ]
    read = "1 row was read" if obj.rows_read == 1 else f"{obj.rows_read:,} rows were read"
    return f"{read}: {', '.join(filter(None, parts)) or 'no new contacts'}."


def _rejected_examples(obj: ContactImport, limit: int = 10) -> list[tuple[str, str]]:
    """Return line and reason of the first rejected rows."""
    if not default_storage.exists(str(obj.rejected_file.name)):
        return []
    with obj.rejected_file.open("rb") as file:
        head = file.read(65_536).decode("utf-8-sig", "replace")
    delimiter = obj.delimiter or ","
    rows = list(csv.DictReader(io.StringIO(head), delimiter=delimiter))[:limit]
    if rows and "reason" not in rows[0]:
        rows = list(csv.DictReader(io.StringIO(head)))[:limit]
    return [(row.get("line") or "", row.get("reason") or "") for row in rows]
