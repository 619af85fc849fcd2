"""Which part of the manual explains a page of the back office: the *Help* link beside its heading."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

BACK_OFFICE = "using-the-admin"
WIZARD = f"{BACK_OFFICE}#a-new-campaign-step-by-step"
SIGNING_IN = f"{BACK_OFFICE}#signing-in"
PROCESSES = "deploying#processes"
# URL name, or its beginning up to an underscore -> document and heading. With `?tab=`: a tab of the page.
HELP: dict[str, str] = {
    "admin:index": f"{BACK_OFFICE}#the-dashboard",
    "admin:campaigns_campaign": f"{BACK_OFFICE}#a-campaigns-page",
    "admin:campaigns_campaign?tab=results": "figures#recipients",
    "admin:campaigns_campaign_settings": f"{BACK_OFFICE}#changing-a-running-campaign",
    **dict.fromkeys(
        (f"admin:campaigns_campaign_{step}" for step in ("add", "whom", "what", "when", "limits", "check")), WIZARD
    ),
    "admin:campaigns_recipient": f"{BACK_OFFICE}#one-recipient",
    "admin:campaigns_recipient_explain": f"{BACK_OFFICE}#why-is-this-contact-not-called",
    "admin:campaigns_contact": f"{BACK_OFFICE}#a-contacts-page",
    "admin:campaigns_contact_add": "numbers",
    "admin:campaigns_contactlist": f"{BACK_OFFICE}#a-first-campaign",
    "admin:campaigns_contactlist_import": "importing#on-the-pages",
    "admin:campaigns_tag": f"{BACK_OFFICE}#tags",
    "admin:campaigns_segment": f"{BACK_OFFICE}#segments",
    "admin:campaigns_contactimport": "importing",
    "admin:campaigns_importmapping": "importing#columns",
    "admin:campaigns_donotcall": f"{BACK_OFFICE}#stopping-calls",
    "admin:campaigns_donotcall_import": "importing#do-not-call-list-from-a-file",
    "admin:calls_call": f"{BACK_OFFICE}#one-call",
    "admin:calls_call_legal": f"{BACK_OFFICE}#legal-hours",
    "admin:calls_callback": f"{BACK_OFFICE}#one-recipient",
    "admin:calls_providercallback": "roles#status-callbacks",
    "admin:calls_webhookdelivery": "webhooks#listing-deliveries-and-sending-again",
    "admin:calls_heartbeat": PROCESSES,
    "admin:django": PROCESSES,
    "admin:providers_provideraccount": "providers",
    "admin:providers_assistant": "providers",
    "admin:providers_phonenumber": f"{BACK_OFFICE}#caller-numbers",
    "admin:tenants_alert": f"{BACK_OFFICE}#alerts",
    "admin:tenants_apikey": "roles#keys",
    "admin:tenants_auditentry": "security#audit-log",
    "admin:tenants_organization": f"{BACK_OFFICE}#roles",
    "admin:tenants_tenant": f"{BACK_OFFICE}#roles",
    "admin:tenants_webhookendpoint": "webhooks#an-endpoint",
    "admin:auth": "roles#people",
    "admin:axes": SIGNING_IN,
    "my-settings": f"{BACK_OFFICE}#what-holds-on-every-page",
    **dict.fromkeys(("my-sessions", "own-password", "two-step"), SIGNING_IN),
    "search": f"{BACK_OFFICE}#search-and-keys",
    "system": "deploying#monitoring",
}


def context(request: HttpRequest) -> dict[str, Any]:
    """Return the address that the *Help* link leads to (a context processor). Pages of the manual have none."""
    found = request.resolver_match
    if found is None or found.view_name.startswith("manual"):
        return {}
    document, _, heading = part_for(found.view_name, request.GET.get("tab", "")).partition("#")
    if not document:
        return {"help_url": reverse("manual")}
    page = reverse("manual-page", args=[document])
    return {"help_url": f"{page}#{heading}" if heading else page}


def part_for(view_name: str, tab: str = "") -> str:
    """Return document and heading for a page: of the longest name in HELP that the page's name begins with, or ""."""
    words = view_name.split("_")
    beginnings = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
    with_tab = [f"{each}?tab={tab}" for each in beginnings] if tab else []
    return next((HELP[each] for each in (*with_tab, *beginnings) if each in HELP), "")
