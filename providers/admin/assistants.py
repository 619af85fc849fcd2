"""Admin pages for assistants: their settings at the provider, their variables and their opt-out rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from providers.admin.of_account import OfAccountAdmin, OfAccountForm
from providers.models import Assistant, ProviderAccount
from tenants.backoffice.forms import Column, RowsField, choice_field, long_text_field, text_field
from tenants.policy import Action

VARIABLE_COLUMNS = [
    Column("name", "Name", placeholder="slot"),
    Column("required", "Required", kind="check"),
    Column("description", "Description", placeholder="Time of the appointment"),
    Column("default", "Default"),
    Column("example", "Example", placeholder="Monday at 9:30"),
]


class VariablesField(RowsField):
    """The declared variables of an assistant."""

    def __init__(self) -> None:
        super().__init__(
            VARIABLE_COLUMNS,
            label="Variables",
            help_text="The data that the assistant gets with each call. A call without a required variable is not "
            "placed.",
        )

    def clean(self, value: Any) -> Any:
        rows = [{key: item for key, item in row.items() if item not in ("", False)} for row in value or []]
        if any("name" not in row for row in rows):
            raise ValidationError("Enter a name for each variable.")
        return [{"name": row["name"], "required": bool(row.get("required")), **row} for row in rows]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare(initial) != self.prepare(data))


OPT_OUT_COLUMNS = [
    Column("field", "Field", placeholder="result.opt_out"),
    Column("equals", "Equals", placeholder="true"),
]


class OptOutField(RowsField):
    """The ends of a call after which its number is not called again."""

    def __init__(self) -> None:
        super().__init__(
            OPT_OUT_COLUMNS,
            label="Ends that mean “never call me again”",
            help_text="When a call ends with one of these values, its number is added to the do-not-call list at once. "
            "Fields: result.NAME (as the assistant returns it, dotted where nested), ended_reason, provider_reason, "
            "provider_status, answered_by. Write true and false for yes and no. Upper and lower case are the same. "
            "Without a row, no number is added.",
        )


def _assistant_options(account: ProviderAccount) -> dict[str, forms.Field]:
    """Return form fields for the assistant's options, by option name."""
    if account.provider == "plumvoice":
        return {
            "application_id": text_field("Application ID", required=True, help_text="The number on the Fuse screens."),
            "deployment_id": text_field("Deployment ID", required=True),
        }
    if account.provider == "callingbox":
        kinds = [("", "-"), ("string", "Text"), ("number", "Number"), ("boolean", "Yes or no")]
        on_voicemail = [("", "Provider's default"), ("hangup", "Hang up"), ("leave_message", "Leave a message")]
        return {
            "prompt": long_text_field("Prompt", help_text="What the assistant does. Empty if an agent is used."),
            "language": text_field("Language", help_text="Like en-US."),
            "voicemail_action": choice_field("On voicemail", on_voicemail),
            "returns": RowsField(
                [
                    Column("name", "Name", placeholder="confirmed"),
                    Column("value", "Type", kind="select", choices=kinds),
                ],
                label="Results",
                help_text="What the assistant finds out in the call.",
            ),
            "agent_id": text_field("Agent ID", help_text="Of an agent set up at CallingBox, instead of a prompt."),
        }
    if account.provider == "polyai":
        return {"variant_id": text_field("Variant ID", help_text="Optional.")}
    return {}


class AssistantForm(OfAccountForm):
    variables = VariablesField()
    opt_out_rules = OptOutField()

    class Meta:
        model = Assistant
        exclude = ("organization", "account", "options")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = self.instance.options or {}
        for name in _assistant_options(self.account):
            if f"option_{name}" in self.fields:
                value = stored.get(name, "")
                if isinstance(value, dict):
                    value = [{"name": key, "value": kind} for key, kind in value.items()]
                self.fields[f"option_{name}"].initial = value

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        kept = {key: item for key, item in (self.instance.options or {}).items() if f"option_{key}" not in self.fields}
        for name in _assistant_options(self.account):
            value = values.get(f"option_{name}")
            if isinstance(value, list):
                value = {row["name"]: row["value"] for row in value if row["name"] and row["value"]}
            if value:
                kept[name] = value
        self.instance.options = kept
        return values


@admin.register(Assistant)
class AssistantAdmin(OfAccountAdmin):
    form = AssistantForm
    view_action = Action.SEE_SETUP
    add_action = change_action = delete_action = Action.CHANGE_ASSISTANT
    add_title = "New assistant"
    empty_words = (
        "An assistant talks in a call: it is the provider's assistant, application or prompt. "
        "Add a provider account first."
    )
    list_display = ("name", "account", "variable_names", "is_active")
    text_fields = ("name",)
    exact_fields = ("external_id",)

    @admin.display(description="variables")
    def variable_names(self, row: Assistant) -> str:
        return ", ".join(f"{item['name']}{'*' if item.get('required') else ''}" for item in row.variables or []) or "-"

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        account = self.account_for(request, obj)
        fields = {f"option_{name}": field for name, field in _assistant_options(account).items()}
        kwargs["form"] = type("AssistantForm", (AssistantForm,), {**fields, "account": account})
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        account = self.account_for(request, obj)
        readable = obj is not None and not self.has_change_permission(request, obj)
        names = [] if readable else [f"option_{name}" for name in _assistant_options(account)]
        found: list[Any] = [(None, {"fields": ["name", "external_id", "is_active"]})]
        if names:
            found.append((f"At {account.get_provider_display()}", {"fields": names}))
        variables, opt_out = ("variables_shown", "opt_out_shown") if readable else ("variables", "opt_out_rules")
        return [*found, ("Variables", {"fields": [variables]}), ("Opt-out rules", {"fields": [opt_out]})]

    @admin.display(description="Variables")
    def variables_shown(self, row: Assistant) -> str:
        return self.variable_names(row)

    @admin.display(description="Ends that mean “never call me again”")
    def opt_out_shown(self, row: Assistant) -> str:
        return ", ".join(f"{rule['field']} is {rule['equals']}" for rule in row.opt_out_rules) or "-"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("variables_shown", "opt_out_shown")
