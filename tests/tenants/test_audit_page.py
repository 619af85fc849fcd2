"""The audit log's pages: sentences, filters, links, what was before and after, and the file."""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from campaigns.models import Contact
from providers.models import PhoneNumber
from tenants import audit_chain, audit_log
from tenants.audit_origin import Origin, acting
from tenants.backoffice import audit_sentences
from tenants.models import ApiKey, AuditEntry, AuditSeal, Membership, Organization

pytestmark = pytest.mark.django_db
LIST = "/admin/tenants/auditentry/"


def staff(organization: Organization, role: str) -> Client:
    user = User.objects.create(username=f"{role}@example.org", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role=role)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def entries(organization: Organization, phone_number: PhoneNumber, contact: Contact) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=20)):
        audit_log.record(organization, actor="Bo", action="campaign.paused", subject="x", detail={"object": "May"})
    with acting(Origin("api", "192.0.2.9")):
        audit_log.record(
            organization,
            actor="Ana",
            action="phonenumber.changed",
            subject=str(phone_number.uuid),
            detail={"object": "Desk", "changes": {"label": ["", "Desk"], "is_active": [True, False]}},
        )
    audit_log.record(
        organization,
        actor="Ana",
        action="contact.changed",
        subject=str(contact.uuid),
        detail={"fields": ["name"]},
        personal={"name": ["Ada", "Grace"]},
    )
    audit_log.record(None, actor="root", action="user.signed_in", subject="root")


def shown(client: Client, query: str = "") -> list[str]:
    answer: Any = client.get(f"{LIST}{query}")
    assert answer.status_code == 200
    return [
        unescape(strip_tags(answer.context["cl"].model_admin.what(row))) for row in answer.context["cl"].result_list
    ]


def test_the_list_has_sentences_and_filters(entries: None, organization: Organization) -> None:
    client = staff(organization, "manager")
    paused, changed, contact = (
        "Bo paused the campaign “May”",
        "Ana changed the caller number “Desk”",
        "Ana changed the contact",
    )
    for query, found in {
        "": [contact, changed, paused],
        "?kind=campaign": [paused],
        "?kind=caller%20number": [changed],
        "?days=7": [contact, changed],
        "?days=30": [contact, changed, paused],
        "?channel__exact=api": [changed],
        "?channel__exact=api&days=7&kind=contact": [],
        "?q=Bo": [paused],
    }.items():
        assert shown(client, query) == found, query
    assert client.get(f"{LIST}?days=x").status_code == 302
    assert client.get(f"{LIST}?detail__name=x").status_code in (302, 400)  # no other column can be guessed at
    assert staff(organization, "operator").get(LIST).status_code == 403


def test_every_sentence_names_who_did_it(organization: Organization) -> None:
    """A team member, an API key by its name, or Trunkline itself, in the list and on the page of the entry."""
    key, _ = ApiKey.issue(tenant=organization.tenant, organization=organization, name="CRM", scopes=["call"])
    for actor in ("Ana", f"key {key.prefix}", "key tl_gone", ""):
        audit_log.record(organization, actor=actor, action="campaign.paused", subject="x", detail={"object": "May"})
    client = staff(organization, "manager")
    sentences = [
        "Trunkline paused the campaign “May”",
        "The API key tl_gone… paused the campaign “May”",
        f"The API key “CRM” ({key.prefix}…) paused the campaign “May”",
        "Ana paused the campaign “May”",
    ]
    assert shown(client) == sentences
    for row, sentence in zip(AuditEntry.objects.order_by("-pk"), sentences, strict=True):
        page = unescape(strip_tags(client.get(f"{LIST}{row.pk}/change/").content.decode()))
        assert sentence in page, sentence


def words_of(node: ast.expr | None) -> list[str]:
    """The texts that an argument can be, with `{}` for what is only known at run time."""
    if isinstance(node, ast.IfExp):
        return words_of(node.body) + words_of(node.orelse)
    if isinstance(node, ast.JoinedStr):
        return ["".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)]  # type: ignore[misc]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def actions_in(tree: ast.AST) -> set[str]:
    """Actions, and verbs alone, in the calls that write entries."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == "action" for to in node.targets):
            found |= set(words_of(node.value))
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in ("record", "entry"):
            found |= {word for each in node.keywords if each.arg == "action" for word in words_of(each.value)}
        elif name in ("audit", "_audit", "_note"):
            found |= {word for each in node.args for word in words_of(each)}
    return {word for word in found if re.fullmatch(r"[a-z_{}]+(\.[a-z_{}]+)?", word)}


def test_every_action_in_the_code_has_a_sentence() -> None:
    root = Path(audit_log.__file__).parent.parent
    rooms = ("config", "tenants", "providers", "campaigns", "calls")
    texts = [path.read_text() for room in rooms for path in (root / room).rglob("*.py")]
    actions = set().union(*(actions_in(ast.parse(text)) for text in texts if "audit" in text or "_note(" in text))
    text = "".join(texts)
    actions |= {f"user.{verb}" for verb in re.findall(r'sign_in_log\.note\w*\([^"]*"([a-z_]+)"', text)}
    actions |= {f"user.{verb}" for verb in re.findall(r'recording_users\("user\.([a-z_]+)"', text)}
    assert {"{}.exported", "campaign.held_{}", "confirm_placed", "hand_over", "unblocked", "user.added"} <= actions
    whole = {action.partition(".")[2] for action in audit_sentences.SENTENCES} | set(audit_sentences.VERBS)
    for action in sorted(actions):
        kind, _, verb = action.rpartition(".")
        assert kind in ("", "{}") or kind in audit_sentences.KINDS, action
        known = action in audit_sentences.SENTENCES or verb in (whole if not kind else audit_sentences.VERBS)
        assert known or ("{}" in verb and any(each.startswith(verb.partition("{}")[0]) for each in whole)), action


def test_an_entry_shows_before_and_after_and_its_object(entries: None, organization: Organization) -> None:
    client = staff(organization, "manager")
    number, contact = PhoneNumber.objects.get(), Contact.objects.get()
    entry = AuditEntry.objects.get(action="phonenumber.changed")
    page = client.get(f"{LIST}{entry.pk}/change/").content.decode()
    assert "nothing → “Desk”" in page and "“True” → “False”" in page and "API 192.0.2.9" in page
    assert f'href="/admin/providers/phonenumber/{number.pk}/change/"' in page
    about = AuditEntry.objects.get(action="contact.changed")
    page = client.get(f"{LIST}{about.pk}/change/").content.decode()
    assert "“Ada” → “Grace”" in page and f'href="/admin/campaigns/contact/{contact.pk}/change/"' in page
    audit_log.forget(organization, [str(contact.uuid)])
    page = client.get(f"{LIST}{about.pk}/change/").content.decode()
    assert "Grace" not in page and "erased" in page
    elsewhere = AuditEntry.objects.get(organization=None)
    assert client.get(f"{LIST}{elsewhere.pk}/change/").status_code in (302, 404)


def test_the_pages_take_few_queries_however_many_entries(entries: None, organization: Organization) -> None:
    client = staff(organization, "manager")
    for number in range(40):
        audit_log.record(
            organization, actor="Ana", action="contact.hold", subject=f"{number}", personal={"reason": "x"}
        )
    last = AuditEntry.objects.filter(organization=organization).latest("pk")
    for path in ("", "?kind=contact&days=7&channel__exact=system", f"{last.pk}/change/"):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"{LIST}{path}").status_code == 200
        assert len(queries) <= 15, (path, [query["sql"] for query in queries])


def test_the_last_seal_and_the_file(entries: None, organization: Organization) -> None:
    client = staff(organization, "manager")
    audit_chain.seal(timezone.now() + timedelta(hours=2))
    last = AuditSeal.objects.filter(chain=organization.pk).latest("sequence")
    assert last.sequence == 3
    assert f"Last seal of Acme: 3:{last.digest}." in client.get(LIST).content.decode()
    answer: Any = client.get(f"{LIST}export.csv?kind=caller%20number")
    heading, row, end = b"".join(answer.streaming_content).decode().split("\r\n")
    assert heading.lstrip("\ufeff").replace('"', "").split(",")[1:] == [
        "What",
        "From",
        "Address",
        "Actor",
        "Action",
        "Subject",
    ]
    assert "Ana changed the caller number “Desk”" in row and "phonenumber.changed" in row and not end
