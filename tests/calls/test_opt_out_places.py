"""An opt-out is heard wherever in a structured result it stands, in the forms that public reports show."""

from __future__ import annotations

from typing import Any

from calls.outcomes.opt_out_matching import matching_rule
from providers.adapters.base import CallState, Reading

RULE = {"field": "result.opt_out", "equals": "true"}


def is_heard(result: Any, rule: dict[str, str] = RULE) -> bool:
    return matching_rule([rule], Reading(CallState.COMPLETED, result=result)) is not None


# How providers wrap one extracted value: alone, with its reason or score, in capitals, in a list.
FORMS = (
    lambda value: value,
    lambda value: {"value": value, "rationale": "It was discussed."},
    lambda value: {"Result": value, "Explanation": "It was discussed."},
    lambda value: {"answer": value, "confidence": 0.9},
    lambda value: {"rationale": "It was discussed.", "value": value},
    lambda value: [{"value": value, "json_schema": {"type": "boolean"}}],
)
# Where the extracted values stand: beside a summary, in lists, as rows with a name and a value, by recipient, as text.
PLACES = (
    lambda value: {"opt_out": value},
    lambda value: {"summary": "s", "in_voicemail": False, "custom_analysis_data": {"optOut": value, "slot": "10:00"}},
    lambda value: {"success": "true", "data_collection_results": {"opt_out": value}, "evaluation": {"polite": "yes"}},
    lambda value: {"results": [{"data_collection_id": "opt_out", "value": value}, {"data_collection_id": "x"}], "n": 1},
    lambda value: {"fields": [{"name": "slot", "value": "10:00"}, {"name": "Opt out", "value": value}], "model": "m"},
    lambda value: {"recipients": [{"phone": "1", "structured_result": {"opt_out": value}}], "task_completed": True},
    lambda value: {"opt_out": None, "analysis": {"opt_out": value}},
    lambda value: {"fields": [{"value": value, "name": "opt_out"}], "n": 1},
    lambda value: {"Call_Analysis": {"opt_out": value, "Empathy": {"Result": "Yes"}}, "other": {"Result": "Yes"}},
)
YES = (True, "true", "Yes", "Yes, they asked for it.", "YES - never call again", "true (they said so)", 'Yes: "stop"')
NO = (False, "false", "No", "No, they said yes to the delivery.", "not asked, yes", "yesterday, they said", None, "")


def test_an_opt_out_is_heard_in_every_place_and_form() -> None:
    for place in PLACES:
        for form in FORMS:
            for value in YES:
                assert is_heard(place(form(value))), place(form(value))


def test_a_no_lists_nobody_in_any_place_and_form() -> None:
    for place in PLACES:
        for form in FORMS:
            for value in NO:
                assert not is_heard(place(form(value))), place(form(value))


def test_a_longer_path_is_followed_inside_an_analysis_too() -> None:
    rule = {"field": "result.wish.code", "equals": "stop"}
    for result in (
        {"analysis": {"wish": {"code": "stop"}, "slot": "x"}, "n": 1},
        {"rows": [{"name": "wish", "value": {"code": "Stop, please"}}], "n": 1},
    ):
        assert is_heard(result, rule), result
    assert not is_heard({"analysis": {"wish": {"code": "go on"}}, "n": 1}, rule)


def test_a_reason_may_follow_any_word_that_a_rule_asks_for() -> None:
    asks = {"false": "No, they declined.", "no": "no; declined", "do_not_call": "Do not call: they said so"}
    for equals, said in asks.items():
        assert is_heard({"consent": said}, {"field": "result.consent", "equals": equals}), said
    for equals, said in {"false": "Yes, no doubt", "do_not_call": "do not call back today, but tomorrow"}.items():
        assert not is_heard({"consent": said}, {"field": "result.consent", "equals": equals}), said


def test_what_the_documented_name_says_counts_before_what_is_inside_other_objects() -> None:
    assert not is_heard({"opt_out": False, "analysis": {"opt_out": True}})
    assert not is_heard({"opt_out": "no", "rows": [{"name": "opt_out", "value": True}]})


def test_a_result_that_is_deep_or_wide_is_searched_to_an_end() -> None:
    deep: Any = {"opt_out": True}
    for _ in range(60):
        deep = {"a": deep, "b": [deep]}
        if len(str(deep)) > 100_000:
            break
    is_heard(deep)
    is_heard({"a": [{"a": {"a": {}}}] * 2000}, {"field": "result.a.a.a.a.a", "equals": "true"})
