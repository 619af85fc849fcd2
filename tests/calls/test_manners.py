"""Campaigns whose providers answer in odd manners and with faults: stored is what the providers meant."""

from __future__ import annotations

from typing import Any

import pytest

from calls.actions import campaigns
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support
from tests.chaos import people
from tests.chaos.gathering import gather, over
from tests.chaos.judging import Rules, judge
from tests.waiting import eventually


def campaign(callers: Organization, sandbox: Any, provider: str, numbers: list[str]) -> Any:
    number: PhoneNumber = support.reach(callers, sandbox.url, provider, price_per_minute="0.10")
    if provider == people.ASKING:
        number.account.assistants.update(options=people.ASKED, opt_out_rules=people.OPT_OUT)
    return support.campaign(number, support.people(callers, numbers), retries=2, callback_url="https://example.org/x")


@pytest.mark.parametrize(
    "provider", [pytest.param(slug, marks=[] if slug == "polyai" else pytest.mark.long) for slug in people.AREAS]
)
def test_a_campaign_stores_what_its_provider_meant(
    provider: str, callers: Organization, sandbox: Any, hooks: None
) -> None:
    sandbox.control(
        manners_rate=0.5,
        placing_fault_rate=0.2,
        reading_fault_rate=0.1,
        callback_loss_rate=0.2,
        callback_double_rate=0.2,
    )
    numbers = [f"+1{people.AREAS[provider]}55530{ending:02}" for ending in range(40, 65)]
    made = campaign(callers, sandbox, provider, numbers)
    campaigns.start(made, actor="test")
    with support.engine():
        eventually(lambda: over([made], sandbox), "the campaign is not over")
    rules = dict.fromkeys(numbers, Rules(2, people.AGAIN_AFTER))
    verdict = judge(gather(sandbox, [made], rules, stranded=set()))
    assert verdict.findings == []
    assert verdict.counts["dials"] > 15
