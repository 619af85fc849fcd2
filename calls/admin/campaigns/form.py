"""The form of a campaign, with the rows for its windows, retry rules and other assistants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.forms.models import model_to_dict
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from campaigns.models import CallingWindow, Campaign, CampaignVariant, RetryRule
from campaigns.rules import variables
from campaigns.rules.number_zones import country_name, country_zones
from campaigns.rules.whereabouts import choice_faults
from campaigns.rules.windows import clock, parse_clock
from providers.models import Assistant
from tenants.backoffice.forms import CommaField, PairsField, ScopedForm
from tenants.backoffice.scoped_admin import ScopedInline, page_of

PROPOSED_WINDOW = {"days": ["mon", "tue", "wed", "thu", "fri"], "opens": 9 * 60, "closes": 19 * 60}
DAYS = [("mon", "Mon"), ("tue", "Tue"), ("wed", "Wed"), ("thu", "Thu"), ("fri", "Fri"), ("sat", "Sat"), ("sun", "Sun")]

ZONE_FIELDS = ("timezone", "contact_zone_rule", "campaign_zone_countries", "campaign_zone_reason")
HELP = {
    "contact_zone_rule": "A contact's own time zone always counts. Where its number is never in that zone, calls go "
    "out only when both are in calling hours, or by the contact's own time zone alone.",
    "campaign_zone_reason": "Required if countries are chosen. Recorded in the audit log.",
    "starts_at": "Empty: as soon as you start the campaign.",
    "ends_at": "The campaign places no calls after this time. Empty: it ends when all recipients are done.",
    "legal_override": "With a reason, the legal calling hours do not apply to the campaign. Recorded in the audit log.",
    "callback_url": "Trunkline sends every outcome to this address, signed. Empty: no webhook.",
    "budget": "The campaign pauses itself and raises an alert when the budget is spent or set aside. Empty: no budget.",
}


class ClockField(forms.CharField):
    """A time of day, entered as HH:MM and stored as minutes after midnight."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "09:00", "class": "tl-clock"}),
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:
        return clock(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        return parse_clock(super().clean(value).strip())

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (clock(initial) if isinstance(initial, int) else initial or "") != (data or "").strip()


class WindowForm(forms.ModelForm):  # type: ignore[type-arg]
    days = forms.MultipleChoiceField(choices=DAYS, widget=UnfoldAdminCheckboxSelectMultipleWidget())
    opens = ClockField()
    closes = ClockField(help_text="24:00 is midnight. Earlier than the opening: on the next day.")

    class Meta:
        model = CallingWindow
        fields = ("days", "opens", "closes")

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if "opens" in values and values.get("opens") == values.get("closes"):
            # At the field, so that the model's constraint does not say the same in its own words.
            self.add_error("closes", "The opening and closing times must differ. All day is 00:00 to 24:00.")
        if values.get("opens") == 24 * 60:
            self.add_error("opens", "Enter 00:00 for midnight.")
        return values

    def has_changed(self) -> bool:
        # Save the window proposed for a new campaign even if the user leaves it as it is.
        return super().has_changed() or bool(not self.instance.pk and self.is_bound and self._raw_days())

    def _raw_days(self) -> Any:
        return self.fields["days"].widget.value_from_datadict(self.data, self.files, self.add_prefix("days"))


class WindowInline(ScopedInline):
    model = CallingWindow
    verbose_name = "window"
    hide_title = True
    form = WindowForm
    verbose_name_plural = "Calling windows, in the contact's time zone"


class RetryInline(ScopedInline):
    model = RetryRule
    verbose_name = "rule"
    hide_title = True
    fields = ("outcome", "wait_minutes", "multiplier", "max_wait_minutes", "other_time_of_day", "max_attempts")
    verbose_name_plural = "Retries"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        labels = {
            "outcome": "After",
            "wait_minutes": "Wait (minutes)",
            "multiplier": "Multiply each wait by",
            "max_wait_minutes": "Maximum wait (minutes)",
            "other_time_of_day": "Another time of day",
            "max_attempts": "Attempts in all",
        }
        if field is not None:
            field.label = labels.get(db_field.name, field.label)
            if db_field.name == "outcome":
                field.choices = [("", "Choose"), *field.choices]  # without a default, an untouched row is not a rule
        return field


def offer_once(field: Any, request: HttpRequest) -> None:
    """Look up the choices of assistants once for all rows of a page."""
    if not isinstance(field, forms.ModelChoiceField) or request.method != "GET":
        return
    choices = request.__dict__.setdefault("_assistants", [])
    if not choices:
        choices += [("", "---------"), *((row.pk, str(row)) for row in field.queryset or ())]
    field.choices = choices


class VariantInline(ScopedInline):
    model = CampaignVariant
    verbose_name = "assistant"
    hide_title = True
    fields = ("assistant", "weight")
    verbose_name_plural = "Other assistants, with their share of the recipients (0: only if no other can call)"

    def get_field_queryset(self, db: Any, db_field: Any, request: HttpRequest) -> Any:
        return page_of(Campaign).get_field_queryset(db, db_field, request)  # only of this organization

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for name in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if field is not None and hasattr(field.widget, name):
                setattr(field.widget, name, False)
        if field is not None and db_field.name == "weight":
            field.label = "Share"
        if db_field.name == "assistant":
            offer_once(field, request)
        return field


class CampaignForm(ScopedForm):
    variables = PairsField(
        value_title="Value",
        placeholder="Text, or {{ contact.variables.slot }}",
        help_text="Insert the contact's values with {{ contact.name }}, {{ contact.phone }}, {{ contact.external_id }} "
        'and {{ contact.variables.NAME }}. Add |default:"text" for contacts without a value. Empty rows are not sent.',
    )
    campaign_zone_countries = forms.MultipleChoiceField(
        label="Countries called by the campaign's time zone",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )
    holidays = CommaField(help_text="Days without calls in the contact's time zone, like 2026-12-25, 2027-01-01.")

    # Models of the rows saved with the campaign, by their label on the page.
    rows: Mapping[str, type[Model]] = {
        "Calling windows": CallingWindow,
        "Retries": RetryRule,
        "Other assistants": CampaignVariant,
    }
    formsets: Sequence[Any] = ()  # the formsets that already hold these rows, if any

    class Meta:
        model = Campaign
        exclude = ("organization",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and self.instance.assistant and "variables" in self.fields:
            values = dict(self.instance.variables or {})
            declared = {item["name"]: "" for item in self.instance.assistant.variables or []}
            self.initial["variables"] = declared | values
        for name, text in HELP.items():
            if name in self.fields:
                self.fields[name].help_text = text
        if "assistant" in self.fields:
            self.fields["assistant"].required = False
        if "placeholder_values" in self.fields:
            self.fields["placeholder_values"].required = False  # left out, it stays as it is
        if "campaign_zone_countries" in self.fields:
            self._offer_countries()

    def clean_placeholder_values(self) -> str:
        chosen: str = self.cleaned_data["placeholder_values"] or self.instance.placeholder_values
        return chosen

    def _offer_countries(self) -> None:
        """Offer the organization's countries with several time zones, and the countries chosen before."""
        callable_ = self.instance.organization.callable_countries if self.instance.organization_id else frozenset()
        several = {code for code in callable_ if len(country_zones(code)) > 1}
        offered = sorted(several | set(self.instance.campaign_zone_countries), key=country_name)
        field: Any = self.fields["campaign_zone_countries"]
        field.choices = [(code, f"{country_name(code)} ({code})") for code in offered]
        field.help_text = (
            "For numbers that may be in several of their country's time zones, and contacts without a time zone. "
            "Choose this where these time zones leave too few hours in common."
            if offered
            else "None of the organization's countries has several time zones."
        )

    def held(self) -> dict[str, Any]:
        return super().held() | {name: list(map(model_to_dict, self._rows(each))) for name, each in self.rows.items()}

    def _rows(self, model: type[Model]) -> Iterable[Model]:
        for formset in self.formsets:
            if formset.model is model:
                return sorted((row.instance for row in formset.initial_forms), key=lambda row: row.pk)
        return model._default_manager.filter(campaign=self.instance).order_by("pk")

    def clean_variables(self) -> dict[str, str]:
        values: dict[str, str] = self.cleaned_data["variables"]
        if errors := variables.faults(values):
            raise ValidationError(list(errors.values()))
        return values

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        assistant = values.get("assistant", self.instance.assistant)
        others = self.others()
        if assistant in others:
            self.add_error(None, "The campaign's assistant is also among the other assistants.")
        accounts = {one.account_id for one in (assistant, *others) if one}
        foreign = [row for row in values.get("phone_numbers") or [] if accounts and row.account_id not in accounts]
        if foreign:
            names = ", ".join(row.e164 for row in foreign)
            self.add_error("phone_numbers", f"No assistant of the campaign uses the provider account of {names}.")
        if "campaign_zone_countries" in self.fields:
            countries, reason = values.get("campaign_zone_countries", []), values.get("campaign_zone_reason", "")
            for name, text in choice_faults(countries, reason).items():
                self.add_error(name, text)
        if values.get("starts_at") and values.get("ends_at") and values["ends_at"] <= values["starts_at"]:
            self.add_error("ends_at", "The end must be after the start.")
        return values

    def others(self) -> list[Assistant]:
        """Return the assistants in the submitted rows. Caller numbers of their accounts are valid, too."""
        named = [name for name in self.data if re.fullmatch(r"variants-\d+-assistant", name)]
        kept = [name for name in named if f"{name.removesuffix('assistant')}DELETE" not in self.data]
        ids = [self.data[name] for name in kept if self.data[name].isdecimal()]
        return list(Assistant.objects.filter(pk__in=ids, organization=self.instance.organization_id))
