"""Actions on several rows of a list: chosen with the boxes of the list, confirmed on a page, done at once.

The confirmation page holds the keys of the rows. What is done concerns these rows alone, also when a filter of the list
would meanwhile find others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path

from tenants.backoffice.buttons import Done, NotDone, say
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_rows import ScopedRows
from tenants.policy import Action

AT_ONCE = 1_000  # rows of one action
TOO_MANY = f"At most {AT_ONCE:,} rows at once. Narrow the list with a filter or a search."
SEVERAL_HOMES = "The chosen rows belong to several organizations. Choose rows of one, for example with its filter."


@dataclass(frozen=True)
class BulkStep:
    """An action on rows of a list. Of an organization's rows it is offered to whoever may do it there.

    `form(request, rows)` returns the class of a form that is filled in before. `perform(request, rows, values)` returns
    what was done. It raises NotDone.
    """

    name: str
    label: str
    action: Action
    effect: Callable[[Sequence[Any]], Sequence[str]]
    perform: Callable[[HttpRequest, Sequence[Any], Mapping[str, Any]], str | Done]
    form: Callable[[HttpRequest, Sequence[Any]], type[forms.Form]]
    button: str
    tone: str = "primary"
    one_organization: bool = False  # the rows must belong to one
    stops: bool = False  # as of a Step


class BulkPages(ScopedRows):
    """The list of a ScopedAdmin whose rows can be chosen, and the page that confirms `bulk_steps`."""

    bulk_steps: ClassVar[tuple[BulkStep, ...]] = ()
    bulk_related: ClassVar[tuple[str, ...]] = ()  # what the steps need of each row

    def get_urls(self) -> list[URLPattern]:
        if not self.bulk_steps:
            return super().get_urls()
        name = f"{self.opts.app_label}_{self.opts.model_name}_many"
        return [path("many/", self.admin_site.admin_view(self.many_view), name=name), *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the list offers. `response_action` performs none of them: it shows the confirmation page."""
        if IS_POPUP_VAR in request.GET:
            return {}
        offered = [step for step in self.bulk_steps if self.holds(request, step.action)]
        return {step.name: (self.response_action, step.name, step.label) for step in offered}

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Show the confirmation page for the rows chosen in the list: those ticked, or all that its filters leave."""
        if request.POST.get("select_across") == "1":
            keys = list(queryset.values_list("pk", flat=True)[: AT_ONCE + 1])
        else:
            keys = _keys(request.POST.getlist(ACTION_CHECKBOX_NAME))
        return self._many(request, request.POST.get("action", ""), keys, request.GET.urlencode(), confirmed=False)

    def many_view(self, request: HttpRequest) -> HttpResponse:
        """Show the confirmation page for the rows of the address; do what was confirmed."""
        given = request.POST if request.method == "POST" else request.GET
        keys = _keys(given.get("keys", "").split(","))
        return self._many(request, given.get("step", ""), keys, given.get("filters", ""), request.method == "POST")

    def many_url(self, step: BulkStep, row: Any) -> str:
        """Return the address that confirms the step for one row."""
        return f"{self.url('many')}?{urlencode({'step': step.name, 'keys': row.pk})}"

    def _many(
        self, request: HttpRequest, name: str, keys: Sequence[int], filters: str, confirmed: bool
    ) -> HttpResponse:
        step = next((each for each in self.bulk_steps if each.name == name), None)
        asked = [each.action for each in self.bulk_steps] if step is None else [step.action]
        if not any(self.holds(request, action) for action in asked):
            raise PermissionDenied
        back = self._back(keys, filters)
        if step is None:
            messages.error(request, "Choose what to do with the rows.")
            return redirect(back)
        if len(keys) > AT_ONCE:
            messages.error(request, TOO_MANY)
            return redirect(back)
        found = self.get_queryset(request).filter(pk__in=keys).order_by("pk")
        rows = list(found.select_related(*self.bulk_related))
        if not rows:
            return self.not_found(request)
        if refusal := self._refusal(request, step, rows):
            messages.error(request, refusal)
            return redirect(back)
        form = step.form(request, rows)(request.POST if confirmed else None)
        if confirmed and form.is_valid() and self._done(request, step, rows, form):
            return redirect(back)
        return self.page(
            request,
            "trunkline/confirm.html",
            step.label.rstrip("…"),
            obj=rows[0] if len(rows) == 1 else f"{len(rows):,} {self.opts.verbose_name_plural}",
            step=step,
            effect=step.effect(rows),
            form=form,
            back=back,
            target=self.url("many"),
            hidden={"step": step.name, "keys": ",".join(str(row.pk) for row in rows), "filters": filters},
        )

    def _refusal(self, request: HttpRequest, step: BulkStep, rows: Sequence[Any]) -> str:
        """Return why the step is not for these rows, or an empty string."""
        homes = {self.organization_id_of(row) or 0 for row in rows}
        refused = [home for home in homes if not reach_of(request).may(step.action, home)]
        if refused:
            names = ", ".join(sorted(reach_of(request).names[home] for home in refused))
            return f"Your role does not allow this in {names}. Choose rows of other organizations."
        return SEVERAL_HOMES if step.one_organization and len(homes) > 1 else ""

    def _done(self, request: HttpRequest, step: BulkStep, rows: Sequence[Any], form: forms.Form) -> bool:
        try:
            say(request, step.perform(request, rows, form.cleaned_data))
        except NotDone as error:
            form.add_error(None, str(error))
            return False
        return True

    def _back(self, keys: Sequence[int], filters: str) -> str:
        """Return the address of the list with its filters, or that of the only row."""
        if len(keys) == 1 and not filters:
            return self.url("change", keys[0])
        return f"{self.url('changelist')}?{filters}" if filters else self.url("changelist")


def _keys(given: Iterable[str]) -> list[int]:
    """Return the keys among what a browser sent, each once."""
    return list(dict.fromkeys(int(each) for each in given if each.isascii() and each.isdigit() and len(each) < 19))
