"""Admin pages for caller numbers: the numbers that contacts see when they are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from providers.admin.of_account import OfAccountAdmin, OfAccountForm
from providers.models import PhoneNumber
from tenants.backoffice.forms import or_default
from tenants.policy import Action


class PhoneNumberForm(OfAccountForm):
    class Meta:
        model = PhoneNumber
        exclude = ("organization", "account")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "rest_seconds" in self.fields:
            self.fields["rest_seconds"].required = False

    def clean_rest_seconds(self) -> Any:
        return or_default(self, "rest_seconds")

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        same = PhoneNumber.objects.filter(account=self.account, e164=values.get("e164", "")).exclude(
            pk=self.instance.pk
        )
        if same.exists():
            self.add_error("e164", "The provider account already has this number.")
        return values


@admin.register(PhoneNumber)
class PhoneNumberAdmin(OfAccountAdmin):
    form = PhoneNumberForm
    view_action = Action.SEE_SETUP
    add_action = change_action = delete_action = Action.CHANGE_NUMBER
    add_title = "New caller number"
    empty_words = "A caller number is the number that the contact sees. Add a provider account first, then its numbers."
    list_display: ClassVar[Sequence[str]] = ("e164", "label", "account", "max_open_calls", "is_active")
    number_fields = ("e164",)
    text_fields = ("label",)
    fieldsets = (
        (None, {"fields": ("e164", "external_id", "label", "is_active")}),
        ("Limits", {"fields": ("max_open_calls", "max_calls_per_day", "rest_seconds")}),
    )
    labels = {
        "max_open_calls": "Maximum calls under way",
        "max_calls_per_day": "Maximum calls per day",
        "rest_seconds": "Rest between calls, in seconds",
    }

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("e164",) if obj is not None else ()
