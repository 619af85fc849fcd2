"""Sample provider accounts at the sandbox, each with an assistant and a caller number.

The demo uses them, and so does the dashboard's "Try it with the sandbox".
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from providers.adapters import registry
from providers.adapters.base import AccountConfig, Answer, Request
from providers.adapters.errors import ProviderError
from providers.adapters.http import Client
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization

ADDRESS = "http://127.0.0.1:8700"  # the default address of `manage.py sandbox`
TIMEOUT = 1.0  # seconds; the sandbox runs on this machine
ID = "6f1c2d3e-4a5b-4c6d-8e7f-901a2b3c4d5e"


@dataclass(frozen=True)
class Sample:
    """Credentials, options and assistant that the sandbox accepts for one provider."""

    slug: str
    name: str
    credentials: dict[str, str]
    number: str
    account_options: dict[str, Any] = field(default_factory=dict)
    assistant: dict[str, Any] = field(default_factory=dict)
    variables: bool = True


ALLOMIA = Sample("allomia", "AlloMia", {"api_key": "sandbox-allomia"}, "+16465550100", assistant={"external_id": ID})
POLYAI = Sample(
    "polyai",
    "PolyAI",
    {"auth_token": "sandbox-polyai"},
    "+16465550101",
    account_options={"generation": "v1_trigger"},
    variables=False,
)
PLUMVOICE = Sample(
    "plumvoice",
    "Plum Voice Fuse",
    {"email": "sandbox@example.org", "developer_key": "sandbox-plum"},
    "+16465550102",
    assistant={"options": {"application_id": "4410", "deployment_id": "9021"}},
)
CALLINGBOX = Sample(
    "callingbox",
    "CallingBox",
    {"api_key": "sk_sandbox", "webhook_secret": "whsec_sandbox"},
    "+16465550103",
    account_options={"generation": "prompt"},
    assistant={"options": {"prompt": "Confirm the appointment.", "returns": {"confirmed": "boolean"}}},
)


def set_up(organization: Organization, sample: Sample, sandbox_url: str) -> Assistant:
    """Create provider account, assistant and caller number in one transaction. Return the assistant."""
    account = ProviderAccount(
        organization=organization,
        provider=sample.slug,
        name=f"{sample.name} (sandbox)",
        base_url=f"{sandbox_url}/{sample.slug}",
        credentials=sample.credentials,
        options=sample.account_options,
        calls_per_second=5,
        max_open_calls=15,
        reads_per_second=30,
    )
    account.full_clean()
    declared = [{"name": "appointment", "required": True, "example": "Tuesday 9:30"}] if sample.variables else []
    with transaction.atomic():
        account.save()
        assistant = Assistant(
            organization=organization,
            account=account,
            name=f"{sample.name} reminder",
            variables=declared,
            **{"external_id": "", **sample.assistant},
        )
        assistant.full_clean()
        assistant.save()
        PhoneNumber.objects.create(
            organization=organization, account=account, e164=sample.number, external_id=ID, label="Front desk"
        )
    return assistant


def sandbox_answers(sandbox_url: str) -> bool:
    """Return whether a sandbox runs at this URL. Only a sandbox accepts the sample key."""
    config = AccountConfig(f"{sandbox_url}/{ALLOMIA.slug}", ALLOMIA.credentials, {})
    adapter = registry.provider(ALLOMIA.slug, config)
    try:
        adapter.read_check(asyncio.run(_read(adapter.check())))
    except ProviderError:
        return False
    return True


async def _read(request: Request) -> Answer:
    async with Client(deadline=TIMEOUT, connect=TIMEOUT) as client:
        return await client.read(request)
