"""The sidebar: groups of links, each shown to users who may do its action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from calls.models import Call, Status
from tenants.backoffice.roles import Reach, reach_of
from tenants.policy import Action

COUNTED_AT_MOST = 100
DASHBOARD = "admin:index"
FOLDED = ("Setup", "Administration")  # until the user opens them, so that the sidebar fits a small screen


@dataclass(frozen=True)
class Link:
    title: str
    icon: str
    page: str  # URL name
    action: Action = Action.SEE
    status: str = ""  # of the calls listed

    @property
    def path(self) -> str:
        return reverse(self.page)

    @property
    def url(self) -> str:
        return f"{self.path}?status__exact={self.status}" if self.status else self.path


GROUPS: tuple[tuple[str, tuple[Link, ...]], ...] = (
    (
        "Work",
        (
            Link("Dashboard", "dashboard", DASHBOARD),
            Link("Launch a call", "add_call", "admin:calls_call_launch", Action.LAUNCH_CALL),
            Link("Campaigns", "campaign", "admin:campaigns_campaign_changelist"),
            Link("Calls", "call", "admin:calls_call_changelist"),
            Link("Unconfirmed calls", "phone_missed", "admin:calls_call_changelist", status=Status.UNCONFIRMED.value),
            Link("Alerts", "notifications", "admin:tenants_alert_changelist"),
            Link("Scheduled callbacks", "phone_callback", "admin:calls_callback_changelist"),
        ),
    ),
    (
        "Contacts",
        (
            Link("Contacts", "person", "admin:campaigns_contact_changelist"),
            Link("Contact lists", "list_alt", "admin:campaigns_contactlist_changelist"),
            Link("Segments", "filter_alt", "admin:campaigns_segment_changelist"),
            Link("Imports", "upload_file", "admin:campaigns_contactimport_changelist"),
            Link("Do-not-call list", "phone_disabled", "admin:campaigns_donotcall_changelist"),
        ),
    ),
    (
        "Setup",
        (
            Link("Provider accounts", "hub", "admin:providers_provideraccount_changelist", Action.SEE_SETUP),
            Link("Assistants", "support_agent", "admin:providers_assistant_changelist", Action.SEE_SETUP),
            Link("Caller numbers", "dialpad", "admin:providers_phonenumber_changelist", Action.SEE_SETUP),
            Link("Legal calling hours", "gavel", "admin:calls_call_legal_hours"),
            Link("Tags", "sell", "admin:campaigns_tag_changelist"),
        ),
    ),
    (
        "Administration",
        (
            Link("Organizations", "domain", "admin:tenants_organization_changelist", Action.SEE_SETUP),
            Link("Team members", "group", "admin:auth_user_changelist", Action.ADMINISTER),
            Link("API keys", "key", "admin:tenants_apikey_changelist", Action.SEE_KEYS),
            Link("Webhook deliveries", "webhook", "admin:calls_webhookdelivery_changelist", Action.SEE_WEBHOOKS),
            Link("Webhook endpoints", "share", "admin:tenants_webhookendpoint_changelist", Action.SEE_WEBHOOKS),
            Link("Provider events", "move_to_inbox", "admin:calls_providercallback_changelist", Action.SEE_RAW),
            Link("Audit log", "history", "admin:tenants_auditentry_changelist", Action.SEE_AUDIT),
            Link("System", "health_and_safety", "system", Action.ADMINISTER),
            Link("Workers", "monitor_heart", "admin:calls_heartbeat_changelist", Action.ADMINISTER),
            Link("Task queue", "schedule", "admin:django_q_failure_changelist", Action.ADMINISTER),
            Link("Sign-in failures", "lock", "admin:axes_accessattempt_changelist", Action.ADMINISTER),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups of links that the user may open. The theme calls it (setting UNFOLD)."""
    reach = reach_of(request)
    here = _active(request)
    groups = []
    for title, links in GROUPS:
        items = [_item(link, link is here, reach) for link in links if reach.may(link.action)]
        if items:
            groups.append({"title": title, "collapsible": title in FOLDED, "items": items})
    return groups


def _active(request: HttpRequest) -> Link | None:
    """Return the link of the current page: the one with the longest path that the current path starts with."""
    links = [link for _, group in GROUPS for link in group]
    if request.path == reverse(DASHBOARD):
        return links[0]
    above = [link for link in links if link.page != DASHBOARD and request.path.startswith(link.path)]
    longest = max((len(link.path) for link in above), default=0)
    here = [link for link in above if len(link.path) == longest]
    status = request.GET.get("status__exact")
    return next((link for link in here if link.status and link.status == status), here[0] if here else None)


def _item(link: Link, active: bool, reach: Reach) -> dict[str, Any]:
    item = {"title": link.title, "icon": link.icon, "link": link.url, "active": lambda _: active}
    count = _unconfirmed(reach) if link.status == Status.UNCONFIRMED else 0
    if count:
        shown = str(count) if count < COUNTED_AT_MOST else f"{COUNTED_AT_MOST - 1}+"
        item |= {"badge": shown, "badge_variant": "danger"}
    return item


def _unconfirmed(reach: Reach) -> int:
    """Return how many calls of the user's organizations are unconfirmed, counted to COUNTED_AT_MOST."""
    calls = Call.objects.filter(organization__in=list(reach.grants), status=Status.UNCONFIRMED)
    return calls[:COUNTED_AT_MOST].count() if reach.grants else 0
