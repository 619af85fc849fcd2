"""Contacts. `calls/admin` adds the parts about calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet, Value, prefetch_related_objects
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from unfold.decorators import display

from campaigns import further_numbers, tagging
from campaigns.admin import contact_export
from campaigns.admin.contact_list import LIST_FILTER
from campaigns.admin.import_pages import import_links
from campaigns.admin.numbers import NumberedAdmin, both_formats
from campaigns.admin.saved_filter import segment_link
from campaigns.admin.segment import SEGMENT_FILTER, SegmentFilter
from campaigns.admin.tag import TAG_FILTER, contacts_url
from campaigns.contact_locks import lock_numbers
from campaigns.do_not_call import persons
from campaigns.list_sizes import sizes
from campaigns.models import Contact, ContactList, ContactNumber, DoNotCall, NumberKind, Tag
from campaigns.models.contact import MAX_EVIDENCE
from campaigns.models.number_hash import number_hashes
from campaigns.name_search import named
from campaigns.number_search import beginning, having
from campaigns.phones import EVERYWHERE, NotCallable, normalise, normalise_further
from campaigns.rules.placeholders import find
from campaigns.rules.spoken import sentence
from campaigns.rules.tag_names import NotATag, split_tags
from campaigns.rules.whereabouts import ZoneRule, whereabouts
from campaigns.rules.zone_words import NotAZone, read_zone
from tenants.backoffice.filters import CreatedFilter
from tenants.backoffice.forms import Column, PairsField, RowsField, ScopedForm, long_text_field, text_field
from tenants.backoffice.lists import FILTER_CHOICES, SEARCHED_AT_MOST
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.db.encrypted_fields import UndecryptableSecret
from tenants.db.first_keys import first_keys
from tenants.models import Organization
from tenants.policy import Action

ANY_FAULT = "any"
DETAILS = ("name", "external_id", "language", "timezone", "tags")
SHOWN_DETAILS = (*DETAILS[:-1], "tags_shown")


NUMBER_COLUMNS = [
    Column("phone", "Phone number", placeholder="+33 1 23 45 67 89"),
    Column("kind", "Kind", kind="select", choices=[("", "Not known"), *NumberKind.choices]),
]


class ContactForm(ScopedForm):
    phone = text_field(
        "Phone number",
        required=True,
        help_text="In your country's format, or with a country code: +33 1 23 45 67 89.",
    )
    further_numbers = RowsField(
        NUMBER_COLUMNS,
        most=ContactNumber.MAX,
        add="Add another number",
        label="Further numbers",
        help_text="Up to four, in the order in which they are called. Searches and the do-not-call list know them all.",
    )
    variables = PairsField(
        label="Variables",
        help_text="Information about this contact that campaigns can pass to the assistant.",
        placeholder="Monday at 9:30",
    )

    tags = text_field("Tags", help_text="Separate several with commas. A tag that does not exist yet is created.")

    class Meta:
        model = Contact
        exclude = ("organization",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "consent_evidence" in self.fields:
            self.fields["consent_evidence"] = long_text_field("Evidence", max_length=MAX_EVIDENCE)
        if self.instance.pk:
            held = self.instance.further_numbers.all()
            self.initial["further_numbers"] = [{"phone": number.phone, "kind": number.kind} for number in held]
            self.initial["tags"] = ", ".join(names_of(self.instance).tags.values())

    @cached_property
    def home(self) -> Organization:
        return Organization.objects.get(pk=self.organization_id or 0)

    def clean_phone(self) -> str:
        phone = self._read(self.cleaned_data["phone"], self.home.callable_countries)
        if Contact.objects.filter(organization=self.home, phone=phone).exists():
            raise forms.ValidationError("There is a contact with this number already.")
        return phone

    def clean_timezone(self) -> str:
        phone = self.cleaned_data.get("phone") or self.instance.phone
        try:
            return read_zone(self.cleaned_data["timezone"], phone)
        except NotAZone as error:
            raise forms.ValidationError(str(error)) from error

    def clean_further_numbers(self) -> list[dict[str, str]]:
        """Return the rows with their numbers in E.164. A number that the contact has already may be of any country."""
        rows = self.cleaned_data["further_numbers"]
        if "further_numbers" not in self.changed_data:
            return list(self.initial.get("further_numbers", []))
        held = {row["phone"] for row in self.initial.get("further_numbers", [])}
        numbers = []
        for row in rows:
            countries = EVERYWHERE if row["phone"] in held else self.home.callable_countries
            phone = self._read(row["phone"], countries, normalise_further)
            numbers.append({"phone": phone, "kind": row["kind"]})
        first = self.cleaned_data.get("phone") or self.instance.phone
        further_numbers.check(first, _pairs(numbers))
        return numbers

    def clean_tags(self) -> tuple[str, ...]:
        try:
            names = split_tags(self.cleaned_data["tags"])
            tagging.check(self.organization_id or 0, names)
        except (NotATag, tagging.NotTagged) as error:
            raise forms.ValidationError(str(error)) from error
        return names

    def _read(self, text: str, countries: Collection[str], read: Callable[..., str] = normalise) -> str:
        try:
            return read(text, self.home.default_region, countries)
        except NotCallable as error:
            raise forms.ValidationError(str(error)) from error


def _pairs(rows: Iterable[Mapping[str, str]]) -> list[tuple[str, str]]:
    return [(row["phone"], row["kind"]) for row in rows]


@dataclass(frozen=True)
class Names:
    """The names of a contact's lists, the newest first, and of its tags in order, by key."""

    lists: dict[int, str]
    tags: dict[int, str]


def names_of(contact: Contact) -> Names:
    """Return the names, with one query for a page: the page of a contact has few left."""
    found: Names | None = vars(contact).get("_names")
    if found is None:
        lists = contact.lists.order_by().values_list("pk", Value(0), "name", Value(""))
        tags = contact.tags.order_by().values_list("pk", Value(1), "name", "name_key")
        rows = list(lists.union(tags, all=True))
        found = Names(
            {pk: name for pk, is_tag, name, _ in sorted(rows, reverse=True) if not is_tag},
            {pk: name for pk, is_tag, name, _ in sorted(rows, key=itemgetter(3)) if is_tag},
        )
        vars(contact)["_names"] = found
    return found


class _GroupFilter(admin.SimpleListFilter):
    """Filter by a group of contacts, in which a contact is at most once. Reads in the order of the members' index.

    `of` and `order`: the lookup from a contact to the group, and the key by which the index of the group is ordered.
    """

    model: ClassVar[type[ContactList | Tag]]
    of: ClassVar[str]
    order: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = page_of(self.model).get_queryset(request)[:FILTER_CHOICES]
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
        if not page_of(self.model).get_queryset(request).filter(pk=int(value)).exists():
            return queryset.none()
        return queryset.filter(**{self.of: int(value)}).order_by(self.order)


class ListFilter(_GroupFilter):
    title = "contact list"
    parameter_name = LIST_FILTER
    model, of, order = ContactList, "memberships__contact_list", "-memberships__contact"


class TagFilter(_GroupFilter):
    title = "tag"
    parameter_name = TAG_FILTER
    model, of, order = Tag, "tagged__tag", "-tagged__contact"


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
    add_action = change_action = delete_action = Action.CHANGE_CONTACT
    add_title = "New contact"
    empty_words = "No contacts yet. Import a CSV or Excel file, or add a contact by hand."
    list_display = ("number", "name", "callable", "external_id", "zone")
    list_display_links = ("number", "name")
    list_filter: ClassVar[Sequence[Any]] = (CreatedFilter, ListFilter, TagFilter, SegmentFilter, ZoneFaultFilter)
    read_by = (("organization",),)
    list_lookups = ("lists", "tags", SEGMENT_FILTER, "organization", "zone_fault")
    list_select_related = ("organization",)
    number_fields = ("phone",)
    text_fields = ("name",)
    exact_fields = ("external_id",)
    ordering = ("-id",)
    panel_template = "trunkline/contact.html"
    fieldsets = (
        (None, {"fields": ("phone", "phone_kind", *DETAILS, "further_numbers")}),
        ("Variables", {"fields": ("variables",)}),
        ("Consent", {"fields": ("consent_basis", "consent_at", "consent_evidence")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(erased_at=None)

    def all_rows(self) -> QuerySet[Any]:
        return Contact.objects.filter(erased_at=None)

    def kept_count(self, request: HttpRequest, chosen: Mapping[str, str]) -> int | None:
        if set(chosen) != {ListFilter.parameter_name}:
            return None
        mine = page_of(ContactList).get_queryset(request)  # a list has contacts of its organization, none erased
        return sum(sizes(mine.filter(pk=chosen[ListFilter.parameter_name]).values_list("pk", flat=True)).values())

    def list_links(self, request: HttpRequest) -> Sequence[tuple[str, str, str]]:
        return [*segment_link(request), *import_links(request)]

    @admin.display(description="phone number")
    def number(self, row: Contact) -> str:
        return both_formats(row.phone)

    @admin.display(description="time zone")
    def zone(self, row: Contact) -> str:
        fault = f" ({row.get_zone_fault_display().lower()})" if row.zone_fault else ""
        return f"{row.timezone}{fault}" if row.timezone else "from the number"

    @display(description="may be called", label={"No": "danger", "Not known": "warning", "Yes": "success"})
    def callable(self, row: Contact) -> str:
        return {True: "No", None: "Not known"}.get(getattr(row, "listed", False), "Yes")

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        prefetch_related_objects(rows, "further_numbers", *(["tags"] if self.exporting(request) else []))
        try:
            listed = persons.listed(rows)
        except UndecryptableSecret:  # of the key of the list
            listed = None
        for row in rows:
            row.listed = None if listed is None else row.pk in listed

    def found_elsewhere(self, request: HttpRequest, term: str) -> Q:
        begins = beginning("phone", self.number_prefixes(request, term))
        numbers = ContactNumber.objects.filter(begins, organization__in=list(reach_of(request).grants))
        if self.exporting(request):
            return having(numbers)
        return Q(pk__in=first_keys(numbers, SEARCHED_AT_MOST, of="contact"))

    def like_texts(self, request: HttpRequest, rows: QuerySet[Any], term: str) -> Q:
        return named(term, reach_of(request).grants)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given = _pairs(form.cleaned_data["further_numbers"])
        lock_numbers(obj.organization_id, [obj.phone, *(phone for phone, _ in given)])
        tags = form.cleaned_data["tags"]
        tagging.named(obj.organization_id, tags)  # tags are locked before contacts
        super().save_model(request, obj, form, change)
        further_numbers.replace(obj, given)
        if "tags" in form.changed_data:
            tagging.replace(obj, tags)
        if placeholders := find(obj.variables or {}, obj.name):
            advice = "The contact is saved. Unless they say otherwise, campaigns hold it until a team member decides."
            messages.warning(request, f"{sentence(placeholders)} {advice}")

    def added_columns(self, rows: QuerySet[Any]) -> list[contact_export.Column]:
        return contact_export.added_columns(rows)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        if obj is None:
            return ()
        if not self.has_change_permission(request, obj):
            return ("number", "further_shown", "tags_shown", "variables_shown")
        return ("number",)  # a new number is a new contact

    @admin.display(description="Variables")
    def variables_shown(self, row: Contact) -> str:
        return ", ".join(f"{name}: {value}" for name, value in (row.variables or {}).items()) or "-"

    @admin.display(description="Further numbers")
    def further_shown(self, row: Contact) -> str:
        return ", ".join(number.phone for number in row.further_numbers.all()) or "-"

    @admin.display(description="Tags")
    def tags_shown(self, row: Contact) -> str:
        return ", ".join(names_of(row).tags.values()) or "-"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.fieldsets
        changing = self.has_change_permission(request, obj)
        further = "further_numbers" if changing else "further_shown"
        return [
            (None, {"fields": ("number", "phone_kind", further, *(DETAILS if changing else SHOWN_DETAILS))}),
            ("Variables", {"fields": ("variables" if changing else "variables_shown",)}),
            ("Consent", {"fields": ("consent_basis", "consent_at", "consent_evidence")}),
        ]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if obj is not None:
            form.base_fields.pop("phone", None)
        return form

    def panel_context(self, request: HttpRequest, obj: Contact) -> dict[str, Any]:
        prefetch_related_objects([obj], "further_numbers")
        entry, unknown = _entry_of(obj)
        names = names_of(obj)
        lists = [
            (name, reverse("admin:campaigns_contactlist_change", args=[pk]))
            for pk, name in islice(names.lists.items(), 20)
        ]
        add = reverse("admin:campaigns_donotcall_add")
        home = whereabouts(obj.timezone, obj.phone, ZoneRule(obj.organization.timezone))
        return {
            "contact": obj,
            "whereabouts": home,
            "zones": ", ".join(home.zones),
            "entry": entry,
            "unknown": unknown,
            "lists": lists,
            "tags": [(name, contacts_url(pk)) for pk, name in names.tags.items()],
            "may_call": self.holds(request, Action.LAUNCH_CALL, obj),
            "do_not_call_url": f"{add}?organization={obj.organization_id}&phone={obj.phone.replace('+', '%2B')}",
        }


def _entry_of(contact: Contact) -> tuple[DoNotCall | None, str]:
    """Return the do-not-call entry of one of the contact's numbers, or why it is not known whether there is one."""
    listed = DoNotCall.objects.in_force(timezone.now()).filter(organization=contact.organization_id)
    try:
        return listed.filter(phone_hash__in=list(number_hashes(contact.numbers))).first(), ""
    except UndecryptableSecret as error:
        return None, str(error)


admin.site.register(Contact, ContactAdmin)
