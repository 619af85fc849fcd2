"""Do what the plan's actions say, as a team member or a program would: through the API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from calls.actions import campaigns, kill_switch
from campaigns.do_not_call import entries
from campaigns.models import Contact
from tests.oracle.minutes import Opening
from tests.simulation.plan import Deed
from tests.simulation.world import Home

ACTOR = "the month"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def do(home: Home, deed: Deed) -> str:
    """Return the answer of the API where it refused; "" when it is done."""
    campaign = home.campaigns.get(deed.subject)
    match deed.kind:
        case "list":
            entries.add(home.row, deed.subject, source="test")
        case "stop":
            kill_switch.stop_all_calls(home.row, actor=ACTOR)
        case "allow":
            kill_switch.allow_calls(home.row, actor=ACTOR)
        case "pause" if campaign:
            campaigns.pause(campaign, actor=ACTOR)
        case "resume" if campaign:
            campaigns.resume(campaign, actor=ACTOR)
        case _:
            path, body = _request(home, deed)
            ask = home.program.post if deed.kind in {"hold", "lift", "promise"} else home.program.patch
            answer = ask(f"/api/v1/{path}/", body)
            return "" if answer.status_code < 400 else f"{answer.status_code} {answer.content.decode()[:300]}"
    return ""


def _request(home: Home, deed: Deed) -> tuple[str, dict[str, Any]]:
    changes = deed.changes
    match deed.kind:
        case "hold":
            until = {"until": _text(deed.until)} if deed.until else {}
            return f"contacts/{_contact(home, deed.subject)}/hold", until
        case "lift":
            return f"contacts/{_contact(home, deed.subject)}/unhold", {}
        case "zone":
            return f"contacts/{_contact(home, deed.subject)}", dict(changes)
        case "house":
            return f"organizations/{home.row.uuid}", dict(_rules(changes))
        case "edit":
            return f"campaigns/{home.campaigns[deed.subject].uuid}", dict(_rules(changes))
        case "number":
            return f"phone-numbers/{home.numbers[deed.subject].uuid}", {"is_active": changes["active"]}
        case "assistant":
            return f"assistants/{home.assistants[deed.subject].uuid}", {"is_active": changes["active"]}
        case "promise":
            recipient = home.recipient(deed.subject, changes["phone"])
            path = f"campaigns/{home.campaigns[deed.subject].uuid}/recipients/{recipient.uuid}/call-back"
            return path, {"at": _text(deed.until)}
    raise AssertionError(deed.kind)


def _contact(home: Home, phone: str) -> str:
    return str(Contact.objects.get(pk=home.contacts[phone]).uuid)


def _text(moment: datetime | None) -> str:
    assert moment is not None
    return moment.isoformat()


def _rules(changes: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields of the API for the plan's rules."""
    for name, value in changes.items():
        match name:
            case "windows":
                yield name, [_window(each) for each in value]
            case "holidays":
                yield name, [day.isoformat() for day in value]
            case "retries":
                rules = [{"outcome": o, "wait_minutes": wait, "max_attempts": most} for o, wait, most in value]
                yield "retry_rules", rules
            case "gap":
                yield "min_gap_minutes", None if value is None else int(value.total_seconds() // 60)
            case "per_day":
                yield "max_attempts_per_day", value
            case "per_30_days":
                yield "max_attempts_per_30_days", value
            case _:
                yield name, value


def _window(each: Opening) -> dict[str, Any]:
    opens, closes = (f"{minutes // 60:02d}:{minutes % 60:02d}" for minutes in (each.opens, each.closes))
    return {"days": [DAYS[day] for day in each.days], "opens": opens, "closes": closes}
