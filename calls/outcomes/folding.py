"""Fold a reading into a call: which of its claims become facts. Pure and monotone.

`RULES` is the table of what is believed, and drives the fold; docs/what-is-believed.md shows it. For readings that
agree, the order of arrival does not matter. Nothing here writes `dialed_at` or `terminal_at`, from which all decisions
count.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from calls.models import FOLLOWED, TERMINAL, UNRESOLVED, CallEvent, Status, storable
from calls.models.statuses import ENDED_BY_STAFF
from calls.outcomes.plausibility import CLOCKS, ROUNDING, Believed, believed, is_another_number
from providers.adapters.base import CallState, Reading, Remark
from providers.adapters.call_ids import same_call
from tenants.money import Money, exact

STATUS_OF: Mapping[CallState, Status] = {
    CallState.QUEUED: Status.PLACED,
    CallState.DIALING: Status.DIALING,
    CallState.RINGING: Status.RINGING,
    CallState.IN_PROGRESS: Status.IN_PROGRESS,
    CallState.COMPLETED: Status.COMPLETED,
    CallState.NO_ANSWER: Status.NO_ANSWER,
    CallState.BUSY: Status.BUSY,
    CallState.CANCELED: Status.CANCELED,
    CallState.FAILED: Status.FAILED,
    CallState.EXPIRED: Status.EXPIRED,
}
_RANK = {status: rank for rank, status in enumerate(FOLLOWED, start=1)} | dict.fromkeys(TERMINAL, 9)
FRESH = (CallEvent.Source.READ, CallEvent.Source.LISTING)  # sources that show the call as it is now
# Ours, where no evidence came; a real end brings its own.
REASONS_WITHOUT_EVIDENCE = ("status_expired", "poll_deadline", ENDED_BY_STAFF)
VAGUE_REASONS = ("other", "failure_unspecified")
KNOWN_ANSWERERS = ("machine", "human")
RESULT_STATUSES = ("", "pending", "failed", "completed")  # from the least to the most that is known
LONGEST_RESULT_TEXT = 20_000
NAMES = {  # in sentences, where the column's own name would not do
    "cost_price": "price",
    "cost_currency": "currency",
    "duration_seconds": "duration",
    "billed_duration_seconds": "billed duration",
    "started_at": "time of the ringing",
    "answered_at": "time of the answer",
    "ended_at": "time of the end",
    "ended_reason": "end reason",
    "provider_call_id": "provider's ID",
}


class Wins(enum.Enum):
    """Which of several values of one field is the fact."""

    FURTHEST = (
        "The status further along; back only while a provider that dials again says so. "
        "The first end stays, but a real end replaces `expired` and `unknown`."
    )
    WITH_STATUS = "The word that gave the status."
    FIRST = "The first value stays."
    END = "The end's value replaces an earlier one; a known word replaces an unknown one. Then the first stays."
    SPECIFIC = "The more specific: `other` gives way to a word, and on a completed call every word to `voicemail`."
    FULLER = "The fuller one. An empty or pending one is provisional. Of two different final ones the first stays."
    FURTHER = "The one that says more: `pending`, then `failed`, then `completed`."
    SETTLED = "The first. A later read of a settled call replaces it, as does a settled one an unsettled one."


class From(enum.Enum):
    """Which readings can give the field."""

    ANY = "every reading of this call"
    ENDS = "readings of an end"


class Until(enum.Enum):
    """How long the field can change."""

    KNOWN = "until it is known"
    END = "until the first real end"
    ALWAYS = "also after the end, unless the reading tells of another end"
    EVEN_OTHER_END = "also after the end, and from a reading of another end"


class Check(enum.Enum):
    """What a value has to meet to be believed."""

    NONE = ""
    SAME_CALL = "another ID or another number means another call"
    TIME = "between our dial and our reading, give or take 60 s; in order with the others"
    DURATION = "fits the times and our clock, if need be as milliseconds; 0 of an unsettled call is not said yet"
    PRICE = "0 or more; 0 of an unsettled call is not said yet"


@dataclass(frozen=True)
class Rule:
    """How one field of a call is decided."""

    field: str
    wins: Wins
    source: From = From.ANY
    until: Until = Until.ALWAYS
    check: Check = Check.NONE
    length: int | None = None


RULES = (
    Rule("provider_call_id", Wins.FIRST, until=Until.KNOWN, check=Check.SAME_CALL, length=200),
    Rule("status", Wins.FURTHEST, until=Until.END),
    Rule("provider_status", Wins.WITH_STATUS, until=Until.END, length=100),
    Rule("started_at", Wins.FIRST, check=Check.TIME),
    Rule("answered_at", Wins.FIRST, check=Check.TIME),
    Rule("ended_at", Wins.FIRST, From.ENDS, check=Check.TIME),
    Rule("duration_seconds", Wins.FIRST, From.ENDS, check=Check.DURATION),
    Rule("billed_duration_seconds", Wins.FIRST, From.ENDS, check=Check.DURATION),
    Rule("cost_price", Wins.SETTLED, until=Until.EVEN_OTHER_END, check=Check.PRICE),
    Rule("ended_reason", Wins.SPECIFIC, From.ENDS, length=200),
    Rule("provider_reason", Wins.FIRST, From.ENDS, length=500),
    Rule("answered_by", Wins.END, length=64),
    Rule("error_code", Wins.FIRST, length=100),
    Rule("error_message", Wins.FIRST, length=500),
    Rule("result", Wins.FULLER),
    Rule("result_text", Wins.FULLER, length=LONGEST_RESULT_TEXT),
    Rule("result_status", Wins.FURTHER, length=16),
)

_BEFORE_THE_END = tuple(rule for rule in RULES if rule.source is From.ANY)
_CHECKED = frozenset(rule.field for rule in RULES if rule.check in (Check.TIME, Check.DURATION, Check.PRICE))


@dataclass(frozen=True)
class Fold:
    """What one reading changes in a call, and what of it is not believed."""

    changes: Mapping[str, Any]  # field -> new value; may be empty
    conflicts: tuple[str, ...] = ()  # sentences: another end, another value than the one that stays, another call
    remarks: tuple[Remark, ...] = ()  # values read tolerantly, and values that are not believed
    foreign: bool = False  # whether the reading is about another call

    @property
    def status(self) -> str | None:
        """The new status, or None when the status does not change."""
        return self.changes.get("status")

    @property
    def fields(self) -> Mapping[str, Any]:
        """The changes of all other fields."""
        return {name: value for name, value in self.changes.items() if name != "status"}

    def without_id(self) -> Fold:
        """Return the fold without the provider's ID, which another call of the account has."""
        return replace(self, changes={n: value for n, value in self.changes.items() if n != "provider_call_id"})


def fold(call: Any, reading: Reading, now: datetime, source: str = CallEvent.Source.READ) -> Fold:
    """Return what a reading changes in a call (any object with the call's fields). `now`: when it was read."""
    if about := _another_call(call, reading):
        return Fold({}, (about,), foreign=True)
    found = believed(call, reading, now)
    return _Folding(call, reading, source, found).done()


def _another_call(call: Any, reading: Reading) -> str:
    """Return a sentence if the reading is about another call, or "". Our own reference in it proves a number wrong."""
    named = reading.provider_call_id
    if named and call.provider_call_id and not same_call(named, call.provider_call_id):
        return f"This is about another call of the provider: {named[:200]}."
    if reading.reference and reading.reference == call.reference:
        return ""
    # Some providers swap the two numbers.
    numbers = [number for number in (call.to_number, call.from_number) if number]
    if numbers and all(is_another_number(reading.to_number, number) for number in numbers):
        return "This is about a call to another number."
    return ""


class _Folding:
    """One fold: goes through `RULES` and collects changes and conflicts."""

    def __init__(self, call: Any, reading: Reading, source: str, found: Believed) -> None:
        self.call, self.reading, self.source, self.found = call, reading, source, found
        self.changes: dict[str, Any] = {}
        self.conflicts: list[str] = []
        self.status = STATUS_OF.get(reading.state)
        self.ends = self.status in TERMINAL
        self.ended = call.status in TERMINAL and call.status not in UNRESOLVED
        # While an ended call is read for more, what is known of it is provisional.
        self.settling = self.ended and call.next_read_at is not None
        self.other_end = self.ended and self.ends and self.status != call.status

    def done(self) -> Fold:
        if self.status is None:  # an unknown word of the provider allows no conclusion
            self._apply(RULES[0])
            return Fold(self.changes, remarks=self.reading.remarks)
        if self.other_end:
            said, was = Status(self.status).label, Status(self.call.status).label
            self.conflicts.append(f"The provider now says “{said}”; this call ended as “{was}”.")
        for rule in RULES if self.ends else _BEFORE_THE_END:
            if not self.other_end or rule.until is Until.EVEN_OTHER_END:
                self._apply(rule)
        if len(self.reading.result_text) > LONGEST_RESULT_TEXT:
            why = f"Kept up to {LONGEST_RESULT_TEXT:,} characters."
            self.found.tolerate("result_text", f"{len(self.reading.result_text):,} characters", why)
        remarks = *self.reading.remarks, *self.found.remarks
        return Fold(self.changes, tuple(self.conflicts), remarks)

    def _apply(self, rule: Rule) -> None:
        if rule.wins is Wins.FURTHEST:
            self._take_status()
        elif rule.wins is Wins.WITH_STATUS:
            if "status" in self.changes:
                self._set(rule, self.reading.provider_status)
        else:
            value = self._value(rule)
            if value is not None and value != "":
                _DECIDE[rule.wins](self, rule, value)

    def _value(self, rule: Rule) -> Any:
        """Return the reading's value of a field as far as it is believed, or None."""
        if rule.field in _CHECKED:
            value = self.found.values.get(rule.field)
            said_yet = (self.ends and self.reading.has_final_amounts) or rule.check is Check.TIME or value
            return value if said_yet else None
        value = getattr(self.reading, rule.field)
        return storable(value)[: rule.length] if value and isinstance(value, str) else value

    def _set(self, rule: Rule, value: Any) -> None:
        self.changes[rule.field] = storable(value)[: rule.length] if isinstance(value, str) else value

    def _take_status(self) -> None:
        if self.status is None or not self._supersedes(self.status):
            return
        self.changes["status"] = self.status
        if self.call.status in UNRESOLVED and self.call.ended_reason in REASONS_WITHOUT_EVIDENCE:
            self.changes["ended_reason"] = ""

    def _supersedes(self, new: Status) -> bool:
        old = self.call.status
        if old in UNRESOLVED:
            return new in TERMINAL and new not in UNRESOLVED
        if old in TERMINAL:
            return False
        if self.reading.may_go_back and old in FOLLOWED and new in FOLLOWED:
            return bool(new != old)
        return bool(_RANK[new] > _RANK.get(Status(old), 0))

    def _conflict(self, rule: Rule, old: Any, new: Any) -> None:
        name = name_of(rule.field)
        self.conflicts.append(f"The provider now says another {name}: {_short(new)}. {_short(old)} stays.")

    # One method for each way to win. `value` is never empty.

    def _first(self, rule: Rule, value: Any) -> None:
        old = getattr(self.call, rule.field)
        ours = rule.field == "error_message" and self.call.status == Status.UNCONFIRMED  # why it was in doubt
        if old in (None, "") or ours:
            self._set(rule, value)
        elif rule.check is not Check.SAME_CALL and _differ(old, value):
            self._conflict(rule, old, value)

    def _end(self, rule: Rule, value: Any) -> None:
        old = getattr(self.call, rule.field)
        if old == value:
            return
        better = value in KNOWN_ANSWERERS and old not in KNOWN_ANSWERERS
        if not old or (self.ends and not self.ended) or better:
            self._set(rule, value)
        elif self.ends and value in KNOWN_ANSWERERS:
            self._conflict(rule, old, value)

    def _specific(self, rule: Rule, value: Any) -> None:
        old = self.changes.get(rule.field, self.call.ended_reason)
        status = self.changes.get("status", self.call.status)
        now, before = _specificity(value, status), _specificity(old, status)
        if now > before:
            self._set(rule, value)
        elif now == before > 1 and value != old:
            self._conflict(rule, old, value)

    def _fuller(self, rule: Rule, value: Any) -> None:
        old = getattr(self.call, rule.field)
        if old == value or _contains(old, value):
            return
        provisional = not self.ends or self.reading.result_status == "pending"
        replaceable = self._result_is_provisional()
        if old in (None, "") or _contains(value, old) or (replaceable and not provisional):
            self._set(rule, value)
            if rule.field == "result" and replaceable and not provisional and self.call.result_text:
                self.changes["result_text"] = ""  # it was provisional
        elif not provisional:
            self._conflict(rule, old, value)

    def _result_is_provisional(self) -> bool:
        """Return whether what is known of the result may still be replaced by something else."""
        before = self.call.result_status
        overcome = before == "failed" and self.reading.result_status == "completed"
        return not self.ended or before == "pending" or (before == "" and self.settling) or overcome

    def _further(self, rule: Rule, value: Any) -> None:
        if _informs(value) > _informs(getattr(self.call, rule.field)):
            self._set(rule, value)

    def _settled(self, rule: Rule, value: Any) -> None:
        old = Money.known(self.call.cost_price, self.call.cost_currency)
        if old == value:
            return
        provisional = self.settling or not self.ended
        replaces = self.reading.has_final_amounts and (self.source in FRESH or provisional)
        if old is None or replaces:
            self.changes |= {"cost_price": value.amount, "cost_currency": value.currency}
            if old is not None:
                self.conflicts.append(f"The provider changed the price from {_short(old)} to {_short(value)}.")
        else:
            self._conflict(rule, old, value)


_DECIDE = {
    Wins.FIRST: _Folding._first,
    Wins.END: _Folding._end,
    Wins.SPECIFIC: _Folding._specific,
    Wins.FULLER: _Folding._fuller,
    Wins.FURTHER: _Folding._further,
    Wins.SETTLED: _Folding._settled,
}


def _differ(old: Any, new: Any) -> bool:
    """Return whether two values of a field contradict each other. A little apart is the provider's rounding."""
    if isinstance(old, datetime):
        return bool(abs(new - old) > CLOCKS)
    if isinstance(old, int):
        return bool(abs(new - old) > ROUNDING / timedelta(seconds=1))
    return bool(old != new)


def _specificity(reason: str, status: str) -> int:
    """Return how much a reason says: nothing, that there was one, what the status says anyway, something, voicemail."""
    if not reason or reason in REASONS_WITHOUT_EVIDENCE:
        return 0
    if reason == "voicemail" and status == Status.COMPLETED:
        return 3
    return 1 if reason in (*VAGUE_REASONS, status) else 2


def _informs(result_status: str) -> int:
    """Return how much the status of a result says. An undocumented word is final, like `failed`."""
    return RESULT_STATUSES.index(result_status) if result_status in RESULT_STATUSES else 2


def _contains(more: Any, less: Any) -> bool:
    """Return whether one result says all that another says, where values are not empty."""
    if isinstance(more, Mapping) and isinstance(less, Mapping):
        return all(value in (None, "", [], {}) or more.get(name) == value for name, value in less.items())
    return isinstance(more, str) and isinstance(less, str) and more.startswith(less)


def name_of(field: str) -> str:
    """Return the name of a field in a sentence."""
    return NAMES.get(field) or field.replace("_", " ")


def _short(value: Any) -> str:
    text = exact(value) if isinstance(value, Money) else storable(str(value))
    return text if len(text) <= 200 else f"{text[:200]}…"
