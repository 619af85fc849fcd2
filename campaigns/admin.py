"""Contacts, lists, imports and the do-not-call list. What needs execution is added in `calls/admin`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import phonenumbers
from django import forms
from django.contrib import admin, messages
from django.core.files.storage import default_storage
from django.db.models import Count
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display

from campaigns import do_not_call, import_steps, import_undo
from campaigns.import_pages import ImportPages, both_spellings
from campaigns.models import Contact, ContactImport, ContactList, ContactListMember, DoNotCall
from campaigns.phones import EVERYWHERE, NotCallable, national, normalise
from campaigns.windows import whereabouts
from tenants.models import Organization
from tenants.staff import (
    Level,
    NotDone,
    ReadOnlyAdmin,
    ReasonForm,
    ScopedAdmin,
    ScopedRelatedFilter,
    Step,
    page_of,
    reach_of,
    regions_of,
    utc,
    utc_column,
)
from tenants.staff_forms import PairsField, ScopedForm, text_field


def beginnings(term: str, regions: Iterable[str]) -> set[str]:
    """The E.164 beginnings that a number written in one of these countries may have."""
    digits = "".join(character for character in term if character.isdecimal())
    if not digits or any(character.isalpha() for character in term):
        return set()
    if term.lstrip().startswith("+"):
        return {f"+{digits}"}
    if digits.startswith("00"):
        return {f"+{digits[2:]}"} if len(digits) > 2 else set()
    found = {f"+{digits}"} if len(digits) > 6 else set()
    for region in regions:
        code = phonenumbers.country_code_for_region(region)
        prefix = phonenumbers.ndd_prefix_for_region(region, True) or ""
        bare = digits.removeprefix(prefix) if prefix and region != "IT" else digits
        if code and bare:
            found.add(f"+{code}{bare}")
    return found


class NumberedAdmin(ScopedAdmin):
    """Lists searched by telephone number, in E.164 or as its country writes it."""

    search_help_text = "Number or name (the beginning)"

    def number_prefixes(self, request: HttpRequest, term: str) -> Iterable[str]:
        return beginnings(term, regions_of(request))


class ContactForm(ScopedForm):
    phone = text_field(
        "Number", required=True, help_text="As you would dial it, or with its country: +33 1 23 45 67 89."
    )
    variables = PairsField(
        label="Variables",
        help_text="What campaigns may tell the assistant about this person.",
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


class ContactAdmin(NumberedAdmin):
    form = ContactForm
    empty_words = "Nobody yet. Import a list of people from a CSV or Excel file, or add one by hand."
    list_display = ("number", "name", "callable", "external_id", "zone")
    list_display_links = ("number", "name")
    list_filter: ClassVar[Sequence[Any]] = (("lists", ScopedRelatedFilter),)
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

    @admin.display(description="number")
    def number(self, row: Contact) -> str:
        return both_spellings(row.phone)

    @admin.display(description="time zone")
    def zone(self, row: Contact) -> str:
        return row.timezone or "of the number"

    @display(description="may be called", label={"Do not call": "danger", "Yes": "success"})
    def callable(self, row: Contact) -> str:
        return "Do not call" if getattr(row, "listed", False) else "Yes"

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        for organization_id in {row.organization_id for row in rows}:
            mine = [row for row in rows if row.organization_id == organization_id]
            listed = do_not_call.listed(organization_id, [row.phone for row in mine], timezone.now())
            for row in mine:
                row.listed = row.phone in listed

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
        home = whereabouts(obj.timezone, obj.phone, obj.organization.timezone)
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


class ContactListForm(ScopedForm):
    class Meta:
        model = ContactList
        fields = ("name",)


@admin.register(ContactList)
class ContactListAdmin(ImportPages):
    form = ContactListForm
    add_level = change_level = Level.OPERATOR
    add_title = "New list"
    empty_words = "A list holds the people a campaign calls. Make one, then import a CSV or Excel file into it."
    list_display = ("name", "people", "added")
    list_select_related = ("organization",)
    text_fields = ("name",)
    panel_template = "trunkline/contact_list.html"
    list_after_template = "trunkline/counts.html"
    added = utc_column("created_at", "made")

    @admin.display(description="people")
    def people(self, row: ContactList) -> str:
        return format_html('<span id="count-{}" class="tl-count">…</span>', row.pk)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"counts_url": self.url("counts"), **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        ours = [
            path("counts/", wrap(self.counts_view), name="campaigns_contactlist_counts"),
            path("<int:pk>/import/", wrap(self.import_view), name="campaigns_contactlist_import"),
        ]
        return [*ours, *super().get_urls()]

    def counts_view(self, request: HttpRequest) -> HttpResponse:
        """The sizes of the lists shown, fetched after the page: counting a long list takes a while."""
        asked = [
            int(each) for each in request.GET.get("ids", "").split(",")[:200] if each.isdecimal() and len(each) < 19
        ]
        visible = list(self.get_queryset(request).filter(pk__in=asked).values_list("pk", flat=True))
        rows = ContactListMember.objects.filter(contact_list__in=visible).values_list("contact_list")
        counted = dict(rows.annotate(n=Count("pk")).order_by())
        return TemplateResponse(
            request, "trunkline/counted.html", {"counts": [(pk, counted.get(pk, 0)) for pk in visible]}
        )

    def panel_context(self, request: HttpRequest, obj: ContactList) -> dict[str, Any]:
        return {
            "contact_list": obj,
            "counts_url": f"{self.url('counts')}?ids={obj.pk}",
            "import_url": self.url("import", obj.pk),
            "may_import": self.holds(request, Level.OPERATOR, obj),
            "people_url": f"{reverse('admin:campaigns_contact_changelist')}?lists__id__exact={obj.pk}",
            "imports": [
                (row, reverse("admin:campaigns_contactimport_change", args=[row.pk])) for row in obj.imports.all()[:10]
            ],
        }


def _cancel(request: HttpRequest, obj: ContactImport, values: Mapping[str, Any]) -> str:
    import_steps.cancel(obj)
    page_of(ContactImport).audit(request, obj, "canceled")
    return "The import is canceled. The people imported so far stay on the list."


def _undo_effect(obj: ContactImport) -> list[str]:
    found = import_undo.extent(obj)
    return [
        f"{found.going:,} people whom this file brought are removed for good.",
        f"{found.staying:,} people whom it brought stay: they were called, are part of a campaign, or stand on another "
        "list.",
        f"What the file changed in {obj.updated:,} rows about people who were there before stays; those whom it put on "
        "the list and nobody has called since are taken off it.",
        "It runs in the background and cannot be taken back; the file can be imported again.",
    ]


def _undo(request: HttpRequest, obj: ContactImport, values: Mapping[str, Any]) -> str:
    try:
        import_undo.undo(obj, reach_of(request).actor)
    except import_undo.NotOver as error:
        raise NotDone(str(error)) from error
    return "The import is being undone. You may leave this page."


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
    empty_words = "No file has been imported yet. Open a list and choose “Import people”."
    list_display = ("filename", "contact_list", "state", "numbers", "begun")
    list_filter = ("status", ("contact_list", ScopedRelatedFilter))
    list_select_related = ("contact_list", "organization")
    text_fields = ("filename",)
    panel_only = True
    panel_template = "trunkline/contact_import.html"
    begun = utc_column("created_at", "handed in")
    steps = (
        Step(
            "cancel",
            "Cancel import",
            Level.OPERATOR,
            lambda obj: [
                "No further rows are read.",
                f"The {obj.created + obj.updated} people imported so far stay on the list.",
            ],
            _cancel,
            offered=lambda obj: obj.status in import_steps.OPEN_STATUSES,
            tone="danger",
            icon="cancel",
        ),
        Step(
            "undo",
            "Undo import…",
            Level.MANAGER,
            _undo_effect,
            _undo,
            offered=lambda obj: obj.status in import_undo.OVER,
            tone="danger",
            icon="undo",
            button="Undo the import",
        ),
    )

    @display(description="state", label=IMPORT_COLOURS)
    def state(self, row: ContactImport) -> str:
        return str(row.get_status_display())

    @admin.display(description="rows")
    def numbers(self, row: ContactImport) -> str:
        return f"{row.created:,} new, {row.updated:,} updated, {row.skipped:,} skipped, {row.rejected:,} rejected"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]

    def panel_context(self, request: HttpRequest, obj: ContactImport) -> dict[str, Any]:
        running = obj.status in import_steps.OPEN_STATUSES
        undoing = obj.status == ContactImport.Status.UNDOING
        percent = 100 if not running else min(99, obj.bytes_read * 100 // obj.bytes_total) if obj.bytes_total else 0
        return {
            "row": obj,
            "live": running or undoing,
            "undoing": undoing,
            "percent": percent,
            "colour": IMPORT_COLOURS[self.state(obj)],
            "begun": utc(obj.started_at, "not begun yet"),
            "ended": utc(obj.finished_at),
            "mapping": [(column, _target(target)) for column, target in (obj.mapping or {}).items()],
            "list_url": reverse("admin:campaigns_contactlist_change", args=[obj.contact_list_id]),
            "rejected_url": self.url("rejected", obj.pk) if obj.rejected and obj.rejected_file else "",
            "examples": _rejected_examples(obj) if obj.rejected and obj.rejected_file and not running else [],
        }

    def get_urls(self) -> list[URLPattern]:
        ours = path(
            "<int:pk>/rejected.csv",
            self.admin_site.admin_view(self.rejected_view),
            name="campaigns_contactimport_rejected",
        )
        return [ours, *super().get_urls()]

    def rejected_view(self, request: HttpRequest, pk: int) -> Any:
        obj = self.found(request, pk)
        if obj is None or not obj.rejected_file or not default_storage.exists(str(obj.rejected_file.name)):
            return self.not_found(request)
        return FileResponse(
            obj.rejected_file.open("rb"),
            as_attachment=True,
            filename="rejected-rows.csv",
            content_type="text/csv; charset=utf-8",
        )


def _target(target: str) -> str:
    words = {
        "phone": "Number",
        "name": "Name",
        "external_id": "Your id",
        "language": "Language",
        "timezone": "Time zone",
    }
    return words.get(target) or (f"Variable {target.partition('.')[2]}" if target else "left out")


def _rejected_examples(obj: ContactImport, limit: int = 10) -> list[tuple[str, str]]:
    """Line and reason of the first rejected rows."""
    if not default_storage.exists(str(obj.rejected_file.name)):
        return []
    with obj.rejected_file.open("rb") as file:
        head = file.read(65_536).decode("utf-8-sig", "replace")
    delimiter = obj.delimiter or ","
    rows = list(csv.DictReader(io.StringIO(head), delimiter=delimiter))[:limit]
    if rows and "reason" not in rows[0]:
        rows = list(csv.DictReader(io.StringIO(head)))[:limit]
    return [(row.get("line") or "", row.get("reason") or "") for row in rows]


class DoNotCallForm(ScopedForm):
    phone = text_field(
        "Number", required=True, help_text="As you would dial it, or with its country: +33 1 23 45 67 89."
    )
    reason = text_field("Reason", required=True, max_length=500, help_text="Like “asked on the phone”. It is kept.")

    class Meta:
        model = DoNotCall
        fields = ("phone", "reason", "expires_at")

    def clean_phone(self) -> str:
        organization = Organization.objects.get(pk=self.organization_id or 0)
        try:
            return normalise(self.cleaned_data["phone"], organization.default_region, EVERYWHERE)
        except NotCallable as error:
            raise forms.ValidationError(str(error)) from error

    def clean_expires_at(self) -> Any:
        moment = self.cleaned_data["expires_at"]
        if moment and moment <= timezone.now():
            raise forms.ValidationError("This moment is past. Leave it empty to list the number for ever.")
        return moment


def _remove(request: HttpRequest, obj: DoNotCall, values: Mapping[str, Any]) -> HttpResponse:
    if not values["reason"].strip():
        raise NotDone("Say why this number may be called again.")
    phone = obj.phone
    do_not_call.remove(obj, reach_of(request).actor, values["reason"])
    messages.success(request, f"{national(phone)} may be called again.")
    return redirect("admin:campaigns_donotcall_changelist")


class DoNotCallAdmin(NumberedAdmin):
    form = DoNotCallForm
    add_level = Level.OPERATOR
    change_level = delete_level = Level.NOBODY
    add_title = "Do not call a number"
    search_help_text = "Number (the beginning)"
    empty_words = "No number is listed. People who ask not to be called belong here: nothing rings them then."
    intro = "Nobody of the organization rings these numbers, whatever campaign or program asks for it."
    list_display = ("number", "reason", "source_shown", "ends", "since")
    list_select_related = ("organization",)
    number_fields = ("phone",)
    ordering = ("-id",)
    panel_only = True
    panel_template = "trunkline/facts.html"
    since = utc_column("created_at", "since")
    steps = (
        Step(
            "remove",
            "Allow calls again",
            Level.MANAGER,
            lambda obj: [
                f"{national(obj.phone)} is taken off the list: campaigns and programs may ring this person again.",
                "Your name and the reason are kept.",
            ],
            _remove,
            form=ReasonForm,
            tone="danger",
            icon="call",
        ),
    )

    @admin.display(description="number")
    def number(self, row: DoNotCall) -> str:
        return both_spellings(row.phone)

    @admin.display(description="entered by")
    def source_shown(self, row: DoNotCall) -> str:
        return row.source

    @admin.display(description="ends")
    def ends(self, row: DoNotCall) -> str:
        if row.expires_at and row.expires_at <= timezone.now():
            return f"over since {utc(row.expires_at)}"
        return utc(row.expires_at, "never")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": [] if obj is not None else ["phone", "reason", "expires_at"]})]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"phone": request.GET.get("phone", "")}

    def panel_context(self, request: HttpRequest, obj: DoNotCall) -> dict[str, Any]:
        facts = [("Number", both_spellings(obj.phone)), ("Reason", obj.reason or "-"), ("Entered by", obj.source)]
        return {"facts": [*facts, ("Since", utc(obj.created_at)), ("Ends", self.ends(obj))]}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        values = form.cleaned_data
        organization = Organization.objects.get(pk=form.organization_id or 0)
        entry, created = do_not_call.add(
            organization,
            values["phone"],
            reason=values["reason"],
            source=reach_of(request).actor[:64],
            expires_at=values["expires_at"],
        )
        obj.__dict__.update(entry.__dict__)
        if created:
            self.audit(request, entry, "added", {"reason": values["reason"]})
        self.after_listing(request, entry)

    def after_listing(self, request: HttpRequest, entry: DoNotCall) -> None:
        """What must be true before the person is told that the number is safe."""


admin.site.register(DoNotCall, DoNotCallAdmin)
