"""What `deploy/`, the Dockerfile and compose.yaml say is true: names of metrics and settings, and the entry point."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from configparser import ConfigParser
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from config.environment import TABLE
from tests.postgresql import Unavailable, free_port, unprivileged_user
from tests.suite import ROOT
from tests.waiting import PATIENCE, eventually

DEPLOY = ROOT / "deploy"
METRIC = re.compile(r"\btrunkline_[a-z_]+")
CODE = re.compile(r'"(?:[^"\\]|\\.)*"')
SUM = re.compile(r"\bsum(?: by \([\w, ]+\) )?\((max by \([\w, ]+\) )?\(?(?:rate\()?(trunkline_\w+)")
SUFFIXES = re.compile(r"_(total|created)$")


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
    ours = {SUFFIXES.sub("", name) for name in known if METRIC.match(name)}
    assert ours - documented == set(), "the page names every metric"


def test_what_each_web_process_tells_of_the_database_is_added_up_once() -> None:
    """Two web processes are two targets of Prometheus, and both tell of the same calls."""
    found = [sums for expression in expressions() for sums in SUM.findall(expression)]
    assert len(found) == sum(len(re.findall(r"\bsum\b", expression)) for expression in expressions()) > 10
    assert {metric for once, metric in found if not once} == {"trunkline_http_responses_total"}


def test_silence_raises_an_alert_also_when_no_row_is_left() -> None:
    rules = {rule["alert"]: rule["expr"] for group in read("deploy/alerts.yaml")["groups"] for rule in group["rules"]}
    assert rules["TrunklineDatabaseDown"] == "trunkline_database_up == 0"
    assert "absent(trunkline_heartbeat_age_seconds" in rules["TrunklineWorkerSilent"]
    assert rules["TrunklineNobodyLeads"].startswith("absent(trunkline_leads{")


def test_every_alert_says_what_to_do() -> None:
    rules = [rule for group in read("deploy/alerts.yaml")["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["annotations"]["summary"].endswith(".") and rule["annotations"]["description"].endswith(".")
        assert rule["labels"]["severity"] in ("warning", "critical")


# Files.


def in_kubernetes(*kinds: str) -> list[Any]:
    return [item for item in read("deploy/kubernetes/trunkline.yaml")["items"] if item["kind"] in kinds]


def unit(name: str) -> ConfigParser:
    found = ConfigParser(interpolation=None, strict=False)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string((DEPLOY / f"systemd/trunkline-{name}.service").read_text("utf-8"))
    return found


def names_in(example: str) -> set[str]:
    return set(re.findall(r"^([A-Z_]+)=", (DEPLOY / example).read_text("utf-8"), re.MULTILINE))


def test_settings_in_the_files_are_known_and_parts_are_the_entry_points() -> None:
    known = set(TABLE)
    parts = set(re.findall(r"^  ([a-z]+)\)", (DEPLOY / "start").read_text("utf-8"), re.MULTILINE))
    assert parts == {"web", "worker", "setup", "sandbox"}
    services = read("compose.yaml")["services"]
    ours = {name: service for name, service in services.items() if service.get("image") == "trunkline"}
    assert set(ours) == {"setup", "web", "worker", "sandbox"}
    for name, service in ours.items():
        assert service["command"][0] in parts and service["read_only"] is True, name
        assert set(service["environment"]) <= known
    for item in in_kubernetes("Secret", "ConfigMap"):
        assert set(item.get("stringData", item.get("data"))) <= known
    for item in in_kubernetes("StatefulSet", "Job"):
        pod = item["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert container["args"][0] in parts and pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert names_in("trunkline.env.example") <= known
    required = set(re.findall(r"\$\{([A-Z_]+):\?\}", (ROOT / "compose.yaml").read_text("utf-8")))
    assert names_in("compose.env.example") == required


def test_the_dial_journal_of_each_process_outlives_its_container() -> None:
    """A replaced pod or container finds its own journal again, under the same host name."""
    services = read("compose.yaml")["services"]
    for name in ("web", "worker"):
        assert services[name]["hostname"] == name
        places = dict(volume.split(":")[::-1] for volume in services[name]["volumes"])
        assert places["/srv/trunkline/var"] in read("compose.yaml")["volumes"], "not in tmpfs, but in a named volume"
    (values,) = in_kubernetes("ConfigMap")
    journal = PurePosixPath(values["data"]["DIAL_JOURNAL"])
    parts = in_kubernetes("Deployment", "StatefulSet", "DaemonSet")
    assert {part["spec"]["template"]["spec"]["containers"][0]["args"][0] for part in parts} == {"web", "worker"}
    for part in parts:
        (container,) = part["spec"]["template"]["spec"]["containers"]
        mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        volume = next(mounts[str(place)] for place in journal.parents if str(place) in mounts)
        temporary = [each["name"] for each in part["spec"]["template"]["spec"]["volumes"] if "emptyDir" in each]
        assert part["kind"] == "StatefulSet" and volume not in temporary
        (claim,) = part["spec"]["volumeClaimTemplates"]
        assert (claim["metadata"]["name"], claim["spec"]["accessModes"]) == (volume, ["ReadWriteOnce"])
        headless = [each for each in in_kubernetes("Service") if each["spec"].get("clusterIP") == "None"]
        (service,) = [each for each in headless if each["metadata"]["name"] == part["spec"]["serviceName"]]
        labels = part["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items() >= part["spec"]["selector"]["matchLabels"].items()


def test_pods_wait_for_the_migration_and_leave_the_service_before_they_end() -> None:
    web, worker = (each["spec"]["template"]["spec"] for each in in_kubernetes("StatefulSet"))
    (values,) = in_kubernetes("ConfigMap")
    waits = int(values["data"]["WAIT_FOR_MIGRATIONS"])
    container = web["containers"][0]
    probe = container["startupProbe"]
    assert 0 < waits < probe["failureThreshold"] * probe["periodSeconds"], "the probe ends none that waits"
    assert "readinessProbe" not in container and "readinessProbe" not in worker["containers"][0]
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]
    assert web["terminationGracePeriodSeconds"] > 5 + 30, "gunicorn waits 30 seconds for requests"


def test_settings_reach_commands_as_they_reach_the_processes() -> None:
    """A shell cuts values with `&` or spaces, such as an address of the database with two parameters."""
    page = (ROOT / "docs/deploying.md").read_text("utf-8")
    assert not re.search(r"(^|[ ;])(\.|source) \S*trunkline\.env", page) and "setpriv" not in page
    setup, web, worker = unit("setup"), unit("web"), unit("worker")
    for same in ("User", "WorkingDirectory", "EnvironmentFile"):
        value = web["Service"][same]
        assert setup["Service"][same] == worker["Service"][same] == value
        assert f"-p {same}={value}" in page
    assert setup["Service"]["Type"] == "oneshot" and setup["Service"]["ExecStart"].endswith("deploy/start setup")
    assert setup["Unit"]["Before"].split() == ["trunkline-web.service", "trunkline-worker.service"]


def test_a_worker_gets_time_to_finish_and_its_signal_alone() -> None:
    service = unit("worker")["Service"]
    assert (service["KillMode"], service["TimeoutStopSec"]) == ("mixed", "120")
    assert read("compose.yaml")["services"]["worker"]["stop_grace_period"] == "120s"
    workers = [each for each in in_kubernetes("StatefulSet") if "worker" in each["metadata"]["name"]]
    assert [item["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] for item in workers] == [120]


class Web(BaseHTTPRequestHandler):
    """A web process of which only its health is asked."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "", "127.0.0.2"])
def test_the_health_check_asks_the_address_of_the_web_process_and_no_proxy(host: str) -> None:
    with HTTPServer((host or "127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kept = {"PATH": os.environ["PATH"], "WEB_ADDRESS": f"{host}:{server.server_port}"}
        proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://127.0.0.1:9")
        codes = [
            subprocess.run([DEPLOY / "healthy"], env=kept | more, check=False).returncode for more in ({}, proxies)
        ]
        server.shutdown()
    assert codes == [0, 0]


def test_the_image_runs_as_an_ordinary_user_and_names_no_index() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert "\nUSER 10001:10001\n" in text and "\nHEALTHCHECK " in text and "--require-hashes" in text
    assert "index-url" not in text and "http" not in text
    # The settings of compose lie beside it, and what the installation wrote may too.
    left_out = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert {".env", ".env.*", "var", ".git"} <= set(left_out)
    assert {".env", ".env.*", "var/"} <= set((ROOT / ".gitignore").read_text("utf-8").split())


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
        "SECRET_KEY": secrets.token_urlsafe(48),
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
    counts = home / f"var/tmp/responses-127.0.0.1_{port}"
    counts.mkdir(parents=True)
    (counts / "counter_1.db").write_bytes(b"of a process that is gone")
    if user:
        shutil.chown(counts, user)
    run("create_organization", "Main street clinic", "--timezone", "Europe/Paris", "--region", "FR")
    web, worker = start("web"), start("worker")
    try:
        eventually(lambda: asked(port, "/healthz") == 200, "the web process does not start")
        eventually(lambda: asked(port, "/readyz") == 200, "it does not become ready")
        assert not (counts / "counter_1.db").exists() and list(counts.glob("counter_*.db"))
        assert asked(port, "/metrics", {"Host": "10.42.0.7:8000"}) == 200
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
    made = {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "FIELD_KEYS": Fernet.generate_key().decode(),
        "PATH": os.environ["PATH"],
    }
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
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Host": "calls.example.org"} | (headers or {}))
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
