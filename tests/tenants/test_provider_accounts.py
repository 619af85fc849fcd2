"""Whom an account at an OpenID Connect provider signs in, and what they may do."""

from __future__ import annotations

import base64
import io
import time
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from config import findings
from tenants.backoffice.sign_in import provider_pages as pages
from tenants.findings import Finding, Severity
from tenants.models import ApiKey, AuditEntry, Authenticator, Membership, Organization, ProviderIdentity
from tenants.sign_in import provider_users
from tenants.sign_in.provider_settings import GivenRole
from tests.calls.test_interleavings import Beside
from tests.tenants.oidc_provider import OidcProvider
from tests.tenants.provider_signing_in import come_back, link, oidc, refused, there, use
from tests.tenants.signing_in import OLGA, a_user, code_at, is_in

__all__ = ["oidc"]  # a fixture

pytestmark = pytest.mark.django_db
NO_ORGANIZATION = "0b0f6a3e-6f0b-4c53-9d6e-2f6a2f9d4c11"


# Who it is.


def test_who_is_linked_by_an_address(oidc: OidcProvider, settings: Any, subtests: Any) -> None:
    olga = a_user()
    a_user("gone@example.org", is_active=False)
    User.objects.create_user("outside@example.org", "outside@example.org", "x")  # not staff
    a_user("two@example.org")
    User.objects.create_user("other-two", "Two@example.org", "x", is_staff=True)
    a_user("\u0131da@example.org")  # begins with a dotless i, whose capital letter is an ASCII I
    table: list[tuple[str, dict[str, Any], bool]] = [
        ("verified", {}, True),
        ("in capitals", {"email": "OLGA@Example.org"}, True),
        ("not verified", {"email_verified": False}, False),
        ("verified in words", {"email_verified": "true"}, False),
        ("silent about it", {"email_verified": None}, False),
        ("another address", {"email": "olga@example.com"}, False),
        ("no address", {"email": ""}, False),
        ("a list", {"email": [OLGA]}, False),
        ("inactive", {"email": "gone@example.org"}, False),
        ("no team member", {"email": "outside@example.org"}, False),
        ("an address of two", {"email": "two@example.org"}, False),
        ("letters that look alike", {"email": "ida@example.org"}, False),
        ("letters beyond ASCII", {"email": "\u0131da@example.org"}, False),
        ("a zero byte", {"email": f"{OLGA}\x00"}, False),
    ]
    sound = oidc.account
    for place, (name, changed, expected) in enumerate(table):
        with subtests.test(name):
            ProviderIdentity.objects.all().delete()
            oidc.account = sound | changed
            client = Client(REMOTE_ADDR=f"192.0.2.{place}")
            answer = come_back(client)
            assert is_in(client) is expected, answer.content.decode()
            assert expected or refused(answer, pages.UNKNOWN)
            assert list(ProviderIdentity.objects.values_list("user", flat=True)) == ([olga.pk] if expected else [])
    use(settings, link_by_email=False)
    ProviderIdentity.objects.all().delete()
    oidc.account = sound
    assert refused(come_back(Client()), pages.UNKNOWN), "the setting is off"
    told = AuditEntry.objects.order_by("-pk")[0].detail
    assert told == {"reason": "no team member", "subject": "ada-1", "email": OLGA, "email_verified": "true"}


def test_a_superuser_is_linked_by_hand_only(oidc: OidcProvider) -> None:
    a_user(is_superuser=True)
    assert refused(come_back(Client()), pages.UNKNOWN) and not ProviderIdentity.objects.exists()
    call_command("link_sign_in", OLGA, "--subject", "ada-1", stdout=io.StringIO())
    client = Client()
    come_back(client)
    assert is_in(client)


def test_a_token_without_a_required_claim_signs_nobody_in(oidc: OidcProvider, settings: Any) -> None:
    use(settings, required_claims=(("hd", "example.org"),))
    link(a_user(), oidc)
    sound = oidc.account
    for claims in ({}, {"hd": "example.com"}, {"hd": ["example.org"]}, {"hd": "EXAMPLE.org"}):
        oidc.account, client = sound | claims, Client()
        assert come_back(client).status_code == 403 and not is_in(client), claims
    assert AuditEntry.objects.order_by("-pk")[0].detail == {"reason": "required claim hd"}
    oidc.account, client = sound | {"hd": "example.org"}, Client()
    come_back(client)
    assert is_in(client)


def test_an_account_stays_linked_whatever_its_address_and_no_other_takes_its_place(oidc: OidcProvider) -> None:
    user = a_user()
    assert come_back(Client()).status_code == 302
    oidc.account = {"sub": "ada-1", "email": "married@example.org", "email_verified": False}
    assert come_back(Client()).status_code == 302
    oidc.account = {"sub": "eve-2", "email": OLGA, "email_verified": True}  # the address was given to another person
    assert refused(come_back(Client()), pages.UNKNOWN)
    for sub in ("ADA-1", "ada-1 "):
        oidc.account = {"sub": sub}
        assert refused(come_back(Client()), pages.UNKNOWN), "a name is compared exactly"
    User.objects.filter(pk=user.pk).update(is_active=False)
    oidc.account = {"sub": "ada-1"}
    assert refused(come_back(Client()), pages.UNKNOWN)
    assert ProviderIdentity.objects.count() == 1


def test_the_same_name_at_another_provider_is_another_person(oidc: OidcProvider) -> None:
    ProviderIdentity.objects.create(user=a_user("eve@example.org"), issuer="https://another.example", subject="ada-1")
    assert refused(come_back(Client()), pages.UNKNOWN)


def test_a_command_links_and_unlinks(oidc: OidcProvider, settings: Any) -> None:
    use(settings, link_by_email=False)
    a_user()
    call_command("link_sign_in", OLGA, "--subject", "ada-1", stdout=io.StringIO())
    client = Client()
    assert come_back(client).status_code == 302 and is_in(client)
    with pytest.raises(CommandError, match="linked already"):
        call_command("link_sign_in", OLGA, "--subject", "ada-1")
    call_command("link_sign_in", OLGA, "--remove", stdout=io.StringIO())
    assert not is_in(client), "its sessions end"
    assert refused(come_back(Client()), pages.UNKNOWN)
    by_hand = AuditEntry.objects.filter(actor="command line").order_by("pk")
    assert list(by_hand.values_list("action", flat=True)) == ["user.provider_linked", "user.provider_unlinked"]
    call_command("link_sign_in", OLGA, "--subject", "ada-1", stdout=io.StringIO())
    with pytest.raises(CommandError, match="--also"):
        call_command("link_sign_in", OLGA, "--subject", "ada-2")
    call_command("link_sign_in", OLGA, "--subject", "ada-2", "--also", stdout=io.StringIO())
    call_command("link_sign_in", OLGA, "--remove", stdout=io.StringIO())
    a_user("gone@example.org", is_active=False)
    User.objects.create_user("outside@example.org")
    for words in (
        ["nobody@example.org", "--subject", "x"],
        ["gone@example.org", "--subject", "x"],
        ["outside@example.org", "--subject", "x"],
        *([OLGA, "--subject", name] for name in ("", " ", "\u0131da", "x" * 256, "a\nb")),
        [OLGA, "--remove"],
    ):
        with pytest.raises(CommandError):
            call_command("link_sign_in", *words)


def test_whoever_removes_a_link_is_told_that_an_address_links_again(oidc: OidcProvider, settings: Any) -> None:
    user = a_user()
    for by_email in (True, False):
        use(settings, link_by_email=by_email)
        link(user, oidc)
        told = io.StringIO()
        call_command("link_sign_in", OLGA, "--remove", stdout=told)
        assert ("linked again" in told.getvalue()) is by_email


def test_a_sign_in_that_waits_for_its_code_ends_with_the_link(oidc: OidcProvider) -> None:
    user = a_user()
    secret = base64.b32encode(b"12345678901234567890").decode()
    Authenticator.objects.create(user=user, secret=secret, confirmed_at=timezone.now())
    for removed in (False, True):
        ProviderIdentity.objects.all().delete()
        link(user, oidc)
        client = Client()
        assert come_back(client)["Location"] == "/admin/login/code/"
        if removed:
            call_command("link_sign_in", OLGA, "--remove", stdout=io.StringIO())
            call_command("link_sign_in", OLGA, "--subject", "ada-2", stdout=io.StringIO())
        Authenticator.objects.update(last_step=0)
        code = code_at(secret, time.time())
        assert client.post("/admin/login/code/", {"code": code})["Location"] == (
            "/admin/login/" if removed else "/admin/"
        )
        assert is_in(client) is not removed


def test_accounts_are_linked_to_one_user_and_one_account_to_each(oidc: OidcProvider) -> None:
    """The rule itself. That it holds for two at once is the test below."""
    olga, eve = a_user(), a_user("eve@example.org")
    with transaction.atomic():
        provider_users.link(olga, oidc.issuer, "ada-1", actor="ada")
        for user in (olga, eve):
            with pytest.raises(provider_users.LinkedAlready):
                provider_users.link(user, oidc.issuer, "ada-1", actor="ada", also=True)
        with pytest.raises(provider_users.HasAnother):
            provider_users.link(olga, oidc.issuer, "ada-2", actor="ada")
        provider_users.link(olga, oidc.issuer, "ada-2", actor="ada", also=True)
        provider_users.link(olga, "https://another.example", "ada-1", actor="ada")
    assert AuditEntry.objects.filter(action="user.provider_linked").count() == 3


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite runs one writer at a time")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first_subject", ["ada-1", "ada-2"])
def test_of_two_sign_ins_at_once_one_links(oidc: OidcProvider, first_subject: str) -> None:
    user, client = a_user(), Client()
    back = there(client)
    with transaction.atomic():
        provider_users.link(user, oidc.issuer, first_subject, actor=OLGA)
        other = Beside(lambda: client.get(back))
        assert other.waits_for_a_lock()
    assert refused(other.join(), pages.FAILED)
    assert ProviderIdentity.objects.get().subject == first_subject
    assert AuditEntry.objects.filter(action="user.provider_linked").count() == 1


# What they may do.


def test_roles_come_from_the_claim_and_go_with_it(
    oidc: OidcProvider, settings: Any, organization: Organization, sister: Organization, subtests: Any
) -> None:
    user = a_user()
    other = Organization.objects.create(tenant=organization.tenant, name="By hand", default_region="FR")
    Membership.objects.create(user=user, organization=other, role="viewer")
    use(
        settings,
        roles_claim="realm_access.roles",
        roles=(
            GivenRole("callers", organization.uuid, "operator"),
            GivenRole("heads", organization.uuid, "admin"),
            GivenRole("heads", sister.uuid, "viewer"),
        ),
    )
    table: list[tuple[Any, dict[Organization, str]]] = [
        ({"roles": ["callers", "unheard-of"]}, {organization: "operator"}),
        ({"roles": ["heads", "callers"]}, {organization: "admin", sister: "viewer"}),  # the highest
        ({"roles": "callers"}, {organization: "operator"}),
        ({"roles": ["CALLERS", 1, None, ["heads"]]}, {}),
        ({"roles": ["heads"]}, {organization: "admin", sister: "viewer"}),
        ({"roles": []}, {}),
        ({"roles": ["callers"]}, {organization: "operator"}),
        (None, {organization: "operator"}),  # a token without the claim says nothing about roles
        ({"others": []}, {organization: "operator"}),
        ({"roles": None}, {organization: "operator"}),
        ({"roles": [""]}, {}),
    ]
    Membership.objects.create(user=a_user("boss@example.org"), organization=organization, role="admin")
    for claim, expected in table:
        with subtests.test(str(claim)):
            oidc.account |= {"realm_access": claim}
            assert come_back(Client()).status_code == 302
            found = {row.organization: row.role for row in Membership.objects.filter(user=user)}
            assert found == expected | {other: "viewer"}, "organizations that are not in the settings are left alone"
    changes = AuditEntry.objects.filter(action="organization.people_changed").order_by("pk")
    of_one = [entry.detail[OLGA] for entry in changes if entry.organization_id == organization.pk]
    assert of_one == ["operator", "admin", "operator", "removed", "admin", "removed", "operator", "removed"]
    assert {entry.actor for entry in changes} == {"sign-in provider"}
    missed = AuditEntry.objects.filter(action="user.provider_roles_missing")
    assert [entry.detail for entry in missed] == [{"claim": "realm_access.roles"}] * 3
    oidc.account |= {"realm_access": {"roles": ["callers"]}, "_claim_names": {"realm_access.roles": "src1"}}
    come_back(Client())
    assert set(Membership.objects.filter(user=user).values_list("organization", flat=True)) == {other.pk}, "elsewhere"


def test_a_role_in_an_organization_that_does_not_exist_is_told(
    oidc: OidcProvider, settings: Any, organization: Organization
) -> None:
    assert findings.found(["sign_in"])["sign_in"] == Finding()
    use(settings, roles_claim="groups", roles=(GivenRole("a", organization.uuid, "admin"),))
    assert findings.found(["sign_in"])["sign_in"] == Finding()
    use(settings, roles=(*settings.SIGN_IN_PROVIDER.roles, GivenRole("b", UUID(NO_ORGANIZATION), "viewer")))
    found = findings.found(["sign_in"])["sign_in"]
    assert found.severity is Severity.WARNING
    assert NO_ORGANIZATION in found.message and str(organization.uuid) not in found.message


def test_the_provider_never_takes_the_last_admin(oidc: OidcProvider, settings: Any, organization: Organization) -> None:
    use(settings, roles_claim="groups", roles=(GivenRole("callers", organization.uuid, "operator"),))
    mine = Membership.objects.create(user=a_user(), organization=organization, role="admin")
    gone = a_user("gone@example.org", is_active=False)
    Membership.objects.create(user=gone, organization=organization, role="admin")
    for groups in ([], ["callers"]):
        oidc.account |= {"groups": groups}
        assert come_back(Client()).status_code == 302
        mine.refresh_from_db()
        assert mine.role == "admin"
    kept = AuditEntry.objects.filter(action="organization.last_admin_kept").order_by("pk")
    assert [entry.detail[OLGA] for entry in kept] == ["removed", "operator"]
    User.objects.filter(pk=gone.pk).update(is_active=True)
    come_back(Client())
    mine.refresh_from_db()
    assert mine.role == "operator"


def test_keys_of_a_member_end_with_the_role(oidc: OidcProvider, settings: Any, organization: Organization) -> None:
    user = a_user()
    use(settings, roles_claim="https://acme.example/groups", roles=(GivenRole("a", organization.uuid, "admin"),))
    oidc.account |= {"https://acme.example/groups": ["a"]}
    come_back(Client())
    Membership.objects.create(user=a_user("boss@example.org"), organization=organization, role="admin")
    ApiKey.issue(tenant=organization.tenant, organization=organization, name="ours", scopes=["read"], maker=user)
    _, text = ApiKey.issue(
        tenant=organization.tenant,
        organization=organization,
        name="mine",
        scopes=["read"],
        maker=user,
        owner=ApiKey.Owner.MAKER,
    )
    oidc.account |= {"https://acme.example/groups": ["b"]}
    come_back(Client())
    left = AuditEntry.objects.get(action="api_key.left_behind")
    assert (left.detail["name"], left.detail["maker"]) == ("ours", OLGA), "she may still know it"
    assert Client(headers={"authorization": f"Bearer {text}"}).get("/api/v1/contacts/").status_code == 401
    assert ApiKey.objects.get(name="mine").revoked_at is not None


def test_a_role_that_cannot_be_recorded_is_not_given(
    oidc: OidcProvider, settings: Any, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(settings, roles_claim="groups", roles=(GivenRole("a", organization.uuid, "admin"),))
    oidc.account |= {"groups": ["a"]}
    a_user()
    client = Client()
    client.raise_request_exception = False

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("tenants.audit_log.record", refuse)
    assert come_back(client).status_code == 500
    assert not Membership.objects.exists() and not ProviderIdentity.objects.exists() and not is_in(client)
