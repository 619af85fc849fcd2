"""What the API asks of the database for each kind of request, exactly: a query more is a round trip more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.api import router
from tenants.models import Organization
from tests.conftest import ApiClient, a_number, an_account, an_assistant
from tests.test_admin import world

__all__ = ["world"]  # a fixture
pytestmark = pytest.mark.django_db
# The last one: a process keeps the installation's key once it is committed, which never happens in a test.
NOT_COUNTED = ("SAVEPOINT", "pg_advisory", "BEGIN", "COMMIT", "installationkey")

# The key with its organization, and the rows; and further statements for what is in no row.
LISTS = {
    "organizations": 2, "provider-accounts": 3, "assistants": 2, "phone-numbers": 2, "contacts": 5, "contact-lists": 2,
    "imports": 2, "do-not-call": 2, "campaigns": 10, "calls": 2, "alerts": 2, "call-backs": 2, "api-keys": 2,
    "webhook-endpoints": 2, "webhook-deliveries": 2, "contact-notes": 2, "segments": 3,
}  # fmt: skip


def asked(send: Callable[..., Any], *given: Any) -> list[str]:
    """Return the statements of a request, without those of transactions and locks, which the databases spell apart."""
    with CaptureQueriesContext(connection) as queries:
        answer = send(*given)
    assert answer.status_code in (200, 201), answer.content
    return [query["sql"] for query in queries if not any(word in query["sql"] for word in NOT_COUNTED)]


@pytest.fixture
def warm(api: ApiClient) -> ApiClient:
    """A key whose use has been noted, and whose budget is reserved."""
    api.get("/api/v1/organizations/")
    return api


@pytest.mark.usefixtures("world")
def test_each_list_asks_what_it_asked_before(warm: ApiClient, subtests: pytest.Subtests) -> None:
    lists = [prefix for prefix, _, _ in router.registry if "(" not in prefix]
    assert sorted(lists) == sorted(LISTS)
    for prefix in lists:
        with subtests.test(prefix):
            assert len(asked(warm.get, f"/api/v1/{prefix}/")) == LISTS[prefix]


def test_one_object_asks_twice(warm: ApiClient, organization: Organization, subtests: pytest.Subtests) -> None:
    account = an_account(organization)
    for path, row in (("assistants", an_assistant(account)), ("phone-numbers", a_number(account))):
        with subtests.test(path):
            assert len(asked(warm.get, f"/api/v1/{path}/{row.uuid}/")) == 2


@pytest.mark.parametrize("name", ["call", "contact"])
def test_an_object_of_several_tables_asks_for_its_rows_once(warm: ApiClient, world: dict[str, Any], name: str) -> None:
    """Nothing is read again that the first query left out: the key, the row, its events, numbers or tags, a listing."""
    path = f"/api/v1/{name}s/{world[name].uuid}/"
    assert len(asked(warm.get, path)) == {"call": 3, "contact": 5}[name]


def test_a_new_contact_asks_five_times(warm: ApiClient) -> None:
    """The key, the insert, the audit entry and its personal values, and whether the number is listed."""
    assert len(asked(warm.post, "/api/v1/contacts/", {"phone": "+33612345678", "name": "Ada"})) == 5


def test_an_order_asks_the_gate_once(warm: ApiClient, organization: Organization, subtests: pytest.Subtests) -> None:
    account = an_account(organization)
    assistant, number = str(an_assistant(account).uuid), str(a_number(account).uuid)
    outbound = {"phoneNumber": "+33612345679", "assistantId": assistant, "phoneNumberId": number}
    ours = {"to_number": "+33612345670", "assistant": assistant, "phone_number": number}
    for path, body, count in (("/api/outbound", outbound, 15), ("/api/v1/calls/", ours, 16)):
        with subtests.test(path):
            statements = asked(warm.post, path, body)
            assert len(statements) == count, statements
            assert sum('FROM "campaigns_donotcall"' in each for each in statements) == 1
