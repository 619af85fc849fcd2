"""Lists of rows that belong to organizations: columns, search, empty state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ERROR_FLAG
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject
from django.utils.text import capfirst

from tenants.backoffice.exports import NOT_FILTERS
from tenants.backoffice.filters import chips_of, quick_days
from tenants.backoffice.lists import COUNT_AT_MOST, SEARCHED_AT_MOST, CappedPaginator
from tenants.backoffice.roles import reach_of
from tenants.backoffice.saved_views import filters_in, views_of
from tenants.backoffice.scoped_rows import ScopedRows
from tenants.db.first_keys import first_keys
from tenants.db.owners import OfEach, reads_each
from tenants.search_keys import keys_that_contain

WITHOUT_FILTERS = "A filter in this address is not valid, so all rows are shown. Choose the filters again."


class ScopedLists(ScopedRows):
    """The list of a ScopedAdmin. It stays quick with millions of rows."""

    number_fields: ClassVar[tuple[str, ...]] = ()  # phone numbers, searched by prefix
    text_fields: ClassVar[tuple[str, ...]] = ()  # searched by their search keys
    word_fields: ClassVar[
        tuple[str, ...]
    ] = ()  # searched by their beginning: words that are written in one way or in small letters
    exact_fields: ClassVar[tuple[str, ...]] = ()  # searched whole
    empty_words: ClassVar[str] = "There is nothing here yet."
    search_help_text: str = ""  # what the search looks for; else the names of the fields
    intro: ClassVar[str] = ""  # one line above the list
    # What indexes begin with, before the descending key: a foreign key of the owners, and perhaps a column. A list
    # whose filters name these and no more reads no rows of other owners. The first that fits is used.
    read_by: ClassVar[Sequence[tuple[str, ...]]] = ()
    counted_as: ClassVar[tuple[str, ...]] = ()  # singular and plural, where the model's verbose names do not fit

    actions = None
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    list_per_page = 50
    sortable_by: ClassVar[Sequence[str]] = ()

    def __init__(self, model: type[models.Model], admin_site: Any) -> None:
        super().__init__(model, admin_site)
        if not self.search_help_text and (searched := (*self.number_fields, *self.text_fields)):
            fields = [model._meta.get_field(name) for name in searched if "__" not in name]
            names = [str(getattr(each, "verbose_name", each.name)) for each in fields]
            self.search_help_text = capfirst(" or ".join(names))

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        shown = list(super().get_list_display(request))
        if self.organization_path == "organization" and len(reach_of(request).grants) > 1:
            shown.append("organization")
        return shown

    def get_search_fields(self, request: HttpRequest) -> Sequence[str]:
        return (*self.number_fields, *self.text_fields, *self.word_fields, *self.exact_fields)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = self.found_elsewhere(request, term)
        if self.text_fields:
            found |= self.like_texts(request, queryset, term)
        for name in self.word_fields:
            for word in sorted({term, term.lower()}):
                found |= Q(**{f"{name}__startswith": word})
        for name in self.exact_fields:
            found |= self.exactly(request, name, term)
        for prefix in self.number_prefixes(request, term) if self.number_fields else ():
            for name in self.number_fields:
                found |= Q(**{f"{name}__startswith": prefix})
        keys = self.keys_of_search(request, queryset.filter(found))
        if isinstance(keys, list):  # the search comes after all filters: these are the rows of the list
            request._searched = len(keys)  # type: ignore[attr-defined]
        return queryset.filter(pk__in=keys), False

    def found_elsewhere(self, request: HttpRequest, term: str) -> Q:
        """Return the condition that a row is found by something that is in none of its columns."""
        return Q(pk__in=[])

    def like_texts(self, request: HttpRequest, rows: QuerySet[Any], term: str) -> Q:
        """Return the condition that a column of `text_fields` contains the term. Reads them in all rows."""
        return Q(pk__in=keys_that_contain(rows, self.text_fields, term))

    def keys_of_search(self, request: HttpRequest, rows: QuerySet[Any]) -> Any:
        """Return the keys of the rows found: the first of them for a page, all of them for an export."""
        return rows.order_by().values("pk") if self.exporting(request) else first_keys(rows, SEARCHED_AT_MOST)

    def kept_count(self, request: HttpRequest, chosen: Mapping[str, str]) -> int | None:
        """Return the number of rows that these filters leave, if it is kept anywhere. None: the rows are counted."""
        return None

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kwargs: Any) -> Any:
        found = super().get_paginator(request, queryset, per_page, *args, **kwargs)
        chosen = {name: values for name, values in request.GET.lists() if name not in NOT_FILTERS and any(values)}
        if all(len(values) == 1 for values in chosen.values()):
            single = {name: value for name, [value] in chosen.items()}
            count = self.kept_count(request, single)
            count = getattr(request, "_searched", None) if count is None else count
            if count is not None:
                found.count = min(count, COUNT_AT_MOST)
            found.of_each = self._of_each(request, queryset, single)
        return found

    def _of_each(self, request: HttpRequest, rows: QuerySet[Any], chosen: Mapping[str, str]) -> OfEach | None:
        """Return the rows of the list as those of each owner. None: no index gives them, or they are nobody's."""
        reach, blank = reach_of(request), set(request.GET) - {*chosen, *NOT_FILTERS}
        if blank or not reads_each() or (reach.superuser and not reach.narrowed):
            return None
        return self.of_each(request, chosen) if rows.query.order_by[:1] in (("-pk",), ("-id",)) else None

    def of_each(self, request: HttpRequest, chosen: Mapping[str, str]) -> OfEach | None:
        """Return the rows that these filters leave as those of each owner, or None if no index gives them."""
        fields = {name.removesuffix("__exact").removesuffix("__id"): value for name, value in chosen.items()}
        exact = all(name.endswith("__exact") for name in chosen)
        for owner, *columns in self.read_by if exact else ():
            if set(fields) - {owner} == set(columns):
                owners = self.owners(request, owner)
                owners = owners.filter(pk=fields[owner]) if owner in fields else owners
                return OfEach(self.all_rows(), owner, owners, *((name, fields[name]) for name in columns))
        return None

    def all_rows(self) -> QuerySet[Any]:
        """Return the rows that the list shows, of all organizations."""
        rows: QuerySet[Any] = self.model._default_manager.all()
        return rows

    def owners(self, request: HttpRequest, owner: str) -> QuerySet[Any]:
        """Return the rows that the user sees of the table that this foreign key refers to."""
        homes = reach_of(request).organizations(self.view_action)
        if owner == "organization":
            return homes
        found: Any = self.model._meta.get_field(owner).related_model
        rows: QuerySet[Any] = found._default_manager.filter(organization__in=homes)
        return rows

    def exactly(self, request: HttpRequest, name: str, term: str) -> Q:
        """Return the condition that the column equals the term."""
        return Q(**{name: term})

    def number_prefixes(self, request: HttpRequest, term: str) -> Iterable[str]:
        """Return the E.164 prefixes that a written number can stand for in the user's organizations."""
        return [term] if term.startswith("+") else []

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        found.result_list = list(found.result_list) if found.result_count else []  # evaluated once
        found.empty_words = self.words_for_nothing(request)
        found.list_links = SimpleLazyObject(lambda: self.list_links(request))  # a file asks for none
        found.full_result_count = found.result_count  # the total is unknown: the page shows none
        self.prepare_rows(request, found.result_list)
        found.chips, found.quick_days = chips_of(found), quick_days(found)
        found.saved_views, found.saved_query = views_of(request, self.model), filters_in(request.GET)
        return found

    def words_for_nothing(self, request: HttpRequest) -> str:
        """Return the text of an empty list. With filters it is empty: the page then says that nothing matches."""
        return "" if request.GET else self.empty_words

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if ERROR_FLAG in request.GET:
            messages.warning(request, WITHOUT_FILTERS)
        extra = {"intro": self.intro, **(extra_context or {})}
        found: HttpResponse = super().changelist_view(request, extra)
        return found
