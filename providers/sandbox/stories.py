"""The scripted numbers: a number's last two digits choose what happens to the call, for every provider alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from providers.sandbox import draws, faults
from providers.sandbox.faults import Fault
from providers.sandbox.timeline import Ending, Phase

Callbacks = Literal["usual", "never", "twice", "early", "foreign", "late"]


@dataclass(frozen=True)
class Story:
    """One script. `endings` holds the ending of each dial to the number; further dials repeat the last one."""

    digits: str
    summary: str
    endings: tuple[Ending, ...] = ("answered",)
    placing: Fault | None = None
    first_refused: bool = False  # every other placing request gets a 429, beginning with the first
    stuck: Phase | None = None  # the phase in which the call stays for ever
    hurried: bool = False  # the call ends within a fraction of a second
    talk: float | None = None  # seconds of conversation, divided by the speed
    strange_word: bool = False  # the status is an undocumented word until the call ends
    hidden_reads: int = 0  # how many first reads get a 404
    flapping: bool = False  # every other read has a fault
    forgotten_after: float | None = None  # reads get a 404 this many seconds after the end, divided by the speed
    status_lag: float = 0.0  # the status shows the end this many seconds late, divided by the speed
    callbacks: Callbacks = "usual"
    sparse: bool = False
    variant: bool = False
    extraction: float = 1.0  # CallingBox: seconds between the end and the result, divided by the speed
    extraction_fails: bool = False

    def ending(self, dial: int) -> Ending:
        """Return how the dial-th call to this number ends, counted from 1."""
        return self.endings[min(dial, len(self.endings)) - 1]


_SCRIPTED = (
    Story("01", "answered"),
    Story("02", "rings out: no answer", ("no_answer",)),
    Story("03", "busy", ("busy",)),
    Story("04", "fails", ("failed",)),
    Story("05", "voicemail picks up", ("voicemail",)),
    Story("06", "answered, a slow conversation (20 s)", talk=20.0),
    Story("07", "in conversation for ever: the call never ends", stuck="talking"),
    Story("08", "accepted, then the connection is dropped; the call happens", placing=faults.DROPPED_AFTER),
    Story("09", "500 before dialling; no call happens", placing=faults.ERROR_BEFORE),
    Story("10", "500 after dialling; the call happens", placing=faults.ERROR_AFTER),
    Story("11", "429 with Retry-After: 1, then accepted (every other request is refused)", first_refused=True),
    Story("12", "2xx without an id; the call happens", placing=faults.WITHOUT_ID),
    Story("13", "HTML 502 from a proxy; the call happens", placing=faults.PROXY_PAGE),
    Story("14", "the placing request is answered slowly (4 s)", placing=faults.VERY_SLOW),
    Story("15", "an undocumented status word until the end, then answered", strange_word=True),
    Story("16", "answered; forgotten 10 s after the end (404)", forgotten_after=10.0),
    Story("17", "answered; every other read is 500, HTML, cut-off JSON or empty", flapping=True),
    Story("18", "answered; the first three reads are 404", hidden_reads=3),
    Story("19", "answered; no callback", callbacks="never"),
    Story("20", "answered; every callback twice", callbacks="twice"),
    Story("21", "answered; the callback comes 2 s before the status changes", status_lag=2.0, callbacks="early"),
    Story("22", "answered; the only callback has a foreign id or a wrong signature", callbacks="foreign"),
    Story("23", "this call is refused with 400; no call happens", placing=faults.REFUSED),
    Story("24", "answered; sparse answers (Plum Voice: id only in Link; empty fields left out)", sparse=True),
    Story("25", "answered; unusual forms (Plum Voice: XML, numeric id; extra fields; events reversed)", variant=True),
    Story("26", "waits in the provider's queue until it gives up; never rings", ("queue_timeout",)),
    Story("27", "answered; forgotten the moment it ends (404)", forgotten_after=0.0),
    Story("28", "queued for ever; never rings", stuck="queued"),
    Story("29", "canceled by the provider before it rings", ("canceled",)),
    Story("30", "busy at the first dial, answered afterwards", ("busy", "answered")),
    Story("31", "no answer at two dials, answered afterwards", ("no_answer", "no_answer", "answered")),
    Story("32", "answered; CallingBox cannot extract the result", extraction_fails=True),
    Story("33", "answered; CallingBox takes 8 s to extract the result", extraction=8.0),
    Story("34", "the placing answer is cut-off JSON; the call happens", placing=faults.TRUNCATED),
    Story("35", "the connection is dropped before dialling; no call happens", placing=faults.DROPPED_BEFORE),
    Story("36", "502 in the provider's own words; CallingBox keeps a record; no call", placing=faults.UNPLACEABLE),
    Story("37", "refused because of the account (credit, inactive); no call", placing=faults.ACCOUNT),
    Story("38", "the call ends before the placing request is answered", placing=faults.SLOW, hurried=True),
    Story("39", "answered; the callback comes 15 s late", callbacks="late"),
)
STORIES = {story.digits: story for story in _SCRIPTED}

# The endings of all other numbers, in percent.
MIX: tuple[tuple[Ending, int], ...] = (
    ("answered", 55), ("no_answer", 20), ("busy", 10), ("voicemail", 7), ("failed", 8),
)  # fmt: skip


def choose(seed: int, provider: str, number: str, dial: int) -> Story:
    """Return the story of the dial-th call to this number, always the same for the same arguments."""
    scripted = STORIES.get(number[-2:])
    return scripted or Story("mix", "drawn from the mix", (_drawn(seed, provider, number, dial),))


def _drawn(seed: int, provider: str, number: str, dial: int) -> Ending:
    share = draws.fraction(seed, "ending", provider, number, dial) * 100
    for ending, percent in MIX:
        if share < percent:
            return ending
        share -= percent
    return MIX[0][0]
