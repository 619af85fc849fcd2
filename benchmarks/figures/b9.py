"""B9: a campaign's forecast, against one pass of the gate over the same recipients. Processor time."""

from __future__ import annotations

import sys

from benchmarks import forecast
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B9", "forecast of a campaign", "one pass of the gate over its recipients", 3, 1.5, "CPU s", less=True)


def measure(setting: Setting) -> Found:
    setting.database()
    people = setting.size(100_000, least=500)
    campaign = forecast.a_campaign(people)
    found = alternate(
        setting.rounds,
        lambda: forecast.a_forecast(campaign)[1],
        lambda: forecast.timed(lambda: forecast.one_pass(campaign))[1],
    )
    found.notes["recipients"] = people
    return found


if __name__ == "__main__":
    sys.exit(main(MARK, measure))
