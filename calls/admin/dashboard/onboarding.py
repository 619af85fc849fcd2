"""The steps from an empty installation to a first campaign, and the sandbox account in one click."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from calls.models import Call
from campaigns.models import Campaign, ContactList, ContactListMember
from providers import sample
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.backoffice.roles import Reach, reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.models import Organization
from tenants.policy import Action

COMMAND = "manage.py sandbox"
AT_MOST = 50  # organizations in the choice
STEPS = (
    ("accounts", "Add a provider account", "Your account at a voice provider.", "providers_provideraccount_add"),
    ("assistants", "Add an assistant", "The voice that speaks, and its variables.", "providers_assistant_add"),
    ("numbers", "Add a caller number", "The number that your contacts see.", "providers_phonenumber_add"),
    ("contacts", "Import contacts", "Import a CSV or Excel file into a list.", "campaigns_contactlist_changelist"),
    (
        "campaigns",
        "Create a campaign",
        "Calls the contacts on your lists, within the hours and rules that you set.",
        "campaigns_campaign_add",
    ),
)


def first_steps(reach: Reach, mine: list[int]) -> dict[str, Any] | None:
    """Return the steps and their state, or None once there is a campaign."""
    existing = _existing(mine)
    if "campaigns" in existing:
        return None
    may_change = reach.may(Action.CHANGE_ACCOUNT)
    done = [
        name in existing and (name not in {"assistants", "numbers"} or "accounts" in existing) for name, *_ in STEPS
    ]
    ready = next(number for number, each in enumerate(done) if not each)
    steps = [
        {
            "done": done[number],
            "title": title,
            "detail": detail,
            "url": reverse(f"admin:{url}") if may_change else "",
            "next": number == ready,
        }
        for number, (_, title, detail, url) in enumerate(STEPS)
    ]
    sandbox = _sandbox(reach) if may_change and settings.ALLOW_LOOPBACK_URLS else None
    return {"steps": steps, "sandbox": sandbox, "has_calls": "calls" in existing}


def _existing(mine: list[int]) -> set[str]:
    """Return the kinds of objects that any of the organizations has, with one query."""
    own: dict[str, type[Model]] = {
        "accounts": ProviderAccount,
        "assistants": Assistant,
        "numbers": PhoneNumber,
        "campaigns": Campaign,
        "calls": Call,
    }
    members = ContactListMember.objects.filter(contact_list=OuterRef("pk"))
    filled = ContactList.objects.filter(Exists(members), organization=OuterRef("pk"))
    rows = {name: model._default_manager.filter(organization=OuterRef("pk")) for name, model in own.items()}
    exists = {f"has_{name}": Exists(found.order_by()) for name, found in (rows | {"contacts": filled}).items()}
    found = Organization.objects.filter(pk__in=mine).annotate(**exists).order_by().values(*exists)
    return {name.removeprefix("has_") for row in found for name, has in row.items() if has}


def _sandbox(reach: Reach) -> dict[str, Any]:
    """Return the sandbox's address, whether it answers, and the organizations without an account there."""
    has_account = Exists(_sandbox_accounts().filter(organization=OuterRef("pk")).order_by())
    rows = reach.organizations(Action.ADD_SANDBOX).annotate(has_sandbox=has_account).order_by("name")[:AT_MOST]
    without = [row for row in rows if not row.has_sandbox]
    return {
        "address": sample.ADDRESS,
        "answers": sample.sandbox_answers(sample.ADDRESS),
        "command": COMMAND,
        "used": len(without) < len(rows),
        "organizations": without,
        "url": reverse("admin:calls_call_sandbox"),
        "launch_url": reverse("admin:calls_call_launch"),
    }


def _sandbox_accounts() -> QuerySet[ProviderAccount]:
    return ProviderAccount.objects.filter(base_url__startswith=f"{sample.ADDRESS}/")


def sandbox_view(request: HttpRequest) -> HttpResponse:
    """Create a sandbox account with its assistant and caller number. It does not start a sandbox."""
    reach = reach_of(request)
    if not reach.may(Action.ADD_SANDBOX) or not settings.ALLOW_LOOPBACK_URLS:
        raise PermissionDenied
    if request.method == "POST":
        key = request.POST.get("organization", "")
        mine = reach.organizations(Action.ADD_SANDBOX)
        organization = mine.filter(pk=key).first() if key.isdecimal() and len(key) < 19 else None
        if organization is None:
            return page_of(ProviderAccount).not_found(request)
        if _sandbox_accounts().filter(organization=organization).exists():
            messages.warning(request, f"{organization.name} already has a sandbox account.")
        else:
            _create(request, organization)
    return redirect("admin:index")


def _create(request: HttpRequest, organization: Organization) -> None:
    with transaction.atomic():
        assistant = sample.set_up(organization, sample.ALLOMIA, sample.ADDRESS)
        for row in (assistant.account, assistant, assistant.account.phone_numbers.get()):
            page_of(type(row)).audit(request, row, "added", {"sandbox": True})
    messages.success(
        request,
        f"{organization.name} has the provider account “{assistant.account}”, an assistant and a caller number.",
    )
