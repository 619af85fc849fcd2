"""Settings from the environment are typed, and a wrong value is refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from config.environment import read
from tenants.egress.policy import Origin

KEY = "A" * 43 + "="  # 32 zero bytes
NAMES = [
    "DEBUG",
    "SECRET_KEY",
    "FIELD_KEYS",
    "DATABASE_URL",
    "DATABASE_POOLER",
    "UPLOADS_DIR",
    "PUBLIC_BASE_URL",
    "ALLOWED_HOSTS",
    "ENGINE_PROCESSES",
    "ENGINE_SLICES",
    "ALLOW_LOOPBACK_URLS",
    "ALLOWED_OUTGOING_HOSTS",
    "API_RATE",
    "API_BURST",
    "METRICS_ALLOW",
    "TRUSTED_PROXIES",
    "SESSION_IDLE_MINUTES",
    "EMAIL_URL",
    "EMAIL_FROM",
]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SECRET_KEY", "s" * 50)
    monkeypatch.setenv("FIELD_KEYS", KEY)


def test_production_needs_its_secrets_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SECRET_KEY", "FIELD_KEYS"):
        with monkeypatch.context() as context:
            context.delenv(name)
            with pytest.raises(ImproperlyConfigured, match=name):
                read(tmp_path)
    assert list(tmp_path.iterdir()) == [], "there are no default secrets outside of development"


def test_development_makes_its_secrets_up_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEBUG", "true")
    monkeypatch.delenv("SECRET_KEY")
    monkeypatch.delenv("FIELD_KEYS")
    first = read(tmp_path)
    assert read(tmp_path) == first
    assert (tmp_path / "field-key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DEBUG", "flase", "DEBUG"),
        ("ENGINE_SLICES", "many", "ENGINE_SLICES"),
        ("ENGINE_SLICES", "0", "ENGINE_SLICES"),
        ("ENGINE_SLICES", "33", "ENGINE_SLICES"),
        ("ENGINE_PROCESSES", "0", "ENGINE_PROCESSES"),
        ("ENGINE_PROCESSES", "33", "ENGINE_PROCESSES"),
        ("FIELD_KEYS", "short", "Fernet"),
        ("FIELD_KEYS", f"{KEY},nonsense", "Fernet"),
        ("PUBLIC_BASE_URL", "calls.example.org", "https://"),
        ("PUBLIC_BASE_URL", "http://calls.example.org", "https://"),
        ("PUBLIC_BASE_URL", "http://127.0.0.1:8000", "ALLOW_LOOPBACK_URLS"),
        ("PUBLIC_BASE_URL", "https://user@calls.example.org", "https://"),
        ("PUBLIC_BASE_URL", "https://calls.example.org/?x=1", "https://"),
        ("ALLOW_LOOPBACK_URLS", "perhaps", "ALLOW_LOOPBACK_URLS"),
        ("ALLOWED_OUTGOING_HOSTS", "*.example.lan", "ALLOWED_OUTGOING_HOSTS"),
        ("ALLOWED_OUTGOING_HOSTS", "pbx.example.lan,169.254.169.254", "169.254.169.254"),
        ("API_RATE", "0", "API_RATE"),
        ("API_BURST", "-1", "API_BURST"),
        ("API_BURST", "lots", "API_BURST"),
        ("METRICS_ALLOW", "everybody", "METRICS_ALLOW"),
        ("TRUSTED_PROXIES", "nginx", "TRUSTED_PROXIES"),
        ("SESSION_IDLE_MINUTES", "0", "SESSION_IDLE_MINUTES"),
        ("SESSION_IDLE_MINUTES", "721", "SESSION_IDLE_MINUTES"),
        ("EMAIL_URL", "mail.example.org", "EMAIL_URL"),
        ("EMAIL_URL", "carrier-pigeon://mail.example.org", "EMAIL_URL"),
        ("EMAIL_URL", "smtp://mail.example.org:many", "EMAIL_URL"),
        ("EMAIL_URL", "smtp://mail.example.org", "EMAIL_FROM"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "TRUSTED_PROXIES"),
        ("TRUSTED_PROXIES", "10.0.0.1,0.0.0.0/0", "TRUSTED_PROXIES"),
        ("TRUSTED_PROXIES", "::/0", "TRUSTED_PROXIES"),
    ],
)
def test_nonsense_is_refused_with_the_name_of_the_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=words):
        read(tmp_path)


def test_lists_are_trimmed_and_addresses_lose_their_last_slash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", " a.example.org , b.example.org,")
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://a.example.org/")
    found = read(tmp_path)
    assert found.allowed_hosts == ["a.example.org", "b.example.org"]
    assert found.public_base_url == "https://a.example.org"
    assert found.https


def test_allowed_hosts_are_origins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert read(tmp_path).allowed_outgoing_hosts == frozenset()
    monkeypatch.setenv("ALLOWED_OUTGOING_HOSTS", "PBX.example.lan:8443, http://10.0.0.5:8080,")
    expected = {Origin("https", "pbx.example.lan", 8443), Origin("http", "10.0.0.5", 8080)}
    assert read(tmp_path).allowed_outgoing_hosts == expected


def test_the_number_of_engine_processes_keeps_its_old_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert read(tmp_path).engine_processes == 1
    monkeypatch.setenv("ENGINE_SLICES", "3")
    assert read(tmp_path).engine_processes == 3
    monkeypatch.setenv("ENGINE_PROCESSES", "2")
    assert read(tmp_path).engine_processes == 2


def test_the_deadlines_nest_and_the_task_queue_is_set_as_it_was_measured_to_be_safe(settings: object) -> None:
    assert not [found for found in run_checks() if (found.id or "").startswith("calls.")]


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_attempts", 0), ("retry", 100), ("ack_failures", False), ("workers", 1), ("guard_cycle", 0.7)],
)
def test_other_settings_of_the_task_queue_stop_the_start(
    settings: pytest.FixtureRequest, name: str, value: object
) -> None:
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, name: value}  # type: ignore[attr-defined]
    assert "calls.E002" in {found.id for found in run_checks()}


def test_uploads_have_a_folder_that_may_be_shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert read(tmp_path).uploads_dir == str(tmp_path / "uploads")
    monkeypatch.setenv("UPLOADS_DIR", " /mnt/uploads ")
    assert read(tmp_path).uploads_dir == "/mnt/uploads"
    for wrong in ("uploads", "./x"):
        monkeypatch.setenv("UPLOADS_DIR", wrong)
        with pytest.raises(ImproperlyConfigured, match="UPLOADS_DIR"):
            read(tmp_path)


def test_a_pooler_is_named_by_a_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert read(tmp_path).database_pooler is False
    monkeypatch.setenv("DATABASE_POOLER", "true")
    assert read(tmp_path).database_pooler is True
    monkeypatch.setenv("DATABASE_POOLER", "pgbouncer")
    with pytest.raises(ImproperlyConfigured, match="DATABASE_POOLER"):
        read(tmp_path)
