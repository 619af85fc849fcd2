"""Manners: the forms in which real providers tell what happened to a call, other than their pages say.

A fault loses an answer; a manner keeps its meaning, or makes one field of it doubtful. `CATALOGUE` has them all.
A draw depends only on the seed, the call and the answer, so a run can be repeated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from providers.sandbox import draws

EVERY = ("allomia", "polyai", "plumvoice", "callingbox")
UUIDS = ("allomia", "polyai", "callingbox")  # whose IDs are UUIDs
DURATIONS = ("allomia", "plumvoice", "callingbox")
BOX = ("callingbox",)
PUSHING = ("allomia", "callingbox")


@dataclass(frozen=True)
class Manner:
    name: str
    kind: str  # what is worded so; an answer has at most one manner of each kind
    providers: tuple[str, ...]
    stays: bool = False  # drawn once for a call, else for each answer
    only_if_named: bool = False  # not among those that are told by default


def _of(kind: str, providers: tuple[str, ...], *names: str, stays: bool = False) -> list[Manner]:
    return [Manner(name, kind, providers, stays) for name in names]


CATALOGUE: tuple[Manner, ...] = (
    *_of("id", UUIDS, "id in capitals", "id in braces", "id with a prefix"),
    *_of("id", ("polyai",), "id without its prefix"),
    *_of("id", ("plumvoice",), "id as a number"),
    *_of("issued id", ("plumvoice",), "id beyond 64 bits", stays=True),
    Manner("reused id", "issued id", EVERY, stays=True, only_if_named=True),
    *_of("times", EVERY, "local time four hours behind", "local time eight hours ahead", "epoch milliseconds"),
    *_of("times", UUIDS, "epoch seconds", "mail date"),
    *_of("times", EVERY, "end before start", "year 1999"),
    *_of("duration", DURATIONS, "duration in milliseconds", "duration as a clock", "duration as text"),
    *_of("duration", DURATIONS, "absurd duration", "duration NaN", "duration twice"),
    *_of("bill", BOX, "reserved at zero", "hold as amount", "price settled late", "free call", stays=True),
    *_of("price", BOX, "price as text"),
    *_of("status", EVERY, "status in capitals", "status in blanks", "status with other separators"),
    *_of("word", EVERY, "unknown word before the end"),
    *_of("voicemail", ("allomia", "polyai"), "voicemail as reason", stays=True),
    *_of("voicemail", UUIDS, "voicemail as machine_end_beep", "voicemail as Answering Machine", stays=True),
    *_of("result", BOX, "result as JSON text", "result encoded twice", "result as a list", stays=True),
    *_of("result", BOX, "result as a sentence", "result names respelled", "result values as text", stays=True),
    *_of("result", BOX, "empty result first", "empty result first, completed", stays=True),
    *_of("result", BOX, "result after the webhook", stays=True),
    *_of("wire", EVERY, "NaN beside", "Infinity beside", "name twice", "name twice with another value"),
    *_of("wire", EVERY, "byte order mark", "gzip", "gzip without its header", "trailing garbage"),
    *_of("size", EVERY, "extra fields", "long transcript"),
    *_of("shape", EVERY, "names in another case", "answer in data"),
    *_of("number", BOX, "number without +", "number formatted"),
    *_of("context", BOX, "context as JSON text"),
    *_of("rows", BOX, "broken rows beside", "long list"),
    *_of("callback", PUSHING, "callback of 70 KB"),
    *_of("callback", BOX, "signature in capitals"),
)
NAMES = tuple(manner.name for manner in CATALOGUE)
BY_DEFAULT = tuple(manner.name for manner in CATALOGUE if not manner.only_if_named)


def of_call(rate: float, enabled: Collection[str], seed: int, provider: str, *key: object) -> frozenset[str]:
    """Return the manners that stay with a call. `rate`: the share of calls that have one of a kind."""
    return _drawn(rate, enabled, (manner for manner in CATALOGUE if manner.stays), seed, provider, *key)


def of_answer(rate: float, enabled: Collection[str], seed: int, provider: str, *key: object) -> frozenset[str]:
    """Return the manners of one answer. `rate`: the share of answers that have one of a kind."""
    return _drawn(rate, enabled, (manner for manner in CATALOGUE if not manner.stays), seed, provider, *key)


def _drawn(
    rate: float, enabled: Collection[str], among: Iterable[Manner], seed: int, provider: str, *key: object
) -> frozenset[str]:
    if rate <= 0:
        return frozenset()
    kinds: dict[str, list[str]] = {}
    for manner in among:
        if manner.name in enabled and provider in manner.providers:
            kinds.setdefault(manner.kind, []).append(manner.name)
    return frozenset(
        draws.pick(names, seed, "which", kind, provider, *key)
        for kind, names in kinds.items()
        if draws.fraction(seed, "manner", kind, provider, *key) < rate
    )
