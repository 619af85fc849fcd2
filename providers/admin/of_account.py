"""Base admin and form of objects that belong to a provider account."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from providers.models import ProviderAccount
from tenants.backoffice.buttons import Option
from tenants.backoffice.forms import ScopedForm
from tenants.backoffice.lists import ScopedRelatedFilter
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import ScopedAdmin, page_of
from tenants.policy import Action


class OfAccountAdmin(ScopedAdmin):
    """Admin of an object that belongs to a provider account. The user chooses the account first; it never changes."""

    list_select_related = ("account", "organization")
    list_filter: ClassVar[Sequence[Any]] = (("account", ScopedRelatedFilter), "is_active")
    panel_template = "trunkline/of_account.html"

    def accounts(self, request: HttpRequest) -> QuerySet[ProviderAccount]:
        found = ProviderAccount.objects.filter(organization__in=reach_of(request).organizations(self.add_action))
        return found.select_related("organization")

    def list_links(self, request: HttpRequest) -> Sequence[tuple[str, str, str]]:
        """Return the link to a new provider account, as long as there is none."""
        if not reach_of(request).may(Action.CHANGE_ACCOUNT) or self.accounts(request).exists():
            return ()
        return [(reverse("admin:providers_provideraccount_add"), "New provider account", "add")]

    def choices_before_add(self, request: HttpRequest) -> Iterable[tuple[str, str, Sequence[Option]]]:
        rows = self.accounts(request)[:200]
        named = len(reach_of(request).grants) > 1
        yield (
            "account",
            "Which provider account?",
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

    def panel_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {"account": obj.account, "account_url": page_of(ProviderAccount).url("change", obj.account_id)}

    def technical_details(self, request: HttpRequest, obj: Any) -> Sequence[tuple[str, Any]]:
        return [("Trunkline ID", str(obj.uuid))]

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
