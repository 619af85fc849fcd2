"""Schemas of what came of campaigns: the figures of their results, and two campaigns compared."""

from __future__ import annotations

from campaigns.rules.result_fields import Kind
from config.openapi.shapes import COUNT, ID, MONEYS, SHARE, WORD, Schema, listed, maybe, obj

NUMBER: Schema = {"type": "number"}
RESULT_KIND: Schema = {"type": "string", "enum": [kind.value for kind in Kind], "description": "How values are shown."}
SAMPLE_EVERY: Schema = {"type": "integer", "minimum": 1, "description": "One recipient in how many was read; 1: all."}
OF_VALUES = {"values": COUNT, "share": maybe(SHARE)}
RESULTS_SUMMARY: Schema = obj(
    sample_every=SAMPLE_EVERY,
    decided=COUNT,
    results=COUNT,
    results_too_long=COUNT,
    further_fields=COUNT,
    fields=listed(
        obj(
            name=WORD,
            title=WORD,
            kind=RESULT_KIND,
            values=COUNT,
            answers=listed(obj(value=WORD, **OF_VALUES)),
            spread=maybe(
                obj(
                    median=NUMBER,
                    quartiles={**listed(NUMBER), "minItems": 2, "maxItems": 2},
                    least=NUMBER,
                    most=NUMBER,
                    bars=listed(obj(**{"from": maybe(NUMBER), "to": maybe(NUMBER), **OF_VALUES})),
                )
            ),
            other=COUNT,
        )
    ),
)
RATED: Schema = obj(part=COUNT, whole=COUNT, rate=maybe(SHARE), rate_low=SHARE, rate_high=SHARE)
POINTS: Schema = {"type": "number", "minimum": -1, "maximum": 1}
DIFFERENCE: Schema = maybe(obj(by=POINTS, low=POINTS, high=POINTS))


def of_both(schema: Schema) -> Schema:
    return obj(a=schema, b=schema)


CAMPAIGN_COMPARISON: Schema = obj(
    campaigns=of_both(obj(id=ID, name=WORD, sample_every=SAMPLE_EVERY)),
    shares=listed(
        obj(
            figure={"type": "string", "enum": ["called", "answered", "reached", "opted_out"]},
            of={"type": "string", "enum": ["may_be_called", "called", "decided"]},
            a=RATED,
            b=RATED,
            difference=DIFFERENCE,
        )
    ),
    recipients=of_both(COUNT),
    attempts=of_both(COUNT),
    attempts_per_recipient_called=of_both(maybe(NUMBER)),
    median_duration_seconds=of_both(maybe(NUMBER)),
    cost_by_currency=of_both(MONEYS),
    fields=listed(
        obj(
            name=WORD,
            title=WORD,
            kind=RESULT_KIND,
            values=of_both(COUNT),
            median=of_both(maybe(NUMBER)),
            answers=listed(obj(value=WORD, a=RATED, b=RATED, difference=DIFFERENCE)),
        )
    ),
)
SCHEMAS: dict[str, Schema] = {"CampaignComparison": CAMPAIGN_COMPARISON, "ResultsSummary": RESULTS_SUMMARY}
