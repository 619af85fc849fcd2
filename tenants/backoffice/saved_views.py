"""Views of lists that a team member saved: the filters of an address under a name."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse

from tenants.backoffice.exports import NOT_FILTERS
from tenants.backoffice.roles import reach_of
from tenants.models import SavedView
from tenants.texts import NotText, one_line


def views_of(request: HttpRequest, model: Any) -> list[dict[str, Any]]:
    """Return the user's views of a list: those of the chosen organization, and those of all."""
    mine = SavedView.objects.filter(Q(organization=None) | Q(organization=reach_of(request).chosen))
    rows = mine.filter(user=request.user.pk, page=model._meta.label_lower).order_by("name")[: SavedView.MAX]
    here = filters_in(request.GET)
    return [{"pk": row.pk, "name": row.name, "query": row.query, "here": row.query == here} for row in rows]


def filters_in(query: QueryDict) -> str:
    """Return the filters of a list's address in one order, without its search and its page."""
    kept = [(name, value) for name, values in query.lists() for value in values if value]
    return urlencode(sorted((name, value) for name, value in kept if name not in (*NOT_FILTERS, SEARCH_VAR)))


def view(request: HttpRequest) -> HttpResponse:
    """Save the filters of a list under a name, or remove a saved view. Return to the list."""
    if request.method != "POST":  # such as after a sign-in, when the form was sent without a session
        return redirect("admin:index")
    page = request.POST.get("page", "")
    lists = {model._meta.label_lower: model for model in admin.site._registry}
    if page not in lists:
        return redirect("admin:index")
    opts = lists[page]._meta
    url = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    if given := request.POST.get("remove", ""):
        if given.isascii() and given.isdigit() and len(given) < 19:
            SavedView.objects.filter(pk=int(given), user=request.user.pk, page=page).delete()
        return redirect(url)
    query = filters_in(QueryDict(request.POST.get("query", "")[:4000]))
    _save(request, page, query)
    return redirect(f"{url}?{query}" if query else url)


def _save(request: HttpRequest, page: str, query: str) -> None:
    try:
        name = one_line(request.POST.get("name", "")).strip()
    except NotText:
        name = ""
    mine = SavedView.objects.filter(user=request.user.pk, page=page)
    if not name or len(name) > 60:
        messages.error(request, "Give the view a name of at most 60 characters.")
    elif not query or len(query) > 1000:
        messages.error(request, "Choose filters first: a view is the filters of a list.")
    elif mine.count() >= SavedView.MAX and not mine.filter(name=name).exists():
        messages.error(request, f"There are {SavedView.MAX} views of this list. Remove one first.")
    else:
        values = {"query": query, "organization_id": reach_of(request).chosen}
        user_id: int = request.user.pk or 0
        SavedView.objects.update_or_create(user_id=user_id, page=page, name=name, defaults=values)
        messages.success(request, f"The view “{name}” is saved.")
