"""The form of a single call. Its fields depend on the assistant; known values of the contact are filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from unfold.widgets import UnfoldAdminSelectWidget

from calls.actions import single_calls
from calls.admin.launch.people import number_shown
from campaigns.models import Contact
from campaigns.models.contact import check_variable_values
from campaigns.phones import E164, NotCallable, normalise
from providers.models import Assistant, PhoneNumber
from tenants.backoffice.forms import LineField, text_field
from tenants.backoffice.typed_times import LocalTimeField, SplitLocalTimeInput

CHOICES = 500
VARIABLE = "variable-"  # prefix of the names of variable fields


class LaunchForm(forms.Form):
    to_number = LineField(  # chosen in the field above the form, which finds names and numbers
        label="Phone number",
        widget=forms.HiddenInput,
        error_messages={"required": "Choose whom to call: enter a name or phone number above."},
    )
    customer_name = text_field("Contact's name", max_length=200)
    not_before = LocalTimeField(
        "Not before",
        required=False,
        widget=SplitLocalTimeInput,
        help_text="Empty: now. A call that cannot be placed within an hour is canceled.",
    )

    def __init__(
        self, assistants: QuerySet[Assistant], assistant: Assistant | None, data: Any = None, initial: Any = None
    ) -> None:
        super().__init__(data, initial=initial)
        self.assistant = assistant
        declared = dict(self.fields)
        if data is None:  # the input so far, under the names of the widget's parts
            self.initial["not_before"] = declared["not_before"].widget.value_from_datadict(
                self.initial, {}, "not_before"
            )
        self.fields.clear()
        self.has_choice = bool(assistants)
        self.numbers: dict[str, PhoneNumber] = {}
        several = len({row.organization_id for row in assistants}) > 1
        choices = [(str(row.pk), f"{row.name} ({row.organization})" if several else row.name) for row in assistants]
        self.fields["assistant"] = forms.ChoiceField(
            label="Assistant",
            choices=[("", "Choose an assistant"), *choices],
            initial=str(assistant.pk) if assistant else "",
            widget=UnfoldAdminSelectWidget(
                attrs={
                    "hx-post": reverse("admin:calls_call_launch_fields"),
                    "hx-target": "#launch-fields",
                    "hx-include": "#launch-form",
                    "hx-trigger": "change",
                }
            ),
        )
        self.fields["to_number"] = declared.pop("to_number")
        if assistant is None:
            return
        numbers = PhoneNumber.objects.filter(account=assistant.account_id, is_active=True)[:CHOICES]
        self.numbers = {str(row.pk): row for row in numbers}
        self.fields["phone_number"] = forms.ChoiceField(
            label="Caller number",
            choices=[(key, f"{number_shown(row.e164)} {row.label}") for key, row in self.numbers.items()],
            widget=UnfoldAdminSelectWidget(),
        )
        self.fields |= declared
        for item in assistant.variables or []:
            required = bool(item.get("required")) and not item.get("default")
            field = text_field(
                item["name"], required=required, help_text=_help(item), initial=item.get("default") or ""
            )
            field.widget.attrs["placeholder"] = item.get("example") or ""
            self.fields[f"{VARIABLE}{item['name']}"] = field

    @property
    def call_fields(self) -> list[Any]:
        apart = ("assistant", "to_number")
        return [self[name] for name in self.fields if name not in apart and not name.startswith(VARIABLE)]

    @property
    def number_shown(self) -> str:
        """The chosen number as its country writes it, or as it was entered."""
        text = str(self["to_number"].value() or "")
        return number_shown(text) if E164.fullmatch(text) else text

    @property
    def variable_fields(self) -> list[Any]:
        return [self[name] for name in self.fields if name.startswith(VARIABLE)]

    def clean_to_number(self) -> str:
        if self.assistant is None:
            return ""
        organization = self.assistant.organization
        try:
            return normalise(
                self.cleaned_data["to_number"], organization.default_region, organization.callable_countries
            )
        except NotCallable as error:
            raise forms.ValidationError(str(error)) from error

    def clean_not_before(self) -> Any:
        moment = self.cleaned_data["not_before"]
        return moment if moment and moment > timezone.now() else None

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        check_variable_values(self._variables())
        return values

    def _variables(self) -> dict[str, str]:
        values = {name: value for name, value in self.cleaned_data.items() if name.startswith(VARIABLE) and value}
        return {name.removeprefix(VARIABLE): value for name, value in values.items()}

    def order(self, actor: str) -> single_calls.Order:
        values = self.cleaned_data
        assert self.assistant is not None  # noqa: S101 (a form without an assistant is never valid)
        return single_calls.Order(
            organization=self.assistant.organization,
            assistant=self.assistant,
            phone_number=self.numbers[values["phone_number"]],
            to_number=values["to_number"],
            customer_name=values["customer_name"],
            dynamic_variables=self._variables(),
            not_before=values["not_before"],
            created_by=actor,
        )


def _help(item: Mapping[str, Any]) -> str:
    example = f"For example: {item['example']}" if item.get("example") else ""
    description = str(item.get("description") or "").rstrip(".")
    return escape(". ".join(part for part in (description, example) if part))  # the theme renders help texts as HTML


def initial_of(contact: Contact | None) -> dict[str, str]:
    """Return initial values of the form for a contact: phone number, name and variables."""
    if contact is None:
        return {}
    values = {f"{VARIABLE}{name}": value for name, value in (contact.variables or {}).items() if value}
    return {"to_number": contact.phone, "customer_name": contact.name, "contact": str(contact.pk), **values}
