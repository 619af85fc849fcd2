"""Contacts. `calls/admin` adds the parts about calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet, prefetch_related_objects
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import display

from campaigns.admin import contact_export
from campaigns.admin.import_pages import import_links
from campaigns.admin.numbers import NumberedAdmin, both_formats
from campaigns.do_not_call import entries
from campaigns.models import Contact, ContactList, DoNotCall
from campaigns.phones import NotCallable, normalise
from campaigns.rules.whereabouts import ZoneRule, whereabouts
from tenants.backoffice.forms import PairsField, ScopedForm, text_field
from tenants.backoffice.lists import FILTER_CHOICES
from tenants.backoffice.roles import Level
from tenants.backoffice.scoped_admin import page_of
from tenants.models import Organization

ANY_FAULT = "any"


class ContactForm(ScopedForm):
    phone = text_field(
        "Phone number",
        required=True,
        help_text="In your country's format, or with a country code: +33 1 23 45 67 89.",
    )
    variables = PairsField(
        label="Variables",
        help_text="Information about this contact that campaigns can pass to the assistant.",
        placeholder="Monday at 9:30",
    )

    class Meta:
        model = Contact
        exclude = ("organization",)

    def clean_phone(self) -> str:
        organization = Organization.objects.get(pk=self.organization_id or 0)
        try:
            phone = normalise(self.cleaned_data["phone"], organization.default_region, organization.callable_countries)
        except NotCallable as error:
            raise forms.ValidationError(str(error)) from error
        if Contact.objects.filter(organization=organization, phone=phone).exists():
            raise forms.ValidationError("There is a contact with this number already.")
        return phone


class ListFilter(admin.SimpleListFilter):
    """Filter by list. Reads in the order of the members' index; a contact is on a list at most once."""

    title = "contact list"
    parameter_name = "lists__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = page_of(ContactList).get_queryset(request)[:FILTER_CHOICES]
        return [(str(row.pk), row.name) for row in rows]

    def has_output(self) -> bool:
        """Return True also without choices if the address has the filter, so that it applies."""
        return super().has_output() or self.value() is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if not (value.isascii() and value.isdigit() and len(value) < 19):
            raise IncorrectLookupParameters(value)
        if not page_of(ContactList).get_queryset(request).filter(pk=int(value)).exists():
            return queryset.none()
        return queryset.filter(memberships__contact_list=int(value)).order_by("-memberships__contact")


class ZoneFaultFilter(admin.SimpleListFilter):
    """Filter by what is wrong with the contacts' time zones."""

    title = "time zone to correct"
    parameter_name = "zone_fault"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(ANY_FAULT, "Any"), *((fault.value, str(fault.label)) for fault in Contact.ZoneFault)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if value == ANY_FAULT:
            return queryset.exclude(zone_fault="")
        if value not in Contact.ZoneFault:
            raise IncorrectLookupParameters(value)
        return queryset.filter(zone_fault=value)


class ContactAdmin(NumberedAdmin):
    form = ContactForm
    empty_words = "No contacts yet. Import a CSV or Excel file, or add a contact by hand."
    list_display = ("number", "name", "callable", "external_id", "zone")
    list_display_links = ("number", "name")
    list_filter: ClassVar[Sequence[Any]] = (ListFilter, ZoneFaultFilter)
    list_lookups = ("lists", "organization", "zone_fault")
    list_select_related = ("organization",)
    number_fields = ("phone",)
    text_fields = ("name",)
    exact_fields = ("external_id",)
    ordering = ("-id",)
    panel_template = "trunkline/contact.html"
    fieldsets = (
        (None, {"fields": ("phone", "name", "external_id", "language", "timezone")}),
        ("Variables", {"fields": ("variables",)}),
        ("Consent", {"fields": ("consent_basis", "consent_at", "consent_evidence")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(erased_at=None)

    def list_links(self, request: HttpRequest) -> Sequence[tuple[str, str, str]]:
        return import_links(request)

    @admin.display(description="phone number")
    def number(self, row: Contact) -> str:
        return both_formats(row.phone)

    @admin.display(description="time zone")
    def zone(self, row: Contact) -> str:
        fault = f" ({row.get_zone_fault_display().lower()})" if row.zone_fault else ""
        return f"{row.timezone}{fault}" if row.timezone else "from the number"

    @display(description="may be called", label={"Do not call": "danger", "Yes": "success"})
    def callable(self, row: Contact) -> str:
        return "Do not call" if getattr(row, "listed", False) else "Yes"

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        for organization_id in {row.organization_id for row in rows}:
            group = [row for row in rows if row.organization_id == organization_id]
            listed = entries.listed(organization_id, [row.phone for row in group], timezone.now())
            for row in group:
                row.listed = row.phone in listed

    def prepare_export(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        super().prepare_export(request, rows)
        if getattr(request, "_with_further_numbers", False):
            prefetch_related_objects(rows, "further_numbers")

    def added_columns(self, request: HttpRequest, rows: QuerySet[Any]) -> list[contact_export.Column]:
        columns, further = contact_export.added_columns(rows)
        request._with_further_numbers = further  # type: ignore[attr-defined]
        return columns

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        if obj is None:
            return ()
        if not self.has_change_permission(request, obj):
            return ("number", "variables_shown")
        return ("number",)  # a new number is a new contact

    @admin.display(description="Variables")
    def variables_shown(self, row: Contact) -> str:
        return ", ".join(f"{name}: {value}" for name, value in (row.variables or {}).items()) or "-"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.fieldsets
        changing = self.has_change_permission(request, obj)
        return [
            (None, {"fields": ("number", "name", "external_id", "language", "timezone")}),
            ("Variables", {"fields": ("variables" if changing else "variables_shown",)}),
            ("Consent", {"fields": ("consent_basis", "consent_at", "consent_evidence")}),
        ]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if obj is not None:
            form.base_fields.pop("phone", None)
        return form

    def panel_context(self, request: HttpRequest, obj: Contact) -> dict[str, Any]:
        entry = (
            DoNotCall.objects.in_force(timezone.now()).filter(organization=obj.organization_id, phone=obj.phone).first()
        )
        lists = [
            (row.name, reverse("admin:campaigns_contactlist_change", args=[row.pk])) for row in obj.lists.all()[:20]
        ]
        add = reverse("admin:campaigns_donotcall_add")
        home = whereabouts(obj.timezone, obj.phone, ZoneRule(obj.organization.timezone))
        return {
            "contact": obj,
            "whereabouts": home,
            "zones": ", ".join(home.zones),
            "entry": entry,
            "lists": lists,
            "may_call": self.holds(request, Level.OPERATOR, obj),
            "do_not_call_url": f"{add}?organization={obj.organization_id}&phone={obj.phone.replace('+', '%2B')}",
        }


admin.site.register(Contact, ContactAdmin)
