"""A database of the first schema, with rows, is migrated: nothing is lost, and the version before can go on writing."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from calls.models import Call
from campaigns import name_keys
from campaigns.models import Campaign, Contact
from campaigns.name_search import named
from providers.models import ProviderAccount
from tenants.db import counters, schema
from tenants.models import JournalNote, Organization
from tenants.money import Money
from tests.calls.support import EVERY_DAY
from tests.calls.test_supervisor import database_url
from tests.campaigns.test_name_search import people

pytestmark = pytest.mark.slow
OURS = ("tenants", "providers", "campaigns", "calls")
FIRST = [(label, "0001_initial") for label in OURS]
NOW = timezone.now()
EVERYBODY = list(people())[::8]  # more rows prove nothing more, and each takes milliseconds


@pytest.fixture
def empty_database(django_db_setup: None, django_db_blocker: Any, tmp_path: Path) -> Iterator[None]:
    """A database without tables, which this process uses meanwhile."""
    with django_db_blocker.unblock():
        was, name = connection.settings_dict["NAME"], "upgraded"
        server = urlsplit(database_url())._replace(path="/postgres").geturl()

        def on_server(statement: str) -> None:
            with psycopg.connect(server, autocommit=True) as there:
                there.execute(statement)

        if connection.vendor == "postgresql":
            name = f"{was}_upgraded"
            on_server(f'CREATE DATABASE "{name}"')
        else:
            name = str(tmp_path / "upgraded.sqlite3")
        connection.close()
        connection.settings_dict["NAME"] = name
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["NAME"] = was
            if connection.vendor == "postgresql":
                on_server(f'DROP DATABASE "{name}" WITH (FORCE)')


def first_models() -> Any:
    """Return the models as the first migrations know them: the version before, which writes no newer column."""
    apps = MigrationExecutor(connection).loader.project_state(FIRST).apps
    computed = apps.get_model("campaigns.Contact")._meta.get_field("zone_fault")
    computed.pre_save = lambda row, add: row.zone_fault  # its own reads methods that a model of a migration lacks
    return apps


def write_rows(apps: Any, mark: int) -> None:
    """Write rows of an organization, as the version before does: without our models' `save`."""

    def make(model: str, /, **fields: Any) -> Any:
        return apps.get_model(model).objects.create(**fields)

    home = make("tenants.Organization", tenant=make("tenants.Tenant", name=f"T{mark}"), name=f"O{mark}")
    of_home = {"organization": home}
    price = {"price_per_minute": Decimal("0.10"), "price_per_minute_currency": "EUR"}
    account = make(
        "providers.ProviderAccount", provider="allomia", name="Lines", hook_token=f"{mark}", **price, **of_home
    )
    assistant = make("providers.Assistant", account=account, name="Ava", **of_home)
    number = make("providers.PhoneNumber", account=account, e164=f"+1646555010{mark}", **of_home)
    contact_model = apps.get_model("campaigns", "Contact")
    contacts = contact_model.objects.bulk_create(
        contact_model(phone=f"+3361{place:07}", name=name, external_id=str(place), **of_home)
        for place, (_, _, name, _) in enumerate(EVERYBODY)
    )
    listed = make("campaigns.ContactList", name="Everybody", **of_home)
    member = apps.get_model("campaigns", "ContactListMember")
    member.objects.bulk_create(member(contact_list=listed, contact=contact) for contact in contacts)
    campaign = make("campaigns.Campaign", name="Spring", status="running", assistant=assistant, budget=100,
                    budget_currency="EUR", **of_home)  # fmt: skip
    campaign.contact_lists.add(listed)
    campaign.phone_numbers.add(number)
    make("campaigns.CallingWindow", campaign=campaign, days=EVERY_DAY, opens=0, closes=1440)
    recipient_model = apps.get_model("campaigns", "Recipient")
    recipients = recipient_model.objects.bulk_create(
        recipient_model(campaign=campaign, contact=contact) for contact in contacts
    )
    call_model = apps.get_model("calls", "Call")
    for place, (contact, recipient) in enumerate(zip(contacts, recipients, strict=True)):
        fields = KINDS_OF_CALLS[place % len(KINDS_OF_CALLS)]
        if fields["status"] in ("in_progress", "unconfirmed"):
            fields = fields | {"polling": make("calls.Polling", account=account, next_read_at=NOW)}
        call_model.objects.create(
            contact=contact, recipient=recipient, campaign=campaign, account=account, assistant=assistant,
            phone_number=number, to_number=contact.phone, from_number=number.e164, reference=f"{mark}-{place}",
            callback_token=f"{mark}-{place}", **of_home, **fields,
        )  # fmt: skip
    make("tenants.JournalNote")


ASIDE = {"cost_reserved": Decimal("0.30"), "cost_currency": "EUR", "due_at": None}
ENDED = {"dialed_at": NOW, "terminal_at": NOW, "due_at": None}
KINDS_OF_CALLS: list[dict[str, Any]] = [
    {"status": "queued", "due_at": NOW},
    {"status": "placing", "lease_until": NOW, **ASIDE},
    {"status": "in_progress", "dialed_at": NOW, **ASIDE},
    {"status": "unconfirmed", "dialed_at": NOW, **ASIDE},
    {"status": "completed", "cost_price": Decimal("0.21"), "cost_currency": "GBP", **ENDED},
    {"status": "no_answer", "cost_estimate": Decimal("0.07"), "cost_currency": "EUR", **ENDED},
    {"status": "canceled", "terminal_at": NOW, "due_at": None},
]


def contents(apps: Any) -> dict[str, list[dict[str, Any]]]:
    """Return every row of our tables, by the columns of these models."""
    models = [model for label in OURS for model in apps.get_app_config(label).get_models(include_auto_created=True)]
    counts = {table._meta.label: table.counted for table in counters.tables()}
    found = {model._meta.label: list(model.objects.order_by("pk").values()) for model in models}
    return {name: summed(rows, counts[name]) if name in counts else rows for name, rows in found.items()}


def summed(rows: list[dict[str, Any]], counted: counters.Counted) -> list[dict[str, Any]]:
    """Return what rows of a table of counts say: how they are folded is no loss."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        group = tuple(row[name] for name in counted.groups)
        into = found.setdefault(group, dict.fromkeys(counted.sums, 0) | dict(zip(counted.groups, group, strict=True)))
        for name in counted.sums:
            into[name] += row[name]
    return sorted((row for row in found.values() if any(row[name] for name in counted.sums)), key=repr)


def searched(text: str, home: int) -> set[str]:
    return set(Contact.objects.filter(named(text, [home])).values_list("external_id", flat=True))


@pytest.fixture
def upgraded(empty_database: None) -> SimpleNamespace:
    """A database with the rows of two organizations that was migrated, and what was in it before."""
    MigrationExecutor(connection).migrate(FIRST)
    apps = first_models()
    emit_post_migrate_signal(verbosity=0, interactive=False, db="default", apps=apps, plan=[])  # makes the triggers
    for mark in range(2):
        write_rows(apps, mark)
    before = contents(apps)
    assert schema.what_is_wrong().endswith("Run manage.py migrate.")
    call_command("migrate", verbosity=0)
    return SimpleNamespace(before=before, apps=apps)


def test_a_database_with_rows_is_migrated(upgraded: SimpleNamespace) -> None:
    assert schema.what_is_wrong() == ""
    after = contents(first_models())
    for table, rows in upgraded.before.items():
        assert after[table] == rows, table
    prices_are_kept()
    assert set(Campaign.objects.values_list("ongoing", flat=True)) == {False}
    assert set(ProviderAccount.objects.values_list("failing_percent", flat=True)) == {25}
    assert set(JournalNote.objects.values_list("line", flat=True)) == {None}
    indexes_are_valid()
    names_are_found_meanwhile()
    write_rows(first_models(), 2)  # a process of the version before, which still runs
    assert Organization.objects.count() == 3 and Contact.objects.filter(name_key=None).count() == len(EVERYBODY)
    assert not Call.objects.filter(reference__startswith="2-").exclude(price_per_minute=None).exists()
    assert {call.own_currency for call in Call.objects.filter(cost_reserved__gt=0)} == {"EUR"}


def prices_are_kept() -> None:
    """Calls that money is set aside for have the account's price; the others the currency of their cost."""
    price = ("price_per_minute", "price_per_minute_currency")
    assert set(Call.objects.filter(cost_reserved__gt=0).values_list(*price)) == {(Decimal("0.10"), "EUR")}
    assert set(Call.objects.filter(cost_reserved=0).values_list(*price)) == {(None, "")}
    told = {
        status: Call.objects.filter(status=status).earliest("pk")
        for status in ("in_progress", "completed", "no_answer")
    }
    assert told["in_progress"].reserve == Money(Decimal("0.30"), "EUR") and told["in_progress"].cost is None
    assert told["completed"].cost == Money(Decimal("0.21"), "GBP")
    assert told["no_answer"].cost == told["no_answer"].estimate == Money(Decimal("0.07"), "EUR")


def indexes_are_valid() -> None:
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT (indisvalid AND indisready)")
        assert cursor.fetchall() == []
        cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'campaigns_contact'")
        names = {name for (name,) in cursor.fetchall()}
    assert {"contact_name_words", "contact_name_unkeyed"} <= names and "contact_name_begins" not in names


def names_are_found_meanwhile() -> None:
    """Each contact is found by how its name begins, and once its key is computed by any form; nobody else is."""
    home, other = Organization.objects.order_by("pk").values_list("pk", flat=True)
    everybody = [(str(place), name, plain) for place, (_, _, name, plain) in enumerate(EVERYBODY)]
    some = everybody[:: len(everybody) // 60]
    contacts = Contact.objects.filter(name_key=None)
    assert contacts.count() == 2 * len(everybody)
    for place, name, _ in some:
        assert place in searched(name, home), name
    assert name_keys.fill(len(everybody) // 2) == len(everybody) // 2  # as if the upkeep stopped here
    for place, name, _ in some:
        assert place in searched(name, home), name
    while name_keys.fill():
        pass
    assert not contacts.exists()
    for place, _, plain in some:
        assert searched(plain, home) == searched(plain, other) == {place}, plain
