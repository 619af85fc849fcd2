"""Compare the gate's cost per decision in two revisions, alternately within one run.

python -m benchmarks.gate BEFORE [AFTER] [--people 2000] [--rounds 15]

Each revision is exported to a directory of its own and runs in a process of its own, with a database of its own. Both
decide about the same recipients in turns, so that what else the machine does falls on both. Only the ratio of their
processor times means something. AFTER is the working tree unless it is named.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks import revisions

NOW = datetime(2026, 5, 13, 15, 0, tzinfo=UTC)
AT_ONCE = 200  # recipients that one step of the engine passes to the gate
AREAS = ("205", "907", "602", "501", "415", "303", "203", "305", "404", "808", "208", "312", "317", "502", "617", "313")
MOBILE = ("+336", "+4479", "+49151", "+614", "+7916", "+62812", "+55119", "+346")
COUNTRIES = ["US", "FR", "GB", "GG", "JE", "IM", "DE", "AU", "RU", "ID", "BR", "ES"]


def main() -> int:
    options = revisions.arguments("benchmarks.gate", "--people", 2_000, rounds=15)
    with revisions.workers(options.before, options.after, __file__, options.size, revisions.sqlite) as workers:
        compare(workers, options.rounds)
    return 0


def compare(workers: list[revisions.Worker], rounds: int) -> None:
    ratios: dict[str, list[float]] = {"first": [], "again": []}
    for number in range(rounds):
        for kind, found in ratios.items():
            order = workers if number % 2 else workers[::-1]
            costs = {worker: worker.ask(kind) for worker in order}
            found.append(costs[workers[1]]["seconds"] / costs[workers[0]]["seconds"])
    for kind, words in (("first", "numbers seen for the first time"), ("again", "numbers seen before")):
        found = sorted(ratios[kind])
        say(
            f"{words:34} ratio {statistics.median(found):.3f} (from {found[0]:.2f} to {found[-1]:.2f}, {rounds} rounds)"
        )
    for worker, name in zip(workers, ("before", "after"), strict=True):
        say(f"{name:8} {worker.ask('again')['verdicts']}")


# In the process of one revision.


def serve(people: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    campaign = a_campaign(people)
    for line in sys.stdin:
        if line.strip() == "first":
            forget()
        seconds, verdicts = decide_all(campaign)
        say(json.dumps({"seconds": seconds, "verdicts": verdicts}))


def decide_all(campaign: Any) -> tuple[float, Counter[str]]:
    """Return the processor time of the gate alone: reading the facts and deciding."""
    from calls.gate import facts
    from calls.gate.decision import decide
    from calls.gate.selection import Choices

    choices, verdicts, seconds = Choices(campaign, NOW), Counter[str](), 0.0
    rows = list(campaign.recipients.select_related("contact").order_by("pk"))
    for first in range(0, len(rows), AT_ONCE):
        made = [choices.call_for(row) for row in rows[first : first + AT_ONCE]]
        calls = [call for call in made if call]
        began = time.process_time()
        decisions = [decide(sheet, NOW) for sheet in facts.load(calls, NOW)]
        seconds += time.process_time() - began
        verdicts.update(decision.reason or decision.verdict for decision in decisions)
    return seconds, verdicts


def forget() -> None:
    """Clear what the product remembers of single numbers; not tables and openings, which many numbers share."""
    for name, module in list(sys.modules.items()):
        if name.startswith("campaigns.phones") or (
            name.startswith("campaigns.rules.") and not name.endswith(".windows")
        ):
            for found in list(vars(module).values()):
                if hasattr(found, "cache_parameters") and found.cache_parameters()["maxsize"]:
                    found.cache_clear()


def a_campaign(people: int) -> Any:
    """Create a campaign with two windows and retry rules. A third of its recipients were called before."""
    from campaigns.models import CallingWindow, Campaign, RetryRule
    from providers.models import Assistant, PhoneNumber, ProviderAccount
    from tenants.models import Organization, Tenant

    tenant = Tenant.objects.create(name="B")
    home = Organization.objects.create(tenant=tenant, name="B", allowed_countries=COUNTRIES, max_attempts_per_day=3)
    account = ProviderAccount.objects.create(
        organization=home, provider="allomia", name="A", base_url="https://example.org"
    )
    campaign = Campaign.objects.create(
        organization=home,
        name="B",
        status=Campaign.Status.RUNNING,
        assistant=Assistant.objects.create(organization=home, account=account, name="A", external_id="a"),
        min_gap_minutes=60,
        launched_at=NOW,
        holidays=["2026-05-01", "2026-05-25"],
    )
    number = PhoneNumber.objects.create(organization=home, account=account, e164="+12125550100")
    campaign.phone_numbers.add(number)
    days = ["mon", "tue", "wed", "thu", "fri"]
    CallingWindow.objects.create(campaign=campaign, days=days, opens=9 * 60, closes=12 * 60)
    CallingWindow.objects.create(campaign=campaign, days=[*days, "sat"], opens=13 * 60, closes=19 * 60)
    for outcome, wait in (("no_answer", 120), ("busy", 15), ("failed", 60)):
        RetryRule.objects.create(campaign=campaign, outcome=outcome, wait_minutes=wait, max_attempts=3)
    _recipients(campaign, number, people)
    related = ("organization", "assistant__account")
    return Campaign.objects.select_related(*related).prefetch_related("windows").get(pk=campaign.pk)


def _recipients(campaign: Any, number: Any, people: int) -> None:
    from calls.models import Call
    from campaigns.models import Contact, Recipient

    rng = random.Random(9)  # noqa: S311
    zones = ["America/Chicago", "America/Phoenix", "Europe/Berlin", "Europe/Lisbon"]
    home = campaign.organization
    made = Contact.objects.bulk_create(
        [
            Contact(organization=home, phone=phone, timezone=rng.choice(zones) if rng.random() < 0.2 else "")
            for phone in _numbers(rng, people)
        ]
    )
    rows = Recipient.objects.bulk_create(
        [
            Recipient(campaign=campaign, contact=row, next_attempt_at=NOW, attempts=n % 3 == 0)
            for n, row in enumerate(made)
        ]
    )
    earlier = NOW - timedelta(hours=30)
    Call.objects.bulk_create(
        [
            Call(
                organization=home,
                campaign=campaign,
                recipient=row,
                contact=row.contact,
                account=number.account,
                assistant=campaign.assistant,
                phone_number=number,
                to_number=row.contact.phone,
                from_number=number.e164,
                status=rng.choice(["no_answer", "busy"]),
                dialed_at=earlier,
                terminal_at=earlier,
            )
            for row in rows[::3]
        ]
    )


def _numbers(rng: random.Random, count: int) -> list[str]:
    """Return American numbers, and mobile numbers of other countries."""
    found: dict[str, None] = {}
    while len(found) < count:
        if rng.random() < 0.5:
            found[f"+1{rng.choice(AREAS)}{rng.randint(2_000_000, 9_999_999)}"] = None
        else:
            prefix = rng.choice(MOBILE)
            found[prefix + "".join(rng.choices("0123456789", k=12 - len(prefix)))] = None
    return list(found)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
