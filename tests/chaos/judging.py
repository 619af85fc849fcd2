"""The verdict, as a pure function of the providers' journal, the stored calls and the injections.

Which numbers were dialled, how often and when comes from the journal alone. The stored calls are only compared with it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.chaos.meaning import Meant, Stored, differences

TERMINAL = frozenset({"completed", "no_answer", "busy", "failed", "canceled", "expired", "unknown"})
LISTS = frozenset({"callingbox"})  # providers that list calls with our reference
LIVE_RECIPIENT = frozenset({"pending", "calling", "waiting"})


@dataclass(frozen=True)
class Dial:
    """One entry of the journal."""

    id: str
    to_number: str
    at: datetime
    ended_at: datetime | None
    outcome: str | None  # None while it is open
    reference: str | None
    token: str  # the last part of its callback address, or ""
    answer: str = ""  # to its placing
    provider: str = ""
    meant: Meant | None = None  # None while it is open

    @classmethod
    def from_journal(cls, entry: Mapping[str, Any]) -> Dial:
        ended = entry["ended_at"]
        return cls(
            id=str(entry["id"]),
            to_number=str(entry["to_number"]),
            at=datetime.fromisoformat(str(entry["at"])),
            ended_at=datetime.fromisoformat(str(ended)) if ended else None,
            outcome=str(entry["outcome"]) if entry["outcome"] else None,
            reference=str(entry["reference"]) if entry["reference"] else None,
            token=str(entry["callback_url"] or "").rpartition("/")[2],
            answer=str(entry["answered_with"]),
            provider=str(entry["provider"]),
            meant=Meant.from_journal(entry["meant"]) if entry["meant"] else None,
        )

    @property
    def has_good_answer(self) -> bool:
        """Return whether its placing got the provider's answer, with the call's ID."""
        return self.answer.startswith("20")


@dataclass(frozen=True)
class Row:
    """One stored call."""

    pk: int
    to_number: str
    status: str
    reference: str
    token: str
    provider_call_id: str
    dialed_at: datetime | None
    terminal_at: datetime | None
    callback_url: str
    outbox: int  # webhook rows
    doubted: Collection[str] = ()  # the sources of its doubts: "response", "engine"
    stored: Stored | None = None  # None: nobody looks at what it stores
    opted_out: bool = False  # an opt-out rule put its number on the do-not-call list

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


@dataclass(frozen=True)
class Rules:
    """A campaign's rules for each of its numbers."""

    max_attempts: int = 1
    again_after: frozenset[str] = frozenset()
    closed: bool = False  # its window is closed throughout the run


@dataclass(frozen=True)
class Silence:
    """Numbers that must not be dialled between two moments. `until` None means no end."""

    kind: str  # "do_not_call" or "paused"
    numbers: Collection[str]
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True)
class Evidence:
    """The data of a run for the judge."""

    dials: Sequence[Dial]
    rows: Sequence[Row]
    rules: Mapping[str, Rules]  # by number
    silences: Sequence[Silence]
    recipients: Counter[str]  # by status, of the campaigns that must be finished
    ambiguous_faults: int  # placing requests whose answer did not say whether a phone rings
    stranded: Collection[int]  # calls that were being placed when a process was killed
    left_behind: int = 0  # processes that outlived their watcher


PROMISES = (
    "double dials",
    "lost",
    "wrong",
    "wrong outcome",
    "wrong cost",
    "wrong figure",
    "wrong result",
    "opt-outs missed",
    "opt-outs invented",
    "in a list, but not found",
    "do-not-call dialled",
    "out-of-window dialled",
    "dialled while paused",
    "stuck",
    "doubts without a cause",
    "webhook rows missing or too many",
    "left behind by a dead watcher",
)


@dataclass
class Verdict:
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def against(self, promise: str, what: str) -> None:
        assert promise in PROMISES
        self.counts[promise] += 1
        self.findings.append(f"{promise}: {what}")

    @property
    def broken(self) -> list[str]:
        return [promise for promise in PROMISES if self.counts[promise]]


def judge(found: Evidence) -> Verdict:
    verdict = Verdict()
    owners = _owners(found)
    _double(found, owners, verdict)
    _lost_or_wrong(found, owners, verdict)
    _meaning(found, owners, verdict)
    _forbidden(found, verdict)
    _stuck(found, verdict)
    _doubts(found, owners, verdict)
    _outbox(found, verdict)
    if found.left_behind:
        verdict.counts["left behind by a dead watcher"] = found.left_behind
        verdict.findings.append(f"left behind by a dead watcher: {found.left_behind} processes ran unwatched")
    verdict.counts["dials"] = len(found.dials)
    verdict.counts["unconfirmed"] = sum(row.status == "unconfirmed" for row in found.rows)
    return verdict


def _owners(found: Evidence) -> dict[str, Row]:
    """Return the row of each dial, by the dial's id.

    The row is found by reference, by the token of the callback address or by the provider's id. For a dial without any
    of them it is found by number and time.
    """
    by_reference = {row.reference: row for row in found.rows}
    by_token = {row.token: row for row in found.rows}
    by_id = {bare(row.provider_call_id): row for row in found.rows if row.provider_call_id}
    by_number = defaultdict(list)
    for row in found.rows:
        by_number[row.to_number].append(row)
    owners = {}
    for dial in found.dials:
        owner = by_reference.get(dial.reference or "") or by_token.get(dial.token) or by_id.get(bare(dial.id))
        if owner is None:
            nameless = [
                row
                for row in by_number[dial.to_number]
                if not row.provider_call_id and row.dialed_at and row.dialed_at <= dial.at
            ]
            owner = max(nameless, key=lambda row: row.dialed_at or dial.at, default=None)
        if owner is not None and owner.to_number == dial.to_number:
            owners[dial.id] = owner
    return owners


def _double(found: Evidence, owners: Mapping[str, Row], verdict: Verdict) -> None:
    by_number = defaultdict(list)
    for dial in sorted(found.dials, key=lambda dial: dial.at):
        by_number[dial.to_number].append(dial)
    for number, dials in by_number.items():
        rules = found.rules.get(number, Rules(max_attempts=0))
        for turn, dial in enumerate(dials):
            why = ""
            if turn >= rules.max_attempts:
                why = f"only {rules.max_attempts} allowed"
            elif turn:
                why = _too_early(dials[turn - 1], dial, owners, rules)
            if why:
                verdict.against("double dials", f"dial {turn + 1} of {number}: {why}. {dials}")


def _too_early(first: Dial, second: Dial, owners: Mapping[str, Row], rules: Rules) -> str:
    """Return why the second dial is a violation; "" if it is none."""
    known, again = owners.get(first.id), owners.get(second.id)
    if known is not None and again is not None and known.pk == again.pk:
        return f"both are call {known.pk}"
    if first.ended_at is None or first.ended_at > second.at:
        return "the first had not ended"
    if first.outcome not in rules.again_after:
        return f"the first ended as {first.outcome}, which is not retried"
    if known is None or known.terminal_at is None or known.terminal_at > second.at:
        return "the end of the first was not stored"
    return ""


def _lost_or_wrong(found: Evidence, owners: Mapping[str, Row], verdict: Verdict) -> None:
    for dial in found.dials:
        row = owners.get(dial.id)
        if row is None:
            verdict.against("lost", f"no call knows {dial}")
        elif row.status == "queued" or row.dialed_at is None:
            verdict.against("lost", f"call {row.pk} is {row.status} and has no time of its dial: {dial}")
        elif row.is_terminal and row.status != dial.outcome:
            verdict.against("wrong", f"call {row.pk} is stored as {row.status}: {dial}")
        elif row.provider_call_id and bare(row.provider_call_id) != bare(dial.id):
            verdict.against("wrong", f"call {row.pk} has another call's id, {row.provider_call_id}: {dial}")
    dialled = {row.pk for row in owners.values()}
    for row in found.rows:
        if row.is_terminal and row.status != "canceled" and row.pk not in dialled:
            verdict.against("wrong", f"call {row.pk} to {row.to_number} is {row.status}, but was not dialled")


def bare(identifier: str) -> str:
    """Return an ID without the forms in which one ID can be told."""
    return identifier.strip("{}").lower().removeprefix("out-")


def _meaning(found: Evidence, owners: Mapping[str, Row], verdict: Verdict) -> None:
    """Compare results, costs, voicemails and opt-outs with what the providers meant."""
    for dial in found.dials:
        row = owners.get(dial.id)
        if dial.meant is None or row is None or not row.is_terminal or row.stored is None:
            continue
        for promise, said in differences(dial.meant, row.stored):
            verdict.against(promise, f"call {row.pk}: {said}: {dial}")
        if dial.meant.opt_out != row.opted_out:
            verdict.against(f"opt-outs {'missed' if dial.meant.opt_out else 'invented'}", f"call {row.pk}: {dial}")
    verdict.counts["opt-outs"] = sum(row.opted_out for row in found.rows)
    verdict.counts["prices"] = sum(row.stored is not None and row.stored.price is not None for row in found.rows)
    verdict.counts["held as doubtful"] = sum(row.stored is not None and bool(row.stored.held) for row in found.rows)


def _forbidden(found: Evidence, verdict: Verdict) -> None:
    for dial in found.dials:
        if found.rules.get(dial.to_number, Rules()).closed:
            verdict.against("out-of-window dialled", str(dial))
    by_number = defaultdict(list)
    for dial in found.dials:
        by_number[dial.to_number].append(dial)
    for silence in found.silences:
        promise = {"do_not_call": "do-not-call dialled", "paused": "dialled while paused"}[silence.kind]
        for number in silence.numbers:
            for dial in by_number.get(number, ()):
                if dial.at > silence.since and (silence.until is None or dial.at < silence.until):
                    verdict.against(promise, f"from {silence.since} to {silence.until}: {dial}")


def _stuck(found: Evidence, verdict: Verdict) -> None:
    for row in found.rows:
        if not row.is_terminal and row.status != "unconfirmed":
            verdict.against("stuck", f"call {row.pk} to {row.to_number} is {row.status}")
    for status, count in found.recipients.items():
        if status in LIVE_RECIPIENT and count:
            verdict.counts["stuck"] += count
            verdict.findings.append(f"stuck: {count} recipients are {status}")


def _doubts(found: Evidence, owners: Mapping[str, Row], verdict: Verdict) -> None:
    """Each doubt needs a cause: an ambiguous answer, or a process killed while placing.

    A doubt about a call in a list that Trunkline can read does not stay.
    """
    for dial in found.dials:
        row = owners.get(dial.id)
        if row is not None and dial.has_good_answer and "response" in row.doubted:
            verdict.against("doubts without a cause", f"call {row.pk} was answered with {dial.answer}: {dial}")
        if row is not None and dial.provider in LISTS and row.status == "unconfirmed":
            verdict.against("in a list, but not found", f"call {row.pk}: {dial}")
    answered = [row for row in found.rows if "response" in row.doubted]
    verdict.counts["doubts by an answer"] = len(answered)
    if len(answered) > found.ambiguous_faults:
        more = len(answered) - found.ambiguous_faults
        verdict.counts["doubts without a cause"] += more
        verdict.findings.append(f"doubts without a cause: {more} more than there were ambiguous answers")
    reaped = [row for row in found.rows if "engine" in row.doubted]
    verdict.counts["doubts by a death"] = len(reaped)
    for row in reaped:
        if row.pk not in found.stranded:
            verdict.against("doubts without a cause", f"call {row.pk} got no answer, and no process was killed then")
    for row in found.rows:
        if row.status == "unconfirmed" and not row.doubted:
            verdict.against("doubts without a cause", f"call {row.pk} has no event with a reason")


def _outbox(found: Evidence, verdict: Verdict) -> None:
    for row in found.rows:
        wanted = 1 if row.is_terminal and row.callback_url else 0
        if row.outbox != wanted:
            verdict.against(
                "webhook rows missing or too many", f"call {row.pk} is {row.status} and has {row.outbox} webhook rows"
            )
