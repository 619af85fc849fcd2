"""Names in the environment that are no settings, but look like one: a misspelt setting would have no effect."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

OWN = "TRUNKLINE_"
# Read by the program itself or by its libraries; not for operators, or described where they matter.
KNOWN_BESIDES = frozenset({"TRUNKLINE_FAILPOINT", "Q_CLUSTER_NAME", "PROMETHEUS_MULTIPROC_DIR", "SESSION_MANAGER"})
# Variables that Kubernetes and Docker set for every service, such as API_SERVICE_HOST and DATABASE_PORT_5432_TCP.
_OF_A_SERVICE = re.compile(r"_SERVICE_(HOST|PORT)(_\w+)?$|_PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?$")
_PREFIXES_OF_OTHERS = (OWN, "DJANGO_", "APP_")
MOST_MISTAKES = 2


def misspelt(names: Collection[str], settings: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each name that is no setting but close to one, with the nearest setting."""
    for name in sorted(names):
        if name in settings or name in KNOWN_BESIDES or _OF_A_SERVICE.search(name):
            continue
        bare = _bare(name)
        near = name.startswith(OWN) or _begins_as_ours(name, settings)
        if near or any(_close(bare, _bare(known)) for known in settings):
            nearest = min(settings, key=lambda known: (distance(bare, _bare(known)), known))
            yield f"{name} is no setting of Trunkline and has no effect. The nearest is {nearest}."


def _bare(name: str) -> str:
    """Return a name without what people add or change: another program's prefix, case, underscores."""
    name = name.upper()
    for prefix in _PREFIXES_OF_OTHERS:
        name = name.removeprefix(prefix)
    return re.sub(r"[^A-Z0-9]", "", name)


def _close(one: str, known: str) -> bool:
    allowed = min(MOST_MISTAKES, len(known) // 4)
    return abs(len(one) - len(known)) <= allowed and distance(one, known) <= allowed


def _begins_as_ours(name: str, settings: Collection[str]) -> bool:
    """Return whether the name begins with the first word of a setting that has several."""
    return any(name.startswith(known.partition("_")[0] + "_") for known in settings if "_" in known)


def distance(one: str, other: str) -> int:
    """Return how many letters must be added, removed, replaced or swapped with the next."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        before, above, row = row, before, [place]
        for at, wanted in enumerate(other, 1):
            best = min(before[at] + 1, row[at - 1] + 1, before[at - 1] + (letter != wanted))
            if place > 1 and at > 1 and letter == other[at - 2] and one[place - 2] == wanted:
                best = min(best, above[at - 2] + 1)
            row.append(best)
    return row[-1]
