"""What `deploy/`, the Dockerfile and compose.yaml say is true: names of metrics and settings, and the entry point."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from tests.postgresql import Unavailable, free_port, unprivileged_user
from tests.suite import ROOT
from tests.waiting import PATIENCE, eventually

DEPLOY = ROOT / "deploy"
METRIC = re.compile(r"\btrunkline_[a-z_]+")
CODE = re.compile(r'"(?:[^"\\]|\\.)*"')
SUFFIXES = re.compile(r"_total$")


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


# Metrics.


def expressions() -> list[str]:
    rules = [rule["expr"] for group in read("deploy/alerts.yaml")["groups"] for rule in group["rules"]]
    dashboard = json.loads((DEPLOY / "grafana/trunkline.json").read_text("utf-8"))
    return rules + [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


@pytest.mark.django_db
def test_alerts_and_dashboard_ask_for_metrics_that_exist() -> None:
    answer = Client().get("/metrics", REMOTE_ADDR="127.0.0.1").content.decode()
    known = {family.name for family in text_string_to_metric_families(answer)}
    asked = {SUFFIXES.sub("", name) for each in expressions() for name in METRIC.findall(CODE.sub("", each))}
    assert len(asked) > 15 and asked - known == set()
    documented = {SUFFIXES.sub("", name) for name in METRIC.findall((ROOT / "docs/deploying.md").read_text("utf-8"))}
    assert known - documented == set(), "the page names every metric"


def test_every_alert_says_what_to_do() -> None:
    rules = [rule for group in read("deploy/alerts.yaml")["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["annotations"]["summary"].endswith(".") and rule["annotations"]["description"].endswith(".")
        assert rule["labels"]["severity"] in ("warning", "critical")


# Files.


def settings_of_the_page() -> set[str]:
    text = (ROOT / "docs/deploying.md").read_text("utf-8")
    return set(re.findall(r"^\| `([A-Z_]+)`", text, re.MULTILINE))


def test_settings_in_the_files_are_known_and_parts_are_the_entry_points() -> None:
    known = settings_of_the_page()
    parts = set(re.findall(r"^  ([a-z]+)\)", (DEPLOY / "start").read_text("utf-8"), re.MULTILINE))
    assert parts == {"web", "worker", "setup", "sandbox"}
    services = read("compose.yaml")["services"]
    ours = {name: service for name, service in services.items() if service.get("image") == "trunkline"}
    assert set(ours) == {"setup", "web", "worker", "sandbox"}
    for name, service in ours.items():
        assert service["command"][0] in parts and service["read_only"] is True, name
        assert set(service["environment"]) <= known
    kinds = read("deploy/kubernetes/trunkline.yaml")["items"]
    for item in kinds:
        if item["kind"] in ("Secret", "ConfigMap"):
            assert set(item.get("stringData", item.get("data"))) <= known
        if item["kind"] in ("Deployment", "Job"):
            pod = item["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            assert container["args"][0] in parts and pod["securityContext"]["runAsNonRoot"] is True
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
    example = re.findall(r"^([A-Z_]+)=", (DEPLOY / "trunkline.env.example").read_text("utf-8"), re.MULTILINE)
    assert set(example) <= known


def test_a_worker_gets_time_to_finish_and_its_signal_alone() -> None:
    unit = (DEPLOY / "systemd/trunkline-worker.service").read_text("utf-8")
    assert "KillMode=mixed" in unit and "TimeoutStopSec=120" in unit
    assert read("compose.yaml")["services"]["worker"]["stop_grace_period"] == "120s"
    workers = [
        item for item in read("deploy/kubernetes/trunkline.yaml")["items"] if "worker" in item["metadata"]["name"]
    ]
    assert [item["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] for item in workers] == [120]


def test_the_image_runs_as_an_ordinary_user_and_names_no_index() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert "\nUSER 10001:10001\n" in text and "\nHEALTHCHECK " in text and "--require-hashes" in text
    assert "index-url" not in text and "http" not in text


# The entry point, in a bare directory that its user cannot write, but for var/.


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users can enter. Pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="trunkline-deployed-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.proof  # .ci/run runs it
def test_the_commands_of_the_entry_point_run_as_another_user_in_a_directory_that_is_read_only(folder: Path) -> None:
    try:
        user = unprivileged_user()
    except Unavailable as reason:
        pytest.skip(str(reason))
    home = bare_copy(folder, user)
    port = free_port()
    given = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "k" * 20 + "3J9x" * 10,
        "FIELD_KEYS": Fernet.generate_key().decode(),
        "PUBLIC_BASE_URL": "https://calls.example.org",
        "ALLOWED_HOSTS": "calls.example.org",
        "WEB_ADDRESS": f"127.0.0.1:{port}",
    }
    run_as: dict[str, Any] = {"user": user, "extra_groups": []} if user else {}

    def start(*command: str) -> subprocess.Popen[bytes]:
        log = (folder / f"{command[0]}.log").open("wb")
        with log:
            return subprocess.Popen(
                [str(home / "deploy/start"), *command], cwd="/", env=given, stdout=log, stderr=log, **run_as
            )

    def run(*command: str) -> str:
        status = start(*command).wait(PATIENCE)
        said = (folder / f"{command[0]}.log").read_text("utf-8")
        assert status == 0, said
        return said

    run("setup")
    run("create_organization", "Main street clinic", "--timezone", "Europe/Paris", "--region", "FR")
    web, worker = start("web"), start("worker")
    try:
        eventually(lambda: asked(port, "/healthz") == 200, "the web process does not start")
        eventually(lambda: asked(port, "/readyz") == 200, "it does not become ready")
        assert asked(port, "/admin/login/", {"X-Forwarded-Proto": "https"}) == 200
        healthy = subprocess.run([home / "deploy/healthy"], env=given, check=False, **run_as)
        assert healthy.returncode == 0
    finally:
        for process in (web, worker):
            process.terminate()
        assert [process.wait(PATIENCE) for process in (web, worker)] == [0, 0]
    assert subprocess.run([home / "deploy/healthy"], env=given, capture_output=True, check=False).returncode == 1
    changed = [path for path in home.rglob("*") if path.is_file() and path.owner() == user and "var" not in path.parts]
    assert user is None or changed == []


def bare_copy(folder: Path, user: str | None) -> Path:
    """Copy what the image has. Only var/ belongs to the user."""
    home = folder / "trunkline"
    left_out = {*(ROOT / ".dockerignore").read_text("utf-8").split(), ".git", "staticfiles"}
    home.mkdir()
    for path in ROOT.iterdir():
        if path.name not in left_out and not path.name.endswith("_cache"):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, home / path.name)
    environment_for(user, home / ".venv")
    made = {"SECRET_KEY": "k" * 50, "FIELD_KEYS": Fernet.generate_key().decode(), "PATH": os.environ["PATH"]}
    collect = [str(ROOT / ".venv/bin/python"), "manage.py", "collectstatic", "--noinput"]
    subprocess.run(collect, cwd=home, env=made, check=True, capture_output=True)
    shutil.rmtree(home / "var", ignore_errors=True)
    (home / "var").mkdir()
    if user:
        shutil.chown(home / "var", user)
    return home


def environment_for(user: str | None, place: Path) -> None:
    """Make a virtual environment that the user can run. The developer's may use a Python in a private home."""
    present = (ROOT / ".venv").resolve()
    run_as: dict[str, Any] = {"user": user, "extra_groups": []} if user else {}

    def runs(python: Path) -> bool:
        try:
            code = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
            return subprocess.run([python, "-c", code], check=False, cwd="/", **run_as).returncode == 0
        except OSError:
            return False

    if runs(present / "bin/python"):
        place.symlink_to(present)
        return
    system = Path("/usr/bin/python3")
    if not runs(system):
        pytest.skip(f"{user} can run no Python {sys.version_info.major}.{sys.version_info.minor}")
    (place / "bin").mkdir(parents=True)
    packages = next(present.glob("lib/python*/site-packages"))
    for name, module in (("python", ""), ("gunicorn", "-m gunicorn")):
        script = place / "bin" / name
        script.write_text(f'#!/bin/sh\nPYTHONPATH={packages} exec {system} {module} "$@"\n')
        script.chmod(0o755)


def asked(port: int, path: str, headers: dict[str, str] | None = None) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": "calls.example.org"} | (headers or {}))
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
