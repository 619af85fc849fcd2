"""The sidebar: what each member of staff finds where."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from calls.models import Call, Status
from tenants.backoffice.roles import Level, reach_of


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups of links, those alone that the user may follow (named in UNFOLD)."""
    reach = reach_of(request)
    doubtful = (
        Call.objects.filter(organization__in=list(reach.levels), status=Status.UNCONFIRMED)[:100].count()
        if reach.levels
        else 0
    )
    unconfirmed = request.GET.get("status__exact") == Status.UNCONFIRMED
    calls = reverse("admin:calls_call_changelist")
    launch = reverse("admin:calls_call_launch")
    hours = reverse("admin:calls_call_legal_hours")

    def item(title: str, icon: str, url: str, level: Level = Level.VIEWER, **more: Any) -> dict[str, Any] | None:
        if not (reach.superuser or reach.has(level)):
            return None
        link = reverse(url) if url.startswith("admin:") else url
        active = request.path == link if url == "admin:index" else request.path.startswith(link)
        return {
            "title": title,
            "icon": icon,
            "link": link,
            "active": lambda _: more.get("active", active),
            **_badge(more),
        }

    def _badge(more: dict[str, Any]) -> dict[str, Any]:
        count = more.get("badge", 0)
        return {"badge": f"{count if count < 100 else '99+'}", "badge_variant": "danger"} if count else {}

    at_calls = request.path.startswith(calls) and not request.path.startswith((launch, hours))
    groups = [
        (
            "Work",
            [
                item("Dashboard", "dashboard", "admin:index"),
                item("Launch a call", "add_call", "admin:calls_call_launch", Level.OPERATOR),
                item("Campaigns", "campaign", "admin:campaigns_campaign_changelist"),
                item("Calls", "call", calls, active=at_calls and not unconfirmed),
                item(
                    "Unconfirmed calls",
                    "phone_missed",
                    f"{calls}?status__exact={Status.UNCONFIRMED.value}",
                    active=at_calls and unconfirmed,
                    badge=doubtful,
                ),
                item("Alerts", "notifications", "admin:tenants_alert_changelist"),
                item("Call-backs", "phone_callback", "admin:calls_callback_changelist"),
            ],
        ),
        (
            "People",
            [
                item("Contacts", "person", "admin:campaigns_contact_changelist"),
                item("Lists", "list_alt", "admin:campaigns_contactlist_changelist"),
                item("Imports", "upload_file", "admin:campaigns_contactimport_changelist"),
                item("Do not call", "phone_disabled", "admin:campaigns_donotcall_changelist"),
            ],
        ),
        (
            "Set-up",
            [
                item("Accounts", "hub", "admin:providers_provideraccount_changelist"),
                item("Assistants", "support_agent", "admin:providers_assistant_changelist"),
                item("Numbers", "dialpad", "admin:providers_phonenumber_changelist"),
                item("Legal hours", "gavel", hours),
            ],
        ),
        (
            "Administration",
            [
                item("Organizations", "domain", "admin:tenants_organization_changelist"),
                item("Staff", "group", "admin:auth_user_changelist", Level.SUPERUSER),
                item("API keys", "key", "admin:tenants_apikey_changelist", Level.ADMIN),
                item("Webhooks", "webhook", "admin:calls_webhookdelivery_changelist", Level.MANAGER),
                item("Webhook endpoints", "share", "admin:tenants_webhookendpoint_changelist", Level.MANAGER),
                item("Callbacks", "move_to_inbox", "admin:calls_providercallback_changelist", Level.MANAGER),
                item("Audit", "history", "admin:tenants_auditentry_changelist", Level.MANAGER),
                item("Workers", "monitor_heart", "admin:calls_heartbeat_changelist", Level.SUPERUSER),
                item("Task queue", "schedule", "admin:django_q_failure_changelist", Level.SUPERUSER),
                item("Sign-in failures", "lock", "admin:axes_accessattempt_changelist", Level.SUPERUSER),
            ],
        ),
    ]
    found = [
        {"title": title, "separator": number > 0, "items": [each for each in items if each]}
        for number, (title, items) in enumerate(groups)
    ]
    return [group for group in found if group["items"]]
