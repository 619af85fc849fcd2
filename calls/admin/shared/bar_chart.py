"""Options and data of stacked bar charts for the bundled Chart.js."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

TICKS = "#7f8896"  # readable in both themes
OPTIONS = json.dumps(
    {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "index", "intersect": False},
        "plugins": {"legend": {"display": False}},
        "scales": {
            "x": {
                "stacked": True,
                "grid": {"display": False},
                "ticks": {"color": TICKS, "maxRotation": 0, "autoSkipPadding": 16},
            },
            "y": {"stacked": True, "grid": {}, "beginAtZero": True, "ticks": {"color": TICKS, "precision": 0}},
        },
    }
)


def data_of(labels: Sequence[str], series: Sequence[Mapping[str, Any]]) -> str:
    """Return the data as JSON. Each series has a `label`, a `colour` by name, and a value for each of the labels."""
    datasets = [
        {"label": each["label"], "data": each["values"], "backgroundColor": f"var(--tl-fill-{each['colour']})"}
        for each in series
    ]
    return json.dumps({"labels": labels, "datasets": datasets})
