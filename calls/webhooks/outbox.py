"""Transactional outbox: a webhook row commits with the change it reports. `delivery` sends the rows.

A call with a `callback_url` gets one row when it ends. The organization's endpoints get a row for each event they
subscribe to. Without a subscriber an event costs one small query.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.utils.encoders import JSONEncoder

from calls.gate.capacity import with_open_calls
from calls.models import TERMINAL, UNRESOLVED, Call, Status, WebhookDelivery
from calls.serializers.call import CallSerializer
from calls.serializers.campaign import CampaignSerializer
from campaigns.import_api import ImportSerializer
from campaigns.models import Campaign, ContactImport
from providers.api import ProviderAccountSerializer
from providers.models import ProviderAccount
from tenants.api.fields import utc_text
from tenants.models import WebhookEndpoint
from tenants.models import WebhookEvent as Event

logger = logging.getLogger(__name__)
MakeData = Callable[[], Any]  # builds the `data` of an event; called only when an endpoint subscribes to it


def host_of(url: str) -> str:
    """Return the host that limits deliveries to this URL."""
    return urlsplit(url).netloc.lower()[:300]


def add_callback(call: Call) -> None:
    """Add the row for the call's `callback_url`. A call has at most one, however often it ends."""
    WebhookDelivery.objects.get_or_create(
        call=call,
        endpoint=None,
        defaults={
            "organization_id": call.organization_id,
            "url": call.callback_url,
            "host": host_of(call.callback_url),
        },
    )


def publish(organization_id: int, event: str, make_data: MakeData, call: Call | None = None) -> None:
    """Add a row for each active endpoint of the organization that subscribes to the event."""
    _add_rows(_active_endpoints(organization_id), event, make_data, call)


def _active_endpoints(organization_id: int) -> list[WebhookEndpoint]:
    active = WebhookEndpoint.objects.filter(organization=organization_id, is_active=True)
    return list(active.only("url", "events", "organization_id"))  # decrypting their secrets takes time


def _add_rows(endpoints: list[WebhookEndpoint], event: str, make_data: MakeData, call: Call | None = None) -> None:
    subscribers = [endpoint for endpoint in endpoints if event in endpoint.events]
    if subscribers and (body := _body_or_nothing(event, make_data)):
        WebhookDelivery.objects.bulk_create(delivery_to(endpoint, event, body, call) for endpoint in subscribers)


def delivery_to(endpoint: WebhookEndpoint, event: str, body: str, call: Call | None = None) -> WebhookDelivery:
    """Return an unsaved row for one endpoint."""
    return WebhookDelivery(
        organization_id=endpoint.organization_id,
        endpoint=endpoint,
        call=call,
        url=endpoint.url,
        host=host_of(endpoint.url),
        event=event,
        body=body,
    )


def body_of(event: str, data: Any) -> str:
    """Return the JSON body of an event."""
    body = {"type": event, "timestamp": utc_text(timezone.now()), "data": data}
    return json.dumps(body, cls=JSONEncoder, ensure_ascii=False, separators=(",", ":"))


def _body_or_nothing(event: str, make_data: MakeData) -> str:
    """Return the body, or "" when a bug prevents it: a failing serializer must not lose the outcome of a call."""
    try:
        with transaction.atomic():
            return body_of(event, make_data())
    except (DatabaseError, InterfaceError):
        raise
    except Exception:
        logger.exception("The body of event %s could not be made", event)
        return ""


# Calls.


@dataclass(frozen=True)
class Milestones:
    """How far a call has come, as events report it. The difference of two gives the events to publish."""

    status: str
    placed: bool
    answered: bool
    result: tuple[Any, str] | None  # as an object and as text; None while there is none, or only a provisional one
    voicemail: bool

    @classmethod
    def of(cls, call: Call) -> Milestones:
        known = (call.result is not None or call.result_text) and call.result_status != "pending"
        result = (call.result, call.result_text) if known else None
        return cls(call.status, call.placed_at is not None, _is_answered(call), result, call.is_voicemail)


def _is_answered(call: Call) -> bool:
    """Return whether the provider told when the call was answered, also if that time cannot be."""
    doubtful = any(doubt.get("field") == "answered_at" for doubt in call.doubts or [])
    return call.answered_at is not None or (doubtful and call.status in (Status.IN_PROGRESS, Status.COMPLETED))


def publish_call_changes(call: Call, before: Milestones) -> None:
    """Publish what has changed since `before`. The call must be saved and locked."""
    now = Milestones.of(call)
    endpoints = _active_endpoints(call.organization_id) if now != before else []
    for event in _events_between(call, before, now) if endpoints else ():
        _add_rows(endpoints, event, lambda: _call_object(call), call)


def _events_between(call: Call, before: Milestones, now: Milestones) -> list[str]:
    events: list[str] = []
    if now.placed and not before.placed:
        events.append(Event.CALL_PLACED)
    if now.answered and not before.answered and before.status not in UNRESOLVED:
        events.append(Event.CALL_ANSWERED)
    if now.status == Status.UNCONFIRMED != before.status:
        events.append(Event.CALL_UNCONFIRMED)
    ended = now.status in TERMINAL and now.status != before.status
    late = before.status in TERMINAL and not ended
    if ended and before.status not in UNRESOLVED and call.events.filter(type="ended").count() == 1:
        events.append(Event.CALL_ENDED)
    elif ended or (now.result and now.result != before.result) or (late and now.voicemail and not before.voicemail):
        events.append(Event.CALL_RESULT)
    if Event.CALL_ENDED in events and now.result:
        events.append(Event.CALL_RESULT)
    return events


def _call_object(call: Call) -> Any:
    return CallSerializer(call).data


# Campaigns, imports, accounts.


def move_campaigns(campaigns: QuerySet[Campaign], to: Campaign.Status, **fields: Any) -> int:
    """Change the status of the campaigns in the queryset and publish each change. Return how many were changed.

    A campaign that another transaction has taken out of the queryset meanwhile is left alone.
    """
    moved = 0
    for pk in list(campaigns.values_list("pk", flat=True)):
        with transaction.atomic():
            if campaigns.filter(pk=pk).update(status=to, **fields):
                publish_campaign_status(pk)
                moved += 1
    return moved


_CAMPAIGN_EVENTS = {
    Campaign.Status.RUNNING: Event.CAMPAIGN_STARTED,
    Campaign.Status.PAUSED: Event.CAMPAIGN_PAUSED,
    Campaign.Status.FINISHED: Event.CAMPAIGN_FINISHED,
    Campaign.Status.CANCELED: Event.CAMPAIGN_FINISHED,
}


def publish_campaign_status(pk: int) -> None:
    """Publish the status to which a campaign has just changed."""
    campaign = Campaign.objects.select_related("organization", "assistant").get(pk=pk)
    if event := _CAMPAIGN_EVENTS.get(Campaign.Status(campaign.status)):
        publish(campaign.organization_id, event, lambda: _campaign_object(campaign))


def _campaign_object(campaign: Campaign) -> Any:
    return CampaignSerializer(campaign).data


def publish_finished_imports(limit: int = 100) -> int:
    """Publish the imports that have ended since the last time. Return how many.

    The engine polls for them, because the `campaigns` room may not import this one.
    """
    over = (ContactImport.Status.COMPLETED, ContactImport.Status.FAILED, ContactImport.Status.CANCELED)
    unpublished = ContactImport.objects.filter(end_told=False, status__in=over)
    published = 0
    for each in unpublished.select_related("contact_list").order_by("pk")[:limit]:
        with transaction.atomic():
            if unpublished.filter(pk=each.pk).update(end_told=True):
                _publish_import(each)
                published += 1
    return published


def _publish_import(contact_import: ContactImport) -> None:
    publish(contact_import.organization_id, Event.IMPORT_FINISHED, lambda: ImportSerializer(contact_import).data)


def publish_account_block(account_id: int) -> None:
    """Publish that an account has just been blocked."""
    account = ProviderAccount.objects.select_related("organization").get(pk=account_id)
    publish(account.organization_id, Event.ACCOUNT_BLOCKED, lambda: _account_object(account))


def _account_object(account: ProviderAccount) -> Any:
    counted = with_open_calls(ProviderAccount.objects.select_related("organization")).get(pk=account.pk)
    data = ProviderAccountSerializer(counted).data
    return {name: value for name, value in data.items() if not name.startswith("credentials")}
