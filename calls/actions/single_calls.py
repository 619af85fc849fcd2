"""Order a single call: a team member or a program names a number, and the engine places the call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from calls.gate import facts as fact_sheet
from calls.gate.checks import CheckName
from calls.gate.decision import Decision, decide
from calls.models import Call, CallEvent, Status, record_event
from campaigns.contact_locks import lock_contact
from campaigns.models import Contact
from campaigns.rules import variables
from campaigns.rules.placeholders import Placeholder, find
from campaigns.rules.spoken import REASON, sentence
from providers.models import Assistant, PhoneNumber
from tenants import audit_log
from tenants.models import Organization

WAITS_AT_MOST = timedelta(hours=1)
# Checks that refuse a single call at once. Other failed checks (a blocked account, no free line) only make it wait.
REFUSALS = [name for name in CheckName if name.refuses_single_call]


class Refused(Exception):
    """A calling rule forbids the call. `code` is the gate's check; `until` the next allowed moment, if there is one."""

    def __init__(self, message: str, code: str, until: datetime | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.until = until


class MissingVariables(Exception):
    """The order lacks variables that the assistant requires."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"The assistant needs {', '.join(names)}.")
        self.names = names


class AlreadyOpen(Exception):
    """A call to this number, or to someone who has it, is open; or a single call to the number is queued."""

    def __init__(self) -> None:
        super().__init__("A call to this number is already open")


@dataclass(frozen=True)
class Order:
    """The order of one single call. `to_number` must be E.164."""

    organization: Organization
    assistant: Assistant
    phone_number: PhoneNumber
    to_number: str
    customer_name: str = ""
    dynamic_variables: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    callback_url: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    created_by: str = ""


def place_single(order: Order) -> Call:
    """Queue one call, which is placed within a second. The contact is the one whose first number it is, or a new one.

    Raises MissingVariables, AlreadyOpen, Refused. The call is committed when this returns, unless the caller holds a
    transaction.
    """
    values, missing = variables.complete(order.assistant.variables, order.dynamic_variables)
    if missing:
        raise MissingVariables(missing)
    now = timezone.now()
    with transaction.atomic():
        contact = lock_contact(order.organization, order.to_number, order.customer_name)
        call = _call(order, contact, values, now)
        _refuse(call, now)
        try:
            call.save()
        except IntegrityError as error:  # AlreadyOpen ends the transaction, so a savepoint would protect nothing
            raise AlreadyOpen from error
        record_event(
            call,
            "queued",
            CallEvent.Source.STAFF if order.created_by else CallEvent.Source.ENGINE,
            f"Ordered by {order.created_by}." if order.created_by else "",
            after=Status.QUEUED,
        )
        if order.created_by:
            audit_log.record(order.organization, actor=order.created_by, action="call.ordered", subject=str(call.uuid))
        if found := find(call.dynamic_variables, call.customer_name):
            record_event(call, REASON, CallEvent.Source.ENGINE, f"{sentence(found, quoted=False)} It is sent.")
    return call


def placeholders(order: Order) -> list[Placeholder]:
    """Return the values of the order that nobody means to speak. The call is placed with them all the same."""
    values, _ = variables.complete(order.assistant.variables, order.dynamic_variables)
    name = order.customer_name
    if not name:
        known = Contact.objects.filter(organization=order.organization, phone=order.to_number)
        name = known.values_list("name", flat=True).first() or ""
    return find(values, name)


def preview(order: Order, contact: Contact | None = None) -> Decision:
    """Return what the gate would decide now, and write nothing. A given `contact` saves a query."""
    now = timezone.now()
    contact = contact or Contact.objects.filter(organization=order.organization, phone=order.to_number).first()
    contact = contact or Contact(organization=order.organization, phone=order.to_number)
    call = _call(order, contact, {}, now)
    return decide(fact_sheet.load([call], now)[0], now)


def _call(order: Order, contact: Contact, values: Mapping[str, str], now: datetime) -> Call:
    # In UTC: an hour on a local clock is not an hour in the night when clocks go back.
    begins = max(now, order.not_before or now).astimezone(UTC)
    return Call(
        organization=order.organization,
        contact=contact,
        account=order.assistant.account,
        assistant=order.assistant,
        phone_number=order.phone_number,
        to_number=order.to_number,
        from_number=order.phone_number.e164,
        customer_name=order.customer_name or contact.name,
        dynamic_variables=dict(values),
        metadata=dict(order.metadata),
        callback_url=order.callback_url,
        created_by=order.created_by,
        priority=Call.PRIORITY_SINGLE,
        due_at=begins,
        not_before=order.not_before,
        not_after=order.not_after or begins + WAITS_AT_MOST,
    )


def _refuse(call: Call, now: datetime) -> None:
    same_number = Call.objects.filter(organization=call.organization, to_number=call.to_number)
    if same_number.queued().filter(recipient=None).exists():
        raise AlreadyOpen
    at = call.due_at or now  # the gate judges a call for later at its due time
    decision = decide(fact_sheet.load([call], at)[0], at)
    if decision.failed(CheckName.OPEN_CALL):
        raise AlreadyOpen
    for name in REFUSALS:
        if found := decision.failed(name):
            raise Refused(found.detail, found.name, found.until)
