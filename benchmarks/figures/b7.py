"""B7: claim of 50 (enqueue 50 due recipients, then claim their calls) with many pending, against 10,000 pending."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B7", "claim of 50, p95", "the same with 10,000 pending", 2, 1.2, "ms", less=True)
FEW = 10_000
CLAIM = 50
TIMES = 12  # claims in a round


def measure(setting: Setting) -> Found:
    many = setting.size(1_000_000)
    databases = {count: setting.database(f"_{count}") for count in (min(FEW, many // 2), many)}
    for count, url in databases.items():
        setting.use(url)
        fill(count)

    def p95(count: int) -> float:
        setting.use(databases[count])
        return claims(TIMES)

    few, _ = databases
    found = alternate(setting.rounds, lambda: p95(many), lambda: p95(few))
    found.notes["pending"] = many
    return found


def fill(people: int) -> None:
    from benchmarks.shared.rows import World, analyse

    world = World("https://example.org")
    world.recipients(people)
    analyse()


def claims(times: int) -> float:
    """Return the milliseconds within which 95 of 100 claims are done. What they claim ends at once."""
    from calls.dialing import enqueueing, placing
    from calls.models import Call
    from campaigns.models import Campaign

    campaigns = list(Campaign.objects.select_related("assistant").order_by("pk"))
    taken: list[float] = []
    for number in range(times):
        campaign: Any = campaigns[number % len(campaigns)]
        full(campaign.assistant.account_id)
        began = time.perf_counter()
        enqueueing.feed(campaign.pk, CLAIM)
        claimed = placing.claim(campaign.assistant.account_id, CLAIM)
        taken.append((time.perf_counter() - began) * 1000)
        assert len(claimed) == CLAIM, len(claimed)  # noqa: S101
        Call.objects.filter(status="placing").update(status="failed", cost_reserved=0)
    return sorted(taken)[math.ceil(0.95 * len(taken)) - 1]


def full(account: int) -> None:
    """Fill the account's token bucket, so that its rate is no limit."""
    from django.utils import timezone

    from providers.models import ProviderAccount

    ProviderAccount.objects.filter(pk=account).update(place_tokens=9_999, place_tokens_at=timezone.now())


if __name__ == "__main__":
    sys.exit(main(MARK, measure))
