"""Every object that is read over the API can be sent back, and nothing changes: no row of any table."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.utils import timezone

from campaigns.models import CallingWindow, Campaign, CampaignVariant, ContactNumber, RetryRule
from tenants.models import Organization, StoredAnswer
from tests.conftest import ApiClient, an_account, an_assistant
from tests.sizes import one_in
from tests.tenants.test_api_isolation import OBJECTS, World, a_world

pytestmark = pytest.mark.django_db

KINDS = {name.removesuffix("-detail"): found for name, found in OBJECTS.items() if "patch" in found[2]}
HOSTILE = {
    "two lines": "Ada\nLovelace",
    "line ends of old systems": "Ada\r\nLovelace\rKing\x85Byron\u2028end",
    "a formula": '=HYPERLINK("http://example.org","x")',
    "a minus": "-1+1",
    "an apostrophe": "'0123",
    "a plus": "+33612345678",
    "zeros": "000",
    "one zero": "0",
    "emoji": "👩🏽‍🚀 \U0001f1eb\U0001f1f7",
    "right to left": "\u202eabc\u202c \u05e9\u05dc\u05d5\u05dd\u200f",
    "spaces around": "  \u00a0Ada\t ",
    "decomposed": "Ame\u0301lie",
    "control characters": "a\x01\x1f\x7fb",
    "markup": "<script>alert(1)</script>&amp;{{ contact.name }}",
    "words of programs": "null",
    "long": "x" * 10_000,
    "nothing": "",
}
DAYS_AWAY = timedelta(days=400)


def test_every_kind_that_can_be_changed_is_tried() -> None:
    assert set(KINDS) == {
        *("organization", "provider-account", "assistant", "phone-number", "contact", "contact-list", "do-not-call"),
        *("campaign", "campaign-result-fields", "api-key", "webhook-endpoint", "segment"),
    }


def everything() -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table, except when keys were used and which forms were sent.

    In plain SQL: building a query of each model takes ten times longer than running it.
    """
    found = {}
    with connection.cursor() as cursor:
        for table, key in TABLES:
            cursor.execute(f'SELECT * FROM "{table}" ORDER BY "{key}"')  # noqa: S608 - names of our own tables
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            found[table] = [{k: v for k, v in row.items() if k != "last_used_at"} for row in rows]
    return found


TABLES = [
    (model._meta.db_table, model._meta.pk.column)
    for model in apps.get_models(include_auto_created=True)
    if model._meta.managed and not model._meta.proxy and model._meta.pk and model is not StoredAnswer
]


def fill_texts(row: models.Model, text: str) -> None:
    """Store the text in every free text of the row, past all validation."""
    free = [
        column
        for column in row._meta.concrete_fields
        if isinstance(column, models.CharField | models.TextField)
        and not column.choices
        and not column.unique
        and column.name not in NOT_FREE
    ]
    type(row)._default_manager.filter(pk=row.pk).update(
        **{column.name: text[: column.max_length] for column in free if text or column.blank}
    )


# Texts that other rows or the program refer to.
NOT_FREE = {"phone", "phone_hash", "e164", "url", "base_url", "prefix", "digest", "hook_token", "timezone"}
NOT_FREE |= {"default_region", "price_per_minute_currency", "budget_currency", "daily_budget_currency", "provider"}
NOT_FREE |= {
    "blocked_code",
    "webhook_secret",
    "old_webhook_secret",
    "secret",
    "old_secret",
    "credentials",
    "inputs_digest",
}


def whole_world(home: Organization, text: str, **obsolete: Any) -> World:
    """Return a world whose objects have a value in every field that the API can change.

    `obsolete`: options that no provider has any more.
    """
    world = a_world(home)
    soon = timezone.now() + timedelta(days=30, microseconds=123)
    past = timezone.now() - DAYS_AWAY
    change(home, allowed_countries=["FR", "US"], min_gap_minutes=0, max_attempts_per_day=1)
    change(home, daily_budget=Decimal("0.1000"), daily_budget_currency="EUR", is_active=True)
    change(
        world.account,
        options={"organization_id": text or "0"} | obsolete,
        calls_per_second=Decimal("0.001"),
        price_per_minute=Decimal("0.120000"),
        price_per_minute_currency="EUR",
        reserved_minutes=Decimal("2.50"),
        daily_budget=Decimal(7),
        max_unconfirmed=None,
        is_active=False,
        blocked_at=past,
        blocked_code="misconfigured",
    )
    declared = [{"name": "slot", "required": False, "description": text, "default": text, "example": text}]
    rules = [{"field": "result.x", "equals": text or "0"}]
    change(world.assistant, variables=declared, opt_out_rules=rules, options=obsolete)
    change(world.number, max_open_calls=0, max_calls_per_day=None, rest_seconds=0)
    change(world.contact, variables={"a": text, "b": "", "c": " 0 "}, timezone="EST", consent_at=past)
    change(world.contact, zone_fault="no_place", phone_kind="home", on_hold=True, hold_until=past)
    for position, phone in enumerate(["+33612345678", "+4930123456"], 1):
        ContactNumber.objects.create(
            organization=home,
            contact=world.contact,
            phone=phone,
            kind="work" if position > 1 else "",
            position=position,
        )
    change(world.entry, expires_at=past)
    change(world.key, expires_at=past, scopes=["read", "call"])
    change(world.endpoint, url="http://no-longer.allowed/x", events=["call.ended"], is_active=False)
    second = an_assistant(an_account(home, name="Off", is_active=False), name="Second")
    campaign = world.campaign
    change(
        campaign,
        variables={"slot": text, "x": "{{ contact.name }}"},
        timezone="US/Pacific-New",
        holidays=["2020-02-29"],
        campaign_zone_countries=["US"],
        budget=Decimal("12.3400"),
        budget_currency="CHF",
        starts_at=past,
        ends_at=soon,
        max_open_calls=0,
        callback_url="http://no-longer.allowed/x",
    )
    campaign.phone_numbers.add(world.number)
    campaign.contact_lists.add(world.group)
    CampaignVariant.objects.create(campaign=campaign, assistant=second, weight=0)
    CallingWindow.objects.create(campaign=campaign, days=["sun", "mon"], opens=22 * 60, closes=24 * 60)
    CallingWindow.objects.create(campaign=campaign, days=["tue"], opens=23 * 60, closes=1)
    RetryRule.objects.create(campaign=campaign, outcome="busy", multiplier=Decimal("1.10"), max_wait_minutes=0)
    for row in vars(world).values():
        fill_texts(row, text)
    change(campaign, campaign_zone_reason=text[:500] or "0")
    return world


def change(row: models.Model, **columns: Any) -> None:
    type(row)._default_manager.filter(pk=row.pk).update(**columns)


def path_of(world: World, kind: str) -> str:
    attribute, path, _ = KINDS[kind]
    return f"/api/v1/{path.format(getattr(world, attribute).uuid)}"


def read(api: ApiClient, path: str) -> dict[str, Any]:
    answer = api.get(path)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("text", one_in(4, HOSTILE.values(), HOSTILE))
def test_what_was_read_can_be_sent_back(
    text: str, api: ApiClient, organization: Organization, subtests: pytest.Subtests
) -> None:
    world = whole_world(organization, text, dropped=[None, 1.0, text])
    for kind in KINDS:
        with subtests.test(kind):
            path = path_of(world, kind)
            found = read(api, path)
            before = everything()
            answer = api.patch(path, found)
            assert (answer.status_code, answer.json()) == (200, found)
            assert everything() == before


@pytest.mark.parametrize("kind", one_in(3, KINDS))
def test_each_field_can_be_sent_back_alone(kind: str, api: ApiClient, organization: Organization) -> None:
    path = path_of(whole_world(organization, "Ada\nLovelace ", dropped=True), kind)
    found = read(api, path)
    before = everything()
    for name, value in found.items():
        assert api.patch(path, {name: value}).status_code == 200, name
    assert everything() == before


@pytest.mark.parametrize("status", Campaign.Status.values)
def test_a_campaign_of_any_status_can_be_sent_back(status: str, api: ApiClient, organization: Organization) -> None:
    world = whole_world(organization, "Ada\nLovelace")
    change(world.campaign, status=status, launched_at=timezone.now())
    path = path_of(world, "campaign")
    found = read(api, path)
    before = everything()
    answer = api.patch(path, found)
    assert answer.status_code == 200, answer.content
    assert everything() == before


# A value of each kind that may be changed although all other values are as hostile as they are.
CHANGES: dict[str, dict[str, Any]] = {
    "organization": {"name": "New name"},
    "provider-account": {"name": "New name"},
    "assistant": {"name": "New name"},
    "phone-number": {"label": "New name"},
    "contact": {"name": "New name"},
    "contact-list": {"name": "New name"},
    "segment": {"name": "New name"},
    "do-not-call": {"reason": "New name"},
    "campaign": {"name": "New name"},
    "campaign-result-fields": {
        "fields": [
            {"name": "a", "title": "A", "kind": "", "shown": True, "column": False, "found_kind": "", "values": 0}
        ]
    },
    "api-key": {"name": "New name"},
    "webhook-endpoint": {"description": "New name"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_changed_field_of_a_whole_object_changes_that_field_alone(
    kind: str, api: ApiClient, organization: Organization
) -> None:
    world = whole_world(organization, "Ada\nLovelace")
    path = path_of(world, kind)
    found = read(api, path)
    answer = api.patch(path, found | CHANGES[kind])
    assert answer.status_code == 200, answer.content
    assert answer.json() | {"updated_at": ""} == found | CHANGES[kind] | ({"updated_at": ""})
