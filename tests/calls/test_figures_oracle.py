"""What pages, the API, files and events show of generated organizations, beside what their rows say by hand.

`tests/oracle/figures.py` counts by itself, in Python. The mark is no difference at all.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from calls.models import WebhookDelivery
from calls.reports.metrics import Figures
from calls.webhooks import outbox
from campaigns.models import Campaign
from tenants.models import ApiKey
from tests.calls.figures_world import World, make
from tests.conftest import ApiClient
from tests.oracle import figures as by_hand

Found = Iterator[tuple[str, Any, Any]]  # the figure, as it is shown, and as the rows have it
LABELS = {
    "completed": "Completed", "no_answer": "No answer", "busy": "Busy", "failed": "Failed", "canceled": "Canceled",
    "expired": "Outcome expired", "unknown": "Outcome unknown",
}  # fmt: skip
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def page(client: Client, name: str, *keys: int) -> Any:
    answer = client.get(reverse(f"admin:{name}", args=keys))
    assert answer.status_code == 200, name
    return answer.context


def close(shown: str, part: int, whole: int) -> bool:
    """Return whether a text such as “33.3 %” is this share."""
    return shown == "-" if not whole else abs(float(shown.removesuffix(" %")) - 100 * part / whole) <= 0.0501


def dashboard(world: World, client: Client) -> Found:
    shown, rows = page(client, "calls_call_today"), world.calls()
    expected = by_hand.today(rows, world.now, world.zone)
    yield "zone", shown["zone"], world.zone.key
    yield "ended", (shown["total"], shown["total_before"]), tuple(map(str, expected["ended"]))
    both = shown["answered"], shown["answered_before"]
    yield "answered", tuple((each.part, each.whole) for each in both), expected["answered"]
    yield "share", [close(s.text, *e) for s, e in zip(both, expected["answered"], strict=True)], [True, True]
    told = {row["label"]: (row["n"], row["before"]) for row in shown["outcomes"] if row.get("colour")}
    yield "statuses", told, {LABELS[name]: counts for name, counts in expected["statuses"].items()}
    if shown["hours"]:
        drawn = json.loads(shown["hours"]["data"])
        yield "hours", drawn["labels"], expected["hours"]
        columns = [list(column) for column in zip(*(each["data"] for each in drawn["datasets"]), strict=True)]
        yield "calls per hour", columns, expected["parts"]
    else:
        yield "calls per hour", 0, sum(map(sum, expected["parts"]))
    [account] = shown["accounts"]
    failed, ended = by_hand.last_hour(rows, world.now)
    late = sum(by_hand.overdue(call, world.now, 30) for call in rows)
    under_way = sum(call["status"] in by_hand.OPEN for call in rows)
    yield "account", (account["lines"], account["overdue"]), (f"{under_way - late} of 50", late)
    yield "last hour", (account["ended"], account["failed"].split(" (")[0]), (str(ended), str(failed) if ended else "-")


def overview(world: World, client: Client) -> Found:
    shown, rows = page(client, "calls_call_overview"), world.calls()
    live = {part["label"].lower().replace(" ", "_"): part["count"] for part in shown["live"]}
    names = {"placing": "being_placed"} | {name: name for name in ("queued", *by_hand.OPEN[1:])}
    yield "live", live, {shown_as: by_hand._of(rows, name) for name, shown_as in names.items()}
    yield "overdue", shown["overdue"], sum(by_hand.overdue(call, world.now, 30) for call in rows)
    for campaign, told in zip(world.campaigns, sorted(shown["campaigns"], key=lambda c: c["name"]), strict=True):
        part, whole = by_hand.recipients(world.recipients(campaign))["done"]
        expected = str(part), str(whole), part * 100 // whole
        yield campaign.name, (told["done"], told["total"], told["percent"]), expected


def caller_number(world: World, client: Client) -> Found:
    shown, dialed = page(client, "providers_phonenumber_panel", world.number.pk), world.calls(dialed_at__isnull=False)
    ages = [(world.now - call["dialed_at"]).total_seconds() for call in dialed]
    week = [call for call, age in zip(dialed, ages, strict=True) if age < 7 * 86400]
    reached, rang = by_hand.share(week, by_hand.reached)
    yield "calls in 24 hours", shown["today"], str(sum(age < 86400 for age in ages))
    share, _, of = shown["answered"].partition(" of ")
    yield "reached", (close(share, reached, rang), of), (True, str(rang) if rang else "")


def campaign_page(world: World, client: Client, campaign: Campaign) -> Found:
    shown, rows = page(client, "campaigns_campaign_panel", campaign.pk), world.calls(campaign=campaign)
    expected = by_hand.recipients(world.recipients(campaign))
    yield "recipients", {part["key"]: part["count"] for part in shown["bar"]}, expected["statuses"]
    yield "outcomes", {part["key"]: part["count"] for part in shown["outcomes"]}, expected["outcomes"]
    part, whole = expected["done"]
    yield "done", (shown["done"], shown["total"]), (str(part), whole)
    yield "attempts", shown["attempts"], str(expected["attempts"])
    yield "funnel", [step["count"] for step in shown["funnel"]], expected["funnel"]
    late = sum(by_hand.overdue(call, world.now, 30) for call in rows)
    under_way = sum(call["status"] in by_hand.OPEN for call in rows)
    yield "under way", (shown["open_calls"], shown["overdue"]), (under_way, late)


def charts(world: World, client: Client, campaign: Campaign) -> Found:
    shown, rows = page(client, "campaigns_campaign_figures", campaign.pk), world.calls(campaign=campaign)
    expected = by_hand.over_time(rows, world.zone)
    if over := shown["over_time"]:
        series = [part["label"] for part in over["legend"]]
        drawn = {label: dict(zip(series, values, strict=True)) for label, values in over["rows"]}
        yield "labels", list(drawn), list(expected)
        kept = {label: {name: n for name, n in counts.items() if n} for label, counts in expected.items()}
        yield "ends", {label: {k: v for k, v in counts.items() if v} for label, counts in drawn.items()}, kept
    else:
        yield "ends", {}, expected
    cells = {}
    if heat := shown["heat"]:
        for day, row in heat["rows"]:
            for hour, cell in zip(heat["hours"], row, strict=True):
                if cell["title"] != "No calls":
                    reached, _, rest = cell["title"].partition(" of ")
                    cells[WEEKDAYS.index(day), int(hour)] = (int(reached), int(rest.split(" ")[0]))
    yield "when contacts answer", cells, by_hand.by_hour_of_week(rows, world.zone)
    told = {row["number"]: (row["reached"], row["called"]) for row in shown["attempts"]}
    yield "answers by attempt", told, by_hand.by_attempt(rows)
    compared = {row["name"]: (row["reached"], row["recipients"], row["calls"]) for row in shown["comparison"]["rows"]}
    counts = by_hand.by_assistant(rows)
    assistants = {a.pk: a.name for a in world.account.assistants.all() if a.name.startswith(campaign.name)}
    yield "assistants", compared, {name: tuple(map(str, counts.get(pk, (0, 0, 0)))) for pk, name in assistants.items()}


def api(world: World, client: ApiClient, campaign: Campaign) -> Found:
    path, rows = f"/api/v1/campaigns/{campaign.uuid}", world.calls(campaign=campaign)
    expected = by_hand.recipients(world.recipients(campaign))
    late = sum(by_hand.overdue(call, world.now, 30) for call in rows)
    under_way = sum(call["status"] in by_hand.OPEN for call in rows)
    [listed] = [c for c in client.get("/api/v1/campaigns/").json()["results"] if c["id"] == str(campaign.uuid)]
    told = {"progress": client.get(f"{path}/progress/").json(), "the list": listed["progress"]}
    outbox.publish_campaign_status(campaign.pk)
    sent = WebhookDelivery.objects.filter(organization=world.organization, event="campaign.paused").latest("pk")
    told["the event"] = json.loads(sent.body)["data"]["progress"]
    for where, found in told.items():
        yield where, {name: n for name, n in found["recipients"].items() if n}, expected["statuses"]
        yield where, {name: n for name, n in found["outcomes"].items() if n}, expected["outcomes"]
        counts = found["attempts"], found["open_calls"], found["overdue_calls"]
        yield where, counts, (expected["attempts"], under_way, late)
    by_assistant, names = by_hand.by_assistant(rows), {str(a.uuid): a.pk for a in world.account.assistants.all()}
    for each in client.get(f"{path}/variants/").json()["variants"]:
        reached, people, calls = by_assistant.get(names[each["assistant"]], (0, 0, 0))
        yield "variants", (each["completed"], each["people"], each["calls"]), (reached, people, calls)
        yield "rate", each["rate"], round(reached / people, 4) if people else None


def files(world: World, client: ApiClient, campaign: Campaign) -> Found:
    path, rows = f"/api/v1/campaigns/{campaign.uuid}", world.calls(campaign=campaign)
    results, calls = (_rows(client.get(f"{path}/{name}.csv")) for name in ("results", "calls"))
    people = world.recipients(campaign)
    mine = {person["id"]: [call for call in rows if call["recipient_id"] == person["id"]] for person in people}
    deciding = {key: by_hand.deciding(found) for key, found in mine.items()}
    named = {str(person["uuid"]): _id(deciding[person["id"]]) for person in people}
    yield "results: decided by", {row["recipient"]: row["call"] for row in results}, named
    told = {row["id"]: row["deciding_call"] or "" for row in client.get(f"{path}/recipients/").json()["results"]}
    yield "recipients: decided by", told, named
    yield "calls: deciding", {row["call"] for row in calls if row["decides"] == "yes"}, set(named.values()) - {""}
    yield (
        "results: status",
        [(row["status"], row["outcome"]) for row in results],
        [(person["status"], person["outcome"]) for person in people],
    )
    for row, person in zip(results, people, strict=True):
        decided = deciding[person["id"]]
        yield "call's status", row["call_status"], decided["status"] if decided else ""
        yield "call's end", row["ended_at"], _text(decided and decided["ended_at"])
        others = [call for call in mine[person["id"]] if call is not decided]
        yield "calls", int(row["calls"]), len(mine[person["id"]])
        listed = [f"{call['attempt']} {call['status']} {call['uuid']}" for call in others]
        yield "other calls", row["other_calls"].split("; ") if others else row["other_calls"], listed or ""
    yield "calls in order", [row["call"] for row in calls], [str(call["uuid"]) for call in rows]
    moments = ("created_at", "dialed_at", "started_at", "ended_at")
    yield "times", [[row[n] for n in moments] for row in calls], [[_text(call[n]) for n in moments] for call in rows]


def _rows(answer: Any) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _id(call: Any) -> str:
    return str(call["uuid"]) if call else ""


def _text(moment: Any) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z" if moment else ""


# Money: the sums of each currency, of a campaign, of today and of a recipient, get a function here and a place below.
OF_ORGANIZATION: tuple[Callable[..., Found], ...] = (dashboard, overview, caller_number)
OF_CAMPAIGN: tuple[Callable[..., Found], ...] = (campaign_page, charts)
OVER_API: tuple[Callable[..., Found], ...] = (api, files)


def compared(world: World) -> Iterator[tuple[str, Any, Any]]:
    client = Client()
    client.force_login(world.user)
    _, key = ApiKey.issue(tenant=world.organization.tenant, organization=world.organization, name="k", scopes=["read"])
    program = ApiClient(key)
    for surface in OF_ORGANIZATION:
        yield from ((f"{surface.__name__}: {name}", *pair) for name, *pair in surface(world, client))
    for campaign in world.campaigns:
        for surface in OF_CAMPAIGN:
            yield from ((f"{surface.__name__}: {name}", *pair) for name, *pair in surface(world, client, campaign))
        for surface in OVER_API:
            yield from ((f"{surface.__name__}: {name}", *pair) for name, *pair in surface(world, program, campaign))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "seeds",
    [range(8), *(pytest.param(range(n, n + 20), marks=pytest.mark.proof) for n in range(0, 200, 20))],
    ids=lambda seeds: f"{seeds.start}-{seeds.stop - 1}",
)
def test_what_is_shown_is_what_the_rows_say(seeds: range) -> None:
    wrong, n, worlds = [], 0, []
    for seed in seeds:
        world = make(seed)
        worlds.append(world)
        with time_machine.travel(world.now, tick=False):
            for name, shown, expected in compared(world):
                n += 1
                if shown != expected:
                    wrong.append(f"{seed} ({world.zone}, {world.now}) {name}: {shown} is shown, {expected} is right")
    everything = [call for world in worlds for call in world.calls()]
    [by_status] = [metric for metric in Figures().collect() if metric.name == "trunkline_calls_open"]
    told = {sample.labels["status"]: int(sample.value) for sample in by_status.samples}
    assert told == {name: by_hand._of(everything, name) for name in by_hand.OPEN}
    print(f"{n} figures of {len(seeds)} organizations, {len(wrong)} differences")  # noqa: T201
    assert not wrong, "\n".join(wrong[:20])
    assert n > len(seeds) * 100
