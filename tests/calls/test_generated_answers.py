"""No manner of telling a field makes one outcome another, loses a value in silence or has anyone rung earlier.

The small run tells each field in each manner; the proof goes on with two and three fields at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from calls.models import Call, CallEvent, Polling
from calls.models.statuses import answered_by_voicemail
from calls.outcomes.folding import Fold, fold
from providers.adapters import registry, words
from providers.adapters.base import AccountConfig, Answer, CallHandle, CallState, Reading
from providers.adapters.errors import ProviderError
from tests.calls import generated_answers as generated
from tests.calls.generated_answers import CLEAR, DIALED, EMPTY, PROVIDERS, READ_AT, Told

CREDENTIALS = {"api_key": "k", "auth_token": "k", "email": "e", "developer_key": "k"}
OPEN = {CallState.QUEUED, CallState.DIALING, CallState.RINGING, CallState.IN_PROGRESS, CallState.UNRECOGNISED}
SKEW = timedelta(seconds=60)
# What a fold may set. Times of our own clock, attempts and numbers are not among them.
SETTABLE = {
    *("status", "provider_status", "provider_call_id", "provider_reason", "ended_reason", "answered_by"),
    *("started_at", "answered_at", "ended_at", "duration_seconds", "billed_duration_seconds"),
    *("error_code", "error_message", "result", "result_text", "result_status"),
    *("cost_price", "cost_currency", "doubts"),
}
SAYS_NOTHING = ("", "absent", "null", "empty text", "empty object", "empty list")
FIELD_OF = {
    "callDetails.startedAt": "answered_at", "callDetails.endedAt": "ended_at",
    "callDetails.duration": "duration_seconds", "call_details.duration": "duration_seconds",
    "started_at": "started_at", "answered_at": "answered_at", "ended_at": "ended_at",
    "duration_seconds": "duration_seconds", "billed_duration_seconds": "billed_duration_seconds",
    "billing_amount_milli_cents": "cost_price", "result": "result",
}  # fmt: skip


def placed_call(told: Told) -> Call:
    """Return a call as it stands after its placing, before anything was read."""
    return Call(
        status="placed",
        provider_call_id=told.documented.call_id,
        reference=generated.REFERENCE,
        to_number=generated.NUMBER,
        from_number="+14155550100",
        created_at=DIALED,
        dialed_at=DIALED,
        placed_at=DIALED,
        polling=Polling(next_read_at=READ_AT),
    )


def read(told: Told) -> tuple[Reading, Fold] | ProviderError:
    """Return what the adapter and the fold make of an answer."""
    each = told.documented
    adapter = registry.provider(each.provider, AccountConfig("http://127.0.0.1", CREDENTIALS, each.options))
    handle = CallHandle(each.call_id, reference=generated.REFERENCE, to_number=generated.NUMBER, placed_at=DIALED)
    try:
        reading = adapter.read_status(Answer(200, {"content-type": "application/json"}, told.body), handle, READ_AT)
    except ProviderError as error:
        return error
    reading = words.interpret(reading, {}).reading
    return reading, fold(placed_call(told), reading, READ_AT, CallEvent.Source.READ)


def faults(told: Told) -> Iterator[str]:
    """Return what is wrong with the reading of an answer, in words."""
    found = read(told)
    manners = dict(told.manners)
    kinds = {told.documented.kinds[path] for path in manners}
    if isinstance(found, ProviderError):
        if not kinds & {"status", "id", "object", "number"}:
            yield f"the answer was not read: {found}"
        return
    reading, folded = found
    yield from _outcome_faults(told, reading, folded, kinds)
    if unknown := set(folded.changes) - SETTABLE:
        yield f"the fold sets {unknown}"
    if not folded.foreign:
        yield from _fact_faults(told, reading, folded)


def _outcome_faults(told: Told, reading: Reading, folded: Fold, kinds: set[str]) -> Iterator[str]:
    meant = CallState(told.documented.state)
    # An answer that names two calls may be about the other one.
    unclear = "status" in kinds or any(manner == "two values" for _, manner in told.manners)
    if reading.state is not meant and not (unclear and reading.state in OPEN):
        yield f"{meant} became {reading.state}"
    reason, who = folded.changes.get("ended_reason", ""), folded.changes.get("answered_by", "")
    if reading.state is meant and meant not in OPEN and not folded.foreign:
        if answered_by_voicemail(who, reason) != told.documented.voicemail:
            yield f"voicemail: {reason!r} {who!r}"
        if folded.status is None:
            yield "the end was not taken"
    if folded.foreign and not kinds & {"id", "number"}:
        yield "a reading of this call is taken for one of another call"


def _fact_faults(told: Told, reading: Reading, folded: Fold) -> Iterator[str]:
    manners = dict(told.manners)
    spoken_of = bool(reading.remarks) or bool(folded.remarks) or bool(folded.conflicts)
    for path, name in FIELD_OF.items():
        meant, fact = told.documented.facts.get(name), folded.changes.get(name)
        manner, kind = manners.get(path, ""), told.documented.kinds.get(path, "")
        if path not in told.documented.kinds or meant is None:
            continue
        if name.endswith("_at") and fact and not DIALED - SKEW <= fact <= READ_AT + SKEW:
            yield f"{name} is {fact}"
        if name.endswith("_seconds") and fact and fact > (READ_AT - DIALED + SKEW).total_seconds():
            yield f"{name} is {fact}"
        if fact == meant or not folded.status:
            continue
        alone = len(manners) == 1
        if alone and manner in CLEAR.get(kind, ()):
            yield f"{name} is {fact!r} though {manner!r} leaves no doubt"
        elif not manner and alone and fact not in EMPTY:
            yield f"{name} is {fact!r}, and nobody touched it"
        elif fact in EMPTY and not spoken_of and manner not in SAYS_NOTHING:
            yield f"{name} is lost in silence ({manner})"


@pytest.mark.parametrize("count", [0, pytest.param(20_000, marks=pytest.mark.proof)])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_manner_of_telling(provider: str, count: int) -> None:
    wrong: Counter[str] = Counter()
    examples: dict[str, Told] = {}
    for told in generated.answers(provider, count, seed=1):
        for fault in faults(told):
            kind = f"{fault} [{', '.join(manner for _, manner in told.manners)}]"
            wrong[kind] += 1
            examples.setdefault(kind, told)
    report = [f"{n} x {kind}: {examples[kind]} {examples[kind].body!r}" for kind, n in wrong.most_common(40)]
    assert not report, f"{sum(wrong.values())} faults of {len(wrong)} kinds\n" + "\n".join(report)
