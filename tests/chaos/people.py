"""The contacts of a run: one organization, accounts at each provider, campaigns with different rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from django.utils import timezone

from tests.chaos.judging import Rules
from tests.chaos.plan import Size

if TYPE_CHECKING:
    from campaigns.models import Campaign
    from tenants.models import Organization

AREAS = {"allomia": "212", "polyai": "310", "plumvoice": "415", "callingbox": "617"}
RETRYING = "allomia"  # its campaign may call again, once
AGAIN_AFTER = frozenset({"no_answer", "busy", "failed"})
ASKING = "callingbox"  # its assistant has a structured result, in which the sandbox's contacts opt out
ASKED = {"prompt": "Confirm the delivery.", "returns": {"confirmed": "boolean", "opt_out": "boolean", "note": "string"}}
OPT_OUT = [{"field": "result.opt_out", "equals": "true"}]
OUT_OF_HOURS = "out of hours"
# Calls in doubt stay open, so the account needs capacity for them and for the other calls.
FULL_SPEED = {"calls_per_second": 50, "max_open_calls": 500, "reads_per_second": 300, "max_unconfirmed": None}


class People:
    """The organization, its campaigns, and the rules of each number."""

    def __init__(self, sandbox_url: str, callback_url: str, size: Size) -> None:
        from tenants.models import Organization, Tenant

        self.organization: Organization = Organization.objects.create(
            tenant=Tenant.objects.create(name="Chaos"),
            name="Chaos",
            default_region="US",
            min_gap_minutes=0,
            max_attempts_per_day=100,
        )
        self.campaigns: dict[str, Campaign] = {}
        self.numbers: dict[str, list[str]] = {}
        self.rules: dict[str, Rules] = {}
        self._make(sandbox_url, callback_url, size)

    def _make(self, sandbox_url: str, callback_url: str, size: Size) -> None:
        from tests.calls import support

        each, left = divmod(size.contacts - size.out_of_hours, len(AREAS) * size.accounts)
        # Slow enough that the injections hit running campaigns; `hurry` restores full speed.
        pace = FULL_SPEED | {"calls_per_second": round(each / (0.7 * size.seconds), 2)}
        for provider, area in AREAS.items():
            unscripted = numbers(area)
            rules = Rules(2, AGAIN_AFTER) if provider == RETRYING else Rules(1)
            for turn in range(size.accounts):
                caller = support.reach(self.organization, sandbox_url, provider, **pace, price_per_minute="0.10")
                if provider == ASKING:
                    caller.account.assistants.update(options=ASKED, opt_out_rules=OPT_OUT)
                mine = list(islice(unscripted, each + (1 if left > 0 else 0)))
                left -= 1
                self._campaign(f"{provider} {turn + 1}", caller, mine, rules, callback_url)
            if provider == RETRYING:
                late = list(islice(unscripted, size.out_of_hours))
                self._campaign(OUT_OF_HOURS, caller, late, Rules(1, closed=True), callback_url)

    def _campaign(self, name: str, caller: object, numbers: list[str], rules: Rules, callback_url: str) -> None:
        from providers.models import PhoneNumber
        from tests.calls import support

        assert isinstance(caller, PhoneNumber)
        made = support.campaign(
            caller, support.people(self.organization, numbers), retries=rules.max_attempts, callback_url=callback_url
        )
        if rules.closed:  # open only on a weekday that is not today in any time zone
            day = (timezone.now() + timedelta(days=3)).strftime("%a").lower()
            made.windows.update(days=[day])
        self.campaigns[name], self.numbers[name] = made, numbers
        self.rules |= dict.fromkeys(numbers, rules)

    @property
    def ending(self) -> list[Campaign]:
        """The campaigns that must finish."""
        return [made for name, made in self.campaigns.items() if name != OUT_OF_HOURS]

    def hurry(self) -> None:
        """Raise the accounts' limits, so that the rest of the run is fast."""
        self.organization.provider_accounts.update(**FULL_SPEED)


def numbers(area: str) -> Iterator[str]:
    """Yield numbers without a scenario at the sandbox: its seed decides how their calls end."""
    for exchange in range(555, 565):
        for line in range(100):
            for ending in range(40, 100):
                yield f"+1{area}{exchange}{line:02}{ending:02}"
