"""Missing or stale static files are told, and pages still come."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.files.storage import storages
from django.core.management import call_command
from django.test import Client

from config import findings, static_files
from tenants.findings import Severity

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(settings: Any, tmp_path: Path) -> Path:
    """An installation that serves collected files, as outside of development."""
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "config.static_files.Storage"}}
    settings.WHITENOISE_KEEP_ONLY_HASHED_FILES = False
    return tmp_path


@pytest.fixture(autouse=True)
def _fresh_storage() -> Any:
    """Let each test make the storage anew: Django keeps it for the process."""
    yield
    forget()


def forget() -> None:
    made: Any = storages.create_storage(settings.STORAGES["staticfiles"])
    staticfiles_storage._wrapped = made  # type: ignore[attr-defined]
    static_files._differing.cache_clear()


def seen() -> str:
    forget()
    finding = findings.found(["static"])["static"]
    assert bool(finding.message) == (finding.severity is Severity.FAULT)
    return finding.message


def page() -> str:
    forget()
    client = Client()
    client.force_login(User.objects.get_or_create(username="root", is_superuser=True, is_staff=True)[0])
    answer = client.get("/admin/system/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_development_serves_them_where_they_lie() -> None:
    assert seen() == ""


@pytest.mark.slow
def test_missing_and_stale_files_are_told_and_pages_come(root: Path) -> None:
    assert seen().startswith("The static files are missing") and "collectstatic" in seen()
    assert "/static/trunkline/trunkline.css" in page()
    forget()
    call_command("collectstatic", "--noinput", verbosity=0)
    assert seen() == ""
    assert "/static/trunkline/trunkline.css" not in page(), "the name has a digest"
    stylesheet = root / "trunkline" / "trunkline.css"
    stylesheet.write_text(stylesheet.read_text().replace("{", "{ ", 1))
    shutil.rmtree(root / "unfold")
    assert "static files are missing or of another version" in seen() and "collectstatic" in seen()
    manifest = root / "staticfiles.json"
    known = json.loads(manifest.read_text())
    del known["paths"]["trunkline/trunkline.js"]
    manifest.write_text(json.dumps(known))
    assert "/static/trunkline/trunkline.js" in page()
