"""The results of a simulation as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.oracle import numbers
from tests.simulation.case import KINDS, Finding
from tests.simulation.journal import Journal
from tests.simulation.plan import Person, Plan

GOING = {"pending", "calling", "waiting"}


def lines(plan: Plan, journal: Journal, found: Finding) -> Iterator[str]:
    if journal.cut_short:
        yield f"Interrupted on {plan.end:%d %b %H:%M}: judged up to that moment."
    zones = {zone for o in plan.organizations for c in o.campaigns for p in c.people for zone in _zones(p)}
    people = sum(len({p.phone for c in o.campaigns for p in c.people}) for o in plan.organizations)
    yield f"{'people':28}{people:>9,}"
    yield f"{'time zones':28}{len(zones):>9,}"
    yield f"{'calls that rang':28}{sum(dial.rang for dial in journal.dials):>9,}"
    yield f"{'placings that did not ring':28}{sum(not dial.rang for dial in journal.dials):>9,}"
    states = Counter(left.status for left in journal.left.values())
    yield "recipients at the end: " + ", ".join(f"{n:,} {status}" for status, n in sorted(states.items()))
    yield from _parts(plan, journal, found)
    counted = found.counted()
    for kind in KINDS:
        yield f"{kind:28}{counted[kind]:>9,}"
    for name, percent in errors(plan, journal).items():
        yield f"forecast of {name:28}" + (f"{percent:+7.1f} %" if percent is not None else "   no end")
    for kind, said in found.violations[:40]:
        yield f"  {kind}: {said}"


def _zones(person: Person) -> tuple[str, ...]:
    return numbers.zones_of(person.phone) + ((person.place.timezone,) if person.place.timezone else ())


def _parts(plan: Plan, journal: Journal, found: Finding) -> Iterator[str]:
    """Yield one line for each organization: what happened in it, and what was found."""
    heads = ("people", "calls", "callbacks", "edits", "refused", "broken")
    yield f"{'organization':16}" + "".join(f"{head:>10}" for head in heads)
    for home in plan.organizations:
        dials = [dial for dial in journal.dials if dial.organization == home.name]
        people = {person.phone for campaign in home.campaigns for person in campaign.people}
        columns = (
            len(people),
            len(dials),
            sum(dial.asked_for for dial in dials),
            sum(name == home.name for name, _ in journal.deeds),
            sum(name == home.name for name, _, _ in journal.refused),
            sum(n for (name, _), n in found.by_home.items() if name == home.name),
        )
        yield f"{home.name:16}" + "".join(f"{n:>10,}" for n in columns)


def errors(plan: Plan, journal: Journal) -> dict[str, float | None]:
    """Return the error of the forecast end in per cent of the duration, by organization with one campaign.

    None where the campaign or the forecast has no end.
    """
    result: dict[str, float | None] = {}
    for organization in plan.organizations:
        if len(organization.campaigns) > 1 or organization.deeds:
            continue
        [campaign] = organization.campaigns
        ends = [d.ended_at for d in journal.dials if d.organization == organization.name and d.ended_at]
        foreseen = journal.forecasts[organization.name, campaign.name]
        going = {left.status for (whose, _, _), left in journal.left.items() if whose == organization.name} & GOING
        if foreseen is None or not ends or (journal.cut_short and going):
            result[organization.name] = None
        else:
            result[organization.name] = 100 * (foreseen - max(ends)) / (max(ends) - plan.begin)
    return result
