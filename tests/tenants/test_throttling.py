"""The rate limit of API requests for each caller."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.db import connections

from tenants.api import throttling
from tenants.models import Membership, Organization, RequestBudget
from tests.conftest import ApiClient, KeyMaker
from tests.tenants.test_api_rules import CONTACTS, shape
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db


@pytest.fixture
def limits(settings: Any) -> Any:
    settings.API_RATE, settings.API_BURST = 5, 20
    with time_machine.travel("2026-11-21T10:00:00Z", tick=False) as clock:
        yield clock


def statuses(client: ApiClient, count: int) -> list[int]:
    return [client.get(CONTACTS).status_code for _ in range(count)]


def test_a_burst_is_taken_and_then_the_rate(api: ApiClient, limits: Any) -> None:
    assert statuses(api, 22) == [200] * 20 + [429] * 2
    limits.shift(1)
    assert statuses(api, 7) == [200] * 5 + [429] * 2
    limits.shift(3600)
    assert statuses(api, 22) == [200] * 20 + [429] * 2


def test_too_many_is_a_429_that_says_when(api: ApiClient, limits: Any) -> None:
    statuses(api, 20)
    answer = api.get(CONTACTS)
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    assert shape(answer) == {"error": "Too many requests. Try again in 1 second."}
    assert answer["X-Request-Id"]
    limits.shift(int(answer["Retry-After"]))
    assert api.get(CONTACTS).status_code == 200


def test_several_processes_share_one_budget(api: ApiClient, limits: Any) -> None:
    """Another process cannot spend what this one has reserved."""
    taken = 0
    for _ in range(40):
        throttling.forget_held()
        taken += api.get(CONTACTS).status_code == 200
    assert taken <= 20


def test_each_caller_has_its_own(organization: Organization, client_for: KeyMaker, limits: Any) -> None:
    one, other = client_for(organization), client_for(organization)
    statuses(one, 20)
    assert one.get(CONTACTS).status_code == 429
    assert other.get(CONTACTS).status_code == 200
    user = get_user_model().objects.create(username="a@example.org", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="viewer")
    staff = ApiClient()
    staff.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert statuses(staff, 21) == [200] * 20 + [429]
    assert RequestBudget.objects.count() == 3


def test_most_requests_cost_no_write(api: ApiClient, settings: Any, django_assert_num_queries: Any) -> None:
    settings.API_RATE, settings.API_BURST = 50, 100
    api.get(CONTACTS)
    with django_assert_num_queries(2 * 9):
        statuses(api, 9)


def test_a_refused_request_costs_no_write(
    api: ApiClient, limits: Any, django_assert_num_queries: Callable[..., Any]
) -> None:
    statuses(api, 20)
    with django_assert_num_queries(3) as seen:
        assert statuses(api, 1) == [429]
    assert all(query["sql"].startswith("SELECT") for query in seen.captured_queries)


def test_a_budget_that_is_purged_before_it_is_withdrawn_allows_the_request(
    api: ApiClient, limits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine deletes budgets that nobody has used for a day, perhaps in that very moment."""
    assert statuses(api, 1) == [200]
    limits.shift(48 * 3600)
    throttling.forget_held()
    withdraw, purges = throttling._withdraw, iter([RequestBudget.objects.all()])

    def late(*taken: Any) -> bool:
        next(purges, RequestBudget.objects.none()).delete()
        return withdraw(*taken)

    monkeypatch.setattr(throttling, "_withdraw", late)
    assert statuses(api, 1) == [200]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("threads", "each"), [(20, 1), (8, 6)])
def test_threads_at_once_are_given_the_burst_and_no_more(
    organization: Organization, client_for: KeyMaker, limits: Any, threads: int, each: int
) -> None:
    key = client_for(organization).defaults["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    start, found = threading.Barrier(threads), list[int]()

    def some() -> None:
        try:
            start.wait()
            found.extend(statuses(ApiClient(key), each))
        finally:
            connections.close_all()

    running = [threading.Thread(target=some) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(PATIENCE)
    assert found.count(200) == 20
    assert found.count(429) == threads * each - 20
