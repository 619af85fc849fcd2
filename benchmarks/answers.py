"""Compare the cost of an answer in two revisions: from its bytes to what is stored about the call.

python -m benchmarks.answers BEFORE [AFTER] [--calls 200] [--rounds 15]

Each call is read twice: in conversation, and ended. Each revision runs in a process of its own, on an SQLite database
of its own, and both work in turns. Only the ratio of their processor times means something. `parsing` is what the
adapter does, `recording` everything up to the commit.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks import revisions

PROVIDERS = ("allomia", "polyai", "plumvoice", "callingbox")


def main() -> int:
    options = revisions.arguments("benchmarks.answers", "--calls", 200, rounds=15)
    with revisions.workers(options.before, options.after, __file__, options.size, revisions.sqlite) as workers:
        compare(workers, options.rounds)
    return 0


def compare(workers: list[revisions.Worker], rounds: int) -> None:
    ratios: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds):
        for provider in PROVIDERS:
            order = workers if number % 2 else workers[::-1]
            costs = {worker: worker.ask(provider) for worker in order}
            for part in ("parsing", "recording"):
                ratio = costs[workers[1]][part] / costs[workers[0]][part]
                ratios.setdefault((provider, part), []).append(ratio)
            totals = [sum(costs[worker].values()) for worker in workers]
            ratios.setdefault((provider, "whole"), []).append(totals[1] / totals[0])
    for (provider, part), found in ratios.items():
        found.sort()
        middle = statistics.median(found)
        say(f"{provider:11} {part:10} ratio {middle:.3f} (from {found[0]:.2f} to {found[-1]:.2f}, {rounds} rounds)")


# In the process of one revision.


def serve(calls: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    world = _World(calls)
    for line in sys.stdin:
        say(json.dumps(world.read_all(line.strip())))


class _World:
    def __init__(self, calls: int) -> None:
        from tenants.models import Organization, Tenant

        self.calls = calls
        tenant = Tenant.objects.create(name="B")
        self.home = Organization.objects.create(tenant=tenant, name="B", allowed_countries=["US"])
        self.round = 0

    def read_all(self, provider: str) -> dict[str, float]:
        """Return the processor time of parsing and of recording two answers about each of some new calls."""
        from calls.outcomes import recording

        parsing = recorded = 0.0
        for call in self._placed(provider):
            adapter, handle = call.account.adapter, call.as_handle()
            for body in _answers(provider, call.provider_call_id):
                began = time.process_time()
                reading = adapter.read_status(_answer(body), handle, datetime.now(UTC))
                parsing += time.process_time() - began
                began = time.process_time()
                recording.record(call.pk, reading, "read", body)
                recorded += time.process_time() - began
        return {"parsing": parsing, "recording": recorded}

    def _placed(self, provider: str) -> list[Any]:
        from calls.models import Call, Polling
        from campaigns.models import Contact
        from providers.models import Assistant, PhoneNumber, ProviderAccount

        self.round += 1
        options = {"generation": "v1"} if provider == "polyai" else {}
        account = ProviderAccount.objects.create(
            organization=self.home, provider=provider, name=provider, base_url="https://example.org", options=options
        )
        assistant = Assistant.objects.create(organization=self.home, account=account, name="A", external_id="a")
        number = PhoneNumber.objects.create(organization=self.home, account=account, e164="+12125550100")
        first = self.round * self.calls
        phones = [f"+1212{2_000_000 + first + place}" for place in range(self.calls)]
        people = [Contact(organization=self.home, phone=phone) for phone in phones]
        people = Contact.objects.bulk_create(people)
        dialed = datetime.now(UTC) - timedelta(seconds=70)
        for contact in people:
            Call.objects.create(
                organization=self.home,
                contact=contact,
                account=account,
                assistant=assistant,
                phone_number=number,
                to_number=contact.phone,
                from_number=number.e164,
                status="placed",
                provider_call_id=f"c{contact.pk}",
                dialed_at=dialed,
                placed_at=dialed,
                polling=Polling(account=account, next_read_at=dialed),
            )
        return list(Call.objects.filter(account=account).select_related("account", "assistant"))


def _answer(body: bytes) -> Any:
    from providers.adapters.base import Answer

    return Answer(200, {"content-type": "application/json"}, body)


def _answers(provider: str, call_id: str) -> list[bytes]:
    """Return the documented answers of a call in conversation and of the ended call."""
    now = datetime.now(UTC)
    began, ended = now - timedelta(seconds=60), now - timedelta(seconds=5)
    start, end = (moment.isoformat().replace("+00:00", "Z") for moment in (began, ended))
    if provider == "allomia":
        live: Any = {"outboundCallId": call_id, "contactId": "x", "status": "calling", "callDetails": None}
        details = {"startedAt": start, "endedAt": end, "duration": 55, "endedReason": "customer-ended-call"}
        over = live | {"status": "completed", "callDetails": details}
    elif provider == "polyai":
        live = {"status": "calling", "reason": ""}
        over = {"status": "success", "reason": ""}
    elif provider == "plumvoice":
        events = [
            {"event": name, "timestamp": round(at.timestamp())}
            for name, at in (("queued", began), ("dialing", began), ("connected", began), ("disconnected", ended))
        ]
        common = {"max_attempts": "1", "attempts": "1", "phone_number": "'2125550123'", "reattempt_wait": "300"}
        live = {"call_details": common | {"status": "connected", "events": events[:3]}}
        over = {"call_details": common | {"status": "completed", "events": events, "duration": 55}}
    else:
        live = {
            "id": call_id, "status": "in_progress", "direction": "outbound", "context": {"name": "Paula"},
            "returns": {"ok": "boolean"}, "metadata": {}, "result": None, "result_status": "pending",
            "created_at": start, "started_at": start, "answered_at": start, "ended_at": None, "prompt": "Confirm.",
            "duration_seconds": None, "billed_duration_seconds": None, "billing_amount_milli_cents": None,
            "reservation_status": "reserved", "error_code": None, "error_message": None, "hangup_cause": None,
        }  # fmt: skip
        over = live | {
            "status": "completed", "result": {"ok": True}, "result_status": "completed", "ended_at": end,
            "duration_seconds": 55, "billed_duration_seconds": 55, "billing_amount_milli_cents": 4583,
            "reservation_status": "settled", "hangup_cause": "NORMAL_CLEARING",
        }  # fmt: skip
    return [json.dumps(live).encode(), json.dumps(over).encode()]


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
