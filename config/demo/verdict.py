"""Compare the stored calls with the sandbox's journal, which lists every dial."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from calls.models import OPEN, Call
from campaigns.models import Recipient
from tenants.egress.sessions import plain_client
from tenants.models import Organization


@dataclass
class Verdict:
    """Outcomes per provider, and every difference from what is promised, as a sentence."""

    table: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    faults: list[str] = field(default_factory=list)
    dials: int = 0


def journal(sandbox_url: str) -> list[dict[str, Any]]:
    with plain_client() as client:
        dials: list[dict[str, Any]] = client.get(f"{sandbox_url}/journal").raise_for_status().json()["dials"]
        return dials


def judge(organization: Organization, dials: list[dict[str, Any]], max_attempts: int) -> Verdict:
    """Check that each dial has its outcome stored, and that no number was dialled more often than allowed."""
    verdict = Verdict(dials=len(dials))
    calls = {
        (call.account.provider, call.provider_call_id): call
        for call in Call.objects.filter(organization=organization).select_related("account")
        if call.provider_call_id
    }
    for call in Call.objects.filter(organization=organization).select_related("account"):
        verdict.table[call.account.get_provider_display()][call.status] += 1
        if call.status in OPEN:
            verdict.faults.append(f"Call {call.uuid} is still {call.status}.")
    for dial in dials:
        stored = calls.get((dial["provider"], dial["id"])) or _by_number(organization, dial)
        if stored is None:
            verdict.faults.append(f"{dial['provider']} {dial['id']} was dialled, but no call is stored for it.")
        elif dial["outcome"] and stored.status != dial["outcome"]:
            verdict.faults.append(
                f"{dial['provider']} {dial['id']} ended {dial['outcome']}; {stored.status} is stored."
            )
    for (provider, number), count in Counter((dial["provider"], dial["to_number"]) for dial in dials).items():
        allowed = (
            Recipient.objects.filter(campaign__organization=organization, contact__phone=number).count() * max_attempts
        )
        if count > allowed:
            verdict.faults.append(f"{number} was dialled {count} times over {provider}; {allowed} were allowed.")
    return verdict


def _by_number(organization: Organization, dial: dict[str, Any]) -> Call | None:
    """Match by number a call known only from a callback: Plum's callbacks contain no id."""
    found = Call.objects.filter(
        organization=organization, to_number=dial["to_number"], provider_call_id="", dialed_at__isnull=False
    )
    return found.filter(account__provider=dial["provider"]).first()
