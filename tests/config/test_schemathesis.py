"""The application does what its document says: generated requests, valid and invalid, for every operation.

`make test` sends a few requests for each operation, `make schemathesis` thousands (SCHEMATHESIS_EXAMPLES). Runs with
the same SCHEMATHESIS_SEED send the same requests. Most ids of the right format are replaced by ids of real objects,
because otherwise nearly every response would be a 404. Each case sees the same data: its changes are rolled back.
"""

from __future__ import annotations

import importlib.util
import json
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.transport.serialization import Binary

from calls.models import Status
from campaigns.models import CallingWindow, Campaign, Contact
from campaigns.rules.windows import DAYS
from config.openapi.pages import document
from config.wsgi import application
from tenants.models import ApiKey, Organization
from tests.calls.test_api_calls import a_call
from tests.conftest import a_number, an_account, an_assistant
from tests.sizes import one_in
from tests.tenants.test_api_isolation import World, a_world

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "1"))  # of valid and of invalid requests, for each operation
SEED = int(os.environ.get("SCHEMATHESIS_SEED", "1"))
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
# Operation -> checks that do not apply to it, and why. Nothing else is left out.
SPARED: dict[str, tuple[set[Any], str]] = {
    f"{method} {path}": ({negative_data_rejection}, "A GET has no effect; a report is stored unchanged.")
    for path in ("/hooks/{provider}/{token}", "/hooks/callingbox/account/{token}")
    for method in ("GET", "POST")
} | {"GET /readyz": ({not_a_server_error}, "503 is how it says that no worker runs.")}
seen: Counter[tuple[str, str, int]] = Counter()


@cache
def contract() -> Any:
    found = schemathesis.openapi.from_dict(json.loads(document()))
    found.app = application
    return found


@cache
def operations() -> dict[str, Any]:
    return {found.ok().label: found.ok() for found in contract().get_all_operations()}


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """Requests share the test's transaction, as Django's own test client arranges it."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def world(organization: Organization) -> World:
    """One object of each kind, referring to each other. `objects_for` chooses the objects of each request."""
    found = a_world(organization)
    found.campaign.phone_numbers.add(found.number)
    found.campaign.contact_lists.add(found.group)
    CallingWindow.objects.create(campaign=found.campaign, days=list(DAYS), opens=0, closes=24 * 60)
    return found


def objects_for(world: World, number: int) -> World:
    """Return the world with its campaign and call in different states, or objects that can be deleted."""
    Campaign.objects.update(status=Campaign.Status.values[number % len(Campaign.Status.values)])
    if number % 2:
        return replace(world, call=a_call(world.assistant, world.number, "+33612345688", status=Status.QUEUED))
    home = world.organization
    account = an_account(home, name="Spare")
    return replace(
        world,
        account=account if number % 4 else world.account,
        assistant=an_assistant(world.account, name="Spare"),
        number=a_number(world.account, e164="+33142000077"),
        contact=Contact.objects.create(organization=home, phone="+33612345677"),
        campaign=Campaign.objects.create(organization=home, name="Spare"),
    )


@pytest.fixture
def key(organization: Organization) -> str:
    fields = {"name": "Made up", "scopes": ["manage"]}
    return ApiKey.issue(tenant=organization.tenant, organization=organization, **fields)[1]


def test_every_operation_is_tried() -> None:
    methods = {"get", "post", "patch", "delete", "put", "head", "options", "trace"}
    paths = json.loads(document())["paths"]
    told = {f"{method.upper()} {path}" for path, found in paths.items() for method in methods & set(found)}
    assert set(operations()) == told
    assert set(SPARED) - {"GET /readyz"} <= told


@pytest.mark.parametrize("label", one_in(3, operations()))
@pytest.mark.django_db
def test_an_operation_does_what_is_said_of_it(label: str, world: World, key: str, subtests: pytest.Subtests) -> None:
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        with subtests.test(mode.value):
            try_out(label, mode, world, key)


def try_out(label: str, mode: GenerationMode, world: World, key: str) -> None:
    operation = operations()[label]
    spared, _ = SPARED.get(label, (set(), ""))
    if mode.is_positive:  # a replaced file counts as changed by hand, and so as invalid
        spared = {*spared, negative_data_rejection}
    checks = [check for check in CHECKS if check not in spared]

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), real=st.integers(0, 7))
    def run(case: Any, real: int) -> None:
        with transaction.atomic():
            make_real(case, objects_for(world, real), wanted=real > 0, fitting=mode.is_positive)
            response = case.call(headers={"Authorization": f"Bearer {key}"})
            transaction.set_rollback(True)
        seen[label, mode.value, response.status_code] += 1
        case.validate_response(response, checks=checks)

    try:
        run()
    except Exception as error:
        if "Unsatisfiable" in type(error).__name__ or "can't be negated" in str(error):
            return  # no request to this operation is invalid
        raise


def make_real(case: Any, world: World, *, wanted: bool, fitting: bool) -> None:
    """Replace ids by ids of existing objects. With `fitting` also replace texts that the schema cannot describe."""
    ids = real_ids(case.operation.path, world)
    case.headers = _headers(case.headers or {}, world, wanted)
    if not wanted:
        return
    case.path_parameters = {
        name: ids.get(name, value) if _is_id(value) else value for name, value in (case.path_parameters or {}).items()
    }
    if fitting and "token" in case.path_parameters:
        case.path_parameters["token"] = world.call.callback_token
    if isinstance(case.body, dict):
        case.body = {name: _real(name, value, ids) for name, value in case.body.items()}
        if fitting:
            case.body |= {name: value for name, value in FITTING.items() if case.body.get(name) is not None}


def real_ids(path: str, world: World) -> dict[str, Any]:
    """Return ids by the name that operations use for them."""
    kinds = {
        "organizations": world.organization,
        "provider-accounts": world.account,
        "assistants": world.assistant,
        "phone-numbers": world.number,
        "contacts": world.contact,
        "contact-lists": world.group,
        "imports": world.file,
        "do-not-call": world.entry,
        "campaigns": world.campaign,
        "recipients": world.recipient,
        "calls": world.call,
        "outbound": world.call,
    }
    named = [part for part in path.partition("{id}")[0].split("/") if part in kinds]
    found = {
        "organization": world.organization,
        "campaign": world.campaign,
        "account": world.account,
        "assistant": world.assistant,
        "assistantId": world.assistant,
        "phone_number": world.number,
        "phone_numbers": world.number,
        "phoneNumberId": world.number,
        "contact_lists": world.group,
        **({"id": kinds[named[-1]]} if named else {}),
    }
    return {name: str(one.uuid) for name, one in found.items()}


FITTING = {
    **dict.fromkeys(("phone", "to_number", "phoneNumber"), "+33612345600"),
    **dict.fromkeys(("callback_url", "callbackUrl", "base_url"), "https://calls.example.org/x"),
    "timezone": "Europe/Paris",
    "provider": "allomia",
    "credentials": {"api_key": "made-up"},
    "file": Binary(data=b"phone,name\n+33612345611,Ada\n"),
    "mapping": {"phone": "phone", "name": "name"},
    "fields": [{"name": "confirmed"}],
    "delimiter": ",",
    "encoding": "utf-8",
    "default_region": "FR",
    "starts_at": "2027-01-01T00:00:00Z",
    "ends_at": "2028-01-01T00:00:00Z",
    "expires_at": "2099-01-01T00:00:00Z",
    "not_before": "2098-01-01T00:00:00Z",
    "not_after": "2099-01-01T00:00:00Z",
}


def _real(name: str, value: Any, ids: dict[str, Any]) -> Any:
    if name in ids and _is_id(value):
        return ids[name]
    if name in ids and isinstance(value, list) and value and all(_is_id(one) for one in value):
        return [ids[name]]
    return value


def _headers(headers: Any, world: World, wanted: bool) -> Any:
    found = dict(headers)
    if wanted and _is_id(found.get("X-Organization")):
        found["X-Organization"] = str(world.organization.uuid)
    if importlib.util.find_spec("tenants.api.idempotency") is None:
        found.pop("Idempotency-Key", None)
    return found


def _is_id(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(uuid.UUID(value))
    except ValueError:
        return False


@pytest.fixture(scope="module", autouse=True)
def _say_how_many() -> Iterator[None]:
    """With SCHEMATHESIS_EXAMPLES set, print the number of responses by status, and operations without a success."""
    yield
    if "SCHEMATHESIS_EXAMPLES" not in os.environ:
        return
    kinds: Counter[tuple[str, int]] = Counter()
    for (_, mode, status), count in seen.items():
        kinds[mode, status] += count
    done = {label for label, _, status in seen if status < 300}
    print(f"\n{sum(seen.values())} requests: {dict(sorted(kinds.items()))}")  # noqa: T201
    print(f"Without success: {sorted(set(operations()) - done)}")  # noqa: T201
