"""The metrics of each account: their labels, and the totals beside them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from calls.engine.tallies import ANSWERED, result_of
from calls.models import Status
from providers.adapters.errors import ProviderError
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization
from tests.calls.test_api_calls import a_call
from tests.test_operations import figures

pytestmark = pytest.mark.django_db
SUMS = {  # of which figures of accounts a total is the sum
    'trunkline_calls_open{status="ringing"}': r'trunkline_account_calls_open\{.*,status="ringing"\}',
    'trunkline_queue_due{queue="placing"}': r'trunkline_account_due\{.*,queue="placing"\}',
    'trunkline_queue_due{queue="reading"}': r'trunkline_account_due\{.*,queue="reading"\}',
}


def test_an_account_that_was_deactivated_keeps_its_name_and_totals_are_sums(
    assistant: Assistant, phone_number: PhoneNumber, organization: Organization
) -> None:
    """Its open calls are still read. An alert on the totals and one on the accounts cannot disagree."""
    now, account = timezone.now(), phone_number.account
    idle = ProviderAccount.objects.create(organization=organization, provider="polyai", name="x", base_url="https://x")
    a_call(assistant, phone_number, "+33612345671", status=Status.QUEUED, due_at=now - timedelta(seconds=90))
    a_call(
        assistant,
        phone_number,
        "+33612345672",
        status=Status.RINGING,
        next_read_at=now,
        due_at=None,
        provider_call_id="1",
    )
    a_call(
        assistant,
        phone_number,
        "+33612345673",
        status=Status.RINGING,
        next_read_at=now,
        due_at=None,
        provider_call_id="2",
    )
    for active in (True, False):
        ProviderAccount.objects.update(is_active=active)
        found = figures()
        assert 'provider=""' not in " ".join(found)
        assert (
            found[f'trunkline_account_due{{account="{account.pk}",provider="{account.provider}",queue="reading"}}'] == 2
        )
        assert any(f'account="{idle.pk}"' in name for name in found) is active
        for total, parts in SUMS.items():
            assert found[total] == sum(n for name, n in found.items() if re.fullmatch(parts, name)) > 0, total
        assert found["trunkline_calls_queued"] == 1


def test_every_result_of_a_request_is_in_the_manual() -> None:
    def kinds(of: type[ProviderError]) -> set[type[ProviderError]]:
        return {of}.union(*(kinds(each) for each in of.__subclasses__()))

    ours: set[Any] = {kind for kind in kinds(ProviderError) if not kind.__module__.startswith("tests")}
    manual = (
        (settings.BASE_DIR / "docs/deploying.md").read_text("utf-8").partition("| `result` |")[2].partition("\n\n")[0]
    )
    named = re.findall(r"^\| `(\w+)` \|", manual, re.MULTILINE)
    assert named and set(named) == {ANSWERED, *(result_of(kind) for kind in ours)}
