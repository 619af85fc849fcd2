"""The page of one campaign in tabs. Each tab has an address of its own, and only the tab that is shown is queried."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString, mark_safe

from calls.admin.campaigns.figures import figures_of, forecast_of, settings_of
from calls.admin.campaigns.history import course_of, history_of
from calls.admin.campaigns.overview import UNFINISHED, head_of, idle_of, overview_of, results_of
from calls.admin.campaigns.result_parts import result_figures_of, result_rows_of
from calls.admin.campaigns.wizard import WizardPages
from calls.admin.campaigns.wizard_steps import continue_button
from calls.admin.people import recipient_list
from campaigns.models import Campaign
from tenants.backoffice.buttons import Step
from tenants.backoffice.roles import reach_of
from tenants.policy import Action

S = Campaign.Status
PARAMETER = "tab"
ALONE = "alone"  # parameter of a part's address that asks for it as a page
Part = Callable[[HttpRequest, Campaign], dict[str, Any]]


class Tab(Enum):
    """A tab: its name in the address, its title, and the parts that its page shows or loads."""

    OVERVIEW = "overview", "Overview", ("idle",), ("forecast",)
    RECIPIENTS = "recipients", "Recipients", ("people",), ()
    RESULTS = "results", "Results", ("results",), ("result_figures", "result_rows", "figures")
    SETTINGS = "settings", "Settings", (), ("settings",)
    HISTORY = "history", "History", ("versions",), ()

    def __init__(self, slug: str, title: str, shown: tuple[str, ...], loaded: tuple[str, ...]) -> None:
        self.slug, self.title = slug, title
        self.shown = shown  # with the page
        self.loaded = loaded  # after it, because they are slow


BY_SLUG = {tab.slug: tab for tab in Tab}

# Parts of the page by name, which is also that of their template: trunkline/campaign_<name>.html.
PARTS: dict[str, Part] = {
    "idle": lambda request, obj: idle_of(obj, reverse("admin:campaigns_campaign_idle", args=[obj.pk])),
    "people": recipient_list.recipients_of,
    "forecast": lambda request, obj: (
        forecast_of(obj, "all" in request.GET)
        | {"forecast_url": f"{reverse('admin:campaigns_campaign_forecast', args=[obj.pk])}?all"}
    ),
    "results": lambda request, obj: results_of(obj),
    "result_figures": lambda request, obj: result_figures_of(
        obj, reach_of(request).may(Action.CHANGE_CAMPAIGN, obj.organization_id)
    ),
    "result_rows": result_rows_of,
    "figures": lambda request, obj: figures_of(obj, ZoneInfo(reach_of(request).zone)),
    "settings": lambda request, obj: settings_of(obj),
    "versions": lambda request, obj: {"course": course_of(obj), "history": history_of(obj)},
}
PAGES = (
    "result_figures",
    "result_rows",
    "figures",
    "settings",
)  # parts that are pages, too, for readers without scripts
LOADED = tuple(name for name in PARTS if name != "results")  # `results` is the address of the file


def tab_of(request: HttpRequest) -> Tab:
    """Return the tab of this address. Filters of recipients stood in the address before there were tabs."""
    if request.method == "POST":
        return Tab.SETTINGS
    if asked := BY_SLUG.get(request.GET.get(PARAMETER, "")):
        return asked
    return Tab.RECIPIENTS if any(request.GET.get(name) for name in recipient_list.ADDRESS) else Tab.OVERVIEW


def _template(part: str) -> str:
    return f"trunkline/campaign_{part}.html"


def _rendered(request: HttpRequest, obj: Campaign, part: str) -> SafeString:
    return mark_safe(render_to_string(_template(part), PARTS[part](request, obj), request))  # noqa: S308 (a template's)


class TabbedPages(WizardPages):
    """The page of one campaign, as a base class of the campaign's admin. Only *Settings* is a form."""

    panel_template = "trunkline/campaign.html"

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "campaigns_campaign"
        parts = [
            path(f"<int:pk>/{part}/", view(self.part_view), {"part": part}, name=f"{name}_{part}") for part in LOADED
        ]
        return [*parts, *super().get_urls()]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        tab = tab_of(request)
        if object_id is None or tab is Tab.SETTINGS:
            return super().changeform_view(request, object_id, form_url, extra_context)
        obj = self.get_object(request, object_id)
        if obj is None or not self.has_view_permission(request, obj):
            return super().changeform_view(request, object_id, form_url, extra_context)
        shown = [_rendered(request, obj, part) for part in tab.shown]
        panel = self._panel(request, obj)
        return self.page(request, "trunkline/campaign_page.html", str(obj), original=obj, shown=shown, **panel)

    def settings_url(self, obj: Campaign) -> str:
        return self.tab_url(obj, Tab.SETTINGS)

    def tab_url(self, obj: Campaign, tab: Tab) -> str:
        return f"{self.url('change', obj.pk)}?{urlencode({PARAMETER: tab.slug})}"

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        found: HttpResponse = super().response_change(request, obj)
        return redirect(self.settings_url(obj)) if "_continue" in request.POST else found

    def part_view(self, request: HttpRequest, pk: int, part: str) -> HttpResponse:
        """Return a part of the page that loads or refreshes by itself. Without scripts, it has a page of its own."""
        obj = self.found(request, pk)
        if obj is None and "HX-Request" in request.headers:
            return HttpResponse(status=204)  # the panel's own refresh leaves the page
        if obj is None:
            return self.not_found(request)
        if ALONE in request.GET and part in PAGES:
            shown = [_rendered(request, obj, part)]
            return self.page(request, "trunkline/campaign_page.html", str(obj), original=obj, shown=shown)
        return TemplateResponse(request, _template(part), PARTS[part](request, obj))

    def offered_steps(self, request: HttpRequest, obj: Campaign) -> list[Step]:
        """Leave out the start beside the form: what it has may not be saved, and what is missing takes six queries."""
        found = super().offered_steps(request, obj)
        return found if tab_of(request) is not Tab.SETTINGS else [step for step in found if step.name != "start"]

    def _panel(self, request: HttpRequest, obj: Campaign) -> dict[str, Any]:
        found = super()._panel(request, obj)
        if obj.status == S.DRAFT and self.has_change_permission(request, obj):
            found["steps"].insert(0, continue_button(obj))
        return found

    def panel_context(self, request: HttpRequest, obj: Campaign) -> dict[str, Any]:
        here = tab_of(request)
        query = urlencode({PARAMETER: here.slug})
        return {
            "live": obj.status in UNFINISHED,
            "cancel_url": self.url("change", obj.pk),
            "panel_url": f"{self.url('panel', obj.pk)}?{query}",
            "tab": here.slug,
            "tabs": [(tab.slug, tab.title, self.tab_url(obj, tab), tab is here) for tab in Tab],
            "loaded": [(self.url(part, obj.pk), ALONE if part in PAGES else "") for part in here.loaded],
            **head_of(obj),
            **(overview_of(obj) if here is Tab.OVERVIEW else {}),
        }
