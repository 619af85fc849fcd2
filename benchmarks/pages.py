"""B8: measure every back-office page and every API list at a million calls and contacts, and at 10,000.

python -m benchmarks.pages [--calls 1000000] [--contacts 1000000] [--small 10000] [--repeat 12] [--only recipients]
python -m benchmarks.pages --exports          # the files of the lists instead: time for 1,000 rows, and until the first

Django's test client requests each page as a manager of two of the three organizations. The marks: 95 % of the responses
take less than 300 ms of server time, with at most 15 queries, and at most twice as long as with the small database.
Server time is the processor time of this process and of its database connection; the report also shows wall time.
Lists are requested without filters, with every filter choice, with searches, and at their last page.

The benchmark runs on its own PostgreSQL server, or in test databases beside the one of DATABASE_URL, and drops
everything at the end. Filling a million rows takes some minutes and about 4 GB of disk.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import math
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.filling import Filled, fill
from tests.postgresql import throwaway_server

MARK_MS, MARK_QUERIES, MARK_RATIO = 300, 15, 2.0
CHOICES = 8  # measured per filter
SECONDS = 20  # maximum per page
EXPORTED = 20_000  # rows of each file
SEARCHES = ("+1212200", "(212) 200", "Ada", "Spring", "zzz")


@dataclass(frozen=True)
class Measured:
    """One page: its name, its URL and its measurements."""

    name: str
    url: str
    p95: float  # milliseconds of processor time, of this process and the database
    median: float
    wall: float  # p95 of the elapsed milliseconds, on a machine that may have other work
    queries: int


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=12)
    parser.add_argument("--exports", action="store_true", help="measure the CSV files of the lists instead")
    parser.add_argument("--only", default="", help="measure only pages whose name contains this")
    given = parser.parse_args()
    os.environ |= {"DEBUG": "true"}
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    with ExitStack() as stack:
        if "DATABASE_URL" not in os.environ:
            os.environ["DATABASE_URL"] = stack.enter_context(throwaway_server())
        importlib.import_module("config.wsgi")  # load what a web process loads
        found = [
            in_a_database(contacts, calls, given.repeat, given.only, exports=given.exports)
            for contacts, calls in ((given.small, given.small), (given.contacts, given.calls))
        ]
    return report(*found)


def in_a_database(contacts: int, calls: int, repeat: int, only: str, *, exports: bool = False) -> list[Measured]:
    from django.db import connection

    old = connection.creation.create_test_db(
        verbosity=0, autoclobber=True, serialize=False
    )  # secrets are not serialized
    try:
        begun = time.perf_counter()
        filled = fill(contacts, calls)
        say(f"{contacts:,} contacts and {filled.calls:,} calls created in {time.perf_counter() - begun:.0f} s")
        return list(measure(filled, repeat, only, exports=exports))
    finally:
        connection.creation.destroy_test_db(old, verbosity=0)


def report(small: list[Measured], big: list[Measured]) -> int:
    """Print the pages, slowest first. Return 1 if any page exceeds a mark, else 0."""
    before = {each.name: each for each in small}
    faults = 0
    say(f"{'p95':>8} {'median':>8} {'wall':>8} {'ratio':>6} {'queries':>7}")
    for each in sorted(big, key=lambda page: -page.p95):
        ratio = each.median / before[each.name].median if each.name in before else math.nan
        over = [each.p95 > MARK_MS, each.queries > MARK_QUERIES and not each.name.startswith("API")]
        faults += any(over)
        note = " <- over the mark" if any(over) else ""
        say(f"{each.p95:8.1f} {each.median:8.1f} {each.wall:8.1f} {ratio:6.2f} {each.queries:7}  {each.name}{note}")
    ratios = [each.median / before[each.name].median for each in big if each.name in before]
    slow = sum(ratio > MARK_RATIO for ratio in ratios)
    say(f"{len(big)} pages; {faults} over {MARK_MS} ms or {MARK_QUERIES} queries; {slow} of {len(ratios)} took over")
    say(f"{MARK_RATIO} times as long as with the small database; median ratio {statistics.median(ratios):.2f}")
    return min(faults, 1)


# Measuring.


def measure(filled: Filled, repeat: int, only: str, *, exports: bool = False) -> Iterator[Measured]:
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import override_settings

    from tenants.models import ApiKey, Membership

    logging.disable(logging.WARNING)  # `addresses` requests lists that a manager may not see, and gets refusals
    home, other, _ = filled.organizations
    user, _ = User.objects.get_or_create(username="olga", defaults={"is_staff": True})
    for organization in (home, other):
        Membership.objects.get_or_create(user=user, organization=organization, defaults={"role": "manager"})
    _, key = ApiKey.issue(tenant=home.tenant, organization=home, name="bench", scopes=["read", "manage"])
    staff, program = Client(), Client(headers={"authorization": f"Bearer {key}"})
    quick = {"DEBUG": False, "ALLOWED_HOSTS": ["testserver"], "API_RATE": 1e6, "API_BURST": 1_000_000}
    with override_settings(**quick, SECURE_SSL_REDIRECT=False):
        assert not settings.DEBUG  # noqa: S101 - with DEBUG, the cursor stores every query
        staff.force_login(user)
        with connection.cursor() as cursor:
            cursor.execute("SET max_parallel_workers_per_gather = 0")  # workers' time would not be measured
        if exports:
            yield from (found for found in files(staff, program, filled) if only in found.name)
            return
        seen = set[str]()  # lists of two organizations may have the same name: measure only the first
        for client, pages in ((staff, addresses(staff, filled)), (program, api_lists(filled))):
            for name, url in pages:
                if only in name and name not in seen:
                    seen.add(name)
                    yield one_page(client, name, url, repeat)


def one_page(client: Any, name: str, url: str, repeat: int) -> Measured:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get(url)  # fill the process's caches
    with CaptureQueriesContext(connection) as queries:
        response = client.get(url)
    count = len(queries)  # the next request clears them
    if response.status_code != 200:
        raise SystemExit(f"{name}: {url} returned {response.status_code}")
    processor: list[float] = []
    wall: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(processor) < repeat and (not processor or time.perf_counter() < end):
        begun, busy = time.perf_counter(), time.process_time() + database_time()
        client.get(url)
        processor.append((time.process_time() + database_time() - busy) * 1000)
        wall.append((time.perf_counter() - begun) * 1000)
    return Measured(name, url, p95(processor), statistics.median(processor), p95(wall), count)


def files(staff: Any, program: Any, filled: Filled) -> Iterator[Measured]:
    """Yield the CSV file of each list: its time for 1,000 rows as the median, and until the first piece as the wall."""
    from django.contrib import admin
    from django.urls import reverse

    big, number = filled.big.uuid, "%2B12122000001"
    found = [("results", program, f"/api/v1/campaigns/{big}/results.csv")]
    found.append(("evidence", program, f"/api/v1/calls/evidence.csv?to_number={number}"))
    for model in admin.site._registry:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        if staff.get(url).status_code == 200:
            found.append((str(model._meta.verbose_name_plural), staff, f"{url}export.csv"))
    for name, client, url in found:
        client.get(url).close()  # fill the process's caches
        begun = time.perf_counter()
        response = client.get(url)
        if response.status_code != 200:
            continue
        pieces, rows, first = iter(response), 0, 0.0
        for piece in pieces:
            first = first or time.perf_counter() - begun
            rows += piece.count(b"\n")
            if rows >= EXPORTED:
                break
        elapsed = (time.perf_counter() - begun) * 1000
        response.close()
        yield Measured(f"file: {name}", url, 0.0, elapsed / max(rows, 1) * 1000, first * 1000, 0)


def p95(times: list[float]) -> float:
    return sorted(times)[math.ceil(0.95 * len(times)) - 1]


def database_time() -> float:
    """Return the processor time of this connection's PostgreSQL process, in seconds."""
    from django.db import connection

    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def addresses(client: Any, filled: Filled) -> Iterator[tuple[str, str]]:
    """Yield name and URL of every back-office page that a manager of the organization may open."""
    from django.contrib import admin
    from django.urls import reverse

    from calls.models import Call
    from campaigns.models import Campaign, Contact, ContactImport, ContactList, Recipient
    from providers.models import ProviderAccount

    yield "dashboard", reverse("admin:index")
    yield "dashboard, refreshed", reverse("admin:calls_call_overview")
    yield "search", f"{reverse('admin:search')}?s=Ada"
    yield "launch a call", reverse("admin:calls_call_launch")
    for model in admin.site._registry:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        if client.get(url).status_code == 200:
            yield from one_list(client, str(model._meta.verbose_name_plural), url)
    home = filled.organizations[0]
    mine = {"organization": home}
    campaigns = Campaign.objects.filter(**mine)
    objects = [
        ("big campaign", filled.big),
        ("finished campaign", campaigns.get(name="Customers")),
        ("draft", campaigns.get(status="draft")),
        ("little campaign", campaigns.filter(name__startswith="Little")[0]),
        ("recipient, waiting", Recipient.objects.filter(campaign=filled.big, status="waiting")[0]),
        ("recipient, done", Recipient.objects.filter(campaign=filled.big, status="done")[0]),
        ("contact", Contact.objects.filter(recipients__campaign=filled.big, recipients__status="done")[0]),
        ("call, over", Call.objects.filter(campaign=filled.big, status="completed")[0]),
        ("call, unconfirmed", Call.objects.filter(status="unconfirmed", **mine)[0]),
        ("list", ContactList.objects.filter(name="Everybody", **mine)[0]),
        ("import", ContactImport.objects.filter(**mine)[0]),
        ("account", ProviderAccount.objects.filter(**mine)[0]),
        ("assistant", filled.big.assistant),
        ("number", filled.big.phone_numbers.all()[0]),
    ]
    for name, obj in objects:
        yield from one_object(client, name, obj)
    counted = ContactList.objects.filter(**mine).values_list("pk", flat=True)
    yield "sizes of lists", f"{reverse('admin:campaigns_contactlist_counts')}?ids={','.join(map(str, counted))}"


def one_list(client: Any, name: str, url: str) -> Iterator[tuple[str, str]]:
    """Yield a list without filters, with each filter choice, with searches, and its last page."""
    yield f"{name}", url
    found = client.get(url).context_data["cl"]
    if found.paginator.num_pages > 1:
        yield f"{name}, last page", f"{url}?p={found.paginator.num_pages}"
    for spec in found.filter_specs:
        choices = [choice for choice in spec.choices(found) if not choice.get("selected") and "query_string" in choice]
        for choice in choices[:CHOICES]:
            yield f"{name}, {spec.title}: {choice['display']}", url + choice["query_string"]
    for term in SEARCHES if found.search_fields else ():
        yield f"{name}, search {term}", f"{url}?q={term.replace('+', '%2B')}"


def one_object(client: Any, name: str, obj: Any) -> Iterator[tuple[str, str]]:
    """Yield an object's page, the parts that load after it, and the confirmation page of each button."""
    from django.contrib import admin
    from django.urls import NoReverseMatch, reverse

    prefix = f"admin:{obj._meta.app_label}_{obj._meta.model_name}"
    page = reverse(f"{prefix}_change", args=[obj.pk])
    yield name, page
    yield f"{name}, refreshed", reverse(f"{prefix}_panel", args=[obj.pk])
    for part in getattr(admin.site._registry[type(obj)], "parts", ()):
        try:
            yield f"{name}, {part}", reverse(f"{prefix}_{part}", args=[obj.pk])
        except NoReverseMatch:
            continue
    for step, url in client.get(page).context_data.get("steps", ()):
        yield f"{name}, confirmation of {step.label}", url


def api_lists(filled: Filled) -> Iterator[tuple[str, str]]:
    """Yield the lists of the API, with and without filters."""
    big = f"campaigns/{filled.big.uuid}"
    for path in (
        "organizations/", "provider-accounts/", "assistants/", "phone-numbers/", "contacts/", 
        "contacts/?phone=%2B12122000001", "contacts/?q=emile+ito", "contacts/?q=zz",
        "contact-lists/", "imports/", "do-not-call/", "campaigns/", f"{big}/",
        f"{big}/progress/", f"{big}/variants/", f"{big}/versions/", f"{big}/recipients/",
        f"{big}/recipients/?status=waiting",
        f"{big}/recipients/?status=skipped", f"{big}/recipients/?outcome=failed", "calls/", "calls/?status=completed",
        "calls/?status=unconfirmed", f"calls/?campaign={filled.big.uuid}", "calls/?to_number=%2B12122000001",
        "alerts/", "call-backs/", "call-backs/?status=missed", "webhook-deliveries/",
        "webhook-deliveries/?status=failed",
    ):  # fmt: skip
        yield f"API {path.replace(str(filled.big.uuid), 'ID')}", f"/api/v1/{path}"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
