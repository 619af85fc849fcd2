"""Settings from the environment: each value works as it is meant, or is refused in one sentence that names it."""

from __future__ import annotations

import re
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dj_database_url
import dj_email_url
import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from hypothesis import given
from hypothesis import strategies as st

from config.environment import TABLE, Environment, read, shown
from config.extras import NEEDED, missing
from config.management.commands.settings import markdown
from config.setting_names import distance, misspelt
from tenants.egress.policy import Origin
from tests.suite import ROOT
from tests.wounded_settings import KEY, MEANT, REFUSED, SECRET

GIVEN = {"SECRET_KEY": SECRET, "FIELD_KEYS": KEY, "PUBLIC_BASE_URL": "https://calls.example.org"}
ONE_SENTENCE = re.compile(r"[A-Z_]+ [^\n]+[.]")
NOWHERE = Path("/nonexistent/var")  # nothing is generated there


def environment(**more: str) -> Environment:
    return read(NOWHERE, GIVEN | more)


def protection(found: Environment) -> tuple[Any, ...]:
    """Return what cookies, redirects, hosts and origins are decided by."""
    return found.https, found.hosts, str(found.public_base_url), found.debug, found.trusted_proxies, found.metrics_allow


def test_the_table_has_150_wounded_values_of_every_setting() -> None:
    assert sum(map(len, [*MEANT.values(), *REFUSED.values()])) >= 150
    assert {*MEANT, *REFUSED} - {"ENGINE_SLICES"} >= set(TABLE) - {"ALLOW_PUBLIC_DEBUG"}


def test_what_is_written_oddly_means_the_same_as_what_is_written_well() -> None:
    mail = {"EMAIL_URL": "console:", "EMAIL_FROM": "calls@example.org"}
    for name, texts in MEANT.items():
        for wounded, well in texts.items():
            found, expected = environment(**mail | {name: wounded}), environment(**mail | {name: well})
            assert found == expected, (name, wounded)
            assert protection(found) == protection(expected), (name, wounded)


def test_what_is_half_understood_is_refused_in_one_sentence_that_names_the_setting() -> None:
    mail = {"EMAIL_URL": "console:", "EMAIL_FROM": "calls@example.org"}
    for name, texts in REFUSED.items():
        for wounded in texts:
            with pytest.raises(ImproperlyConfigured) as refused:
                print(name, repr(wounded), environment(**mail | {name: wounded}))  # noqa: T201 - what was accepted
            said = str(refused.value)
            assert said.startswith(f"{name} ") and ONE_SENTENCE.fullmatch(said), (name, wounded, said)
            assert not re.search(r"[.] [A-Z]", said), said
            assert not [part for part in (SECRET, KEY, "u:p") if part in said], said


@given(st.text(max_size=30), st.sampled_from(sorted(TABLE)))
def test_no_text_makes_anything_but_an_environment_or_a_sentence(text: str, name: str) -> None:
    try:
        found = environment(**{name: text})
    except ImproperlyConfigured:
        return
    public = str(found.public_base_url)
    assert public == "" or re.fullmatch(r"https://[a-z0-9.:\[\]-]+", public)
    assert name in ("ALLOWED_HOSTS", "PUBLIC_BASE_URL") or found.hosts == ["calls.example.org"]


# What the values are.


def test_lists_and_addresses_are_parsed() -> None:
    found = environment(
        ALLOWED_HOSTS="calls.example.org,b.example.org",
        METRICS_ALLOW="::ffff:10.0.0.0/104",
        ALLOWED_OUTGOING_HOSTS="PBX.example.lan:8443, http://10.0.0.5:8080,",
    )
    assert found.hosts == ["calls.example.org", "b.example.org"]
    assert found.metrics_allow == (ip_network("10.0.0.0/8"),)
    expected = {Origin("https", "pbx.example.lan", 8443), Origin("http", "10.0.0.5", 8080)}
    assert found.allowed_outgoing_hosts == expected
    assert environment(ALLOWED_HOSTS=" ").hosts == ["calls.example.org"]
    assert found.https and not environment(PUBLIC_BASE_URL="").https


def test_databases_are_read_as_the_library_that_django_recommends_reads_them() -> None:
    for password in ("secret", "p@ss/w#rd?", "100%", "a:b", "ü ñ", "+&="):
        url = f"postgresql://us%40er:{quote(password, safe='')}@db.example.org:6432/na%2Fme?sslmode=require"
        found, library = environment(DATABASE_URL=url).database_url, dj_database_url.parse(url)
        assert (found.user, found.password, found.host) == (library["USER"], password, library["HOST"])
        assert (found.name, int(found.port)) == (library["NAME"], library["PORT"])
        assert found.options == library["OPTIONS"]
    both = environment(DATABASE_URL="postgresql://db/x?options=-c%20a.b%3D1&currentSchema=calls").database_url
    assert both.options == {"options": "-c a.b=1 -c search_path=calls"}
    socket = environment(DATABASE_URL="postgresql://u@%2FRun%2Fpostgresql:5433/x").database_url
    assert (socket.host, socket.port) == ("/Run/postgresql", "5433")
    assert environment(DATABASE_URL="postgresql://u@my_db/x").database_url.host == "my_db"


def test_mail_servers_are_read_as_the_library_that_django_recommends_reads_them() -> None:
    for url in (
        "submission://me%40example.org:p%40ss@mail.example.org",
        "smtp://mail.example.org:2525?tls=true",
        "smtp://mail.example.org:465/?ssl=true",
        "smtp://mail.example.org",
        "console:",
        "dummy:",
    ):
        found = environment(EMAIL_URL=url, EMAIL_FROM="a@example.org").email_url
        library = dj_email_url.parse(url)
        assert issubclass(import_string(found.backend), import_string(library["EMAIL_BACKEND"]))
        assert (found.starttls, found.tls) == (library["EMAIL_USE_TLS"], library["EMAIL_USE_SSL"])
        assert (found.host, found.port) == (library["EMAIL_HOST"] or "", library["EMAIL_PORT"] or 0)
        assert (found.user, found.password) == (
            library["EMAIL_HOST_USER"] or "", library["EMAIL_HOST_PASSWORD"] or ""
        )  # fmt: skip


def test_the_number_of_engine_processes_keeps_its_old_name() -> None:
    assert environment().engine_processes is None
    assert environment(ENGINE_SLICES="3").engine_processes == 3
    assert environment(ENGINE_SLICES="3", ENGINE_PROCESSES="2").engine_processes == 2


# What contradicts each other.


def test_production_needs_its_secrets_named(tmp_path: Path) -> None:
    for name in ("SECRET_KEY", "FIELD_KEYS"):
        with pytest.raises(ImproperlyConfigured, match=name):
            read(tmp_path, {other: value for other, value in GIVEN.items() if other != name})
    assert list(tmp_path.iterdir()) == [], "there are no default secrets outside of development"


def test_development_makes_its_secrets_up_once_and_production_takes_none_of_them(tmp_path: Path) -> None:
    first = read(tmp_path, {"DEBUG": "true"})
    assert read(tmp_path, {"DEBUG": "true"}) == first
    assert (tmp_path / "field-key").stat().st_mode & 0o077 == 0
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY is the one that development"):
        read(tmp_path, GIVEN | {"SECRET_KEY": first.secret_key})


def test_debug_with_a_public_address_must_be_told_twice() -> None:
    with pytest.raises(ImproperlyConfigured, match="DEBUG must be off"):
        environment(DEBUG="on")
    found = environment(DEBUG="on", ALLOW_PUBLIC_DEBUG="yes")
    assert found.debug and found.https and "calls.example.org" in found.hosts
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        environment(DEBUG="on", ALLOW_PUBLIC_DEBUG="yes", SECRET_KEY="short")
    local = {"DEBUG": "on", "ALLOW_LOOPBACK_URLS": "yes", "SECRET_KEY": "short"}
    assert not environment(**local, PUBLIC_BASE_URL="http://127.0.0.1:8000").https
    assert environment(**local, PUBLIC_BASE_URL="").hosts == ["127.0.0.1", "localhost", "[::1]"]


def test_plain_http_is_for_this_machine_alone() -> None:
    for url in ("http://localhost:8000", "http://127.9.9.9", "http://[::1]:8000"):
        assert str(environment(PUBLIC_BASE_URL=url, ALLOW_LOOPBACK_URLS="true").public_base_url) == url
    with pytest.raises(ImproperlyConfigured, match="PUBLIC_BASE_URL must be an https address"):
        environment(PUBLIC_BASE_URL="http://calls.example.org", ALLOW_LOOPBACK_URLS="true")


def test_e_mail_needs_a_sender() -> None:
    with pytest.raises(ImproperlyConfigured, match="EMAIL_FROM"):
        environment(EMAIL_URL="smtp://mail.example.org")


def test_hosts_without_the_public_one_are_told() -> None:
    assert environment(ALLOWED_HOSTS="calls.example.org").warnings == []
    assert environment(ALLOWED_HOSTS=".example.org").warnings == []
    (said,) = environment(ALLOWED_HOSTS="other.example.org").warnings
    assert said.startswith("ALLOWED_HOSTS does not contain")


def test_a_client_without_its_provider_is_told() -> None:
    half: dict[str, str] = {}
    for name, value in (
        *(("OIDC_CLIENT_ID", "trunkline"), ("OIDC_CLIENT_SECRET", "x"), ("OIDC_NAME", "Acme")),
        *(("OIDC_SCOPES", "openid"), ("OIDC_LINK_BY_EMAIL", "true"), ("OIDC_REQUIRED_CLAIMS", "hd=example.org")),
        *(("OIDC_ROLES_CLAIM", "groups"), ("OIDC_TWO_STEP_ACR", "gold"), ("OIDC_TWO_STEP_ALWAYS", "true")),
    ):
        (said,) = environment(**{name: value}).warnings
        assert said == f"Without OIDC_ISSUER single sign-on is off. These have no effect: {name}."
        half[name] = value
        assert environment(**half).warnings[0].endswith(f": {', '.join(half)}.")
    assert environment(OIDC_CLIENT_ID="trunkline", OIDC_ISSUER="https://id.example.org").warnings == []


def test_a_web_process_that_answers_to_no_host_is_told() -> None:
    (said,) = environment(PUBLIC_BASE_URL="").warnings
    assert said.startswith("Neither ALLOWED_HOSTS nor PUBLIC_BASE_URL")
    assert environment(PUBLIC_BASE_URL="", ALLOWED_HOSTS="calls.example.org").warnings == []
    assert environment(PUBLIC_BASE_URL="", DEBUG="true").warnings == []


def test_uploads_go_to_one_place_that_is_allowed() -> None:
    bucket = "s3://key:secret@minio.example.lan:9000/files?tls=false"
    found = environment(UPLOADS_URL=bucket, ALLOWED_OUTGOING_HOSTS="http://minio.example.lan:9000")
    assert found.uploads_url.storage["OPTIONS"]["endpoint_url"] == "http://minio.example.lan:9000"
    for more, said in (
        ({"UPLOADS_DIR": "/mnt/uploads"}, "UPLOADS_URL and UPLOADS_DIR are both given"),
        ({"UPLOADS_URL": bucket}, "UPLOADS_URL leads to a server without TLS"),
        ({"UPLOADS_URL": "s3://127.0.0.1/files"}, "UPLOADS_URL leads to this machine"),
    ):
        with pytest.raises(ImproperlyConfigured, match=said):
            environment(**{"UPLOADS_URL": "s3://s3.example.org/files"} | more)
    assert environment().uploads_url.storage == {}


def test_a_replica_is_one_of_postgresql() -> None:
    here = {"DATABASE_URL": "postgresql://u@db/x"}
    found = environment(**here, REPLICA_DATABASE_URL=" POSTGRES://u@Standby/x").replica_database_url
    assert found and (found.host, found.name) == ("standby", "x")
    assert environment(**here).replica_database_url is None


def test_a_collector_on_this_machine_needs_no_leave_and_headers_need_a_collector() -> None:
    found = environment(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318", OTEL_EXPORTER_OTLP_HEADERS="API-Key=a%20b")
    assert found.otel_exporter_otlp_headers == (("api-key", "a b"),)
    with pytest.raises(ImproperlyConfigured, match="needs OTEL_EXPORTER_OTLP_ENDPOINT"):
        environment(OTEL_EXPORTER_OTLP_HEADERS="api-key=secret")


def test_a_setting_whose_packages_are_missing_is_refused_in_one_sentence() -> None:
    values = dict.fromkeys(NEEDED, "given")
    assert list(missing(values.__contains__, lambda module: True)) == []
    assert list(missing([].__contains__, lambda module: False)) == []
    said = list(missing(values.__contains__, lambda module: module == "boto3"))
    assert len(said) == len(NEEDED)
    for name, sentence in zip(NEEDED, said, strict=True):
        assert ONE_SENTENCE.fullmatch(sentence) and sentence.startswith(f"{name} needs packages"), sentence
    pinned = (ROOT / "requirements.txt").read_text("utf-8")
    assert not re.search("^(boto3|django-storages|sentry-sdk|opentelemetry-sdk)==", pinned, re.M), "the base is small"


# Names.


NEAREST = {
    "ALLOWED_HOST": "ALLOWED_HOSTS",
    "ALOWED_HOSTS": "ALLOWED_HOSTS",
    "DJANGO_ALLOWED_HOSTS": "ALLOWED_HOSTS",
    "PUBLIC_BASEURL": "PUBLIC_BASE_URL",
    "PUBLIC_BASE_ULR": "PUBLIC_BASE_URL",
    "PUBLIC_URL": "PUBLIC_BASE_URL",
    "public_base_url": "PUBLIC_BASE_URL",
    "TRUNKLINE_SECRET_KEY": "SECRET_KEY",
    "DJANGO_SECRET_KEY": "SECRET_KEY",
    "SECRETKEY": "SECRET_KEY",
    "FIELD_KEY": "FIELD_KEYS",
    "DB_URL": "",
    "DATABASE_URI": "DATABASE_URL",
    "TRUSTED_PROXY": "TRUSTED_PROXIES",
    "DEBUGG": "DEBUG",
    "EMAIL_HOST": "*",
    "ENGINE_PROCESS": "ENGINE_PROCESSES",
    "METRICS_ALLOWED": "METRICS_ALLOW",
    "TRUNKLINE_ANYTHING": "*",
    **dict.fromkeys(
        ["PATH", "HOME", "LANG", "TZ", "PYTHONPATH", "DJANGO_SETTINGS_MODULE", "HOSTNAME", "SESSION_MANAGER"], ""
    ),
    **dict.fromkeys(["API_SERVICE_HOST", "DATABASE_PORT_5432_TCP_ADDR", "TRUNKLINE_PORT", "Q_CLUSTER_NAME"], ""),
    **dict.fromkeys(["TRUNKLINE_FAILPOINT", "DJANGO_SUPERUSER_PASSWORD", "DEBUGINFOD_URLS", *TABLE], ""),
}  # fmt: skip


def test_names_near_a_setting_are_told_with_the_nearest_one() -> None:
    for name, nearest in NEAREST.items():
        said = list(misspelt([name], set(TABLE)))
        assert bool(said) == bool(nearest), (name, said)
        assert not said or nearest == "*" or said[0].endswith(f"The nearest is {nearest}."), said


def test_the_distance_counts_letters() -> None:
    known = {
        ("ab", "ab"): 0,
        ("ab", "ba"): 1,
        ("abc", "ab"): 1,
        ("ab", "abc"): 1,
        ("kitten", "sitting"): 3,
        ("", "ab"): 2,
    }
    assert {pair: distance(*pair) for pair in known} == known


# What is shown.


def test_the_page_of_settings_is_the_table() -> None:
    page = (ROOT / "docs/settings.md").read_text("utf-8")
    assert "\n".join(markdown()) in page, "run `manage.py settings --markdown`"
    assert set(TABLE) == {each.name.upper() for each in fields(Environment)}


def test_what_is_shown_means_the_same_when_it_is_given() -> None:
    mail = {"EMAIL_URL": "console:", "EMAIL_FROM": "calls@example.org"}
    unencrypted = [("EMAIL_URL", "submission://u@mail.example.org?tls=false")]
    given = [(name, text) for name, texts in MEANT.items() for text in texts.values()] + unencrypted
    for name, text in given:
        found = environment(**mail | {name: text})
        said = dict(shown(found))[name]
        if "••••" not in said:
            assert environment(**mail | {name: said}) == found, (name, text, said)


def test_secrets_are_not_shown() -> None:
    mail = {"EMAIL_URL": "smtp://me:hidden-password@mail.example.org", "EMAIL_FROM": "a@example.org"}
    database = "postgresql://u:hidden-password@db/name?sslpassword=hidden-password&sslmode=require"
    rows = dict(shown(environment(DATABASE_URL=database, **mail)))
    text = str(rows)
    assert not [secret for secret in (SECRET, KEY, "hidden-password") if secret in text]
    assert rows["DATABASE_URL"] == "postgresql://u:••••@db/name?sslpassword=••••&sslmode=require"
    assert rows["PUBLIC_BASE_URL"] == "https://calls.example.org"
    assert list(rows) == list(TABLE)


# The task queue.


def test_a_worker_uses_two_cores_unless_its_database_has_one_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("sqlite:///calls.sqlite3", 8, 1), ("postgresql://db/a", 1, 1), ("postgres://db/a", 2, 2)]
    for url, cores, expected in [*rows, ("postgresql://db/a", 8, 2)]:
        monkeypatch.setattr("os.sched_getaffinity", lambda pid, cores=cores: set(range(cores)))
        assert environment(DATABASE_URL=url).processes == expected, (url, cores)
        assert environment(DATABASE_URL=url, ENGINE_PROCESSES="5").processes == 5


def test_the_deadlines_nest_and_the_task_queue_is_set_as_it_was_measured_to_be_safe(settings: object) -> None:
    assert not [found for found in run_checks() if (found.id or "").startswith("calls.")]


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_attempts", 0), ("retry", 100), ("ack_failures", False), ("workers", 1)],
)
def test_other_settings_of_the_task_queue_stop_the_start(
    settings: pytest.FixtureRequest, name: str, value: object
) -> None:
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, name: value}  # type: ignore[attr-defined]
    assert "calls.E002" in {found.id for found in run_checks()}


def test_a_pooler_is_named_by_a_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert read(tmp_path).database_pooler is False
    monkeypatch.setenv("DATABASE_POOLER", "true")
    assert read(tmp_path).database_pooler is True
    monkeypatch.setenv("DATABASE_POOLER", "pgbouncer")
    with pytest.raises(ImproperlyConfigured, match="DATABASE_POOLER"):
        read(tmp_path)
