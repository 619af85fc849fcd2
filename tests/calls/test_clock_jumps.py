"""The clock of a worker jumps by an hour in the middle of a campaign: somebody sees it, and nobody is called twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Q

from calls.actions import campaigns
from calls.models import Call, Status
from campaigns.models import Campaign, Recipient
from config import findings
from tenants.models import Organization
from tests.calls import support
from tests.calls.test_supervisor import beating, worker
from tests.waiting import eventually

pytestmark = pytest.mark.slow
NUMBERS = [f"+121255501{ending}" for ending in range(40, 64)]


def set_clock(clock: Path, seconds: int) -> None:
    """Let the worker's clock be ahead by so many seconds."""
    new = clock.with_suffix(".new")
    new.write_text(str(seconds))
    new.replace(clock)


def is_over(made: Campaign) -> bool:
    """Return whether nobody is left to call. A call whose answer was lost to the jump may be a doubt."""
    waiting = (Recipient.Status.PENDING, Recipient.Status.WAITING, Recipient.Status.CALLING)
    left = made.recipients.filter(status__in=waiting)
    return (
        made.recipients.exists() and not left.exclude(calls__status__in=[Status.UNCONFIRMED, Status.UNKNOWN]).exists()
    )


def all_are_placed(made: Campaign) -> bool:
    return made.recipients.exists() and not made.recipients.filter(
        Q(status__in=[Recipient.Status.PENDING, Recipient.Status.WAITING]) | Q(calls__status=Status.QUEUED)
    )


@pytest.mark.parametrize(("seconds", "row", "sentence"), [
    pytest.param(
        3600, "clock", r"The clock of a worker is 3[56]\d\d seconds ahead of this machine's. Set both by NTP.",
        marks=pytest.mark.long,
    ),
    (-3600, "worker", r"The last heartbeat of a worker was 3[56]\d\d seconds ago."),
])  # fmt: skip
def test_a_jump_of_an_hour_calls_nobody_twice_and_loses_nobody(
    callers: Organization,
    sandbox: Any,
    tmp_path: Path,
    seconds: int,
    row: str,
    sentence: str,
) -> None:
    clock = tmp_path / "clock"
    set_clock(clock, 0)
    number = support.reach(callers, sandbox.url, "allomia", calls_per_second=6, place_tokens=1)
    made = support.campaign(number, support.people(callers, NUMBERS))
    with worker(tmp_path / "log", tmp_path / "impatient", clock):
        eventually(beating)
        campaigns.start(made, actor="test")
        eventually(lambda: len(sandbox.journal()) >= 8)
        set_clock(clock, seconds)
        eventually(lambda: re.match(sentence, findings.found([row])[row].message), "nobody is told of the clock")
        if seconds < 0:  # what is due seems to lie ahead, until the clock is right again
            set_clock(clock, 0)
        else:  # a call that looks an hour old is read again after up to six minutes
            eventually(lambda: is_over(made) or all_are_placed(made), "contacts are left")
            set_clock(clock, seconds + 600)
        eventually(lambda: is_over(made), "contacts are left")
    rung = [dial["to_number"] for dial in sandbox.journal()]
    assert len(rung) == len(set(rung)), "somebody was called twice"
    doubtful = Call.objects.filter(status__in=[Status.UNCONFIRMED, Status.UNKNOWN]).values_list("to_number", flat=True)
    assert {*rung, *doubtful} == set(NUMBERS), "somebody was forgotten"
    assert set(rung) <= set(Call.objects.exclude(status=Status.QUEUED).values_list("to_number", flat=True))
