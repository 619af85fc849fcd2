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
from cryptography.fernet import Fernet
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from config.environment import TABLE, Environment, read, shown
from config.management.commands.settings import markdown
from config.setting_names import distance, misspelt
from tenants.egress.policy import Origin
from tests.suite import ROOT

KEY, OTHER_KEY = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SECRET = "4f-Kq8_zR2vXw7-Tb1mNc6yHs9pLd3gJa5eUu0iOo_nBfVrCkQtWxZ"
GIVEN = {"SECRET_KEY": SECRET, "FIELD_KEYS": KEY, "PUBLIC_BASE_URL": "https://calls.example.org"}
ONE_SENTENCE = re.compile(r"[A-Z_]+ [^\n]+[.]")
NOWHERE = Path("/nonexistent/var")  # nothing is generated there

# Setting -> a text, and how the same is written well. Both must give one environment.
MEANT: dict[str, dict[str, str]] = {
    "PUBLIC_BASE_URL": {
        **dict.fromkeys(
            [
                " https://calls.example.org",
                "https://calls.example.org\n",
                "\thttps://calls.example.org\r\n",
                "\u00a0https://calls.example.org",
                "\ufeffhttps://calls.example.org",
                "HTTPS://calls.example.org",
                "hTTpS://CALLS.Example.ORG",
                "https://calls.example.org/",
                "https://calls.example.org//",
                "https://calls.example.org.",
                "https://calls.example.org./",
                "https://calls.example.org:443",
                "https://calls.example.org:443/",
                "https://calls.example.org:",
            ],
            "https://calls.example.org",
        ),
        "HTTPS://Calls.example.org:8443/": "https://calls.example.org:8443",
        "https://[2001:DB8:0::1]": "https://[2001:db8::1]",
        "https://203.0.113.7:443": "https://203.0.113.7",
        "": "",
        "   ": "",
    },
    "ALLOWED_HOSTS": {
        " calls.example.org , B.Example.Org,,": "calls.example.org,b.example.org",
        "calls.example.org.": "calls.example.org",
        "calls.example.org,CALLS.EXAMPLE.ORG": "calls.example.org",
        "calls.example.org,\n  b.example.org": "calls.example.org,b.example.org",
        "calls.example.org,::1": "calls.example.org,[::1]",
        "calls.example.org,[2001:DB8::1]": "calls.example.org,[2001:db8::1]",
        ".Example.org": ".example.org",
        " ": "",
    },
    "ALLOW_LOOPBACK_URLS": {
        **dict.fromkeys(["true", "True", " TRUE ", "yes", "YES", "On", "on", "1", "t", "Y", "true\r"], "true"),
        **dict.fromkeys(["false", "FALSE", "no", "No", "Off", "0", "f", "N", "", " ", "\n"], "false"),
    },
    "SESSION_IDLE_MINUTES": {" 30 ": "30", "030": "30", "": "120", "30\n": "30"},
    "API_RATE": {"\t7": "7", " ": "50"},
    "FIELD_KEYS": {
        f" {KEY} ": KEY,
        f"{KEY},": KEY,
        f"{KEY},{KEY}": KEY,
        f"{KEY} , {OTHER_KEY}": f"{KEY},{OTHER_KEY}",
        f"{KEY},\n{OTHER_KEY}\n": f"{KEY},{OTHER_KEY}",
    },
    "SECRET_KEY": {f" {SECRET}\n": SECRET},
    "METRICS_ALLOW": {
        " 10.0.0.0/8 , ::1": "10.0.0.0/8,::1",
        "::ffff:10.0.0.1": "10.0.0.1",
        "::FFFF:10.0.0.0/104": "10.0.0.0/8",
        "2001:DB8::/32": "2001:db8::/32",
        "": "127.0.0.0/8,::1",
    },
    "TRUSTED_PROXIES": {"10.0.0.1/32": "10.0.0.1", "10.1.0.0/255.255.0.0": "10.1.0.0/16"},
    "ALLOWED_OUTGOING_HOSTS": {
        " PBX.Example.lan ,": "https://pbx.example.lan:443",
        "HTTP://10.0.0.5:8080": "http://10.0.0.5:8080",
    },
    "EMAIL_FROM": {" calls@example.org ": "calls@example.org"},
    "DATABASE_POOLER": {" Yes": "true", "": "false"},
    "DIAL_JOURNAL": {" OFF ": "off", "": "var/journal"},
    "UPLOADS_DIR": {" /mnt/uploads\n": "/mnt/uploads"},
    "OIDC_NAME": {" Acme ": "Acme", "": "single sign-on"},
    "OIDC_LINK_BY_EMAIL": {"On": "true"},
    "OIDC_TWO_STEP_ALWAYS": {"1": "true"},
    "OIDC_TWO_STEP_AMR": {" mfa , hwk,": "mfa,hwk", " ": "mfa"},
    "OIDC_TWO_STEP_ACR": {" gold,": "gold"},
    "OIDC_SCOPES": {" openid   email ": "openid email"},
    "OIDC_CLIENT_ID": {" trunkline ": "trunkline"},
    "OIDC_CLIENT_SECRET": {" secret\n": "secret"},
    "OIDC_ROLES_CLAIM": {" groups ": "groups"},
    "EMAIL_URL": {
        " SUBMISSION://me:p%40ss@Mail.Example.org ": "submission://me:p%40ss@mail.example.org:587?tls=true",
        "smtp://mail.example.org": "smtp://mail.example.org:25?tls=no",
        "smtp://mail.example.org:465?ssl=YES": "smtp://mail.example.org:465?ssl=true",
    },
    "DATABASE_URL": {
        "": f"sqlite:///{ROOT}/var/trunkline.sqlite3",
        "sqlite:///var/mine.sqlite3": f"sqlite:///{ROOT}/var/mine.sqlite3",
        "sqlite:///mine.sqlite3": f"sqlite:///{ROOT}/mine.sqlite3",
        "sqlite:///./var/../mine.sqlite3": f"sqlite:///{ROOT}/mine.sqlite3",
        " SQLITE:///mine.sqlite3\n": f"sqlite:///{ROOT}/mine.sqlite3",
        "sqlite://:memory:": "sqlite://",
        "sqlite:///my file.sqlite3": "sqlite:///my%20file.sqlite3",
        "postgres://u:p@db/name": "postgresql://u:p@db/name",
        "PostgreSQL://u:p@DB.Example.org/name": "postgresql://u:p@db.example.org/name",
        "postgresql://db/name?user=u&password=p%40w": "postgresql://u:p%40w@db/name",
        "postgresql:///name?host=%2Frun%2Fpostgresql": "postgresql://%2Frun%2Fpostgresql/name",
        "postgresql://db/name?options=-c%20lock_timeout%3D1000&currentSchema=calls": (
            "postgresql://db/name?options=-c lock_timeout=1000 -c search_path=calls".replace(" ", "%20")
        ),
    },
}

# Setting -> texts that are refused.
REFUSED: dict[str, list[str]] = {
    "PUBLIC_BASE_URL": [
        *("calls.example.org", "//calls.example.org", "https:calls.example.org", "https:/calls.example.org"),
        *("http://calls.example.org", "HTTP://calls.example.org", "htps://calls.example.org", "wss://calls.example.org"),
        *("https://", "https:///", "https://calls example.org", "https://calls.example .org", "https ://a.example.org"),
        *("https://calls.example.org:80a", "https://calls.example.org:0", "https://calls.example.org:65536"),
        *("https://calls.example.org:-1", "https://calls.example.org:+443", "https://calls.example.org:\uff14\uff14\uff13"),
        *("https://calls.example.org/trunkline", "https://calls.example.org/admin/", "https://calls.example.org/%2e"),
        *("https://user@calls.example.org", "https://user:pw@calls.example.org", "https://@calls.example.org"),
        *("https://calls.example.org?x=1", "https://calls.example.org/?", "https://calls.example.org#top"),
        *("https://calls.example.org/#", "https://calls.example.org\\@evil.example", "https://*.example.org"),
        *('"https://calls.example.org"', "'https://calls.example.org'", "\u201chttps://calls.example.org\u201d"),
        *("https://calls_one.example.org", "https://-calls.example.org", "https://calls..example.org"),
        *("https://127.1", "https://0x7f000001", "https://2130706433", "https://256.1.1.1", "https://010.0.0.1"),
        *("https://[::1", "https://[fe80::1%25eth0]", "https://[v1.a]", "https://bücher.example", "https://calls。org"),
        *("https://${HOST}", "https://calls\n.example.org", "https://calls\u200b.example.org", "https://" + "a" * 64),
        *("https://a.example.org,https://b.example.org", "http://127.0.0.1:8001", "http://localhost"),
    ],
    "ALLOWED_HOSTS": [
        *("https://calls.example.org/", "http://calls.example.org", "calls.example.org/", "calls.example.org:443"),
        *("*", "*.example.org", "calls.example.org,*", "a.example.org b.example.org", "a.example.org;b.example.org"),
        *('"calls.example.org"', "'a.example.org','b.example.org'", "['calls.example.org']", "user@calls.example.org"),
        *("calls.example.org,'b.example.org'", "..example.org", ".", "calls_one.example.org", "[::1]:8000", "$(HOST)"),
    ],
    "DEBUG": ["fasle", "ture", "2", "-1", "none", "null", '"true"', "truefalse", "true,false", "дa", "yes!"],
    "ALLOW_LOOPBACK_URLS": ["perhaps", "1.0", "00"],
    "SESSION_IDLE_MINUTES": [
        *("0", "721", "-5", "+5", "2h", "120 minutes", "120m", "1_0", "12.0", "1e2", "0x10", "many", "1,2"),
        *("\u0663\u0660", "99" * 40),
    ],
    "API_RATE": ["0", "50/s", "-1", "1000001", "50 requests"],
    "API_BURST": ["lots", "0"],
    "ENGINE_PROCESSES": ["0", "33", "two", "auto"],
    "ENGINE_SLICES": ["0", "33", "many"],
    "WAIT_FOR_MIGRATIONS": ["10m", "-1", "true"],
    "SECRET_KEY": [
        *(" ", "''", '""', "short", "changeme", "k" * 50, "django-insecure-" + SECRET, f'"{SECRET}"', f"'{SECRET}'"),
        *("${SECRET_KEY}", SECRET + " " + SECRET, SECRET[:31], "…", "{{ secret_key }}" + SECRET),
    ],
    "FIELD_KEYS": [
        *(" ", "short", f"{KEY},nonsense", f'"{KEY}"', f"{KEY} {OTHER_KEY}", f"{KEY};{OTHER_KEY}", KEY[:-1], KEY[:-2]),
        *(f"{KEY}{OTHER_KEY}", f"{KEY[:20]} {KEY[20:]}", f"{KEY[:5]}!{KEY[5:]}", "${FIELD_KEYS}"),
    ],
    "METRICS_ALLOW": ["everybody", "10.0.0.1:80", "10.0.0.0/33", "10.0.0.1/8", "127.1", "[::1]", "10.0.0.0-9", "*"],
    "TRUSTED_PROXIES": [
        *("nginx", "10.0.0.1/8", "10.0.0.1,0.0.0.0/0", "::/0", "0.0.0.0/1,128.0.0.0/1", "::ffff:0:0/96", "all", "*"),
    ],
    "ALLOWED_OUTGOING_HOSTS": [
        *("*.example.lan", "pbx.example.lan,169.254.169.254", "pbx.example.lan/path", "ftp://pbx.example.lan", "*"),
        *("user@pbx.example.lan", "pbx example.lan", "pbx.example.lan:99999", '"pbx.example.lan"'),
    ],
    "EMAIL_URL": [
        *("mail.example.org", "carrier-pigeon://mail.example.org", "smtp://mail.example.org:many", "smtp://", "smtps://m.org"),
        *("smtp://u:p%zz@mail.example.org", "smtp://u:p#w@mail.example.org", "smtp://mail.example.org:465"),
        *("smtp://mail.example.org?sssl=true", "smtp://mail.example.org?ssl=ture", "smtp://mail.example.org?ssl=true&tls=true"),
        *("smtp://mail.example.org?tls=true&tls=false", "smtp://mail.example.org/inbox", "file://tmp"),
        "smtp://a b.org",
    ],
    "DATABASE_POOLER": ["maybe", "pgbouncer"],
    "DIAL_JOURNAL_DAYS": ["0", "3651", "35 days"],
    "DIAL_JOURNAL": ['"var/journal"', "${JOURNAL}"],
    "UPLOADS_DIR": ["uploads", "./uploads", "~/uploads", "s3://bucket"],
    "OIDC_ISSUER": [
        *("http://id.example.org", "id.example.org", "https://", "https://id.example.org:port"),
        "https://id example.org",
        *("https://id.example.org?x=1", "https://user:password@id.example.org", '"https://id.example.org"'),
    ],
    "OIDC_SCOPES": ["email", "profile,openid"],
    "OIDC_ROLES": ["a=b", "[]", "{}", "{", '{"a": "b"}', '{"a": {"Acme": "admin"}}'],
    "OIDC_LINK_BY_EMAIL": ["sometimes"],
    "OIDC_CLIENT_SECRET": ["'hidden'"],
    "EMAIL_FROM": ["calls", "calls@", "@example.org", "calls@example.org, b@example.org", "a@b.org\nBcc: c@d.org"],
    "DATABASE_URL": [
        *("mysql://u:p@db/name", "postgresql+psycopg://u:p@db/name", "db/name", "postgresql:/db/name", "oracle://db/x"),
        *("postgresql://u:p@db", "postgresql://u:p@db/", "postgresql://u:p@db:port/name", "postgresql://u:p@db:0/name"),
        *("postgresql://u:p@db:65536/name", "postgresql://u:p@db:5432a/name", "postgresql://u:p w@db/name"),
        *("postgresql://u:p#w@db/name", "postgresql://u:p/w@db/name", "postgresql://u:p?w@db/name", "postgresql://u:100%@db/name"),
        *("postgresql://u:p@db/name?sslmode=requre", "postgresql://db/name?ssl=true", "postgresql://db/name?pool=true"),
        *("postgresql://db/name?sslmode=require&sslmode=disable", "postgresql://u@db/name?user=v", "postgresql://db/name?x"),
        *("postgresql://db/name?currentSchema=a%3Bb", '"postgresql://u:p@db/name"', "postgresql://${HOST}/name"),
        *("sqlite://var/mine.sqlite3", "sqlite:/mine.sqlite3", "sqlite:///~/mine.sqlite3", "sqlite:///", "sqlite:///var/"),
        *("sqlite:////nonexistent/folder/name.sqlite3", "sqlite:////tmp", "sqlite:///mine.sqlite3?mode=ro"),
    ],
}  # fmt: skip


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
        assert (found.backend, found.starttls, found.tls) == (
            library["EMAIL_BACKEND"], library["EMAIL_USE_TLS"], library["EMAIL_USE_SSL"]
        )  # fmt: skip
        assert (found.host, found.port) == (library["EMAIL_HOST"] or "", library["EMAIL_PORT"] or 0)
        assert (found.user, found.password) == (
            library["EMAIL_HOST_USER"] or "", library["EMAIL_HOST_PASSWORD"] or ""
        )  # fmt: skip


def test_the_number_of_engine_processes_keeps_its_old_name() -> None:
    assert environment().engine_processes == 0
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
