"""A client that a generator makes from the OpenAPI document does a program's main work, with typed answers.

The generator is openapi-python-client, which is strict: it leaves out what it cannot read, and says so.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from pytest_django.live_server_helper import LiveServer

from calls.models import Call
from campaigns.models import Campaign
from config.openapi.pages import document
from providers.models import Assistant, PhoneNumber
from tenants.models import Organization
from tests.config.reading import operation, resolved, the_document
from tests.conftest import KeyMaker

PACKAGE = "generated_trunkline"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return what the generator printed. The package can be imported."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_bytes(document())
    (folder / "config.yml").write_text(json.dumps({"package_name_override": PACKAGE, "post_hooks": []}))
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json"]
    options = ["--config", "config.yml", "--meta", "none", "--output-path", PACKAGE]
    made = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=True, timeout=300)
    sys.path.insert(0, str(folder))
    yield made.stdout + made.stderr
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


def test_nothing_of_the_document_is_left_out(generated: str) -> None:
    assert "Warning" not in generated and "Unable" not in generated, generated
    models = importlib.import_module(f"{PACKAGE}.models")
    called = {name for name in the_document()["components"]["schemas"] if not hasattr(models, name)}
    shapes = {name: resolved({"$ref": f"#/components/schemas/{name}"}) for name in called}
    assert {name for name, shape in shapes.items() if shape.get("type") == "object"} == set()


def test_headers_are_plain_text() -> None:
    for name, header in the_document()["components"]["parameters"].items():
        if header["in"] == "header":  # the generator would hand an object of a UUID or a date to the HTTP client
            assert set(header["schema"]) <= {"type", "pattern", "minLength", "maxLength"}, name


def test_every_operation_names_its_security() -> None:
    for path, methods in the_document()["paths"].items():
        assert all("security" in operation(method, path) for method in methods), path
    assert [server["url"] for server in the_document()["servers"]] == ["/"]


@pytest.fixture
def ask(generated: str, organization: Organization, client_for: KeyMaker, live_server: LiveServer) -> Iterator[Any]:
    """Return a function that calls one operation of the generated client, by its module."""
    token = client_for(organization, "manage").defaults["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    package = importlib.import_module(PACKAGE)
    settings = {"raise_on_unexpected_status": True, "httpx_args": {"trust_env": False}}
    with package.AuthenticatedClient(base_url=live_server.url, token=token, **settings) as client:

        def called(address: str, *path: Any, body: tuple[str, dict[str, Any]] | None = None, **query: Any) -> Any:
            if body:
                query["body"] = getattr(importlib.import_module(f"{PACKAGE}.models"), body[0]).from_dict(body[1])
            return importlib.import_module(f"{PACKAGE}.api.{address}").sync(*path, client=client, **query)

        yield called


@pytest.mark.django_db(transaction=True)
def test_a_program_creates_a_contact_orders_a_call_and_reads_on(
    ask: Any, organization: Organization, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    contact = ask(
        "contacts.contacts_create",
        body=("ContactRequest", {"phone": "+33612345601", "name": "Zoë"}),
        x_organization=str(organization.uuid),
    )
    assert (contact.phone, contact.name, type(contact.id)) == ("+33612345601", "Zoë", UUID)

    for number in ("+33612345601", "+33612345602", "+33612345603"):
        order = {"to_number": number, "assistant": str(assistant.uuid), "phone_number": str(phone_number.uuid)}
        call = ask("calls.calls_create", body=("OrderRequest", order), idempotency_key=f"order {number}")
        assert (call.to_number, call.status.value, call.contact is not None) == (number, "queued", True)
    Call.objects.filter(to_number="+33612345602").update(result=[{"answer": "yes"}, 7])

    numbers: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = ask("calls.calls_list", limit=1, **cursor)
        [call] = page.results
        numbers.append(call.to_number)
        if call.to_number == "+33612345602":
            assert call.result == [{"answer": "yes"}, 7]
        cursor = {"cursor": httpx.URL(page.next_).params["cursor"]} if page.next_ else {}
    assert numbers == ["+33612345603", "+33612345602", "+33612345601"] and not cursor

    made = ask("campaigns.campaigns_create", body=("CampaignRequest", {"name": "Reminders"}))
    progress = ask("campaigns.campaigns_progress", made.id)
    campaign = Campaign.objects.get(uuid=made.id)
    assert (progress.status, progress.recipients.pending) == (campaign.status, 0)

    refused = ask("contacts.contacts_create", body=("ContactRequest", {"phone": "12"}))
    assert type(refused).__name__ == "Error" and refused.details[0].field == "phone"
