"""The settings of an installation on the internet, as Django's own checks and the cookies' rules judge them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[2]
ASKED = """
import json
from django.conf import settings
names = ["SESSION_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY", "SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SECURE",
         "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "X_FRAME_OPTIONS", "SESSION_COOKIE_AGE", "SESSION_IDLE_SECONDS"]
print(json.dumps({name: getattr(settings, name) for name in names}))
"""


def manage(*words: str) -> str:
    production = {
        "DEBUG": "false",
        "SECRET_KEY": "4f-Kq8_zR2vXw7-Tb1mNc6yHs9pLd3gJa5eUu0iOo_nBfVrCkQtWxZ",
        "FIELD_KEYS": Fernet.generate_key().decode(),
        "PUBLIC_BASE_URL": "https://calls.example.org",
        "ALLOWED_HOSTS": "calls.example.org",
        "DATABASE_URL": "sqlite://:memory:",
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
