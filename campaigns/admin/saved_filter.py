"""Save the filters of the list of contacts as a segment: the link on the list, and the rows of the form it opens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.options import IncorrectLookupParameters
from django.db import models
from django.http import HttpRequest
from django.urls import reverse

from campaigns.admin.contact_list import LIST_FILTER
from campaigns.admin.tag import TAG_FILTER
from campaigns.models import ContactList, Tag
from tenants.backoffice.exports import NOT_FILTERS
from tenants.backoffice.filters import DAY, FROM, TO, days_of
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.policy import Action

ORGANIZATION_FILTER = "organization__id__exact"
# The filter -> the model, the parameter of the form, and the kind of condition.
GROUPS: Mapping[str, tuple[type[models.Model], str, tuple[str, str]]] = {
    LIST_FILTER: (ContactList, "list", ("lists", "in")),
    TAG_FILTER: (Tag, "tag", ("tags", "any")),
}
SAVED = {*GROUPS, DAY, FROM, TO}


def segment_link(request: HttpRequest) -> list[tuple[str, str, str]]:
    """Return the link that saves the filters of the list as a segment, if a segment can have all of them.

    A search, and filters that no condition is for, cannot be saved: the segment would have more contacts than the list.
    """
    used = {name: request.GET[name] for name in request.GET if name not in NOT_FILTERS and request.GET[name]}
    if not SAVED & set(used) or set(used) - SAVED - {ORGANIZATION_FILTER}:
        return []
    given, homes = {}, set()
    for name, (model, called, _) in GROUPS.items():
        if name in used:
            found = _group(request, model, used[name])
            if found is None:
                return []
            given[called] = str(found.pk)
            homes.add(found.organization_id)
    if used.get(ORGANIZATION_FILTER, "").isdecimal():
        homes.add(int(used[ORGANIZATION_FILTER]))
    if len(homes) > 1 or not all(reach_of(request).may(Action.CHANGE_LIST, home) for home in homes or {None}):
        return []
    given |= {name: used[name] for name in (DAY, FROM, TO) if name in used}
    query = urlencode(given | ({"organization": homes.pop()} if homes else {}))
    return [(f"{reverse('admin:campaigns_segment_add')}?{query}", "Save as a segment", "filter_alt")]


def rows_from(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the filters in the address of a new segment's form as rows of the form. What nobody can read is left out.

    “Today” and “Last 7 days” become the day on which they begin now.
    """
    found: list[tuple[tuple[str, str], dict[str, Any]]] = []
    for model, called, kind in GROUPS.values():
        group = _group(request, model, request.GET.get(called, ""))
        if group is not None:
            found.append((kind, {kind[0]: [str(group.uuid)]}))
    try:
        first, last = days_of(request.GET)
    except IncorrectLookupParameters:
        first = last = None
    if first:
        found.append((("created_at", "from"), {"day": first.isoformat()}))
    if last:
        found.append((("created_at", "before"), {"day": (last + timedelta(days=1)).isoformat()}))
    return [{"kind": " ".join(kind), **value} for kind, value in found]


def _group(request: HttpRequest, model: type[models.Model], key: str) -> Any:
    """Return a list or tag that the user may see."""
    if not (key.isascii() and key.isdecimal() and len(key) < 19):
        return None
    return page_of(model).get_queryset(request).filter(pk=int(key)).first()
