"""The results of a simulation as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.simulation.oracle import KINDS, Finding
from tests.simulation.plan import Plan
from tests.simulation.run import Journal

GOING = {"pending", "calling", "waiting"}


def lines(plan: Plan, journal: Journal, found: Finding) -> Iterator[str]:
    if journal.cut_short:
        yield f"Interrupted on {plan.end:%d %b %H:%M}: judged up to that moment."
    zones = {zone for o in plan.organizations for c in o.campaigns for p in c.people for zone in p.place.zones}
    people = sum(len({p.phone for c in o.campaigns for p in c.people}) for o in plan.organizations)
    yield f"{'people':28}{people:>9,}"
    yield f"{'time zones':28}{len(zones):>9,}"
    yield f"{'calls that rang':28}{sum(dial.rang for dial in journal.dials):>9,}"
    yield f"{'placings that did not ring':28}{sum(not dial.rang for dial in journal.dials):>9,}"
    states = Counter(left.status for left in journal.left.values())
    yield "recipients at the end: " + ", ".join(f"{n:,} {status}" for status, n in sorted(states.items()))
    counted = found.counted()
    for kind in KINDS:
        yield f"{kind:28}{counted[kind]:>9,}"
    for name, percent in errors(plan, journal).items():
        yield f"forecast of {name:28}" + (f"{percent:+7.1f} %" if percent is not None else "   no end")
    for kind, said in found.violations[:40]:
        yield f"  {kind}: {said}"


def errors(plan: Plan, journal: Journal) -> dict[str, float | None]:
    """Return the error of the forecast end in per cent of the duration, by organization with one campaign.

    None where the campaign or the forecast has no end.
    """
    result: dict[str, float | None] = {}
    for organization in plan.organizations:
        if len(organization.campaigns) > 1:
            continue
        [campaign] = organization.campaigns
        ends = [d.ended_at for d in journal.dials if d.organization == organization.name and d.ended_at]
        foreseen = journal.forecasts[organization.name, campaign.name].finishes_at
        going = {left.status for (whose, _, _), left in journal.left.items() if whose == organization.name} & GOING
        if foreseen is None or not ends or (journal.cut_short and going):
            result[organization.name] = None
        else:
            result[organization.name] = 100 * (foreseen - max(ends)) / (max(ends) - plan.begin)
    return result
