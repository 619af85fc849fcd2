"""What a provider means by its words: an account's own table first, then the built-in one.

An adapter keeps the words as they came and knows the documented ones. Here the others get their meaning, before the
reading is folded into the call. Pure.

- A built-in word never changes the class of an outcome: it names the reason, or who answered. So a voicemail on a
  completed call stays `completed`, with the reason `voicemail`.
- A team member's own word may: a status that no document of the provider names, and `no_answer` or `busy` as the reason
  of a failure, which for some providers includes both.
- A reading that says both a person and a voicemail says neither. The person is then not called again as after a
  voicemail.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from providers.adapters.base import CallState, Reading, Remark
from providers.adapters.decoding import printable, storable
from providers.adapters.vocabulary import (
    ANSWERED_BY,
    BUILT_IN,
    HARMLESS,
    HUMAN,
    IGNORE,
    MACHINE,
    REASON,
    SPELLINGS,
    STATUS,
    VOICEMAIL,
)

LONGEST = 200  # characters of a word that are compared and kept
MOST = 200  # own words of an account
MOST_IN_A_SENTENCE = 12  # words
IGNORED = "Ignored: says nothing more"
# What each kind of word can mean, with the label on pages.
MEANINGS: Mapping[str, Mapping[str, str]] = {
    STATUS: {
        "queued": "Queued",
        "dialing": "Dialing",
        "ringing": "Ringing",
        "in_progress": "In progress",
        "completed": "Completed",
        VOICEMAIL: "Completed by a voicemail",
        "no_answer": "No answer",
        "busy": "Busy",
        "canceled": "Canceled",
        "failed": "Failed",
        "expired": "Outcome expired",
        IGNORE: IGNORED,
    },
    REASON: {
        VOICEMAIL: "A voicemail answered",
        "hangup_callee": "The contact hung up",
        "no_answer": "Nobody answered",
        "busy": "The line was busy",
        "queue_timeout": "Waited at the provider and never rang",
        "failed": "A failure",
        "other": "Another reason",
        IGNORE: IGNORED,
    },
    ANSWERED_BY: {MACHINE: "A machine or voicemail", HUMAN: "A person", IGNORE: IGNORED},
}
TITLES: Mapping[str, str] = {STATUS: "Status", REASON: "Reason", ANSWERED_BY: "Answered by"}

MACHINE_ENDS = frozenset({CallState.COMPLETED, CallState.NO_ANSWER, CallState.FAILED})
STATUS_FIELDS = ("state", "provider_status")
REASON_OF = {
    CallState.NO_ANSWER: "no_answer",
    CallState.BUSY: "busy",
    CallState.FAILED: "failure_unspecified",
}
# Reasons that an adapter reads from a documented word. The others come from the state as well.
FROM_A_WORD = frozenset({"hangup_callee", "queue_timeout", VOICEMAIL, "attempts_exhausted", "window_closed"})

_SPLIT = re.compile(r"[\W_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_UUID = re.compile(r"(?i)\b[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}\b")
_CODE = re.compile(r"(sip|cause|code)?([0-9]{1,3})")  # the code of a hang-up cause or of a SIP answer
_CODE_ALONE = re.compile("[0-9]{1,3}")
_CODED = frozenset({"sip", "cause", "code", "status", "response", "q850", "q931"})
_PHONE = re.compile(r"\+?[0-9][0-9\s().-]{5,}[0-9]")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")


@dataclass(frozen=True)
class UnknownWord:
    """A word of a provider without a meaning. `word` is as it was sent, without phone numbers, for people to read."""

    field: str
    word: str
    key: str


@dataclass(frozen=True)
class Interpreted:
    reading: Reading
    unknown: tuple[UnknownWord, ...] = ()


@lru_cache(maxsize=2048)
def key(word: str) -> str:
    """Return a word as a lookup key: case, separators and camel case do not count, and numbers and ids become 0.

    Only a short number that is the whole word, or follows a word such as "sip", stays: it is a code with a meaning.
    The key of a key is the key itself.
    """
    found, folded = word[:LONGEST], _folded(word[:LONGEST])
    while found != folded:
        found, folded = folded, _folded(folded)
    return found


def _folded(word: str) -> str:
    if _CODE_ALONE.fullmatch(word.strip()):
        return word.strip()
    parts: list[str] = []
    for token in _SPLIT.split(_UUID.sub("0", unicodedata.normalize("NFKC", word))):
        parts.extend(part for part in _numberless(token, parts[-1:]) if part != "0" or parts[-1:] != ["0"])
    return "_".join(parts)[:LONGEST].strip("_") or "?"


def _numberless(token: str, before: list[str]) -> Iterator[str]:
    lower = token.casefold()
    code = _CODE.fullmatch(lower)
    if code and (code[1] or (before and before[0] in _CODED)):
        yield from filter(None, code.groups())
    elif any(char.isnumeric() for char in lower) and lower not in _CODED:
        yield "0"
    elif lower:
        yield from _SPLIT.split(_CAMEL.sub("_", token).casefold())


def shown(word: str) -> str:
    """Return a word for people to read: on one line, cut, and without phone numbers and e-mail addresses."""
    return _EMAIL.sub("@", _PHONE.sub("#", printable(storable(word[: 4 * LONGEST])))).strip()[:LONGEST]


@lru_cache(maxsize=2048)
def tells_of_voicemail(folded: str) -> bool:
    """Return whether a folded sentence tells of a voicemail and of nothing else."""
    parts = SPELLINGS.sub(VOICEMAIL, folded).split("_")
    return len(parts) <= MOST_IN_A_SENTENCE and VOICEMAIL in parts and set(parts) <= {VOICEMAIL, *HARMLESS}


def built_in(field: str, folded: str) -> str:
    """Return the built-in meaning of a folded word, or ""."""
    found = BUILT_IN[field].get(folded, "")
    return VOICEMAIL if not found and field == REASON and tells_of_voicemail(folded) else found


def interpret(reading: Reading, own: Mapping[str, Any], before: str = "") -> Interpreted:
    """Return the reading with the meaning of its words, and the words that have none.

    `own`: the account's table, {"status" | "reason" | "answered_by": {folded word: meaning}}. `before`: who answered
    according to earlier readings, "human", "machine" (also a voicemail) or anything else for not known.
    """
    known = reading.state is not CallState.UNRECOGNISED and not own.get(STATUS)
    if known and not reading.provider_reason and not reading.answered_by:
        return Interpreted(reading)  # most readings: a documented status and no other word
    said = _Said.of(reading, own, before)
    state = said.state()
    ended_reason = reading.ended_reason
    remarks: tuple[Remark, ...] = ()
    answered_by = {MACHINE: MACHINE, HUMAN: HUMAN, IGNORE: ""}.get(said.answered_by, reading.answered_by)
    if state.is_terminal:
        state, ended_reason, remarks = said.end(state)
        if any(remark.field == ANSWERED_BY for remark in remarks):
            answered_by = ""
        doubted = {remark.field for remark in reading.remarks if not remark.taken}
        remarks = tuple(remark for remark in remarks if remark.field not in doubted)  # one doubt of a field is enough
    unknown = tuple(said.unknown(state))
    as_it_was = (reading.state, reading.ended_reason, reading.answered_by)
    if as_it_was == (state, ended_reason, answered_by) and not remarks:
        return Interpreted(reading, unknown)
    remarks = (*reading.remarks, *remarks)
    changed = replace(reading, state=state, ended_reason=ended_reason, answered_by=answered_by, remarks=remarks)
    return Interpreted(changed, unknown)


@dataclass(frozen=True)
class _Said:
    """The words of one reading with their meanings; "" is a word without one, or no word."""

    reading: Reading
    told: Mapping[str, str]  # the words by field
    own: Mapping[str, str]  # their own meanings by field
    before: str  # who answered according to earlier readings
    status: str
    reason: str
    answered_by: str

    @classmethod
    def of(cls, reading: Reading, own: Mapping[str, Any], before: str) -> _Said:
        told = {STATUS: reading.provider_status, REASON: reading.provider_reason, ANSWERED_BY: reading.answered_by}
        if any(not remark.taken and remark.field in STATUS_FIELDS for remark in reading.remarks):
            told[STATUS] = ""  # the status contradicts itself
        mine = {field: _own(own, field, word) for field, word in told.items()}
        known = {
            field: mine[field] or (built_in(field, key(word)) if word and field != STATUS else "")
            for field, word in told.items()
        }
        return cls(reading, told, mine, before, known[STATUS], known[REASON], known[ANSWERED_BY])

    def state(self) -> CallState:
        if self.status in ("", IGNORE):
            return self.reading.state
        state = CallState.COMPLETED if self.status == VOICEMAIL else CallState(self.status)
        # While the provider may dial again by itself, a word for an end may be about one of its attempts.
        return self.reading.state if state.is_terminal and self.reading.may_go_back else state

    def end(self, state: CallState) -> tuple[CallState, str, tuple[Remark, ...]]:
        """Return state, reason and doubts of a call that has ended."""
        reason = self._adapter_reason(state)
        voicemail = VOICEMAIL in (self.status, self.reason, reason) or self.answered_by == MACHINE
        if HUMAN in (self.answered_by, self.before) and (voicemail or self.before == MACHINE):
            return state, "other" if reason == VOICEMAIL else reason, self._contradiction()
        if voicemail:
            return self._voicemail(state, reason)
        if self.reason in ("no_answer", "busy"):
            return self._unanswered(state, reason)
        if self.reason == "hangup_callee" and state is CallState.COMPLETED:
            reason = "hangup_callee"
        elif self.reason == "queue_timeout" and state is not CallState.COMPLETED:
            reason = "queue_timeout"
        elif self.reason == "failed" and state is CallState.FAILED:
            reason = "provider_error"
        elif self.reason == "other":
            reason = reason or "other"
        return state, reason, ()

    def _adapter_reason(self, state: CallState) -> str:
        """Return the adapter's reason, unless the account gave its word another meaning. Then the state decides."""
        reason = self.reading.ended_reason
        by_answerer = reason == VOICEMAIL and self.own[ANSWERED_BY] in (HUMAN, IGNORE)
        by_reason = reason in FROM_A_WORD - {VOICEMAIL} and self.own[REASON]
        new_state = not reason and state is not self.reading.state
        return REASON_OF.get(state, "") if by_answerer or by_reason or new_state else reason

    def _voicemail(self, state: CallState, reason: str) -> tuple[CallState, str, tuple[Remark, ...]]:
        if state in MACHINE_ENDS or reason == VOICEMAIL:
            return state, VOICEMAIL, ()
        return state, reason, (self._doubt(f"A voicemail is named, but the call ended as {state.value}."),)

    def _unanswered(self, state: CallState, reason: str) -> tuple[CallState, str, tuple[Remark, ...]]:
        if state is CallState.COMPLETED:
            doubt = self._doubt(f"The reason means {self.reason}, but the call ended as completed.")
            return state, "other", (doubt,)
        if state is CallState.FAILED:
            return (CallState(self.reason) if self.own[REASON] else state), self.reason, ()
        return state, reason, ()

    def _contradiction(self) -> tuple[Remark, ...]:
        why = "The provider says both that a person answered and that a voicemail did. Nothing is concluded from it."
        said = shown(self.reading.answered_by)
        return (Remark(ANSWERED_BY, said, why, taken=False, field=ANSWERED_BY), self._doubt(why))

    def _doubt(self, why: str) -> Remark:
        said = shown(self.reading.provider_reason or self.reading.answered_by or self.reading.provider_status)
        return Remark(REASON, said, why, taken=False, field="ended_reason")

    def unknown(self, state: CallState) -> Iterator[UnknownWord]:
        """Yield the words without a meaning."""
        missing = []
        if not self.status and self.reading.state is CallState.UNRECOGNISED:
            missing.append(STATUS)
        # Plum Voice's only reason is its status.
        status = self.reading.provider_status
        same = bool(status) and key(self.told[REASON]) == key(status)
        if not self.reason and state.is_terminal and not same and self.reading.ended_reason not in FROM_A_WORD:
            missing.append(REASON)
        if not self.answered_by:
            missing.append(ANSWERED_BY)
        for field in missing:
            if word := self.told[field]:
                yield UnknownWord(field, shown(word), key(word))


def _own(own: Mapping[str, Any], field: str, word: str) -> str:
    table = own.get(field)
    found = table.get(key(word)) if word and isinstance(table, Mapping) else None
    return found if isinstance(found, str) and found in MEANINGS[field] else ""


def read_table(given: Any, documented: Collection[str] = ()) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Return a table of own words with folded keys, and its faults by dotted name.

    `documented`: the provider's documented statuses. Their meaning is fixed: a status that means an answered call must
    not become one after which the contact is called again.
    """
    if not isinstance(given, Mapping):
        return {}, {"": 'Give an object like {"reason": {"left message": "voicemail"}}.'}
    table: dict[str, dict[str, str]] = {}
    faults: dict[str, str] = {}
    fixed = {key(word).replace("_", "") for word in documented}
    for field, words in given.items():
        if field not in MEANINGS:
            faults[str(field)[:40]] = f"Use {', '.join(MEANINGS)}."
        elif not isinstance(words, Mapping):
            faults[field] = 'Give an object of words and meanings, like {"left message": "voicemail"}.'
        else:
            for word, meaning in words.items():
                if fault := _fault(field, word, meaning, table.get(field, {}), fixed):
                    faults[f"{field}.{str(word)[:40]}"] = fault
                else:
                    table.setdefault(field, {})[key(word)] = meaning
    if sum(map(len, table.values())) > MOST:
        faults[""] = f"Give at most {MOST} words."
    return table, faults


def _fault(field: str, word: Any, meaning: Any, before: Mapping[str, str], fixed: Collection[str]) -> str:
    """Return what is wrong with one own word, or ""."""
    if not isinstance(word, str) or not word.strip() or len(word) > LONGEST or storable(word) != word:
        return f"Write the word as the provider sends it, at most {LONGEST} characters."
    if not isinstance(meaning, str) or meaning not in MEANINGS[field]:
        return f"Choose one of {', '.join(MEANINGS[field])}."
    folded = key(word)
    if before.get(folded, meaning) != meaning:
        return f"“{folded}” has two meanings. Keep one: capitals, separators and numbers make no difference."
    if field == STATUS and folded.replace("_", "") in fixed:
        return "The provider documents this status, so its meaning is fixed."
    return ""
