"""B8: every page and API list at a million calls and contacts, against the same at 10,000.

The ratio is that of the page at the 95th percentile of all pages' ratios.
"""

from __future__ import annotations

import os
import statistics
import sys

import django

from benchmarks import pages
from benchmarks.shared import database
from benchmarks.shared.figure import Found, Mark, Setting, main

MARK = Mark("B8", "pages and API lists with many rows", "the same with 10,000", 2, 1.2, "ms", less=True)
FEW = 10_000
WORST = 6  # named


def measure(setting: Setting) -> Found:
    os.environ |= database.environment(setting.server.url, DEBUG="true")
    django.setup()
    many = setting.size(1_000_000, least=2_000)
    small, big = (
        {page.name: page for page in pages.in_a_database(count, count, setting.rounds, "")}
        for count in (min(FEW, many // 2), many)
    )
    both = sorted(small.keys() & big.keys(), key=lambda name: big[name].median / small[name].median)
    found = Found([big[name].median for name in both], [small[name].median for name in both], quantile=0.95)
    ratios = found.ratios
    found.notes = {
        "rows": many,
        "addresses": len(both),
        "median ratio": statistics.median(ratios),
        "over twice the time": sum(ratio > MARK.good for ratio in ratios),
        "over 150 ms": sum(page.median > 150 for page in big.values()),
        "worst": {name: round(big[name].median / small[name].median, 1) for name in both[-WORST:]},
    }
    return found


if __name__ == "__main__":
    sys.exit(main(MARK, measure))
