"""Planted secrets, numbers and spoken words: none reaches logs, metrics, error pages, tasks, histories or the audit.

They are put into every entry point, with requests that succeed, that are refused and that meet a broken database.
"""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from multiprocessing import Value
from types import SimpleNamespace
from typing import Any

import django_q.monitor
import django_q.worker
import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.auth.models import User
from django.db import DatabaseError, models
from django.forms import Field
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import Failure
from django_q.monitor import monitor
from django_q.worker import worker

from campaigns.imports import job
from campaigns.models import Contact, ContactImport, ContactList
from tenants.models import Organization, WebhookEndpoint
from tests.canaries import (
    NUMBER,
    SECRET,
    SPELLINGS,
    SPOKEN,
    broken_writes,
    kept,
    lines,
    logged,
    planted_in,
    shown,
)
from tests.conftest import ApiClient, KeyMaker
from tests.suite import ROOT
from tests.tenants.test_api_isolation import LISTS, OBJECTS, World, a_world
from tests.test_admin import SignIn, lists, pages_of, sign_in, world
from tests.waiting import PATIENCE

__all__ = ["lines", "sign_in", "world"]  # fixtures
pytestmark = pytest.mark.django_db

PLANTED = {
    **dict.fromkeys(("name", "phone", "number", "to_number", "to", "e164", "external_id"), NUMBER),
    **dict.fromkeys(("customer_name", "reason", "label", "description", "hold_reason", "note"), SPELLINGS[1]),
    "url": f"https://example.org/hook?token={SECRET}",
    "base_url": f"https://example.org/?key={SECRET}",
    "callback_url": f"https://someone:{SECRET}@example.org/",
    "credentials": {"api_key": SECRET, "auth_token": SECRET},
    "metadata": {"token": SECRET, "number": NUMBER},
    "dynamic_variables": {"pin": SPOKEN},
    "variables": {"pin": SPOKEN, "number": SPELLINGS[2]},
    "numbers": SPELLINGS,
    "content": f"phone,name\n{NUMBER},{SPOKEN}\n",
    SPOKEN: SPOKEN,
}


def test_the_api_tells_nothing_of_what_was_sent(
    organization: Organization, client_for: KeyMaker, lines: list[str], subtests: pytest.Subtests
) -> None:
    client, there = client_for(organization), a_world(organization)
    client.raise_request_exception = False
    headers = {"x-request-id": NUMBER.strip("+"), "x-api-key": SECRET, "referer": NUMBER}
    seen: set[tuple[str, int]] = set()
    for path, method, body in requests_to(there):
        for broken in (broken_writes, nullcontext):
            with subtests.test(path, method=method, broken=broken.__name__):
                with broken():
                    key = {"idempotency-key": f"{SECRET}-{len(seen)}-{path}-{broken.__name__}"[:200]}
                    answer = getattr(client, method)(f"/api/v1/{path}", *body, headers=headers | key)
                seen.add((method, answer.status_code))
                assert (logged(lines), shown(answer)) == (set(), set())
    assert seen >= {("get", 200), ("post", 201), ("post", 400), ("post", 500), ("patch", 200), ("patch", 500)}
    assert kept() == {}


def requests_to(there: World) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Yield path, method and body of requests to every route, and of some that succeed."""
    query = f"?q={SPELLINGS[1]}&phone={NUMBER}&token={SECRET}&{SPOKEN}={SPOKEN}"
    known: list[Any] = [(path, methods) for path, methods in LISTS.values()] + [
        ("outbound/", ["post"]),
        ("no/where/", ["post"]),
    ]
    known += [
        (path.format(getattr(there, kind).uuid, world=there), methods) for kind, path, methods in OBJECTS.values()
    ]
    for path, methods in known:
        if "get" in methods:
            yield path, "get", ()
            yield path + query, "get", ()
        for method in {"post", "patch"}.intersection(methods):
            if not path.endswith("check/"):  # `test_what_providers_and_receivers_answer_is_not_told`
                yield path, method, (PLANTED,)
    account = {"provider": "allomia", "name": NUMBER, "credentials": {"api_key": SECRET}, "max_open_calls": 1}
    yield "provider-accounts/", "post", (account,)
    yield f"provider-accounts/{there.account.uuid}/", "patch", ({"credentials": {"api_key": SECRET}},)
    yield "contacts/", "post", ({"phone": NUMBER, "name": SPELLINGS[1], "variables": {"pin": SPOKEN}},)
    yield "do-not-call/", "post", ({"phone": NUMBER, "reason": SPELLINGS[1]},)
    yield "webhook-endpoints/", "post", ({"url": PLANTED["url"]},)
    yield f"contacts/{there.contact.uuid}/hold/", "post", ({"reason": SPELLINGS[1]},)
    order = {"assistant": str(there.assistant.uuid), "phone_number": str(there.number.uuid), "to_number": NUMBER}
    yield "calls/", "post", (order | {"customer_name": SPELLINGS[1], "dynamic_variables": {"pin": SPOKEN}},)
    yield "api-keys/", "post", ({"name": NUMBER, "scopes": ["read"]},)


def test_wrong_keys_and_passwords_are_not_told(lines: list[str], organization: Organization) -> None:
    client = ApiClient(SECRET)
    client.raise_request_exception = False
    answers = [client.get("/api/v1/calls/"), client.post("/api/v1/calls/", PLANTED)]
    answers += [Client(headers={"authorization": f"Basic {SECRET}"}).get("/api/v1/calls/")]
    page = reverse("admin:login")
    answers += [Client().post(f"{page}?next=/admin/?q={NUMBER}", {"username": "ana", "password": SECRET})]
    assert (logged(lines), kept()) == (set(), {})
    assert [shown(answer) for answer in answers] == [set()] * 4


@pytest.mark.parametrize("share", [3, pytest.param(1, marks=pytest.mark.long)], ids=["a third", "all"])
def test_pages_tell_nothing_of_what_was_entered(
    sign_in: SignIn, world: dict[str, models.Model], lines: list[str], subtests: pytest.Subtests, share: int
) -> None:
    client = sign_in()
    client.raise_request_exception = False
    forms = [url for row in world.values() for url in pages_of(row) if url.endswith("/change/")]
    forms += [f"{url}add/?provider=allomia&organization={world['organization'].pk}" for url in lists()]
    seen: set[int] = set()
    for url in [*[*lists(), *forms][::share], "/admin/nothing/here/"]:
        parts = "&" if "?" in url else "?"
        client.get(f"{url}{parts}q={SPELLINGS[1]}")
        first = client.get(f"{url}{parts}q={NUMBER}&token={SECRET}&{SPOKEN}={NUMBER}")
        assert (logged(lines), shown(first)) == (set(), set()), url
        for broken in (broken_writes, nullcontext) if url in forms else ():
            with subtests.test(url, broken=broken.__name__):
                with broken():
                    answer = client.post(url, filled(first), headers={"referer": f"https://x.org/?key={SECRET}"})
                seen.add(answer.status_code)
                assert (logged(lines), shown(answer)) == (set(), set())
    assert seen >= {200, 302, 500}
    assert LogEntry.objects.exists()
    assert kept() == {}


def filled(page: Any) -> dict[str, Any]:
    """Return the form of a page with a canary in each field that takes a text, and its other values as they are."""
    if not page.context or "adminform" not in page.context:
        return {"name": NUMBER, "secret": SECRET}
    data: dict[str, Any] = {}
    for formset in page.context.get("inline_admin_formsets", ()):
        data |= {f"{formset.formset.prefix}-{name}": 0 for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    for bound in page.context["adminform"].form:
        value = bound.value()
        field: Field = bound.field
        data[bound.html_name] = canary_for(bound.name, field, value)
    return {name: value for name, value in data.items() if value is not None}


def canary_for(name: str, field: Field, value: Any) -> Any:
    if any(word in name for word in ("key", "secret", "token", "password", "credential")):
        return SECRET
    if "phone" in name or "number" in name:
        return NUMBER
    return SPELLINGS[1] if type(field).__name__ in {"CharField", "LineField", "LinesField"} else value


def test_an_import_tells_nothing_of_its_rows(
    organization: Organization, client_for: KeyMaker, lines: list[str]
) -> None:
    cells = [f"{number},{SPOKEN},{SECRET}" for number in [*SPELLINGS, f"{NUMBER}000", f"x{NUMBER}"]]
    file = io.BytesIO("\n".join(["phone,name,pin", *cells]).encode())
    file.name = f"{NUMBER}.csv"
    people = ContactList.objects.create(organization=organization, name="People")
    path = f"/api/v1/contact-lists/{people.uuid}/imports/"
    answer = Client.post(client_for(organization), path, {"file": file})
    assert answer.status_code == 202, answer.content
    imp = ContactImport.objects.get()
    with broken_writes():
        try:
            job.run_step(imp.pk, PATIENCE)
        except DatabaseError:
            logging.getLogger("calls").exception("The engine's step failed")
    assert any("null value violates" in line for line in lines)
    ContactImport.objects.update(lease_until=None)
    while not job.run_step(imp.pk, PATIENCE):
        pass
    imp.refresh_from_db()
    assert (imp.status, imp.created, imp.rejected > 0) == ("completed", 1, True)
    assert (logged(lines), kept()) == (set(), {})


def test_the_history_of_the_admin_is_masked(lines: list[str], organization: Organization) -> None:
    user = User.objects.create(username="ana")
    contacts = [Contact.objects.create(organization=organization, phone=f"{NUMBER[:-1]}{n}", name="A") for n in (2, 3)]
    of: dict[str, Any] = {"user_id": user.pk, "change_message": f"to {SPELLINGS[1]}"}
    LogEntry.objects.log_actions(queryset=contacts, action_flag=DELETION, **of)  # inserted in bulk
    LogEntry.objects.log_actions(queryset=contacts[:1], action_flag=CHANGE, **of)
    endpoint = WebhookEndpoint(organization=organization, url=str(PLANTED["url"]))
    endpoint.save()
    LogEntry.objects.log_actions(queryset=[endpoint], action_flag=CHANGE, user_id=user.pk)
    assert LogEntry.objects.count() == 4
    assert (logged(lines), kept()) == (set(), {})


def test_a_failed_task_is_stored_and_logged_without_what_it_met(
    db: None, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (django_q.worker, django_q.monitor):
        monkeypatch.setattr(module, "close_old_django_connections", lambda: None)
    given: dict[str, Any] = {"id": "1", "name": "n", "func": fail, "args": (), "kwargs": {}, "started": timezone.now()}
    tasks: list[Any] = [given, "STOP"]
    results: list[Any] = []
    worker(SimpleNamespace(get=lambda: tasks.pop(0)), SimpleNamespace(put=results.append), Value("f", -1), 60)
    results.append("STOP")
    monitor(SimpleNamespace(get=lambda: results.pop(0)), get_broker())
    assert "ValueError" in Failure.objects.get().result and "•••" in Failure.objects.get().result
    assert any("Failed" in line for line in lines)
    assert (logged(lines), kept()) == (set(), {})


def fail() -> None:
    raise ValueError(f"{SPELLINGS[2]} with api_key='{SECRET}'\nDETAIL:  Failing row contains (5, {SPOKEN}\n{SPOKEN}).")


BROKEN_SETTINGS = {
    "FIELD_KEYS": SECRET,
    "DATABASE_URL": f"postgres://user:{SECRET}@127.0.0.1:9999999/name",
    "EMAIL_URL": f"pigeon://user:{SECRET}@127.0.0.1",
    "PUBLIC_BASE_URL": f"https://user:{SECRET}@example.org",
    "SESSION_IDLE_MINUTES": NUMBER,
    "TRUSTED_PROXIES": NUMBER,
}


def test_a_wrong_setting_and_a_crash_print_no_secret() -> None:
    """A process's last words go to the journal too."""
    good = {"PATH": os.environ["PATH"], "SECRET_KEY": "s" * 50, "DEBUG": "true", "DATABASE_URL": "sqlite://:memory:"}
    for name, value in BROKEN_SETTINGS.items():
        told = printed(["manage.py", "check"], good | {name: value})
        assert planted_in(told) == set(), (name, told)
    told = printed(["manage.py", "shell", "--no-imports", "-c", CRASH], good)
    assert planted_in(told) == set() and (told.count("ValueError"), told.count("SystemExit")) == (2, 0)


CRASH = f"""
import threading
def fail():
    raise ValueError("{SPELLINGS[2]} with api_key='{SECRET}'")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
thread = threading.Thread(target=exit)
thread.start()
thread.join()
fail()
"""


def printed(words: list[str], environment: dict[str, str]) -> str:
    """Return what a command that fails prints."""
    run = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode != 0, (words, environment)
    return run.stdout + run.stderr
