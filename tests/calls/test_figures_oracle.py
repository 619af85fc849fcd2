"""What pages, the API, files and events show of generated organizations, beside what their rows say by hand.

`tests/oracle/figures.py` counts by itself, in Python. The mark is no difference at all.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import transaction
from django.test import Client
from django.urls import reverse

from calls.models import WebhookDelivery
from calls.reports.metrics import Figures
from calls.webhooks import outbox
from campaigns.models import Campaign
from tenants.models import ApiKey
from tests.calls.figures_world import World, make
from tests.conftest import ApiClient
from tests.oracle import amounts
from tests.oracle import figures as by_hand

Found = Iterator[tuple[str, Any, Any]]  # the figure, as it is shown, and as the rows have it
LABELS = {
    "completed": "Reached in person", "voicemail": "Voicemail", "no_answer": "No answer", "busy": "Busy",
    "failed": "Failed", "canceled": "Canceled", "expired": "Outcome expired", "unknown": "Outcome unknown",
}  # fmt: skip
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def page(client: Client, name: str, *keys: int, tab: str = "") -> Any:
    answer = client.get(reverse(f"admin:{name}", args=keys), {"tab": tab} if tab else None)
    assert answer.status_code == 200, name
    return answer.context


def close(shown: str, part: int, whole: int) -> bool:
    """Return whether a text such as “33.3 %” is this share."""
    if not whole or shown[0] in "<>":
        return shown == ("-" if not whole else "<0.1 %" if 0 < part / whole < 0.0005 else ">99.9 %")
    return abs(float(shown.removesuffix(" %")) - 100 * part / whole) <= 0.0501


def dashboard(world: World, client: Client) -> Found:
    shown, rows = page(client, "calls_call_today"), world.calls()
    expected = by_hand.today(rows, world.now, world.zone)
    yield "ended", (shown["total"], shown["total_before"]), tuple(map(str, expected["ended"]))
    both = shown["reached"], shown["reached_before"]
    yield "reached", tuple((each.part, each.whole) for each in both), expected["reached"]
    yield "share", [close(s.text, *e) for s, e in zip(both, expected["reached"], strict=True)], [True, True]
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
    yield (
        "last hour",
        (account["ended"], account["failed"].split(" (")[0]),
        (str(ended), f"{failed} of {ended}" if ended else "-"),
    )


def overview(world: World, client: Client) -> Found:
    shown, rows = page(client, "calls_call_overview"), world.calls()
    live = {part["label"].lower().replace(" ", "_"): part["count"] for part in shown["live"]}
    names = {"placing": "being_placed"} | {name: name for name in ("queued", *by_hand.OPEN[1:])}
    yield "live", live, {shown_as: by_hand._of(rows, name) for name, shown_as in names.items()}
    yield "overdue", shown["overdue"], sum(by_hand.overdue(call, world.now, 30) for call in rows)
    for campaign, told in zip(world.campaigns, sorted(shown["campaigns"], key=lambda c: c["name"]), strict=True):
        part, whole = by_hand.recipients(world.recipients(campaign))["done"]
        share = "<1 %" if 0 < part * 100 < whole else f"{part * 100 // whole} %"
        expected = str(part), str(whole), share
        yield campaign.name, (told["done"], told["total"], told["share"]), expected


def caller_number(world: World, client: Client) -> Found:
    shown, dialed = page(client, "providers_phonenumber_panel", world.number.pk), world.calls(dialed_at__isnull=False)
    ages = [(world.now - call["dialed_at"]).total_seconds() for call in dialed]
    week = [call for call, age in zip(dialed, ages, strict=True) if age < 7 * 86400]
    reached, rang = by_hand.share(week, by_hand.reached)
    yield "calls in 24 hours", shown["today"], str(sum(age < 86400 for age in ages))
    counts, _, share = shown["answered"].rpartition(" (")
    yield "reached", (close(share.rstrip(")"), reached, rang), counts), (True, f"{reached} of {rang}" if rang else "")


def campaign_page(world: World, client: Client, campaign: Campaign) -> Found:
    shown, rows = page(client, "campaigns_campaign_panel", campaign.pk), world.calls(campaign=campaign)
    expected = by_hand.recipients(world.recipients(campaign))
    yield "recipients", {part["key"]: part["count"] for part in shown["bar"]}, expected["statuses"]
    part, whole = expected["done"]
    yield "done", (shown["done"], shown["total"]), (str(part), whole)
    yield "attempts", shown["attempts"], str(expected["attempts"])
    late = sum(by_hand.overdue(call, world.now, 30) for call in rows)
    under_way = sum(call["status"] in by_hand.OPEN for call in rows)
    doubtful = by_hand._of(rows, "unconfirmed")
    yield "under way", shown["open_calls"], under_way
    attention = [part["text"] for part in shown["attention"] if "overdue" in part["text"] or "unconf" in part["text"]]
    told = [(doubtful, "unconfirmed"), (late, "overdue")]
    yield "attention", attention, [f"{n} {kind} call{'' if n == 1 else 's'}" for n, kind in told if n]
    answered, called = expected["funnel"][3], expected["funnel"][2]
    yield "answered", shown["answered"]["count"], str(answered)
    yield "share", close(shown["answered"]["share"].split(" of ")[0], answered, called) if called else True, True
    ended = page(client, "campaigns_campaign_change", campaign.pk, tab="results")
    yield "outcomes", {part["key"]: part["count"] for part in ended["outcomes"]}, expected["outcomes"]
    yield "funnel", [step["count"] for step in ended["funnel"]], expected["funnel"]


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
    for where, found in _progress(client, campaign, "paused").items():
        yield where, {name: n for name, n in found["recipients"].items() if n}, expected["statuses"]
        yield where, {name: n for name, n in found["outcomes"].items() if n}, expected["outcomes"]
        counts = found["attempts"], found["open_calls"], found["overdue_calls"]
        yield where, counts, (expected["attempts"], under_way, late)
    by_assistant, names = by_hand.by_assistant(rows), {str(a.uuid): a.pk for a in world.account.assistants.all()}
    for each in client.get(f"{path}/variants/").json()["variants"]:
        reached, people, calls = by_assistant.get(names[each["assistant"]], (0, 0, 0))
        yield "variants", (each["completed"], each["people"], each["calls"]), (reached, people, calls)
        yield "rate", each["rate"], round(reached / people, 4) if people else None


def _progress(client: ApiClient, campaign: Campaign, status: str) -> dict[str, Any]:
    """Return the campaign's progress from each place that tells it, with the event of a status."""
    [listed] = [c for c in client.get("/api/v1/campaigns/").json()["results"] if c["id"] == str(campaign.uuid)]
    told = {"progress": client.get(f"/api/v1/campaigns/{campaign.uuid}/progress/").json(), "list": listed["progress"]}
    with transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk).update(status=status)
        outbox.publish_campaign_status(campaign.pk)
        sent = WebhookDelivery.objects.filter(event=f"campaign.{status}").latest("pk")
        transaction.set_rollback(True)
    return told | {"event": json.loads(sent.body)["data"]["progress"]}


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


def of_budget(shown: Any) -> Any:
    return shown and tuple(shown[name] for name in ("used", "limit", "percent", "not_counted"))


def told_amounts(moneys: Any) -> amounts.ByCurrency:
    """Return amounts of the API by currency, in its order. It is that of the codes, and each is there once."""
    codes = [each["currency"] for each in moneys]
    assert codes == sorted(set(codes))
    return {each["currency"]: Decimal(each["amount"]) for each in moneys}


def told_amount(money: Any) -> Any:
    return money and (money["currency"], Decimal(money["amount"]))


def money_today(world: World, client: Client) -> Found:
    rows, own = world.calls(), world.account.price_per_minute_currency
    midnight, _ = by_hand.day_of(world.now, world.zone)
    lately = [c for c in rows if c["status"] in by_hand.ENDS and c["terminal_at"] and c["terminal_at"] >= midnight]
    shown = page(client, "calls_call_today")
    yield "spent", shown["spent"], amounts.written(amounts.spent(lately)) if lately else "Nothing"
    estimated = amounts.positive(amounts.estimated(lately))
    yield "estimated", shown["estimated"], amounts.written(estimated) if estimated else ""
    at_home, _ = by_hand.day_of(world.now, ZoneInfo(world.organization.timezone))
    used = amounts.counted([c for c in rows if c["dialed_at"] and c["dialed_at"] >= at_home], own)
    organization, account = world.organization, world.account
    organization.refresh_from_db()
    account.refresh_from_db()
    expected = amounts.budget(used, organization.daily_budget, organization.daily_budget_currency)
    yield "daily budget", [of_budget(each["budget"]) for each in shown["budgets"]], [expected] if expected else []
    found = page(client, "tenants_organization_panel", organization.pk)
    yield "the organization's", of_budget(found.get("budget")), expected
    found = page(client, "providers_provideraccount_panel", account.pk)
    dialed = any(call["dialed_at"] and call["dialed_at"] >= at_home for call in rows)
    yield "spent through the account", found["spent"], amounts.written(used) if dialed else "Nothing"
    yield "the account's", of_budget(found["budget"]), amounts.budget(used, account.daily_budget, own)


def money_of_campaign(world: World, client: Client, campaign: Campaign) -> Found:
    rows, own = world.calls(campaign=campaign), world.account.price_per_minute_currency
    campaign.refresh_from_db()
    spent, estimated = amounts.spent(rows), amounts.positive(amounts.estimated(rows))
    attempts = by_hand.recipients(world.recipients(campaign))["attempts"]
    written = amounts.written(spent) if spent or attempts else "Nothing"
    shown = page(client, "campaigns_campaign_panel", campaign.pk)
    yield "spent", shown["spent"], written
    yield "estimated", shown["estimated"], amounts.written(estimated) if estimated else ""
    expected = amounts.budget(amounts.counted(rows, own), campaign.budget, campaign.budget_currency)
    yield "budget", of_budget(shown["budget"]), expected
    listed = page(client, "campaigns_campaign_changelist")["cl"]
    yield "the list", [listed.model_admin.spent(row) for row in listed.result_list if row.pk == campaign.pk], [written]
    compared = page(client, "campaigns_campaign_figures", campaign.pk)["comparison"]["rows"]
    for each, assistant in _by_assistant(world, campaign, compared):
        calls = [call for call in rows if call["assistant_id"] == assistant.pk and by_hand.rang(call)]
        guess = " (estimate)" if amounts.positive(amounts.estimated(calls)) else ""
        yield "an assistant's", each["cost"], amounts.written(amounts.spent(calls)) + guess
        reached = by_hand.by_assistant(rows).get(assistant.pk, (0, 0, 0))[0]
        yield "for each", each["cost_each"], amounts.written(amounts.each(amounts.spent(calls), reached))


def _by_assistant(world: World, campaign: Campaign, rows: Any) -> list[tuple[Any, Any]]:
    named = {assistant.name: assistant for assistant in world.account.assistants.all()}
    assert len(rows) == 2, campaign.name
    return [(row, named[row["name"]]) for row in rows]


def money_over_api(world: World, client: ApiClient, campaign: Campaign) -> Found:
    path, rows = f"/api/v1/campaigns/{campaign.uuid}", world.calls(campaign=campaign)
    spent, limited, code = amounts.spent(rows), campaign.budget is not None, campaign.budget_currency
    used = amounts.counted(rows, world.account.price_per_minute_currency)
    for where, found in _progress(client, campaign, "finished").items():
        yield where, told_amounts(found["spent_by_currency"]), spent
        yield where, told_amount(found["spent"]), amounts.of_campaign(spent, code, limited=limited)
        others = amounts.beyond(used, code) if limited else {}
        yield where, told_amounts(found["budget_not_counted"]), others
    for each, assistant in _by_assistant(world, campaign, client.get(f"{path}/variants/").json()["variants"]):
        cost = amounts.spent(c for c in rows if c["assistant_id"] == assistant.pk and by_hand.rang(c))
        yield "variants", told_amounts(each["cost_by_currency"]), cost
        yield "variants", told_amount(each["cost"]), amounts.only(cost)
        per_person = amounts.only(amounts.each(cost, each["completed"]))
        yield "variants", told_amount(each["cost_per_completed"]), per_person
    for row, call in zip(_rows(client.get(f"{path}/calls.csv")), rows, strict=True):
        known = amounts.cost(call)
        expected = (known, call["cost_currency"]) if known is not None else (None, "")
        yield "calls.csv", (_number(row["cost"]), row["currency"]), expected
        guessed = call["cost_price"] is None and call["cost_estimate"] is not None
        yield "calls.csv", row["cost_is_estimate"], "yes" if guessed else "no"
    for row, person in zip(_rows(client.get(f"{path}/results.csv")), world.recipients(campaign), strict=True):
        listed = [each.partition(" ") for each in row["other_costs"].split("; ") if each]
        others = {code: Decimal(amount) for amount, _, code in listed}
        told = _number(row["cost"]), row["currency"], _number(row["cost_estimated"]), others
        mine = [call for call in rows if call["recipient_id"] == person["id"]]
        yield "results.csv", told, amounts.cells(mine)


def _number(cell: str) -> Decimal | None:
    return Decimal(cell) if cell else None


OF_ORGANIZATION: tuple[Callable[..., Found], ...] = (dashboard, overview, caller_number, money_today)
OF_CAMPAIGN: tuple[Callable[..., Found], ...] = (campaign_page, charts, money_of_campaign)
OVER_API: tuple[Callable[..., Found], ...] = (api, files, money_over_api)


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
    [
        range(3),
        pytest.param(range(3, 8), marks=pytest.mark.long),
        *(pytest.param(range(n, n + 20), marks=pytest.mark.proof) for n in range(0, 200, 20)),
    ],
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
