"""The way from an empty installation to a first campaign, and the sandbox one click away."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from campaigns.models import Campaign, ContactList, ContactListMember
from providers import sample
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.backoffice.roles import Level, Reach, reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.models import Organization

COMMAND = "manage.py sandbox"
AT_MOST = 50  # organizations to choose from
STEPS = (
    ("accounts", "Add a provider account", "Your sign-in at a voice provider.", "providers_provideraccount_add"),
    ("assistants", "Add an assistant", "Who speaks, and what it is told about each call.", "providers_assistant_add"),
    ("numbers", "Add a caller number", "What the person called sees.", "providers_phonenumber_add"),
    ("people", "Import people", "Make a list and import a CSV file into it.", "campaigns_contactlist_changelist"),
    (
        "campaigns",
        "Make a campaign",
        "Calls everybody on a list, within hours and rules that you set.",
        "campaigns_campaign_add",
    ),
)


def first_steps(reach: Reach, mine: list[int]) -> dict[str, Any] | None:
    """None once there is a campaign."""
    there = _there(mine)
    if "campaigns" in there:
        return None
    may = reach.has(Level.MANAGER)
    done = [name in there and (name not in {"assistants", "numbers"} or "accounts" in there) for name, *_ in STEPS]
    ready = next(number for number, each in enumerate(done) if not each)
    steps = [
        {
            "done": done[number],
            "title": title,
            "detail": detail,
            "url": reverse(f"admin:{url}") if may else "",
            "next": number == ready,
        }
        for number, (_, title, detail, url) in enumerate(STEPS)
    ]
    sandbox = _sandbox(reach) if may and settings.ALLOW_LOOPBACK_URLS else None
    return {"steps": steps, "sandbox": sandbox}


def _there(mine: list[int]) -> set[str]:
    """What any of the organizations has already, in one query."""
    own: dict[str, type[Model]] = {
        "accounts": ProviderAccount,
        "assistants": Assistant,
        "numbers": PhoneNumber,
        "campaigns": Campaign,
    }
    members = ContactListMember.objects.filter(contact_list=OuterRef("pk"))
    filled = ContactList.objects.filter(Exists(members), organization=OuterRef("pk"))
    rows = {name: model._default_manager.filter(organization=OuterRef("pk")) for name, model in own.items()}
    exists = {f"has_{name}": Exists(found.order_by()) for name, found in (rows | {"people": filled}).items()}
    found = Organization.objects.filter(pk__in=mine).annotate(**exists).order_by().values(*exists)
    return {name.removeprefix("has_") for row in found for name, there in row.items() if there}


def _sandbox(reach: Reach) -> dict[str, Any]:
    """Where the sandbox is, whether it answers, and for whom an account there can still be made."""
    there = Exists(_accounts_there().filter(organization=OuterRef("pk")).order_by())
    rows = reach.organizations(Level.MANAGER).annotate(has_sandbox=there).order_by("name")[:AT_MOST]
    without = [row for row in rows if not row.has_sandbox]
    return {
        "address": sample.ADDRESS,
        "answers": sample.sandbox_answers(sample.ADDRESS),
        "command": COMMAND,
        "made": len(without) < len(rows),
        "organizations": without,
        "url": reverse("admin:calls_call_sandbox"),
        "launch_url": reverse("admin:calls_call_launch"),
    }


def _accounts_there() -> QuerySet[ProviderAccount]:
    return ProviderAccount.objects.filter(base_url__startswith=f"{sample.ADDRESS}/")


def sandbox_view(request: HttpRequest) -> HttpResponse:
    """Make an account at the sandbox with its assistant and caller number. It starts no sandbox, and says how to."""
    reach = reach_of(request)
    if not reach.has(Level.MANAGER) or not settings.ALLOW_LOOPBACK_URLS:
        raise PermissionDenied
    if request.method == "POST":
        given = request.POST.get("organization", "")
        mine = reach.organizations(Level.MANAGER)
        organization = mine.filter(pk=given).first() if given.isdecimal() and len(given) < 19 else None
        if organization is None:
            return page_of(ProviderAccount).not_found(request)
        if _accounts_there().filter(organization=organization).exists():
            messages.warning(request, f"{organization.name} has an account at the sandbox already.")
        else:
            _make(request, organization)
    return redirect("admin:index")


def _make(request: HttpRequest, organization: Organization) -> None:
    assistant = sample.set_up(organization, sample.ALLOMIA, sample.ADDRESS)
    made = (assistant.account, assistant, assistant.account.phone_numbers.get())
    for row in made:
        page_of(type(row)).audit(request, row, "added", {"sandbox": True})
    messages.success(
        request, f"{organization.name} has the account “{assistant.account}”, an assistant and a caller number."
    )
