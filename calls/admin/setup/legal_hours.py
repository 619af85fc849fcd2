"""The page with the table of legal calling hours, for all team members."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from calls.models import Call
from campaigns.rules.legal_hours import COUNTRIES, ELSEWHERE, RULES, LegalRule
from campaigns.rules.windows import DAYS, Hours
from tenants.backoffice.local_time import day_shown
from tenants.backoffice.scoped_admin import page_of


def view(request: HttpRequest) -> HttpResponse:
    """Return the table. It is read-only, because it is part of the program."""
    rows = [*sorted(RULES, key=lambda rule: (COUNTRIES[rule.country], rule.region)), ELSEWHERE]
    return page_of(Call).page(
        request, "trunkline/legal_hours.html", "Legal calling hours", rows=[_shown(rule) for rule in rows]
    )


def _shown(rule: LegalRule) -> dict[str, object]:
    country = COUNTRIES[rule.country] if rule.country else "Everywhere else"
    return {
        "where": f"{country}, {rule.region}" if rule.region else country,
        "code": rule.country,
        "hours": hours_text(rule.hours),
        "holidays": len(rule.hours.holidays) > 0,
        "source": rule.source,
        "statute": rule.statute,
        "reviewed": day_shown(rule.reviewed),
    }


def hours_text(hours: Hours) -> list[str]:
    """Return one line for each window, like "Mon-Fri 09:00-20:00"."""
    return [f"{_days(window.days)} {window.text}" for window in hours.windows]


def _days(days: frozenset[int]) -> str:
    ordered = sorted(days)
    names = [DAYS[day].capitalize() for day in ordered]
    consecutive = ordered == list(range(ordered[0], ordered[-1] + 1)) and len(ordered) > 2
    if len(ordered) == 7:
        return "every day"
    return f"{names[0]}-{names[-1]}" if consecutive else ", ".join(names)
