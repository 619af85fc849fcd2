"""Admin pages for provider accounts: credentials, which are never shown again, limits and money."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from providers.adapters import registry
from providers.adapters.base import Answer, Request
from providers.adapters.errors import ProviderError
from providers.adapters.http import Client
from providers.admin.words import SeenWordsField, WordsField, built_in_words, merged, own_words
from providers.models import Credentials, ProviderAccount
from providers.word_changes import audit_words
from tenants.backoffice.buttons import NotDone, Option, Step
from tenants.backoffice.forms import ScopedForm, SecretField, choice_field, or_default, text_field
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import ScopedAdmin
from tenants.policy import Action

PRICE = ["price_per_minute", "price_per_minute_currency", "reserved_minutes", "daily_budget"]
WORDS = (
    "How the provider says what became of a call. Retries, figures and opt-out rules follow these meanings. A "
    "voicemail that the provider names in a word without a meaning counts as an answer."
)
ABOUT = {
    "allomia": "AI assistants set up on its dashboard. Needs an API key.",
    "polyai": "Voice agents set up by PolyAI. Needs an auth token.",
    "plumvoice": "IVR applications made with Fuse. Needs an e-mail address and a developer key.",
    "callingbox": "AI calls in the USA, with a prompt or an agent. Needs an API key.",
}
CREDENTIALS = {
    "api_key": ("API key", ""),
    "auth_token": ("Auth token", ""),
    "email": ("E-mail address", "The one you sign in to Fuse with."),
    "developer_key": ("Developer key", "From the Fuse account page."),
    "webhook_secret": ("Webhook secret", "Begins with whsec_. Without it, provider events are only hints."),
    "endpoint_secret": ("Endpoint secret", "Of the account-wide webhook endpoint, if you set one up."),
}


def _options(provider: str) -> dict[str, forms.Field]:
    """Return form fields for the account's options, by option name."""
    if provider == "allomia":
        return {"organization_id": text_field("Organization ID", help_text="Optional. To read AlloMia's call log.")}
    if provider == "polyai":
        generations = [
            ("v1_trigger", "v1 trigger: only the phone number, no variables"),
            ("v1", "v1: with variables"),
            ("agents", "agents: with variables, an agent and an environment"),
        ]
        environments = [
            ("", "Provider's default"),
            ("live", "Live"),
            ("pre-release", "Pre-release"),
            ("sandbox", "Sandbox"),
        ]
        return {
            "generation": choice_field("API generation", generations, required=True),
            "agent_id": text_field("Agent ID", help_text="For assistants without an agent ID of their own."),
            "environment": choice_field("Environment", environments),
        }
    if provider == "plumvoice":
        return {
            "variables_field": text_field(
                "Variables field", help_text="Name of the form field for variables. Empty: variables."
            )
        }
    generations = [
        ("", "Depends on the assistant"),
        ("prompt", "Prompt: sent with each call"),
        ("agent", "Agent: set up at CallingBox"),
    ]
    return {"generation": choice_field("API generation", generations)}


class AccountForm(ScopedForm):
    """The form of a provider account. It never shows secrets, and a new address requires the secrets again."""

    provider_slug = ""
    words = WordsField()
    seen_words = SeenWordsField()

    class Meta:
        model = ProviderAccount
        exclude = ("organization", "provider", "options")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            self.instance.provider = self.provider_slug
        adapter = registry.provider_class(self.instance.provider)
        for name in {"reserved_minutes", "longest_call_minutes"} & self.fields.keys():
            self.fields[name].required = False
        if "seen_words" in self.fields and self.instance.pk:
            self.fields["seen_words"].widget.rows = self.instance.unknown_words
        if "base_url" in self.fields and not self.instance.pk:
            self.fields["base_url"].initial = adapter.default_base_url
        stored = self.instance.readable_credentials
        for name, (label, help_text) in CREDENTIALS.items():
            if f"secret_{name}" in self.fields:
                required = name in adapter.required_credentials and not stored.get(name)
                self.fields[f"secret_{name}"] = SecretField(
                    str(stored.get(name, "")), label=label, help_text=help_text, required=required
                )
        for name in _options(self.instance.provider):
            if f"option_{name}" in self.fields:
                self.fields[f"option_{name}"].initial = (self.instance.options or {}).get(name, "")

    def clean_longest_call_minutes(self) -> Any:
        return or_default(self, "longest_call_minutes")

    def clean_reserved_minutes(self) -> Any:
        return or_default(self, "reserved_minutes")

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        given = {name: values[f"secret_{name}"] for name in CREDENTIALS if values.get(f"secret_{name}")}
        adapter = registry.provider_class(self.instance.provider)
        stored = self.instance.readable_credentials
        if self.instance.pk and "base_url" in self.changed_data:
            # The stored secrets were entered for the old address and must not be sent to another.
            stored = {}
            for name in adapter.required_credentials:
                if name not in given:
                    self.add_error(f"secret_{name}", "The address has changed. Please enter this again.")
        self.instance.credentials = stored | given
        options = {
            key: value for key, value in (self.instance.options or {}).items() if f"option_{key}" not in self.fields
        }
        chosen = {name: values.get(f"option_{name}") for name in _options(self.instance.provider)}
        self.instance.options = options | {name: value for name, value in chosen.items() if value}
        self._take_words(values)
        return values

    def _take_words(self, values: dict[str, Any]) -> None:
        """Add the meanings chosen for seen words to the table."""
        if "words" not in values or not {"words", "seen_words"} & set(self.changed_data):
            return
        try:
            values["words"] = merged(self.instance, values["words"], values.get("seen_words") or {})
        except forms.ValidationError as error:
            self.add_error("words", error)


async def _read(request: Request) -> Answer:
    async with Client(deadline=10.0) as client:
        return await client.read(request)


def check_credentials(account: ProviderAccount) -> str:
    """Check the credentials with one harmless read. Raise NotDone with the reason if the provider refuses them."""
    adapter = account.adapter
    try:
        adapter.read_check(asyncio.run(_read(adapter.check())))
    except ProviderError as error:
        raise NotDone(f"{adapter.name} does not accept the credentials: {error}") from error
    return f"{adapter.name} accepts the credentials of “{account.name}”."


@admin.register(ProviderAccount)
class ProviderAccountAdmin(ScopedAdmin):
    form = AccountForm
    view_action = Action.SEE_SETUP
    add_action = change_action = delete_action = Action.CHANGE_ACCOUNT
    add_title = "New provider account"
    empty_words = "A provider account is your sign-in at a voice provider. Add one to place calls."
    labels = {
        "calls_per_second": "Calls per second",
        "max_open_calls": "Maximum calls under way",
        "longest_call_minutes": "Longest call (minutes)",
        "reads_per_second": "Status reads per second",
        "max_unconfirmed": "Maximum unconfirmed calls",
        "failing_percent": "Failing from (per cent)",
        "price_per_minute_currency": "Currency",
        "reserved_minutes": "Minutes set aside per call",
        "daily_budget": "Daily budget",
        "time_zone": "Provider's time zone",
    }
    list_display: ClassVar[Sequence[str]] = ("name", "provider_name", "rate", "max_open_calls")
    list_filter = ("provider", "is_active")
    list_select_related = ("organization",)
    text_fields = ("name",)
    steps: ClassVar[tuple[Step, ...]] = (
        Step(
            "check",
            "Check credentials",
            Action.CHANGE_ACCOUNT,
            lambda obj: ["Sends one harmless read to the provider. It places no call and changes nothing."],
            lambda request, obj, values: check_credentials(obj),
            icon="verified_user",
            button="Check now",
        ),
    )
    panel_template = "trunkline/account.html"

    @admin.display(description="provider")
    def provider_name(self, row: ProviderAccount) -> str:
        return str(row.get_provider_display())

    @admin.display(description="calls per second")
    def rate(self, row: ProviderAccount) -> str:
        return f"{row.calls_per_second.normalize():f}"  # 5.000 would read as five thousand

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
        limits = [
            *("calls_per_second", "max_open_calls", "longest_call_minutes"),
            *("reads_per_second", "max_unconfirmed", "failing_percent"),
        ]
        note = "An empty field keeps the stored secret. Stored secrets are never shown." if obj is not None else ""
        found: list[Any] = [(None, {"fields": ["name", "base_url", "is_active"]})]
        if secrets:
            found.append(("Credentials", {"fields": secrets, "description": note}))
            found.append(("Options", {"fields": options}))
        found.append(("Limits", {"fields": limits}))
        found.append(("Money", {"fields": PRICE}))
        found.append(("Times", {"fields": ["time_zone"]}))
        if obj is not None:
            table = ["words", "seen_words"] if secrets else ["own_words"]
            found.append(("Words", {"fields": [*table, "built_in_words"], "description": WORDS}))
        return found

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("own_words", "built_in_words")

    @admin.display(description="Meanings")
    def own_words(self, row: ProviderAccount) -> str:
        return own_words(row)

    @admin.display(description="Built-in words")
    def built_in_words(self, row: ProviderAccount) -> str:
        return built_in_words(row)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        audit_words(obj, form.initial.get("words") or {}, reach_of(request).actor)

    def technical_details(self, request: HttpRequest, obj: ProviderAccount) -> Sequence[tuple[str, Any]]:
        return [("Trunkline ID", str(obj.uuid))]

    def panel_context(self, request: HttpRequest, obj: ProviderAccount) -> dict[str, Any]:
        return {
            "account": obj,
            "unreadable": "" if obj.credentials_readable else Credentials.UNREADABLE,
            "provider_name": obj.get_provider_display(),
            "hints": [
                (CREDENTIALS[name][0], shown) for name, shown in obj.credentials_hint.items() if name in CREDENTIALS
            ],
        }
