"""Lists of contacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from campaigns import list_sizes
from campaigns.admin.import_pages import ImportPages, import_links
from campaigns.models import ContactList
from tenants.backoffice.forms import ScopedForm
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.policy import Action

LIST_FILTER = "lists__id__exact"  # in the address of the list of contacts


def campaign_url(contact_list: ContactList) -> str:
    """Return the address that starts a new campaign for this list."""
    query = urlencode({"organization": contact_list.organization_id, "contact_lists": contact_list.pk})
    return f"{reverse('admin:campaigns_campaign_add')}?{query}"


class ContactListForm(ScopedForm):
    class Meta:
        model = ContactList
        fields = ("name",)


@admin.register(ContactList)
class ContactListAdmin(ImportPages):
    form = ContactListForm
    add_action = change_action = Action.CHANGE_LIST
    delete_action = Action.DELETE_LIST
    add_title = "New list"
    empty_words = "A list has the contacts that a campaign calls. Create one, then import a CSV or Excel file into it."
    list_display = ("name", "size", "created")
    list_select_related = ("organization",)
    text_fields = ("name",)
    panel_template = "trunkline/contact_list.html"
    list_after_template = "trunkline/counts.html"
    created = local_time_column("created_at", "created")

    def list_links(self, request: HttpRequest) -> Sequence[tuple[str, str, str]]:
        return import_links(request)

    @admin.display(description="contacts")
    def size(self, row: ContactList) -> str:
        counted = getattr(row, "counted", None)
        if counted is not None:
            return str(counted)
        return format_html('<span id="count-{}" class="tl-count">…</span>', row.pk)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"counts_url": self.url("counts"), **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        ours = [
            path("counts/", wrap(self.counts_view), name="campaigns_contactlist_counts"),
        ]
        return [*ours, *super().get_urls()]

    def counts_view(self, request: HttpRequest) -> HttpResponse:
        """Show the sizes of the lists on the page. They load after the page, so that the page opens at once."""
        ids = [int(each) for each in request.GET.get("ids", "").split(",")[:200] if each.isdecimal() and len(each) < 19]
        visible = list(self.get_queryset(request).filter(pk__in=ids).values_list("pk", flat=True))
        counts = [(pk, list_sizes.written(n)) for pk, n in list_sizes.sizes(visible).items()]
        return TemplateResponse(request, "trunkline/counted.html", {"counts": counts})

    def prepare_export(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        counted = list_sizes.sizes([row.pk for row in rows])
        for row in rows:
            row.counted = counted[row.pk]

    def panel_context(self, request: HttpRequest, obj: ContactList) -> dict[str, Any]:
        return {
            "contact_list": obj,
            "counts_url": f"{self.url('counts')}?ids={obj.pk}",
            "import_url": self.url("import", obj.pk),
            "export_url": f"{reverse('admin:campaigns_contact_export')}?{LIST_FILTER}={obj.pk}",
            "may_import": self.holds(request, Action.IMPORT, obj),
            "campaign_url": campaign_url(obj) if self.holds(request, Action.CHANGE_CAMPAIGN, obj) else "",
            "people_url": f"{reverse('admin:campaigns_contact_changelist')}?{LIST_FILTER}={obj.pk}",
            "imports": [
                (row, reverse("admin:campaigns_contactimport_change", args=[row.pk]), local_time(row.created_at))
                for row in obj.imports.all()[:10]
            ],
        }
