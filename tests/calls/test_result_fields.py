"""The fields of structured results: what they are read as, their figures, and how a team member chooses them.

The oracle counts from the rows in Python, with `statistics` and by hand. On both databases the figures are the same.
"""

from __future__ import annotations

import json
import random
import statistics
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from calls.models import Call
from calls.reports.figures import results as reading
from calls.reports.figures.results import results_of
from calls.reports.histogram import spread_of
from calls.reports.result_values import Tallies, as_answer, as_number, shown_as, values_of
from campaigns.models import Campaign, Recipient
from campaigns.rules.result_fields import Field, Kind, arranged, faults
from providers.models import Assistant, PhoneNumber
from tenants.models import AuditEntry
from tests.calls.test_api_calls import a_call
from tests.calls.test_results_csv import campaign, recipients, rows_of
from tests.conftest import ApiClient

__all__ = ["campaign"]  # a fixture
FEW_LANGUAGES = ("Français", "עברית", "<b>English</b>")


def tallied(*results: Any) -> Tallies:
    found = Tallies()
    for result in results:
        found.add(result)
    return found


def kind_of(*values: Any) -> Kind:
    return tallied(*({"f": value} for value in values)).by_name["f"].kind


# What a value says.


@pytest.mark.parametrize(
    ("value", "said"),
    [(True, True), (False, False), ("Yes", True), (" no ", False), ("TRUE", True), ("false", False), ("yes, but", None),
     (1, None), (0, None), ("", None), (None, None), ([True], None)],
)  # fmt: skip
def test_what_says_yes_or_no(value: Any, said: bool | None) -> None:
    assert as_answer(value) is said


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5.0), (-2.5, -2.5), ("8", 8.0), (" 3.25 ", 3.25), ("0", 0.0), ("0612345678", None), ("+5", None), 
     ("1e3", None), (True, None), (10**400, None), (float("inf"), None), (float("nan"), None), ("٣", None),
     ("12,5", None), (None, None)],
)  # fmt: skip
def test_what_is_a_number(value: Any, number: float | None) -> None:
    assert as_number(value) == number


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ((True, False, True), Kind.YES_NO),
        (("yes", "No", True), Kind.YES_NO),
        ((*["yes"] * 9, "later"), Kind.YES_NO),  # nine in ten are of the kind
        ((*["yes"] * 8, "later", "later"), Kind.CHOICE),
        ((1, 0, 1, 1), Kind.NUMBER),
        ((1, 2.5, "3"), Kind.NUMBER),
        (("a", "b", "a", "B"), Kind.CHOICE),
        (("a", "b", "c"), Kind.TEXT),  # each text once
        (tuple("abcdefghijklmn" * 2), Kind.TEXT),  # fourteen texts, of which the first twelve are too few
        (("x" * 61,) * 5, Kind.TEXT),
        (([1], {"a": {"b": 1}}), Kind.TEXT),
    ],
)
def test_the_kind_is_that_of_nine_in_ten_values(values: tuple[Any, ...], kind: Kind) -> None:
    assert kind_of(*values) is kind


def test_fields_are_read_to_two_levels() -> None:
    result = {"a": 1, "b": {"c": "x", "d": {"e": 5}, "n": None}, "l": [1], "empty": " ", "o": {}}
    assert values_of(result) == {"a": 1, "b.c": "x", "b.d": None, "l": None}
    assert values_of({"a.b": 1, "a": {"b": 2}}) == {"a.b": 2}, "one field for both, in the order of the keys"
    assert values_of(["a"]) == values_of("a") == values_of(None) == {}


HOSTILE: dict[str, Any] = {
    "k" * 10_000: 1, "": 2, " spaced ": 3, "two\nlines": 4, "\u202egnp": 5, "<script>x</script>": True, "שם": "x",
    **{f"z{n:05d}": n for n in range(10_000)},
}  # fmt: skip


def test_a_hostile_result_is_cut_off() -> None:
    found = values_of(HOSTILE)
    assert len(found) == 64
    assert all(0 < len(name) <= 100 and "\n" not in name and "\u202e" not in name for name in found)
    assert "<script>x</script>" in found
    many = tallied(*({f"n{turn:03d}-{n:02d}": n for n in range(64)} for turn in range(30)))
    assert len(many.names) == 1_000
    texts = tallied(*({"f": f"text {n}"} for n in range(500))).by_name["f"]
    assert len(texts.written) == 100 and texts.values == 500 and texts.kind is Kind.TEXT


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70) | st.lists(st.integers())
RESULTS = st.dictionaries(st.text(max_size=5), VALUES | st.dictionaries(st.text(max_size=3), VALUES), max_size=8)


@given(st.lists(RESULTS, max_size=12))
def test_the_parts_of_a_field_are_all_its_values(results: list[dict[str, Any]]) -> None:
    found = tallied(*results)
    for name in found.names:
        tally = found.by_name[name]
        assert tally.values == sum(name in values_of(result) for result in results)
        for kind in Kind:
            shown = shown_as(tally, kind)
            in_bars = sum(bar.share.part for bar in shown.spread.bars) if shown.spread else 0
            parts = sum(share.part for _, share in shown.parts)
            assert shown.other >= 0 and len(shown.parts) <= 12
            assert parts + in_bars + shown.other == (0 if kind is Kind.TEXT else tally.values)


# The spread of numbers.


@given(st.lists(st.floats(-1e14, 1e14) | st.integers(-50, 50).map(float), min_size=1, max_size=60))
def test_each_number_is_in_one_bar(numbers: list[float]) -> None:
    found = spread_of(numbers)
    assert found is not None and len(found.bars) <= 14
    assert found.median == statistics.median(numbers)
    assert found.least <= found.middle_low <= found.middle_high <= found.most
    for bar in found.bars:
        exact = [Decimal(repr(number)) for number in numbers]
        if bar.low is not None and bar.low == bar.high:
            counted = sum(number == bar.low for number in exact)
        else:
            low = Decimal("-Infinity") if bar.low is None else bar.low
            high = Decimal("Infinity") if bar.high is None else bar.high
            counted = sum(low <= number < high for number in exact)
        assert (bar.share.part, bar.share.whole) == (counted, len(numbers))
    assert sum(bar.share.part for bar in found.bars) == len(numbers)


def test_a_rating_has_a_bar_for_each_number_and_an_outlier_stretches_nothing() -> None:
    rating = spread_of([1, 5, 5, 3])
    assert rating and [(int(bar.low or 0), bar.share.part) for bar in rating.bars] == [
        (1, 1), (2, 0), (3, 1), (4, 0), (5, 2)
    ]  # fmt: skip
    amounts = spread_of([*range(200), 1_000_000])
    assert amounts and amounts.median == 100 and (amounts.middle_low, amounts.middle_high) == (50, 150)
    # The middle nine tenths are 10 to 190, so a bar is 50 wide.
    assert [bar.share.part for bar in amounts.bars] == [50, 50, 50, 50, 1]
    assert [bar.low for bar in amounts.bars] == [Decimal(edge) for edge in (0, 50, 100, 150, 200)]
    assert [bar.high for bar in amounts.bars] == [*map(Decimal, (50, 100, 150, 200)), None]


# What the database holds.


def filled(campaign: Campaign, assistant: Assistant, number: PhoneNumber, seed: int = 3) -> list[dict[str, Any]]:
    """Call forty recipients, some of them twice. Return their calls as rows, in the order of their creation."""
    dice = random.Random(seed)
    for person in recipients(campaign, 40, status="done", outcome="completed", attempts=1):
        for _ in range(dice.choice((0, 1, 1, 2))):
            said: Any = {
                "confirmed": dice.choice((True, False, "Yes", "no")),
                "language": dice.choice(FEW_LANGUAGES),
                "rating": dice.choice((1, 2, 3, 4, 5, "4", "don't know")) if dice.random() < 0.9 else None,
                "visit": {"day": dice.choice(("Mon", "Tue")), "minutes": round(dice.uniform(5, 90), 1)},
                "note": f"Ünique {dice.random()}",
            }
            status = dice.choice(("completed", "completed", "no_answer", "canceled"))
            a_call(
                assistant, number, person.contact.phone, campaign=campaign, recipient=person, status=status,
                duration_seconds=dice.choice((None, 30, 61, 95)), dialed_at=dice.choice((None, *[timezone.now()] * 3)),
                result=dice.choice((said, said, said, {}, None, ["a list"])),
            )  # fmt: skip
    rows: Any = Call.objects.filter(campaign=campaign).order_by("pk").values()
    return list(rows)


def deciding_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each recipient's deciding call by hand: the last one that was not canceled, else the last one."""
    by_person: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        if row["status"] != "canceled" or row["dialed_at"] is not None:
            by_person.setdefault(row["recipient_id"], []).append(row)
    return [([row for row in calls if row["status"] != "canceled"] or calls)[-1] for calls in by_person.values()]


@pytest.mark.django_db
def test_the_figures_are_those_of_the_deciding_calls(
    campaign: Campaign,
    assistant: Assistant,
    phone_number: PhoneNumber,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    rows = filled(campaign, assistant, phone_number)
    decided = deciding_of(rows)
    said = [row["result"] for row in decided if isinstance(row["result"], dict) and row["result"]]
    assert len(said) < len(decided) < len(rows), "the world has calls that do not count"
    with django_assert_num_queries(4):
        found = results_of(campaign)
    assert (found.every, found.decided, found.results, found.too_long) == (1, len(decided), len(said), 0)
    lasted = [
        row["duration_seconds"]
        for row in decided
        if row["status"] == "completed" and row["dialed_at"] and row["duration_seconds"] is not None
    ]
    assert lasted and (found.duration, found.durations) == (statistics.median(lasted), len(lasted))
    by_name = {each.field.name: each for each in found.fields}
    assert set(by_name) == {"confirmed", "language", "rating", "visit.day", "visit.minutes", "note"}
    kinds = {name: each.found for name, each in by_name.items()}
    assert kinds == {
        "confirmed": Kind.YES_NO, "language": Kind.CHOICE, "visit.day": Kind.CHOICE, "visit.minutes": Kind.NUMBER,
        "note": Kind.TEXT, "rating": kinds["rating"],
    }  # fmt: skip
    yes = sum(result["confirmed"] in (True, "Yes") for result in said)
    assert [(text, share.part) for text, share in by_name["confirmed"].shown.parts] == [
        ("yes", yes),
        ("no", len(said) - yes),
    ]
    languages = dict(by_name["language"].shown.parts)
    for language in FEW_LANGUAGES:
        assert languages[language].part == sum(result["language"] == language for result in said)
    minutes = [result["visit"]["minutes"] for result in said]
    spread = by_name["visit.minutes"].shown.spread
    assert spread and spread.median == statistics.median(minutes) and spread.most == max(minutes)
    assert by_name["rating"].shown.values == sum(result["rating"] is not None for result in said)


@pytest.mark.django_db
def test_a_long_result_is_counted_and_not_read(
    campaign: Campaign, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    results = [{"ok": True}, {"ok": True, "dump": "x" * reading.LONGEST_RESULT}, HOSTILE, {"ok": False, "שם": "<b>"}]
    for person, result in zip(recipients(campaign, 4, status="done", attempts=1), results, strict=True):
        a_call(assistant, phone_number, person.contact.phone, campaign=campaign, recipient=person, result=result)
    found = results_of(campaign)
    assert (found.decided, found.results, found.too_long) == (4, 2, 2)
    assert [(each.field.name, each.shown.values) for each in found.fields] == [("ok", 2), ("שם", 1)]


@pytest.mark.django_db
@pytest.mark.parametrize(("most", "every"), [(10, 3), (6, 5), (24, 1)])
def test_of_many_recipients_one_in_every_n_is_read(
    campaign: Campaign,
    assistant: Assistant,
    phone_number: PhoneNumber,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    every: int,
) -> None:
    """Of 24 who count, a quarter is one in four: the next prime is five."""
    people = recipients(campaign, 30, status="done", attempts=1)
    waiting = [person.pk for person in people[:6]]
    Recipient.objects.filter(pk__in=waiting).update(status="pending", attempts=0)
    for person in people[6:]:
        a_call(assistant, phone_number, person.contact.phone, campaign=campaign, recipient=person, result={"ok": True})
    monkeypatch.setattr(reading, "AT_MOST", most)
    found = results_of(campaign)
    read = [person for person in people[6:] if person.pk % every == 0]
    assert (found.every, found.decided, found.results) == (every, len(read), len(read))


# What a team member chooses.


def test_the_chosen_fields_come_first_and_others_follow() -> None:
    found = [f"f{n}" for n in range(40)]
    assert [field.column for field in arranged([], found)] == [True] * 5 + [False] * 27
    mine = [Field("gone", "Gone"), Field("f7", kind="text", shown=False)]
    shown = arranged(mine, found)
    assert shown[:3] == [*mine, Field("f0")] and len(shown) == 32
    assert not any(field.column for field in shown), "whoever chooses, chooses the columns too"


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ([Field(f"f{n}") for n in range(33)], "32 fields at most"),
        ([Field("a"), Field("a")], "listed twice"),
        ([Field("a\nb")], "not the name"),
        ([Field("x" * 101)], "not the name"),
        ([Field(f"f{n}", column=True) for n in range(9)], "8 columns at most"),
    ],
)
def test_what_cannot_be_chosen(fields: list[Field], fault: str) -> None:
    assert (fault in " ".join(faults(fields)) and not faults(fields[:1])) or len(fields) == 1


@pytest.mark.django_db
def test_a_program_chooses_fields_and_reads_the_summary(
    api: ApiClient, campaign: Campaign, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    filled(campaign, assistant, phone_number)
    Campaign.objects.update(status="finished")
    url = f"/api/v1/campaigns/{campaign.uuid}/result-fields/"
    before = api.get(url).json()
    assert {field["kind"] for field in before["fields"]} == {""}
    by_name = {field["name"]: field for field in before["fields"]}
    assert by_name["confirmed"]["found_kind"] == "yes_no" and by_name["confirmed"]["column"]
    sent = [
        {"name": "rating", "title": "Rating (1 to 5)", "kind": "number", "column": True},
        {"name": "note", "shown": False},
    ]
    answer = api.patch(url, {"fields": sent})
    assert answer.status_code == 200, answer.json()
    after = answer.json()["fields"]
    assert [field["name"] for field in after][:2] == ["rating", "note"] and len(after) == 6
    assert (after[0]["title"], after[0]["kind"], after[0]["column"]) == ("Rating (1 to 5)", "number", True)
    summary = api.get(f"/api/v1/campaigns/{campaign.uuid}/results-summary/").json()
    assert summary["fields"][0]["title"] == "Rating (1 to 5)"
    assert "note" not in {field["name"] for field in summary["fields"]}
    rating = summary["fields"][0]
    assert rating["values"] == rating["other"] + sum(bar["values"] for bar in rating["spread"]["bars"])
    assert AuditEntry.objects.get(action="campaign.result_fields").detail["fields"] == ["Rating (1 to 5)"]
    assert api.patch(url, {"fields": []}).json() == before, "an empty list shows what is found"


@pytest.mark.django_db
def test_fields_sent_back_as_they_were_read_change_nothing(
    api: ApiClient, campaign: Campaign, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    filled(campaign, assistant, phone_number)
    url = f"/api/v1/campaigns/{campaign.uuid}/result-fields/"
    read = api.get(url).json()
    assert api.patch(url, read).json() == read
    campaign.refresh_from_db()
    assert campaign.result_fields is None and not AuditEntry.objects.filter(action="campaign.result_fields").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"fields": [{"name": "a"}, {"name": "a"}]},
        {"fields": [{"name": ""}]},
        {"fields": [{"name": "a", "kind": "date"}]},
        {"fields": [{"name": "a", "color": "red"}]},
        {"fields": [{"name": "a", "shown": "yes"}]},
        {"fields": [{"name": "x" * 101}]},
        {"fields": "a"},
    ],
)
def test_a_wrong_choice_is_refused(api: ApiClient, campaign: Campaign, body: dict[str, Any]) -> None:
    answer = api.patch(f"/api/v1/campaigns/{campaign.uuid}/result-fields/", body)
    assert answer.status_code == 400 and json.dumps(answer.json()["details"])
    campaign.refresh_from_db()
    assert campaign.result_fields is None


@pytest.mark.django_db
def test_the_file_of_results_has_the_fields_after_all_other_columns(
    api: ApiClient, campaign: Campaign, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    filled(campaign, assistant, phone_number)
    campaign.result_fields = [vars(Field("visit.day")), vars(Field("note", shown=False)), vars(Field("confirmed"))]
    campaign.save()
    url = f"/api/v1/campaigns/{campaign.uuid}/results.csv"
    plain, wide = rows_of(api.get(url)), rows_of(api.get(url, {"results": "columns"}))
    names = ["visit.day", "confirmed", "language", "visit.minutes", "rating"]  # "rating" is sometimes null
    assert list(wide[0]) == [*plain[0], *(f"result.{name}" for name in names)]
    assert [{name: row[name] for name in plain[0]} for row in wide] == plain, "PostgreSQL writes the plain file itself"
    for row in wide:
        said = json.loads(row["result"]) if row["result"] else {}
        said = said if isinstance(said, dict) else {}
        found = {**said, **{f"visit.{name}": value for name, value in said.get("visit", {}).items()}}
        values = [found.get(name) for name in names]
        assert [row[f"result.{name}"] for name in names] == [
            "" if value is None else value if isinstance(value, str) else json.dumps(value) for value in values
        ]
    assert len({row["result.confirmed"] for row in wide}) == 5, "true, false, Yes, no and nothing"
    done = rows_of(api.get(url, {"results": "columns", "status": "pending"}))
    assert done == [] and api.get(url, {"results": "rows"}).status_code == 400
