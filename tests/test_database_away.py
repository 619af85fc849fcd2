"""The database is away, full, read-only or too slow: what each kind of address answers, and what the log says."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, connections
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from config import time_limits
from tenants.models import Membership, Organization
from tests import postgresql
from tests.conftest import ApiClient
from tests.tables import cases
from tests.tenants.signing_in import OLGA, PASSWORD, a_user
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
ON_POSTGRESQL = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="these are faults of a server")
ON_SQLITE = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="these are faults of a file")
PERSON = {"phone": "+33612345678", "name": "Ada"}
FORBIDDEN = ("Traceback", "OperationalError", "psycopg", "sqlite", "127.0.0.1", "SELECT", "INSERT", "File &quot;")

GONE = "The database does not answer. Try again in a moment."
SLOW = "The database took too long for this. Try again later, or ask for less at once."
FROZEN = "The database cannot store anything at present. Try again later."


class Asking:
    """A team member's browser and a program, which ask at every kind of address."""

    def __init__(self, api: ApiClient) -> None:
        self.api, self.browser, self.stranger = api, Client(), Client()
        for each in (self.api, self.browser, self.stranger):
            each.raise_request_exception = False
        self.reads: dict[str, Callable[[], Any]] = {
            "dashboard": lambda: self.browser.get("/admin/"),
            "list": lambda: self.browser.get("/admin/campaigns/contact/"),
            "file": lambda: self.browser.get("/admin/campaigns/contact/export.csv"),
            "search": lambda: self.browser.get("/admin/search/?search=ada"),
            "no such page": lambda: self.browser.get("/admin/nothing/"),
            "API list": lambda: self.api.get("/api/v1/contacts/"),
            "API of a browser": lambda: self.browser.get("/api/v1/contacts/"),
            "API file": lambda: self.api.get("/api/v1/calls/evidence.csv?to_number=%2B33612345678"),
            "status callback": lambda: self.stranger.post("/hooks/allomia/abc", {}, "application/json"),
        }
        self.writes: dict[str, Callable[[], Any]] = {
            "sign-in": lambda: self.stranger.post("/admin/login/", {"username": OLGA, "password": PASSWORD}),
            "form": lambda: self.browser.post("/admin/my-settings/", {"timezone": "Europe/Paris"}),
            "API": lambda: self.api.post("/api/v1/contacts/", PERSON),
            "API, once": lambda: self.api.post("/api/v1/contacts/", PERSON, headers={"idempotency-key": "one"}),
        }


@pytest.fixture
def asking(api: ApiClient, organization: Organization) -> Asking:
    found, user = Asking(api), a_user()
    Membership.objects.create(user=user, organization=organization, role="admin")
    found.browser.force_login(user)
    assert {found.reads[name]().status_code for name in ("dashboard", "list", "file", "API list", "API file")} == {200}
    return found


@contextmanager
def elsewhere(**changed: Any) -> Iterator[None]:
    """Let this thread use a database with other settings."""
    before = connections["default"]
    options = {**before.settings_dict["OPTIONS"], **changed.pop("OPTIONS", {})}
    other = before.copy()
    other.settings_dict = {**before.settings_dict, **changed, "OPTIONS": options}
    other.inc_thread_sharing()
    connections["default"] = other
    try:
        yield
    finally:
        other.close()
        connections["default"] = before


def expect(name: str, answer: Any, sentence: str) -> None:
    text = answer.content.decode()
    assert answer.status_code == 503, (name, answer.status_code, text[:500])
    assert 1 <= int(answer["Retry-After"]) <= 60, name
    assert answer["X-Request-Id"], name
    if name.startswith("API") or name == "status callback":
        assert answer.json() == {"error": sentence}, name
    else:
        assert answer["Content-Type"].startswith("text/html") and sentence in text, name
    assert not any(word in text for word in FORBIDDEN), (name, text)


def expect_one_line(name: str, log: pytest.LogCaptureFixture) -> None:
    lines = [each for each in log.records if each.levelno >= logging.WARNING]
    assert len(lines) == 1 and not lines[0].exc_info, (name, [each.getMessage() for each in lines])
    log.clear()


def expect_operations() -> None:
    """The operator's addresses answer without the database, with what the process knows itself."""
    client = Client()
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["ok"]) == (503, False)
    assert ready.json()["database"] == {"ok": False, "message": "The database does not answer."}
    figures = client.get("/metrics")
    lines = figures.content.decode().splitlines()
    assert figures.status_code == 200 and "trunkline_database_up 0.0" in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)
    assert any(line.startswith("trunkline_http_responses_total") for line in lines)
    assert not any("calls" in line for line in lines)


def expect_gone(asking: Asking, log: pytest.LogCaptureFixture) -> None:
    log.clear()
    for name, ask in (asking.reads | asking.writes).items():
        expect(name, ask(), GONE)
        expect_one_line(name, log)
    expect_operations()
    log.clear()


class Server:
    """A PostgreSQL server of one test. It has no tables: whoever reaches it finds nothing."""

    def __init__(self, url: str) -> None:
        self.url, self.port = url, int(url.rpartition(":")[2].partition("/")[0])

    def do(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as asked:
            asked.execute(statement)

    @property
    def data(self) -> Path:
        with psycopg.connect(self.url) as asked:
            return Path(asked.execute("SHOW data_directory").fetchone()[0])  # type: ignore[index]

    def address(self, user: str = "trunkline") -> AbstractContextManager[None]:
        options = {"connect_timeout": 5}
        return elsewhere(HOST="127.0.0.1", PORT=self.port, NAME="postgres", USER=user, PASSWORD="", OPTIONS=options)


@ON_POSTGRESQL
def test_whatever_keeps_us_from_the_server_every_address_says_so(
    asking: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody listens, too many connections, the server stops while we are connected, and it starts up."""
    with elsewhere(PORT=postgresql.free_port()):
        expect_gone(asking, caplog)
    with postgresql.throwaway_server() as url:
        server = Server(url)
        server.do("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
        with server.address("crowded"):
            expect_gone(asking, caplog)
        data = server.data
        with server.address():
            connection.ensure_connection()
            control(data, "-m", "fast", "stop")
            expect_gone(asking, caplog)
        (data / "standby.signal").touch()  # it will wait for another server, and let nobody in until then
        shutil.chown(data / "standby.signal", data.owner(), data.group())
        control(data, "-W", "-o", f"-p {server.port} -c hot_standby=off", "start")
        try:
            eventually(lambda: "not accepting" in said(url) or "starting up" in said(url))
            with server.address():
                expect_gone(asking, caplog)
        finally:
            (data / "standby.signal").unlink()
            control(data, "-m", "immediate", "stop")
            control(data, "start")  # the fixture stops it


def control(data: Path, *words: str) -> None:
    programs, user = postgresql.programs(), postgresql.unprivileged_user()
    options = "-c listen_addresses=127.0.0.1 -c unix_socket_directories='' "
    given = [options + each if each.startswith("-p ") else each for each in words]
    command = [f"{programs}/pg_ctl", "-D", str(data), "-l", str(data.parent / "log"), "-w", *given]
    environment, quiet = postgresql._environment(data.parent), subprocess.DEVNULL
    run_as: dict[str, Any] = {"user": user, "group": user, "extra_groups": []} if user else {}
    subprocess.run(command, check=True, stdout=quiet, stderr=quiet, cwd=data.parent, env=environment, **run_as)


def said(url: str) -> str:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError as error:
        return str(error)
    return ""


@ON_POSTGRESQL
def test_a_connection_lost_in_the_middle_of_a_request_is_said(asking: Asking, caplog: pytest.LogCaptureFixture) -> None:
    for place in (1, 3):
        for name, ask in (asking.reads | asking.writes).items():
            caplog.clear()
            with lost_at(place) as cut:
                answer = ask()
            connection.close()
            if cut:  # else it asks for less
                expect(name, answer, GONE)
                expect_one_line(name, caplog)
    assert asking.reads["dashboard"]().status_code == 200, "the next request has a new connection"


@contextmanager
def lost_at(place: int) -> Iterator[list[int]]:
    """End the connection at the server before a statement. Yield a list that is not empty once that has happened."""
    count, cut = [0], []

    def run(execute: Any, *given: Any) -> Any:
        count[0] += 1
        if count[0] == place:
            cut.append(place)
            lost = connection.connection.info
            with psycopg.connect(lost.dsn, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 10000)", [lost.backend_pid])
        return execute(*given)

    with connection.execute_wrapper(run):
        yield cut


@ON_POSTGRESQL
def test_a_read_only_server_still_shows_pages_and_refuses_changes(
    asking: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    options = connection.settings_dict["OPTIONS"].get("options", "")
    with elsewhere(OPTIONS={"options": f"{options} -c default_transaction_read_only=on"}):
        expect_frozen(asking, caplog)


def expect_frozen(asking: Asking, log: pytest.LogCaptureFixture) -> None:
    for name in ("dashboard", "list", "API list", "search"):
        assert asking.reads[name]().status_code == 200, name
    log.clear()
    for name, ask in asking.writes.items():
        expect(name, ask(), FROZEN)
        expect_one_line(name, log)


@ON_POSTGRESQL
def test_a_full_disk_is_said(asking: Asking, caplog: pytest.LogCaptureFixture) -> None:
    """The server reports a full disk with code 53100 (its manual, appendix A)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
        )
        cursor.execute("CREATE TRIGGER full_disk BEFORE INSERT ON campaigns_contact EXECUTE FUNCTION full_disk()")
    try:
        caplog.clear()
        for name in ("API", "API, once"):
            expect(name, asking.writes[name](), FROZEN)
            expect_one_line(name, caplog)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION full_disk CASCADE")
    assert asking.writes["API, once"]().status_code == 201, "the failure was not stored for the key"


@ON_POSTGRESQL
def test_a_statement_that_reaches_its_limit_is_said(
    asking: Asking, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.STATEMENT_SECONDS = 1
    with psycopg.connect(connection.connection.info.dsn) as other:
        other.execute("LOCK TABLE campaigns_contact IN ACCESS EXCLUSIVE MODE")
        caplog.clear()
        for name in ("list", "API list"):
            expect(name, asking.reads[name](), SLOW)
            expect_one_line(name, caplog)
    assert asking.reads["list"]().status_code == 200
    settings.STATEMENT_SECONDS = 0
    asking.reads["list"]()


@ON_POSTGRESQL
def test_statements_have_the_limit_of_their_route(asking: Asking, settings: Any) -> None:
    def limit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            return str(cursor.fetchone()[0])

    assert limit() == "0", "commands have none"
    settings.STATEMENT_SECONDS = 5
    for name, expected in (
        ("list", "5s"),
        ("file", "2min"),
        ("API list", "5s"),
        ("API file", "2min"),
        ("search", "5s"),
    ):
        answer = asking.reads[name]()
        assert b"".join(answer) and limit() == expected, name
        connection.close()
        assert limit() == expected, "a new connection has it too"
    assert connection.settings_dict["OPTIONS"]["connect_timeout"] == 5
    assert "idle_in_transaction" in connection.settings_dict["OPTIONS"]["options"]
    settings.STATEMENT_SECONDS = 0
    asking.reads["list"]()
    assert limit() == "0"


@cases(
    ("method", "route", "long"),
    [
        ("GET", "campaign-list", False),
        ("GET", "campaign-detail", False),
        ("DELETE", "campaign-detail", True),
        ("GET", "admin:campaigns_campaign_step", False),
        ("POST", "admin:campaigns_campaign_step", True),
        ("GET", "admin:auth_user_export", True),
        ("POST", "outbound", False),
        ("GET", "organization-detail", False),
        ("GET", "admin:campaigns_campaign_settings", False),
        *(
            ("POST", f"admin:campaigns_campaign_{page}", True)
            for page in ("change", "settings", "limits", "whom", "what", "when", "check")
        ),
        *(
            ("POST", f"admin:{model}_change", True)
            for model in (
                *("campaigns_contact", "campaigns_donotcall", "campaigns_contactlist", "tenants_organization"),
                *("providers_provideraccount", "providers_phonenumber", "providers_assistant"),
            )
        ),
        *(("PATCH", f"{kind}-detail", True) for kind in ("provider-account", "phone-number", "assistant", "contact")),
        ("POST", "admin:tenants_alert_change", False),
        ("PATCH", "organization-detail", True),  # “Stop all calls” waits for those who are placing
    ],
)
def test_which_requests_may_take_long(method: str, route: str, long: bool) -> None:
    assert time_limits.may_take_long(route, method) is long


# Routes that only read, or that Django itself refuses to write.
READ_ONLY = {
    *(
        "admin:None",
        "admin:app_list",
        "admin:autocomplete",
        "admin:index",
        "admin:jsi18n",
        "admin:password_change_done",
    ),
    *("admin:search", "admin:view_on_site", "api-not-found", "docs", "schema", "healthz", "readyz", "metrics", "home"),
    *("system", "password-reset-sent", "provider-sign-in", "provider-sign-in-done", "search"),
    *("manual", "manual-page"),
}


def all_routes(patterns: Any = None, space: str = "") -> Iterator[tuple[str, Any]]:
    for each in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(each, URLResolver):
            yield from all_routes(each.url_patterns, f"{space}{each.namespace}:" if each.namespace else space)
        elif isinstance(each, URLPattern):
            yield f"{space}{each.name}", each.callback


def takes_writes(view: Any) -> bool:
    """Return whether a view of the API takes a method that writes. Pages say nothing about that."""
    if actions := getattr(view, "actions", None):
        return bool(set(actions) - {"get", "head", "options"})
    return not hasattr(view, "cls") or any(hasattr(view.cls, each) for each in ("post", "put", "patch", "delete"))


def test_every_route_that_writes_is_long_or_short_and_every_name_is_a_route() -> None:
    found = {name: view for name, view in all_routes() if name not in READ_ONLY}
    written = {name for name, view in found.items() if takes_writes(view)}
    both = {name for name in written if time_limits.is_long_write(name) and time_limits.is_short_write(name)}
    neither = {name for name in written if not (time_limits.is_long_write(name) or time_limits.is_short_write(name))}
    exports = {name for name in written if time_limits.may_take_long(name, "GET")}
    assert (both, neither - exports) == (set(), set())
    assert found.keys() >= time_limits.EXPORTS | time_limits.IMPORTS | time_limits.SHORT | time_limits.OTHERS
    for ending in (time_limits.EXPORT_OF_A_LIST, time_limits.BUTTON, time_limits.DELETION):
        assert any(name.endswith(ending) for name in found), ending
    for beginning in (*time_limits.OBJECTS, *time_limits.PAGES, *time_limits.SHORT_PAGES):
        assert any(name.startswith(beginning) for name in found), beginning


@ON_SQLITE
def test_a_file_that_is_gone_locked_or_read_only_is_said(
    asking: Asking, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with elsewhere(NAME=str(tmp_path / "gone" / "db.sqlite3")):
        expect_gone(asking, caplog)
    connection.connection.execute("PRAGMA query_only = ON")
    try:
        expect_frozen(asking, caplog)
    finally:
        connection.connection.execute("PRAGMA query_only = OFF")
    connection.connection.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        caplog.clear()
        for name in ("API", "API, once", "sign-in"):
            expect(name, asking.writes[name](), SLOW)
            expect_one_line(name, caplog)
    finally:
        other.close()
        connection.close()
    assert asking.writes["API"]().status_code == 201
