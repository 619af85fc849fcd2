"""The outbox: who is told of what, written in the transaction of what it tells of. `webhooks` delivers it.

A call's own callback is one row for its end. Beside it, an organization's endpoints are told of what they subscribe
to; where nobody does, one small query is all it costs.
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
from campaigns.api import ImportSerializer
from campaigns.models import Campaign, ContactImport
from providers.api import ProviderAccountSerializer
from providers.models import ProviderAccount
from tenants.api.fields import utc_text
from tenants.models import WebhookEndpoint
from tenants.models import WebhookEvent as Event

logger = logging.getLogger(__name__)
Describe = Callable[[], Any]


def host_of(url: str) -> str:
    """Whose server this is, as far as being considerate of it goes."""
    return urlsplit(url).netloc.lower()[:300]


def add_callback(call: Call) -> None:
    """The end of a call with a callback address: one row, however often it ends."""
    WebhookDelivery.objects.get_or_create(
        call=call,
        endpoint=None,
        defaults={
            "organization_id": call.organization_id,
            "url": call.callback_url,
            "host": host_of(call.callback_url),
        },
    )


def publish(organization_id: int, event: str, describe: Describe, call: Call | None = None) -> None:
    """Tell every active endpoint of the organization that subscribes to the event."""
    _send(_listeners(organization_id), event, describe, call)


def _listeners(organization_id: int) -> list[WebhookEndpoint]:
    active = WebhookEndpoint.objects.filter(organization=organization_id, is_active=True)
    return list(active.only("url", "events", "organization_id"))  # their secrets cost time to decrypt


def _send(listeners: list[WebhookEndpoint], event: str, describe: Describe, call: Call | None = None) -> None:
    found = [endpoint for endpoint in listeners if event in endpoint.events]
    if found and (body := _body(event, describe)):
        WebhookDelivery.objects.bulk_create(delivery_to(endpoint, event, body, call) for endpoint in found)


def delivery_to(endpoint: WebhookEndpoint, event: str, body: str, call: Call | None = None) -> WebhookDelivery:
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
    found = {"type": event, "timestamp": utc_text(timezone.now()), "data": data}
    return json.dumps(found, cls=JSONEncoder, ensure_ascii=False, separators=(",", ":"))


def _body(event: str, describe: Describe) -> str:
    """The outcome of a call is worth more than the news of it: what cannot be described is not told, and logged."""
    try:
        with transaction.atomic():
            return body_of(event, describe())
    except (DatabaseError, InterfaceError):
        raise
    except Exception:
        logger.exception("An event %s could not be described", event)
        return ""


# Calls.


@dataclass(frozen=True)
class _Known:
    """What has been told of a call, or was true before anybody could be told."""

    status: str
    placed: bool
    answered: bool
    result: bool

    @classmethod
    def of(cls, call: Call) -> _Known:
        settled = call.result is not None and call.result_status != "pending"
        return cls(call.status, call.placed_at is not None, call.answered_at is not None, settled)


def remember(call: Call) -> Call:
    """What is known of a call now, before evidence changes it."""
    call._known = _Known.of(call)  # type: ignore[attr-defined]
    return call


def tell(call: Call) -> None:
    """Publish what has become known of a call since it was remembered. The call is saved and locked."""
    before: _Known = call._known  # type: ignore[attr-defined]
    now = _Known.of(remember(call))
    listeners = _listeners(call.organization_id) if now != before else []
    for event in _news(call, before, now) if listeners else ():
        _send(listeners, event, lambda: _call_object(call), call)


def _news(call: Call, before: _Known, now: _Known) -> list[str]:
    news: list[str] = []
    if now.placed and not before.placed:
        news.append(Event.CALL_PLACED)
    if now.answered and not before.answered and before.status not in UNRESOLVED:
        news.append(Event.CALL_ANSWERED)
    if now.status == Status.UNCONFIRMED != before.status:
        news.append(Event.CALL_UNCONFIRMED)
    ended = now.status in TERMINAL and now.status != before.status
    if ended and before.status not in UNRESOLVED and call.events.filter(type="ended").count() == 1:
        news.append(Event.CALL_ENDED)
    elif ended or (now.result and not before.result):
        news.append(Event.CALL_RESULT)
    if Event.CALL_ENDED in news and now.result:
        news.append(Event.CALL_RESULT)
    return news


def _call_object(call: Call) -> Any:
    return CallSerializer(call).data


# Campaigns, imports, accounts.


def move_campaigns(campaigns: QuerySet[Campaign], to: Campaign.Status, **fields: Any) -> int:
    """Change the status of these campaigns, each with its news, as long as it is still among them."""
    moved = 0
    for pk in list(campaigns.values_list("pk", flat=True)):
        with transaction.atomic():
            if campaigns.filter(pk=pk).update(status=to, **fields):
                tell_of_campaign(pk)
                moved += 1
    return moved


_CAMPAIGN_EVENTS = {
    Campaign.Status.RUNNING: Event.CAMPAIGN_STARTED,
    Campaign.Status.PAUSED: Event.CAMPAIGN_PAUSED,
    Campaign.Status.FINISHED: Event.CAMPAIGN_FINISHED,
    Campaign.Status.CANCELED: Event.CAMPAIGN_FINISHED,
}


def tell_of_campaign(pk: int) -> None:
    """A campaign has just changed its status."""
    campaign = Campaign.objects.select_related("organization", "assistant").get(pk=pk)
    if event := _CAMPAIGN_EVENTS.get(Campaign.Status(campaign.status)):
        publish(campaign.organization_id, event, lambda: _campaign_object(campaign))


def _campaign_object(campaign: Campaign) -> Any:
    return CampaignSerializer(campaign).data


def tell_of_imports(limit: int = 100) -> int:
    """Imports that are over and nobody has been told of. Their room is below this one, so the engine looks."""
    over = (ContactImport.Status.COMPLETED, ContactImport.Status.FAILED, ContactImport.Status.CANCELED)
    untold = ContactImport.objects.filter(end_told=False, status__in=over)
    told = 0
    for found in untold.select_related("contact_list").order_by("pk")[:limit]:
        with transaction.atomic():
            if untold.filter(pk=found.pk).update(end_told=True):
                _tell_of_import(found)
                told += 1
    return told


def _tell_of_import(found: ContactImport) -> None:
    publish(found.organization_id, Event.IMPORT_FINISHED, lambda: ImportSerializer(found).data)


def tell_of_block(account_id: int) -> None:
    """An account has just been blocked."""
    account = ProviderAccount.objects.select_related("organization").get(pk=account_id)
    publish(account.organization_id, Event.ACCOUNT_BLOCKED, lambda: _account_object(account))


def _account_object(account: ProviderAccount) -> Any:
    counted = with_open_calls(ProviderAccount.objects.select_related("organization")).get(pk=account.pk)
    found = ProviderAccountSerializer(counted).data
    return {name: value for name, value in found.items() if not name.startswith("credentials")}
