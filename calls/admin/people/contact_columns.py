"""What the list of contacts shows beside them: tags, lists, the last call and the next one, for a page at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Min, OuterRef, Subquery, Value
from django.utils.html import format_html, format_html_join

from calls.admin.shared import outcomes
from calls.models import Call, CallBack
from campaigns.models import Campaign, Contact, ContactListMember, ContactTag, Recipient
from tenants.backoffice.local_time import local_time

OF_LAST = ("created_at", "status", "ended_reason", "answered_by", "provider_reason")
NEXT = ("next_attempt", "next_callback")
LISTS = 2  # names shown of each contact's lists
TAGS = 4  # shown of each contact


@dataclass(frozen=True)
class Columns:
    lists: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    last: Call | None = None
    next: datetime | None = None  # the earliest moment at which a campaign or a scheduled callback is due

    @property
    def lists_shown(self) -> str:
        more = f" and {len(self.lists) - LISTS} more" if len(self.lists) > LISTS else ""
        return f"{', '.join(self.lists[:LISTS])}{more}" or "-"

    @property
    def tags_shown(self) -> Any:
        if not self.tags:
            return "-"
        chips = format_html_join(
            " ", '<span class="tl-tag" dir="auto" title="{0}">{0}</span>', ((name,) for name in self.tags[:TAGS])
        )
        further = self.tags[TAGS:]
        more = format_html(' <span class="tl-faint" title="{}">+ {}</span>', ", ".join(further), len(further))
        return format_html('<div class="tl-tags">{}{}</div>', chips, more if further else "")

    @property
    def last_shown(self) -> Any:
        if self.last is None:
            return "-"
        return format_html(
            '<div><span class="tl-nowrap">{}</span><br>{}</div>',
            local_time(self.last.created_at),
            outcomes.of_call(self.last).label,
        )

    def next_shown(self, now: datetime) -> str:
        if self.next is None:
            return "-"
        return local_time(self.next) if self.next > now else "Due now"


def columns_of(contacts: Sequence[Contact]) -> dict[int, Columns]:
    """Return the columns by key of the contact, in two queries: the search of contacts has few left."""
    keys = [row.pk for row in contacts]
    lists, tags = _names(keys)
    rows = Contact.objects.filter(pk__in=keys).order_by().values("pk", **_last_columns(), **_next_moments())
    return {
        row["pk"]: Columns(tuple(lists[row["pk"]]), tuple(tags[row["pk"]]), _last_call(row), _next(row)) for row in rows
    }


def _names(keys: Sequence[int]) -> tuple[defaultdict[int, list[str]], defaultdict[int, list[str]]]:
    """Return the names of the contacts' lists and tags, each in order."""
    lists, tags = defaultdict[int, list[str]](list), defaultdict[int, list[str]](list)
    columns = ("contact_id", "is_tag", "key", "name")
    members = (
        ContactListMember.objects.filter(contact__in=keys)
        .order_by()
        .annotate(is_tag=Value(0), key=F("contact_list__name"), name=F("contact_list__name"))
    )
    uses = (
        ContactTag.objects.filter(contact__in=keys)
        .order_by()
        .annotate(is_tag=Value(1), key=F("tag__name_key"), name=F("tag__name"))
    )
    found = members.values_list(*columns).union(uses.values_list(*columns), all=True)
    for pk, is_tag, _, name in sorted(found):
        (tags if is_tag else lists)[pk].append(name)
    return lists, tags


def _next(row: Mapping[str, Any]) -> datetime | None:
    return min((row[name] for name in NEXT if row[name]), default=None)


def _last_call(row: Mapping[str, Any]) -> Call | None:
    """Return the last call with the columns that its outcome depends on, not to be saved."""
    return Call(**{name: row[f"last_{name}"] for name in OF_LAST}) if row["last_status"] else None


def _last_columns() -> dict[str, Subquery]:
    newest = Call.objects.filter(contact=OuterRef("pk")).order_by("-pk")
    return {f"last_{name}": Subquery(newest.values(name)[:1]) for name in OF_LAST}


def _next_moments() -> dict[str, Subquery]:
    waiting = Recipient.objects.filter(
        contact=OuterRef("pk"), status__in=Recipient.WAITING_STATUSES, campaign__status=Campaign.Status.RUNNING
    )
    promised = CallBack.objects.filter(contact=OuterRef("pk"), status=CallBack.Status.DUE)
    sources = zip(NEXT, (waiting, promised), ("next_attempt_at", "due_at"), strict=True)
    return {
        name: Subquery(rows.order_by().values("contact").annotate(at=Min(column)).values("at"))
        for name, rows, column in sources
    }
