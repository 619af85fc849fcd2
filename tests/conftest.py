"""Common fixtures: an organization with an account, an assistant, a caller number, a contact and an API key."""

from __future__ import annotations

import gc
import ipaddress
import itertools
import logging
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connections, transaction
from django.test import Client, TransactionTestCase, override_settings
from django.utils import timezone, translation
from hypothesis import HealthCheck, settings

from campaigns.models import Contact
from campaigns.models.number_hash import forget_hash_key
from config import admin_pages as admin_pages  # tests look at the registry of pages before any request does
from config import readiness
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants import telemetry
from tenants.api import throttling
from tenants.db import append_only, counters
from tenants.models import ApiKey, Organization, Tenant

# How long an example takes depends on the machine. What a fixture of a function is for, its test knows.
UNCHECKED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
EXAMPLES = {"quick": 25, "small": 50, "medium": 400, "large": 400}  # of a property, in `make test` and in each proof
MIGRATED = os.environ.get("TEST_TEMPLATE")  # a database, or a file of SQLite, that tests/suite.py migrated once
SET_UP_BY_MIGRATE = {"django_content_type", "auth_permission", "tenants_keycanary"}

os.environ.setdefault("DIAL_JOURNAL", "off")  # of processes that tests start

# No deadline: how long an example takes depends on the machine, not on the product.
settings.register_profile("trunkline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
for size, number in EXAMPLES.items():
    settings.register_profile(size, settings.get_profile("trunkline"), max_examples=number)
settings.load_profile("quick")  # `--hypothesis-profile` overrides it


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each process begin with its share of the slow tests, so that none is left with one at the end.

    pytest-django puts tests with real transactions last, and these are the slow ones. Each process gets one part of the
    list, and takes from the end of another's when it has done its own. The slow tests of a module stay together: they
    share tables and processes that take seconds to make.
    """
    others = [item for item in items if not item.get_closest_marker("slow")]
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    bounds = [len(items) * place // count for place in range(count + 1)]
    shares = dealt([item for item in items if item.get_closest_marker("slow")], count)
    items.clear()
    for place, slow in enumerate(shares):
        items += slow
        taken = max(0, bounds[place + 1] - len(items))
        items += others[:taken]
        del others[:taken]
    items += others


def dealt(items: list[pytest.Item], count: int) -> list[list[pytest.Item]]:
    """Return as many shares, each of whole modules: the largest module first, to the smallest share."""
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.partition("::")[0], []).append(item)
    shares: list[list[pytest.Item]] = [[] for _ in range(count)]
    for module in sorted(modules.values(), key=len, reverse=True):
        min(shares, key=len).extend(module)
    return shares


def pytest_configure() -> None:
    gc.set_threshold(20_000, 20, 20)  # as the engine does


def pytest_collection_finish() -> None:
    """Keep code and collected tests from the garbage collector: each pass over them takes a tenth of a second."""
    gc.freeze()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give this process its own database, because two runs must not share one."""
    found = connections["default"].settings_dict
    if connections["default"].vendor == "sqlite":
        found["TEST"]["NAME"] = tmp_path_factory.mktemp("database") / "test.sqlite3"
        # Tests need no durability, and waiting for the disk takes most of a test's time.
        found["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
        if MIGRATED:
            shutil.copy(MIGRATED, found["TEST"]["NAME"])
    else:
        found["TEST"]["NAME"] = f"test_{found['NAME']}_{os.getpid()}"
        found["TEST"]["TEMPLATE"] = MIGRATED


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool) -> bool:
    """Let Django use the copied file. It ends with the folder of this run."""
    return django_db_keepdb or (connections["default"].vendor == "sqlite" and MIGRATED is not None)


@pytest.fixture(scope="session", autouse=True)
def _empty_tables_quickly() -> Iterator[None]:
    """Django truncates every table after a transactional test and recreates content types and permissions.

    That takes 200 to 350 ms on PostgreSQL. Tests write few rows: deleting them takes 4 ms.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: empty_tables())
        yield


def empty_tables() -> None:
    connection = connections["default"]
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Foreign keys need no check here, and the audit log is emptied with the rest.
            cursor.execute("SET LOCAL session_replication_role = replica")
        else:
            unguard_the_audit_log()
        counts = {model._meta.db_table for model in counters.tables()}
        for table in sorted(set(tables) - SET_UP_BY_MIGRATE, key=lambda name: (name in counts, name)):  # triggers count
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")  # noqa: S608 - names of our own tables
        if connection.vendor != "postgresql":
            append_only.install()
    forget_hash_key()


def unguard_the_audit_log() -> None:
    """Remove the triggers that refuse changes of the audit log."""
    on = " ON {}" if connections["default"].vendor == "postgresql" else ""
    with connections["default"].cursor() as cursor:
        for table, events in append_only.REFUSED.items():
            for event in events:
                cursor.execute(f"DROP TRIGGER IF EXISTS {append_only.trigger_of(table, event)}{on.format(table)}")


def examples(number: int, proof: int = 400) -> settings:
    """Return settings for a test whose examples are slow or many: this many in `make test`, twice as many in a small
    proof, `proof` in a larger one."""
    asked = settings().max_examples
    count = number if asked == EXAMPLES["quick"] else 2 * number if asked == EXAMPLES["small"] else proof
    return settings(max_examples=count, suppress_health_check=UNCHECKED)


@contextmanager
def undone() -> Iterator[None]:
    """Roll back what the block writes, so that the cases of a loop share the rows that they begin with."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def frozen() -> Iterator[time_machine.Traveller]:
    """Stop the clock, so that a test's duration does not matter. `frozen.shift(seconds)` moves it."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        yield clock


@pytest.fixture(scope="session")
def _own_paths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A path for each test, made when something is written there. `tmp_path` makes and removes one each time."""
    root = tmp_path_factory.mktemp("tests")
    return (root / str(number) for number in itertools.count())


@pytest.fixture(scope="session", autouse=True)
def _settings_of_every_test() -> Iterator[None]:
    """Each setting takes a tenth of a millisecond to change, so those of all tests change once."""
    held: dict[str, Any] = {
        "ALLOW_LOOPBACK_URLS": True,
        "STATEMENT_SECONDS": 0,  # no test depends on the machine's speed
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],  # saves 0.3 s for each password
        "API_RATE": 100_000,  # tests send requests faster than the limit allows
        "API_BURST": 100_000,
        "DIAL_JOURNAL": None,  # waiting for the disk takes longer than most tests; those of the journal have one
    }
    with override_settings(**held), pytest.MonkeyPatch.context() as patch:
        patch.setattr(readiness, "KEPT", 0.0)
        yield


@pytest.fixture(autouse=True)
def _test_settings(settings: Any, _own_paths: Iterator[Path]) -> None:
    own = next(_own_paths)
    settings.MEDIA_ROOT = own / "uploads"
    throttling.forget_held()
    memory = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": str(own)}
    settings.CACHES = {"default": memory}  # of this test alone


@pytest.fixture(autouse=True)
def _leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that changes its process: others, which run after it in some orders, would meet what it left."""
    before = traces()
    yield
    monkeypatch.undo()  # pytest-django asks for it first, so it would be undone last
    after = traces()
    assert after == before, "This test changed its process and did not change it back."


def traces() -> dict[str, object]:
    """Return what tests of one process share."""
    root = logging.getLogger()
    return {
        "environment": dict(os.environ) | {"PYTEST_CURRENT_TEST": ""},
        "folder": Path.cwd(),
        "signals": {name: signal.getsignal(name) for name in signal.valid_signals()},
        "log": (root.level, [each for each in root.handlers if "LogCapture" not in type(each).__name__]),
        "collector": telemetry.is_on(),
        "threads": telemetry.may_have_threads(),
        "time zone": timezone.get_current_timezone_name(),
        "language": translation.get_language(),
    }


@pytest.fixture(scope="session")
def _refused_connections() -> Iterator[list[str]]:
    """Refuse connections to other machines. Yield those that were tried."""
    attempts: list[str] = []
    real = {"connect": socket.socket.connect, "connect_ex": socket.socket.connect_ex}

    def guarded(name: str) -> Callable[[socket.socket, Any], Any]:
        def call(self: socket.socket, address: Any) -> Any:
            if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(address[0]):
                attempts.append(str(address))
                raise OSError(f"Tests stay on this machine; {address} was asked for.")
            return real[name](self, address)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in real:
            patch.setattr(socket.socket, name, guarded(name))
        yield attempts


@pytest.fixture(autouse=True)
def _loopback_only(_refused_connections: list[str]) -> Iterator[None]:
    """Fail any test that connects to another machine, even when the code under test swallows the error."""
    _refused_connections.clear()
    yield
    if _refused_connections:
        pytest.fail(f"Connected to {', '.join(_refused_connections)}.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ApiClient(Client):
    """Django's test client with an API key. It sends JSON by default."""

    def __init__(self, key: str = "", organization: Organization | None = None, **headers: str) -> None:
        headers |= {"authorization": f"Bearer {key}"} if key else {}
        headers |= {"x-organization": str(organization.uuid)} if organization else {}
        super().__init__(headers=headers)

    def post(self, path: str, data: Any = None, content_type: str = "application/json", **extra: Any) -> Any:  # type: ignore[override]
        return super().post(path, {} if data is None else data, content_type=content_type, **extra)

    def patch(self, path: str, data: Any = None, content_type: str = "application/json", **extra: Any) -> Any:  # type: ignore[override]
        return super().patch(path, {} if data is None else data, content_type=content_type, **extra)


KeyMaker = Callable[..., ApiClient]


@pytest.fixture
def tenant(db: None) -> Tenant:
    return Tenant.objects.create(name="Acme Group")


@pytest.fixture
def organization(tenant: Tenant) -> Organization:
    """An organization that may call France and the United States, with single calls at any hour."""
    return Organization.objects.create(
        tenant=tenant,
        name="Acme",
        timezone="Europe/Paris",
        default_region="FR",
        allowed_countries=["FR", "US"],
        single_call_hours=Organization.SingleCallHours.ANY,
    )


@pytest.fixture
def sister(tenant: Tenant) -> Organization:
    """Another organization of the same tenant."""
    return Organization.objects.create(tenant=tenant, name="Acme Two", default_region="FR")


@pytest.fixture
def stranger(db: None) -> Organization:
    """An organization of another tenant."""
    return Organization.objects.create(tenant=Tenant.objects.create(name="Other"), name="Stranger", default_region="FR")


@pytest.fixture
def client_for() -> KeyMaker:
    """`client_for(organization, "call")`; `client_for(tenant=tenant)` has a tenant-level key."""

    def make(
        organization: Organization | None = None,
        scope: str = "manage",
        *,
        tenant: Tenant | None = None,
        choose: Organization | None = None,
    ) -> ApiClient:
        owner = tenant or (organization.tenant if organization else None)
        assert owner is not None
        _, key = ApiKey.issue(tenant=owner, organization=organization, name=f"{scope} key", scopes=[scope])
        return ApiClient(key, choose)

    return make


@pytest.fixture
def api(organization: Organization, client_for: KeyMaker) -> ApiClient:
    """An API client that may do everything in `organization`."""
    return client_for(organization)


def an_account(organization: Organization, **fields: Any) -> ProviderAccount:
    given: dict[str, Any] = {
        "provider": "allomia",
        "name": "AlloMia",
        "base_url": "http://127.0.0.1:9",
        "credentials": {"api_key": "sandbox-allomia"},
        "max_open_calls": 50,
        "calls_per_second": 50,
    }
    return ProviderAccount.objects.create(organization=organization, **full_buckets(given | fields))


def full_buckets(fields: dict[str, Any]) -> dict[str, Any]:
    """Add a full bucket of placings to an account's fields, so that claims do not depend on the test's duration.

    The bucket of reads is full when the account reads for the first time.
    """
    return {"place_tokens": max(1.0, float(fields.get("calls_per_second", 1)))} | fields


def an_assistant(account: ProviderAccount, **fields: Any) -> Assistant:
    given: dict[str, Any] = {"name": "Reminder", "external_id": "as_1"}
    return Assistant.objects.create(organization=account.organization, account=account, **(given | fields))


def a_number(account: ProviderAccount, **fields: Any) -> PhoneNumber:
    given: dict[str, Any] = {"e164": "+33142000001", "external_id": "pn_1"}
    return PhoneNumber.objects.create(organization=account.organization, account=account, **(given | fields))


@pytest.fixture
def account(organization: Organization) -> ProviderAccount:
    return an_account(organization)


@pytest.fixture
def assistant(account: ProviderAccount) -> Assistant:
    return an_assistant(account)


@pytest.fixture
def phone_number(account: ProviderAccount) -> PhoneNumber:
    return a_number(account)


@pytest.fixture
def contact(organization: Organization) -> Contact:
    return Contact.objects.create(organization=organization, phone="+33612345678", name="Ada")
