"""The examples of docs/webhooks.md, run unchanged."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from calls.webhooks import maintenance
from calls.webhooks.delivery import signed
from tenants.models import WebhookEvent, new_webhook_secret

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
BODY = '{"type":"call.ended","data":{"name":"Zoë"}}'


def example(language: str, containing: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)
    [found] = [block for block in blocks if containing in block]
    return str(found)


def test_the_python_receiver_tells_ours_from_forged() -> None:
    found: dict[str, Any] = {"__name__": "receiver"}
    exec(example("python", "def verify"), found)  # noqa: S102
    verify, new, old = found["verify"], new_webhook_secret(), new_webhook_secret()
    headers = signed("m1", BODY, (new, old), timezone.now())
    for secret in (new, old):
        assert verify(secret, headers, BODY.encode())["data"] == {"name": "Zoë"}
    assert verify(new_webhook_secret(), headers, BODY.encode()) is None
    assert verify(new, headers, BODY.encode() + b" ") is None
    assert verify(new, headers | {"webhook-timestamp": "1700000000"}, BODY.encode()) is None


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_openssl_agrees(tmp_path: Path) -> None:
    secret = new_webhook_secret()
    headers = signed("m1", BODY, (new_webhook_secret(), secret), timezone.now())
    for body, verdict in ((BODY, "genuine"), (BODY + " ", "forged")):
        (tmp_path / "body.json").write_bytes(body.encode())
        environment = {
            "PATH": "/usr/bin:/bin:/usr/local/bin",
            "SECRET": secret,
            "ID": headers["webhook-id"],
            "TIMESTAMP": headers["webhook-timestamp"],
            "SIGNATURE": headers["webhook-signature"],
        }
        command = ["sh", "-c", example("sh", "echo genuine")]
        answer = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == verdict


def test_deliveries_are_kept_as_long_as_the_page_says() -> None:
    told = re.search(
        r"kept for (\d+) days, failed rows for (\d+), held\s+rows for (\d+) and at most the newest ([\d,]+)", PAGE
    )
    assert told
    kept = (maintenance.DELIVERED_KEPT, maintenance.FAILED_KEPT, maintenance.HELD_KEPT)
    assert [int(days) for days in told.groups()[:3]] == [each.days for each in kept]
    assert int(told[4].replace(",", "")) == maintenance.HELD_AT_MOST


def test_every_event_is_described() -> None:
    assert set(re.findall(r"^\| `(\w+\.\w+)`", PAGE, re.M)) == set(WebhookEvent.values)
