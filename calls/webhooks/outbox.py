"""Transactional outbox: a webhook row commits with the change it reports. `delivery` sends the rows.

A call with a `callback_url` gets one row when it ends. The organization's endpoints get a row for each event they
subscribe to; that of an endpoint that is switched off is held. Without a subscriber an event costs one small query.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from urllib.parse import urlsplit

from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Count, Prefetch, QuerySet, prefetch_related_objects
from django.utils import timezone
from rest_framework.utils.encoders import JSONEncoder

from calls.gate.capacity import with_open_calls
from calls.models import TERMINAL, UNRESOLVED, Call, CallEvent, Status, WebhookDelivery
from calls.serializers.call import CallSerializer
from calls.serializers.campaign import CampaignSerializer
from campaigns.import_api import ImportSerializer
from campaigns.models import Campaign, Contact, ContactImport, Recipient
from providers.api import ProviderAccountSerializer
from providers.models import PhoneNumber, ProviderAccount
from tenants.api.fields import utc_text
from tenants.models import WebhookEndpoint
from tenants.models import WebhookEvent as Event
from tenants.money import Money

logger = logging.getLogger(__name__)
MakeData = Callable[[], Any]  # builds the `data` of an event; called only when an endpoint subscribes to it
SWITCHED_OFF = "endpoint switched off"


def host_of(url: str) -> str:
    """Return the host that limits deliveries to this URL."""
    return urlsplit(url).netloc.lower()[:300]


def add_callbacks(calls: Iterable[Call]) -> None:
    """Add the rows for the `callback_url` of these calls. A call has at most one, however often it ends."""
    rows = [
        WebhookDelivery(
            organization_id=call.organization_id,
            endpoint=None,
            call=call,
            url=call.callback_url,
            host=host_of(call.callback_url),
        )
        for call in calls
    ]
    if rows:
        WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True)


def publish(organization_id: int, event: str, make_data: MakeData) -> None:
    """Add a row for each endpoint of the organization that subscribes to the event."""
    endpoints = _endpoints({organization_id})[organization_id]
    WebhookDelivery.objects.bulk_create(_deliveries(endpoints, event, make_data))


def _endpoints(organizations: Collection[int]) -> Mapping[int, list[WebhookEndpoint]]:
    found: defaultdict[int, list[WebhookEndpoint]] = defaultdict(list)
    existing = WebhookEndpoint.objects.filter(organization__in=organizations, deleted_at=None)
    for endpoint in existing.only("url", "events", "is_active", "organization_id"):  # decrypting secrets takes time
        found[endpoint.organization_id].append(endpoint)
    return found


def _deliveries(
    endpoints: Iterable[WebhookEndpoint], event: str, make_data: MakeData, call: Call | None = None
) -> list[WebhookDelivery]:
    subscribers = [endpoint for endpoint in endpoints if event in endpoint.events]
    body = _body_or_nothing(event, make_data) if subscribers else ""
    return [delivery_to(endpoint, event, body, call) for endpoint in subscribers if body]


def delivery_to(endpoint: WebhookEndpoint, event: str, body: str, call: Call | None = None) -> WebhookDelivery:
    """Return an unsaved row for one endpoint. It is held if the endpoint is switched off."""
    held = {} if endpoint.is_active else {"status": WebhookDelivery.Status.HELD, "last_error": SWITCHED_OFF}
    return WebhookDelivery(
        organization_id=endpoint.organization_id,
        endpoint=endpoint,
        call=call,
        event=event,
        body=body,
        **address_of(endpoint),
        **held,
    )


def address_of(endpoint: WebhookEndpoint) -> dict[str, str]:
    """Return the fields of a delivery that say where it goes."""
    return {"url": endpoint.url, "host": host_of(endpoint.url)}


def body_of(event: str, data: Any) -> str:
    """Return the JSON body of an event."""
    body = {"type": event, "timestamp": utc_text(timezone.now()), "data": data}
    return json.dumps(body, cls=JSONEncoder, ensure_ascii=False, separators=(",", ":"))


def _body_or_nothing(event: str, make_data: MakeData) -> str:
    """Return the body, or "" when a bug prevents it: a failing serializer must not lose the outcome of a call."""
    try:
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
    money: tuple[Money | None, Money | None] | None  # of an ended call: what it costs, and the provider's price

    @classmethod
    def of(cls, call: Call) -> Milestones:
        known = (call.result is not None or call.result_text) and call.result_status != "pending"
        result = (call.result, call.result_text) if known else None
        money = (call.cost, call.price) if call.is_terminal else None
        placed, answered = call.placed_at is not None, _is_answered(call)
        return cls(call.status, placed, answered, result, call.is_voicemail, money)


def _is_answered(call: Call) -> bool:
    """Return whether the provider told when the call was answered, also if that time cannot be."""
    doubtful = any(doubt.get("field") == "answered_at" for doubt in call.doubts or [])
    return call.answered_at is not None or (doubtful and call.status in (Status.IN_PROGRESS, Status.COMPLETED))


def publish_call_changes(changes: Sequence[tuple[Call, Milestones]]) -> None:
    """Publish what has changed in these calls since the milestones beside them. The calls must be saved and locked."""
    changed = [(call, before, now) for call, before in changes if (now := Milestones.of(call)) != before]
    endpoints = _endpoints({call.organization_id for call, *_ in changed}) if changed else {}
    heard = [(call, before, now) for call, before, now in changed if endpoints.get(call.organization_id)]
    if not heard:
        return
    ends = _ends([call.pk for call, before, now in heard if now.status in TERMINAL and now.status != before.status])
    events = [
        (call, event) for call, before, now in heard for event in _events_between(before, now, ends.get(call.pk, 0))
    ]
    wanted = {event for found in endpoints.values() for endpoint in found for event in endpoint.events}
    _load_for_bodies([call for call, event in events if event in wanted])
    rows = [
        row
        for call, event in events
        for row in _deliveries(endpoints[call.organization_id], event, partial(_call_object, call), call)
    ]
    WebhookDelivery.objects.bulk_create(rows)


def _ends(calls: Sequence[int]) -> dict[int, int]:
    """Return how often each of these calls has ended, by internal key."""
    ended = CallEvent.objects.filter(call__in=calls, type="ended").order_by().values("call")
    return dict(ended.annotate(n=Count("*")).values_list("call", "n")) if calls else {}


def _load_for_bodies(calls: Sequence[Call]) -> None:
    """Load what the bodies tell beside the calls themselves, as far as it is not loaded yet."""
    if not calls:
        return
    related = {"phone_number": PhoneNumber, "contact": Contact, "recipient": Recipient, "campaign": Campaign}
    prefetch_related_objects(
        calls, *(Prefetch(name, model._default_manager.only("uuid")) for name, model in related.items())
    )
    with_url = [call.pk for call in calls if call.callback_url]
    rows = WebhookDelivery.objects.filter(call__in=with_url, endpoint=None)
    statuses = dict(rows.values_list("call", "status")) if with_url else {}
    for call in calls:
        call.callback_delivery = statuses.get(call.pk)  # type: ignore[attr-defined]


def _events_between(before: Milestones, now: Milestones, ends: int) -> list[str]:
    """Return the events of a change. `ends`: how often the call has ended, if it has just ended."""
    events: list[str] = []
    if now.placed and not before.placed:
        events.append(Event.CALL_PLACED)
    if now.answered and not before.answered and before.status not in UNRESOLVED:
        events.append(Event.CALL_ANSWERED)
    if now.status == Status.UNCONFIRMED != before.status:
        events.append(Event.CALL_UNCONFIRMED)
    ended = now.status in TERMINAL and now.status != before.status
    late = before.status in TERMINAL and not ended
    if ended and before.status not in UNRESOLVED and ends == 1:
        events.append(Event.CALL_ENDED)
    elif (
        ended
        or (now.result and now.result != before.result)
        or (late and now.voicemail and not before.voicemail)
        or _money_changed(before, now)
    ):
        events.append(Event.CALL_RESULT)
    if Event.CALL_ENDED in events and now.result:
        events.append(Event.CALL_RESULT)
    return events


def _money_changed(before: Milestones, now: Milestones) -> bool:
    """Return whether the cost of a call that had ended became another, or certain."""
    return before.money is not None and now.money is not None and before.money != now.money


@cache
def _serializer() -> CallSerializer:
    return CallSerializer()  # making one takes longer than using it


def _call_object(call: Call) -> Any:
    return _serializer().to_representation(call)


# Campaigns, imports, accounts.


def move_campaigns(campaigns: QuerySet[Campaign], to: Campaign.Status, **fields: Any) -> int:
    """Change the status of the campaigns in the queryset and publish each change. Return how many were changed.

    A campaign that another transaction has taken out of the queryset meanwhile is left alone.
    """
    moved = 0
    for pk in list(campaigns.order_by("pk").values_list("pk", flat=True)):  # as all who lock several
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
