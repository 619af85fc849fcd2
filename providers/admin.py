"""Accounts at providers, assistants and caller numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from providers.adapters import registry
from providers.adapters.base import Answer, Request
from providers.adapters.errors import ProviderError
from providers.adapters.http import Client
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.local_time import local_time
from tenants.staff import Level, NotDone, Option, ScopedAdmin, ScopedRelatedFilter, Step, reach_of
from tenants.staff_forms import (
    Column,
    RowsField,
    ScopedForm,
    SecretField,
    choice_field,
    long_text_field,
    text_field,
)

PRICE = ["price_per_minute", "price_per_minute_currency", "reserved_minutes", "daily_budget"]
ABOUT = {
    "allomia": "AI assistants set up on its dashboard. Needs an API key.",
    "polyai": "Voice agents set up by PolyAI. Needs an auth token.",
    "plumvoice": "IVR applications made with Fuse. Needs an e-mail address and a developer key.",
    "callingbox": "AI calls from a prompt or an agent, in the USA. Needs an API key.",
}
CREDENTIALS = {
    "api_key": ("API key", ""),
    "auth_token": ("Auth token", ""),
    "email": ("E-mail address", "Of the Fuse sign-in."),
    "developer_key": ("Developer key", "From the Fuse account page."),
    "webhook_secret": ("Webhook secret", "Begins with whsec_. Without it their callbacks are only hints."),
    "endpoint_secret": ("Endpoint secret", "Signs the account-wide callback endpoint, if you set one up."),
}


def _options(provider: str) -> dict[str, forms.Field]:
    """The account's options as fields, by name."""
    if provider == "allomia":
        return {"organization_id": text_field("Organization id", help_text="For reading its call log. May be empty.")}
    if provider == "polyai":
        generations = [
            ("v1_trigger", "v1 trigger: the number alone, no variables"),
            ("v1", "v1: with variables"),
            ("agents", "agents: with variables, an agent and an environment"),
        ]
        places = [("", "Their default"), ("live", "Live"), ("pre-release", "Pre-release"), ("sandbox", "Sandbox")]
        return {
            "generation": choice_field("API generation", generations, required=True),
            "agent_id": text_field("Agent id", help_text="For assistants that name no agent of their own."),
            "environment": choice_field("Environment", places),
        }
    if provider == "plumvoice":
        return {
            "variables_field": text_field(
                "Variables field", help_text="The form field that carries the variables. Empty: variables."
            )
        }
    kinds = [("", "By the assistant"), ("prompt", "Prompt: said with each call"), ("agent", "Agent: set up there")]
    return {"generation": choice_field("API generation", kinds)}


def _or_default(form: forms.ModelForm[Any], name: str) -> Any:
    """What an emptied box means for a column that is never empty."""
    given = form.cleaned_data[name]
    return form._meta.model._meta.get_field(name).get_default() if given is None else given


class AccountForm(ScopedForm):
    """Secrets are written, never read back. An address or provider is never changed under stored secrets."""

    provider_slug = ""

    class Meta:
        model = ProviderAccount
        exclude = ("organization", "provider", "options")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            self.instance.provider = self.provider_slug
        adapter = registry.provider_class(self.instance.provider)
        if "reserved_minutes" in self.fields:
            self.fields["reserved_minutes"].required = False
        if "base_url" in self.fields and not self.instance.pk:
            self.fields["base_url"].initial = adapter.default_base_url
        stored = self.instance.credentials or {}
        for name, (label, help_text) in CREDENTIALS.items():
            if f"secret_{name}" in self.fields:
                required = name in adapter.required_credentials and not stored.get(name)
                self.fields[f"secret_{name}"] = SecretField(
                    str(stored.get(name, "")), label=label, help_text=help_text, required=required
                )
        for name in _options(self.instance.provider):
            if f"option_{name}" in self.fields:
                self.fields[f"option_{name}"].initial = (self.instance.options or {}).get(name, "")

    def clean_reserved_minutes(self) -> Any:
        return _or_default(self, "reserved_minutes")

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        given = {name: values[f"secret_{name}"] for name in CREDENTIALS if values.get(f"secret_{name}")}
        adapter = registry.provider_class(self.instance.provider)
        stored = dict(self.instance.credentials or {})
        if self.instance.pk and "base_url" in self.changed_data:
            # The stored secrets were entered for the old address and must not travel to another.
            stored = {}
            for name in adapter.required_credentials:
                if name not in given:
                    self.add_error(f"secret_{name}", "The address has changed: enter this again.")
        self.instance.credentials = stored | given
        options = {
            key: value for key, value in (self.instance.options or {}).items() if f"option_{key}" not in self.fields
        }
        chosen = {name: values.get(f"option_{name}") for name in _options(self.instance.provider)}
        self.instance.options = options | {name: value for name, value in chosen.items() if value}
        return values


async def _read(request: Request) -> Answer:
    async with Client(deadline=10.0) as client:
        return await client.read(request)


def check_credentials(account: ProviderAccount) -> str:
    """One harmless read. Raises NotDone with the provider's class of refusal in words."""
    adapter = account.adapter
    try:
        adapter.read_check(asyncio.run(_read(adapter.check())))
    except ProviderError as error:
        raise NotDone(f"{adapter.name} does not accept them: {error}") from error
    return f"{adapter.name} accepts the credentials of “{account.name}”."


class ProviderAccountAdmin(ScopedAdmin):
    form = AccountForm
    add_title = "New provider account"
    empty_words = "An account is your sign-in at a voice provider. Add one to be able to place calls."
    labels = {
        "calls_per_second": "Calls placed per second",
        "max_open_calls": "Calls under way at most",
        "reads_per_second": "Status reads per second",
        "max_unconfirmed": "Unconfirmed calls at most",
        "price_per_minute_currency": "Currency",
        "reserved_minutes": "Minutes set aside for each call",
        "daily_budget": "Budget for a day",
    }
    list_display = ("name", "provider_name", "health", "calls_per_second", "max_open_calls")
    list_filter = ("provider", "is_active")
    list_select_related = ("organization",)
    text_fields = ("name",)
    steps: ClassVar[tuple[Step, ...]] = (
        Step(
            "check",
            "Check credentials",
            Level.MANAGER,
            lambda obj: ["One harmless read is sent to the provider. Nothing is placed and nothing is changed."],
            lambda request, obj, values: check_credentials(obj),
            icon="verified_user",
            button="Check now",
        ),
    )
    panel_template = "trunkline/account.html"

    @admin.display(description="provider")
    def provider_name(self, row: ProviderAccount) -> str:
        return str(row.get_provider_display())

    @display(description="health", label={"In service": "success", "Blocked": "danger", "Switched off": "warning"})
    def health(self, row: ProviderAccount) -> str:
        if not row.is_active:
            return "Switched off"
        return "Blocked" if row.blocked(timezone.now()) else "In service"

    def choices_before_add(self, request: HttpRequest) -> Iterable[tuple[str, str, Sequence[Option]]]:
        yield from super().choices_before_add(request)
        yield (
            "provider",
            "Which provider?",
            [Option(slug, str(name), ABOUT.get(slug, "")) for slug, name in registry.choices()],
        )

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        provider = obj.provider if obj is not None else self.chosen(request, "provider")
        adapter = registry.provider_class(provider)
        names = (*adapter.required_credentials, *adapter.optional_credentials)
        fields: dict[str, Any] = {f"secret_{name}": forms.CharField(required=False) for name in names}
        fields |= {f"option_{name}": field for name, field in _options(provider).items()}
        kwargs["form"] = type("AccountForm", (AccountForm,), {**fields, "provider_slug": provider})
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        provider = obj.provider if obj is not None else self.chosen(request, "provider")
        adapter = registry.provider_class(provider)
        secrets = [f"secret_{name}" for name in (*adapter.required_credentials, *adapter.optional_credentials)]
        if obj is not None and not self.has_change_permission(request, obj):
            secrets = []
        options = [] if obj is not None and not secrets else [f"option_{name}" for name in _options(provider)]
        limits = ["calls_per_second", "max_open_calls", "reads_per_second", "max_unconfirmed"]
        note = "Empty boxes keep what is stored. Stored secrets are never shown." if obj is not None else ""
        found: list[Any] = [(None, {"fields": ["name", "base_url", "is_active"]})]
        if secrets:
            found.append(("Credentials", {"fields": secrets, "description": note}))
            found.append(("Options", {"fields": options}))
        found.append(("Limits", {"fields": limits}))
        found.append(("Money", {"fields": PRICE}))
        return found

    def panel_context(self, request: HttpRequest, obj: ProviderAccount) -> dict[str, Any]:
        now = timezone.now()
        return {
            "account": obj,
            "blocked": obj.blocked(now),
            "block_title": dict(ProviderAccount.Block.choices).get(obj.blocked_code, "Blocked"),
            "blocked_until": local_time(obj.blocked_until, ""),
            "provider_name": obj.get_provider_display(),
            "hints": [
                (CREDENTIALS[name][0], shown) for name, shown in obj.credentials_hint.items() if name in CREDENTIALS
            ],
        }


admin.site.register(ProviderAccount, ProviderAccountAdmin)


class OfAccountAdmin(ScopedAdmin):
    """What belongs to an account, which is chosen before the form and stays."""

    list_select_related = ("account", "organization")
    list_filter: ClassVar[Sequence[Any]] = (("account", ScopedRelatedFilter), "is_active")

    def accounts(self, request: HttpRequest) -> QuerySet[ProviderAccount]:
        found = ProviderAccount.objects.filter(organization__in=reach_of(request).organizations(self.add_level))
        return found.select_related("organization")

    def choices_before_add(self, request: HttpRequest) -> Iterable[tuple[str, str, Sequence[Option]]]:
        rows = self.accounts(request)[:200]
        named = len(reach_of(request).levels) > 1
        yield (
            "account",
            "At which account?",
            [
                Option(str(row.pk), row.name, f"{row.get_provider_display()}{f', {row.organization}' if named else ''}")
                for row in rows
            ],
        )

    def account_for(self, request: HttpRequest, obj: Any) -> ProviderAccount:
        found: ProviderAccount = (
            obj.account if obj is not None else self.accounts(request).get(pk=self.chosen(request, "account"))
        )
        return found

    def organization_for(self, request: HttpRequest, obj: Any) -> int | None:
        return self.account_for(request, obj).organization_id

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_exclude(request, obj), "account"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"account": self.account_for(request, obj)})


class OfAccountForm(ScopedForm):
    account: ClassVar[ProviderAccount]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            self.instance.account = self.account


VARIABLE_COLUMNS = [
    Column("name", "Name", placeholder="slot"),
    Column("required", "Required", kind="check"),
    Column("description", "What it is", placeholder="The appointment's time"),
    Column("default", "Default"),
    Column("example", "Example", placeholder="Monday at 9:30"),
]


class VariablesField(RowsField):
    """The declared variables of an assistant."""

    def __init__(self) -> None:
        super().__init__(
            VARIABLE_COLUMNS,
            label="Variables",
            help_text="What the assistant is told about each call. A call without a required one is not placed.",
        )

    def clean(self, value: Any) -> Any:
        rows = [{key: item for key, item in row.items() if item not in ("", False)} for row in value or []]
        if any("name" not in row for row in rows):
            raise ValidationError("Give each variable a name.")
        return [{"name": row["name"], "required": bool(row.get("required")), **row} for row in rows]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare(initial) != self.prepare(data))


OPT_OUT_COLUMNS = [
    Column("field", "Field", placeholder="result.opt_out"),
    Column("equals", "Equals", placeholder="true"),
]


class OptOutField(RowsField):
    """The ends after which a number is not called again."""

    def __init__(self) -> None:
        super().__init__(
            OPT_OUT_COLUMNS,
            label="Ends that mean “do not call me again”",
            help_text="When a call ends so, its number goes on the do-not-call list at once. Fields: result.NAME (as "
            "the assistant returns it, dotted where nested), ended_reason, provider_reason, provider_status, "
            "answered_by. Yes and no are written true and false; capitals do not matter. Without a row nothing is "
            "concluded from an end.",
        )


def _assistant_options(account: ProviderAccount) -> dict[str, forms.Field]:
    """The assistant's options as fields, by name."""
    if account.provider == "plumvoice":
        return {
            "application_id": text_field("Application id", required=True, help_text="The number on the Fuse screens."),
            "deployment_id": text_field("Deployment id", required=True),
        }
    if account.provider == "callingbox":
        kinds = [("", "-"), ("string", "Text"), ("number", "Number"), ("boolean", "Yes or no")]
        return {
            "prompt": long_text_field("Prompt", help_text="What the assistant shall do. Empty when an agent decides."),
            "language": text_field("Language", help_text="Like en-US."),
            "voicemail_action": choice_field(
                "On a voicemail", [("", "Their default"), ("hangup", "Hang up"), ("leave_message", "Leave a message")]
            ),
            "returns": RowsField(
                [
                    Column("name", "Name", placeholder="confirmed"),
                    Column("value", "Kind", kind="select", choices=kinds),
                ],
                label="Results",
                help_text="What the assistant shall find out in the call.",
            ),
            "agent_id": text_field("Agent id", help_text="Of an agent set up there, instead of a prompt."),
        }
    if account.provider == "polyai":
        return {"variant_id": text_field("Variant id", help_text="May be empty.")}
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
    add_title = "New assistant"
    empty_words = (
        "An assistant is who speaks in a call: the provider's assistant, application or prompt. Add an account first."
    )
    list_display = ("name", "account", "variable_names", "is_active")
    text_fields = ("name",)
    exact_fields = ("external_id",)
    panel_template = "trunkline/of_account.html"

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
        told, opt_out = ("variables_shown", "opt_out_shown") if readable else ("variables", "opt_out_rules")
        return [*found, ("What it is told", {"fields": [told]}), ("Opt-out", {"fields": [opt_out]})]

    @admin.display(description="Variables")
    def variables_shown(self, row: Assistant) -> str:
        return self.variable_names(row)

    @admin.display(description="Ends that mean “do not call me again”")
    def opt_out_shown(self, row: Assistant) -> str:
        return ", ".join(f"{rule['field']} is {rule['equals']}" for rule in row.opt_out_rules) or "-"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("variables_shown", "opt_out_shown")

    def panel_context(self, request: HttpRequest, obj: Assistant) -> dict[str, Any]:
        return {"account": obj.account, "account_url": self.account_url(obj)}

    def account_url(self, obj: Any) -> str:
        page: ProviderAccountAdmin = self.admin_site._registry[ProviderAccount]
        return page.url("change", obj.account_id)


class PhoneNumberForm(OfAccountForm):
    class Meta:
        model = PhoneNumber
        exclude = ("organization", "account")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "rest_seconds" in self.fields:
            self.fields["rest_seconds"].required = False

    def clean_rest_seconds(self) -> Any:
        return _or_default(self, "rest_seconds")

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        same = PhoneNumber.objects.filter(account=self.account, e164=values.get("e164", "")).exclude(
            pk=self.instance.pk
        )
        if same.exists():
            self.add_error("e164", "This account has this number already.")
        return values


@admin.register(PhoneNumber)
class PhoneNumberAdmin(OfAccountAdmin):
    form = PhoneNumberForm
    add_title = "New caller number"
    empty_words = "A caller number is what the person called sees. Add an account first, then its numbers."
    list_display = ("e164", "label", "account", "max_open_calls", "is_active")
    number_fields = ("e164",)
    text_fields = ("label",)
    fieldsets = (
        (None, {"fields": ("e164", "external_id", "label", "is_active")}),
        ("Limits", {"fields": ("max_open_calls", "max_calls_per_day", "rest_seconds")}),
    )
    labels = {
        "max_open_calls": "Calls under way at most",
        "max_calls_per_day": "Calls a day at most",
        "rest_seconds": "Rest between two calls, in seconds",
    }
    panel_template = "trunkline/of_account.html"

    def panel_context(self, request: HttpRequest, obj: PhoneNumber) -> dict[str, Any]:
        page: ProviderAccountAdmin = self.admin_site._registry[ProviderAccount]
        return {"account": obj.account, "account_url": page.url("change", obj.account_id)}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("e164",) if obj is not None else ()
