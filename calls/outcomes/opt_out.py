"""Ends that mean "do not call me again": what they are, and the entry that follows from one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from calls.models import Call, record_event
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact
from providers.adapters.base import Snapshot
from providers.models import ProviderAccount
from tenants import audit_log

SOURCE, EVENT = "opt-out", "opt_out"


class NeedsPerson(Exception):
    """The number has to go on the do-not-call list, and its person is not locked yet."""


def said(rules: Iterable[Mapping[str, str]], seen: Snapshot) -> Mapping[str, str] | None:
    """The first rule that this piece of evidence meets."""
    return next(
        (rule for rule in rules if _text(_value(seen, rule["field"])) == rule["equals"].strip().casefold()), None
    )


def _value(seen: Snapshot, field: str) -> Any:
    name, *path = field.split(".")
    value = getattr(seen, name)
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str | None:
    """As a rule writes it: true and false, numbers as JSON writes them, text whatever its capitals."""
    if isinstance(value, str):
        return value.strip().casefold() or None
    return json.dumps(value) if isinstance(value, bool | int | float) else None


def lock_person(call: Call) -> None:
    """What a placing locks before it reads the facts, in its order; the call itself comes after."""
    list(ProviderAccount.objects.select_for_update(no_key=True).filter(pk=call.account_id).values_list("pk"))
    list(Campaign.objects.select_for_update(no_key=True).filter(pk=call.campaign_id or 0).values_list("pk"))
    list(Contact.objects.select_for_update().filter(pk=call.contact_id).values_list("pk"))


def honour(call: Call, seen: Snapshot, source: str, *, person_locked: bool) -> None:
    """The number goes on the do-not-call list with the evidence that says so, once for each call.

    Raises NeedsPerson: the caller then begins its transaction again with `lock_person`.
    """
    rule = said(call.assistant.opt_out_rules, seen)
    if rule is None or call.events.filter(type=EVENT).exists():
        return
    if not person_locked:
        raise NeedsPerson
    words = f"{rule['field']} is {rule['equals']}"
    entry, created = entries.add(
        call.organization, call.to_number, reason=f"Call {call.uuid}: {words}."[:500], source=SOURCE
    )
    audit_log.record(
        call.organization,
        actor="Trunkline",
        action="do_not_call.opt_out",
        subject=f"call {call.uuid}",
        detail={**rule, "entry": str(entry.uuid), "listed_already": not created},
    )
    record_event(call, EVENT, source, f"The number is on the do-not-call list: {words}."[:2000])
