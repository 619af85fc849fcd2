"""B20: memory of a process that streams a file of many rows, against the same file of 10,000 rows.

Each file is streamed twice, by processes of their own, and must be the same byte for byte.
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any

from benchmarks.figures.b12 import ENDED
from benchmarks.shared import apart
from benchmarks.shared.figure import Found, Mark, Setting, main

MARK = Mark("B20", "memory of a file of many rows", "the same of 10,000", 1.2, 1.05, "MB", less=True)
FEW = 10_000
NUMBER = "+12125550199"  # that of all calls, for the evidence
FILES = ("results.csv", "calls.csv", "contacts.csv", "evidence.csv")


def measure(setting: Setting) -> Found:
    many = setting.size(1_000_000, least=2_000)
    few = min(FEW, many // 2)
    found, seconds = Found(quantile=0.99), dict[str, float]()  # the worst file counts
    addresses = {count: _filled(setting, count) for count in (few, many)}
    for file in FILES:
        peaks = {}
        for count, url in addresses.items():
            first, second = (apart.run(url, streamed, file) for _ in range(2))
            rows, digest = first.result
            assert rows >= count, (file, rows, count)  # noqa: S101
            assert second.result == (rows, digest), f"{file} differs in two runs"  # noqa: S101
            peaks[count] = max(first.peak, second.peak)
            seconds[f"{file}, {count:,} rows"] = round(min(first.seconds, second.seconds), 1)
        found.ours.append(peaks[many])
        found.bare.append(peaks[few])
        found.notes[file] = {"MB with many": peaks[many], "with few": peaks[few]}
    found.notes |= {"rows": many, "seconds": seconds, "the same byte for byte in two runs": ", ".join(FILES)}
    return found


def _filled(setting: Setting, count: int) -> str:
    """Return the address of a database with so many contacts, recipients and calls of one campaign."""
    from benchmarks.shared.rows import ACCOUNTS, World, analyse

    url = setting.database(f"_{count}")
    world = World("https://example.org")
    world.campaigns = world.campaigns[:1] * ACCOUNTS  # all in one
    world.calls(count, **ENDED, to_number=f"'{NUMBER}'")
    analyse()
    return url


def streamed(file: str) -> tuple[int, str]:
    """Request a file as its readers do. Return its lines and the digest of its bytes."""
    from django.test.utils import override_settings

    lines, digest = 0, hashlib.sha256()
    with override_settings(ALLOWED_HOSTS=["testserver"], SECURE_SSL_REDIRECT=False):
        response = _requested(file)
        assert response.status_code == 200, (file, response.status_code)  # noqa: S101
        for piece in response:
            lines += piece.count(b"\n")
            digest.update(piece)
    return lines, digest.hexdigest()


def _requested(file: str) -> Any:
    from django.contrib.auth.models import User
    from django.test import Client
    from django.urls import reverse

    from campaigns.models import Campaign
    from tenants.models import ApiKey, Membership

    campaign = Campaign.objects.order_by("pk")[0]
    home = campaign.organization
    if file == "contacts.csv":
        user, _ = User.objects.get_or_create(username="olga", defaults={"is_staff": True})
        Membership.objects.get_or_create(user=user, organization=home, defaults={"role": "manager"})
        staff = Client()
        staff.force_login(user)
        return staff.get(f"{reverse('admin:campaigns_contact_changelist')}export.csv")
    _, key = ApiKey.issue(tenant=home.tenant, organization=home, name="bench", scopes=["read", "manage"])
    about = f"calls/{file}?to_number=%2B{NUMBER[1:]}"
    path = about if file == "evidence.csv" else f"campaigns/{campaign.uuid}/{file}"
    return Client(headers={"authorization": f"Bearer {key}"}).get(f"/api/v1/{path}")


if __name__ == "__main__":
    sys.exit(main(MARK, measure))
