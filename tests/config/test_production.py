"""The settings of an installation on the internet, as Django's own checks and the cookies' rules judge them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[2]
ASKED = """
import json
from django.conf import settings
names = ["SESSION_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY", "SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SECURE",
         "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "X_FRAME_OPTIONS", "SESSION_COOKIE_AGE", "SESSION_IDLE_SECONDS"]
print(json.dumps({name: getattr(settings, name) for name in names}))
"""


SPOKEN = """
import json
from django.conf import settings
from django.contrib import messages
from django.test import Client
from django.test.utils import setup_test_environment
setup_test_environment()
browser, place = Client(), %r
page = browser.get("/admin/login/", secure=True, headers={"host": place})
names = [name for name in dir(settings) if name.endswith("COOKIE_NAME") and "LANGUAGE" not in name]
print(json.dumps({
    "set": {name: dict(cookie) for name, cookie in browser.cookies.items()},
    "named": sorted(getattr(settings, name) for name in names),
    "to": browser.get("/admin/login/?next=/admin/", headers={"host": place})["Location"],
    "from_8080": browser.get("/admin/login/", headers={"host": place.split(":")[0] + ":8080"})["Location"],
}))
"""
DJANGO = {"sessionid", "csrftoken", "messages"}  # Django's own names, of its reference of settings (5.2)


def manage(*words: str, **given: str) -> str:
    production = {
        "DEBUG": "false",
        "SECRET_KEY": "4f-Kq8_zR2vXw7-Tb1mNc6yHs9pLd3gJa5eUu0iOo_nBfVrCkQtWxZ",
        "FIELD_KEYS": Fernet.generate_key().decode(),
        "PUBLIC_BASE_URL": "https://calls.example.org",
        "ALLOWED_HOSTS": "calls.example.org",
        "DATABASE_URL": "sqlite://:memory:",
        **given,
    }
    command = [sys.executable, "manage.py", *words]
    kept = {"PATH": os.environ.get("PATH", "")}
    answer = subprocess.run(command, cwd=ROOT, env=kept | production, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_the_check_before_deploying_finds_nothing() -> None:
    assert "no issues (0 silenced)" in manage("check", "--deploy", "--fail-level", "WARNING")


def test_cookies_go_over_https_alone_and_sessions_end() -> None:
    found = json.loads(manage("shell", "--no-imports", "-c", ASKED))
    assert found == {
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "CSRF_COOKIE_SECURE": True,
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 365 * 24 * 3600,
        "X_FRAME_OPTIONS": "DENY",
        "SESSION_COOKIE_AGE": 12 * 3600,
        "SESSION_IDLE_SECONDS": 2 * 3600,
    }


@pytest.mark.parametrize("port", ["", ":8443"])
def test_cookies_have_names_of_this_installation_and_http_leads_to_its_port(port: str) -> None:
    """A browser sends cookies to every port of a host (RFC 6265, 8.5), so two programs on one host share their names.

    `__Host-` needs Secure, `Path=/` and no Domain (draft-ietf-httpbis-rfc6265bis, 4.1.3.2).
    """
    place = f"calls.example.org{port}"
    answer = manage("shell", "--no-imports", "-c", SPOKEN % place, PUBLIC_BASE_URL=f"https://{place}", DEBUG="false")
    found = json.loads(answer)
    assert found["to"] == f"https://{place}/admin/login/?next=/admin/"
    assert found["from_8080"] == f"https://{place}/admin/login/", "the port of http is not that of https"
    assert found["set"] and not DJANGO & {*found["set"], *found["named"]}
    for name, cookie in found["set"].items():
        assert name.startswith("__Host-trunkline_") and name in found["named"]
        assert cookie["secure"] and cookie["path"] == "/" and not cookie["domain"]
    assert len(found["named"]) == 5 and all(("8443" in name) is bool(port) for name in found["named"])
