"""A person without an account is invited to an organization by e-mail, and can sign in once a password is set."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from tenants.models import AuditEntry, Membership, Organization, ProviderIdentity
from tenants.sign_in import tries
from tests.tenants.signing_in import is_in, sign_in
from tests.tenants.test_members import a_member, roles, save, shown, with_rows
from tests.tenants.test_routes import staff_of

pytestmark = pytest.mark.django_db
NEW, PASSWORD = "grace@example.org", "seven green lanterns"


class AtOnce(threading.Thread):
    """A thread that runs where it is started: it sees the test's transaction."""

    def start(self) -> None:
        self.run()


@pytest.fixture(autouse=True)
def _sends_mail(settings: Any, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any) -> Any:
    settings.EMAIL_CONFIGURED = True
    monkeypatch.setattr("tenants.backoffice.sign_in.password_links.threading.Thread", AtOnce)
    monkeypatch.setattr("tenants.backoffice.sign_in.password_links.connection.close", lambda: None)
    with django_capture_on_commit_callbacks(execute=True):
        yield


@pytest.fixture
def admin(organization: Organization) -> Client:
    return staff_of(organization, "admin")


def invite(client: Client, home: Organization, *added: tuple[str, str], capture: Any) -> str:
    with capture(execute=True):
        return save(client, home, with_rows(shown(client, home), home, *added))


def link_of(message: Any) -> str:
    [path] = re.findall(r"https?://[^/\s]+(/admin/password-reset/[^/\s]+/\S+)", message.body)
    return str(path)


def set_password(link: str, password: str = PASSWORD) -> Any:
    client = Client()
    form = client.get(link)
    return client.post(form.headers["Location"], {"new_password1": password, "new_password2": password})


def test_an_unknown_address_is_invited_and_signs_in(
    admin: Client, organization: Organization, django_capture_on_commit_callbacks: Any
) -> None:
    capture = django_capture_on_commit_callbacks
    assert invite(admin, organization, (f" {NEW.upper()}", "operator"), capture=capture) == ""
    assert roles(organization)[NEW] == "operator"
    [message] = mail.outbox
    assert message.to == [NEW] and "has invited you to" in message.body and str(organization) in message.body
    user = User.objects.get(username=NEW)
    assert (user.is_staff, user.is_superuser, user.has_usable_password()) == (True, False, False)
    page = f"/admin/tenants/organization/{organization.pk}/change/"
    assert "Invited" in admin.get(page).content.decode()

    assert set_password(link_of(message)).status_code == 302
    client = Client()
    sign_in(client, PASSWORD, name=NEW)
    assert is_in(client)
    assert set_password_is_refused(link_of(message)), "a link is used once"
    assert "Invited" not in admin.get(page).content.decode()
    entry = AuditEntry.objects.filter(action="organization.people_changed").get()
    assert entry.detail[NEW] == "operator"


def set_password_is_refused(link: str) -> bool:
    return "no longer valid" in Client().get(link).content.decode()


def test_a_later_link_is_asked_for_on_the_sign_in_page(
    admin: Client, organization: Organization, django_capture_on_commit_callbacks: Any
) -> None:
    invite(admin, organization, (NEW, "viewer"), capture=django_capture_on_commit_callbacks)
    Client().post("/admin/password-reset/", {"email": NEW})
    assert [message.subject for message in mail.outbox] == [
        "You are invited to Trunkline",
        "Set a new Trunkline password",
    ]
    assert set_password(link_of(mail.outbox[1])).status_code == 302


def test_a_link_opened_by_another_user_says_whose_it_is_and_gives_them_nothing(
    admin: Client, organization: Organization, django_capture_on_commit_callbacks: Any
) -> None:
    invite(admin, organization, (NEW, "viewer"), capture=django_capture_on_commit_callbacks)
    link = link_of(mail.outbox[0])
    other = Client()
    a_member(organization, "otto@example.org", "viewer")
    other.force_login(User.objects.get(username="otto@example.org"))
    for _ in range(2):  # a mail scanner opens it, too
        page: Any = other.get(link, follow=True)
        assert f"<b>{NEW}</b>" in page.content.decode()
    [(form, _)] = page.redirect_chain
    page = other.post(form, {"new_password1": PASSWORD, "new_password2": PASSWORD}, follow=True)
    assert f"The new password of {NEW} is set. You are signed in as otto@example.org" in page.content.decode()
    assert page.wsgi_request.user.get_username() == "otto@example.org"
    client = Client()
    sign_in(client, PASSWORD, name=NEW)
    assert is_in(client)


def test_who_can_sign_in_already_is_added_without_a_link(
    admin: Client, organization: Organization, stranger: Organization, django_capture_on_commit_callbacks: Any
) -> None:
    known = a_member(stranger, "known@example.org", "viewer").user
    known.set_password(PASSWORD)
    known.save()
    by_provider = a_member(stranger, "provider@example.org", "viewer").user
    by_provider.set_unusable_password()
    by_provider.save()
    ProviderIdentity.objects.create(user=by_provider, issuer="https://id.example.org", subject="1")
    added = (("known@example.org", "viewer"), ("provider@example.org", "viewer"))
    assert invite(admin, organization, *added, capture=django_capture_on_commit_callbacks) == ""
    assert {"known@example.org", "provider@example.org"} <= roles(organization).keys()
    assert mail.outbox == []
    Client().post("/admin/password-reset/", {"email": "provider@example.org"})
    assert mail.outbox == [], "a link gives no password to somebody who signs in through the provider"


@pytest.mark.parametrize("address", ["grace", "grace@", "@example.org", "a b@example.org", "x" * 140 + "@example.org"])
def test_what_is_no_address_is_refused(
    admin: Client, organization: Organization, address: str, django_capture_on_commit_callbacks: Any
) -> None:
    before = User.objects.count()
    assert invite(admin, organization, (address, "viewer"), capture=django_capture_on_commit_callbacks) != ""
    assert (User.objects.count(), mail.outbox) == (before, [])


def test_without_e_mail_nobody_is_invited_and_the_page_says_what_to_do(
    admin: Client, organization: Organization, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.EMAIL_CONFIGURED = False
    page = invite(admin, organization, (NEW, "viewer"), capture=django_capture_on_commit_callbacks)
    assert "Set EMAIL_URL" in page and not User.objects.filter(username=NEW).exists()


def test_a_deactivated_user_is_not_invited(
    admin: Client, organization: Organization, django_capture_on_commit_callbacks: Any
) -> None:
    User.objects.create(username=NEW, is_active=False, is_staff=True)
    page = invite(admin, organization, (NEW, "viewer"), capture=django_capture_on_commit_callbacks)
    assert "deactivated" in page and not Membership.objects.filter(user__username=NEW).exists()


@pytest.mark.usefixtures("frozen")  # how soon the next e-mail may be sent depends on the time
def test_a_mailbox_is_not_flooded(
    admin: Client, organization: Organization, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = timedelta(hours=1)  # a wait of seconds is over while a slow machine loads a page
    monkeypatch.setattr(
        tries.Limit, "closed_for", lambda self, failures: long if failures > self.free else timedelta(0)
    )
    for _ in range(5):
        invite(admin, organization, (NEW, "viewer"), capture=django_capture_on_commit_callbacks)
        Membership.objects.filter(user__username=NEW).delete()
    assert len(mail.outbox) < 5


# Who is who.


def test_an_address_in_another_form_is_the_user_who_has_it(
    admin: Client, organization: Organization, stranger: Organization, django_capture_on_commit_callbacks: Any
) -> None:
    known = a_member(stranger, "Known@example.org", "viewer").user
    full_width = "\uff2bnown@\uff45xample.org"
    page = invite(
        admin,
        organization,
        ("KNOWN@EXAMPLE.ORG", "viewer"),
        (full_width, "viewer"),
        capture=django_capture_on_commit_callbacks,
    )
    assert "listed twice" in page
    assert invite(admin, organization, (full_width, "viewer"), capture=django_capture_on_commit_callbacks) == ""
    assert Membership.objects.get(organization=organization, user__username__startswith="K").user == known
    assert User.objects.filter(username__iexact="known@example.org").count() == 1


@pytest.mark.parametrize("alike", ["adm\u0131n@example.org", "ad\u043cin@example.org", "admin@ex\u00e4mple.org"])
def test_an_address_that_only_looks_like_a_users_is_neither_that_user_nor_a_new_one(
    admin: Client, organization: Organization, alike: str, django_capture_on_commit_callbacks: Any
) -> None:
    """A dotless i is an I in capitals, for Python's regular expressions and for PostgreSQL."""
    User.objects.create(username="admin@example.org", is_staff=True, is_superuser=True)
    before = User.objects.count()
    page = invite(admin, organization, (alike, "admin"), capture=django_capture_on_commit_callbacks)
    assert "letters A to Z" in page
    assert (User.objects.count(), mail.outbox) == (before, [])
    assert not Membership.objects.filter(user__username="admin@example.org").exists()


def test_one_new_address_in_two_rows_is_listed_twice(
    admin: Client, organization: Organization, django_capture_on_commit_callbacks: Any
) -> None:
    added = ((NEW, "viewer"), (NEW.upper(), "admin"))
    assert "listed twice" in invite(admin, organization, *added, capture=django_capture_on_commit_callbacks)
    assert not User.objects.filter(username=NEW).exists() and mail.outbox == []


def test_a_superuser_without_a_password_gets_no_link(
    admin: Client, organization: Organization, django_capture_on_commit_callbacks: Any
) -> None:
    root = User.objects.create(username="root@example.org", email="root@example.org", is_staff=True, is_superuser=True)
    root.set_unusable_password()
    root.save()
    assert invite(admin, organization, (root.username, "viewer"), capture=django_capture_on_commit_callbacks) == ""
    Client().post("/admin/password-reset/", {"email": root.username})
    assert mail.outbox == []


# What a link may do.


def test_the_link_of_somebody_removed_gives_a_password_and_no_organization(
    admin: Client, organization: Organization, django_capture_on_commit_callbacks: Any
) -> None:
    invite(admin, organization, (NEW, "admin"), capture=django_capture_on_commit_callbacks)
    Membership.objects.get(user__username=NEW).delete()
    assert set_password(link_of(mail.outbox[0])).status_code == 302
    client = Client()
    sign_in(client, PASSWORD, name=NEW)
    page = client.get(f"/admin/tenants/organization/{organization.pk}/change/", follow=True)
    assert organization.name not in page.content.decode()


def test_the_link_ends_when_an_account_of_the_provider_is_linked(
    admin: Client, organization: Organization, django_capture_on_commit_callbacks: Any
) -> None:
    invite(admin, organization, (NEW, "viewer"), capture=django_capture_on_commit_callbacks)
    user = User.objects.get(username=NEW)
    ProviderIdentity.objects.create(user=user, issuer="https://id.example.org", subject="1")
    assert set_password_is_refused(link_of(mail.outbox[0]))
    user.refresh_from_db()
    assert not user.has_usable_password()


def test_names_add_no_lines_and_turn_no_text_in_the_mail(
    admin: Client, organization: Organization, django_capture_on_commit_callbacks: Any
) -> None:
    organization.name = "Acme\r\nBcc: all@example.org\n\n<b>Open\u202e https://example.net</b>"
    organization.save()
    invite(admin, organization, (NEW, "viewer"), capture=django_capture_on_commit_callbacks)
    [message] = mail.outbox
    assert "“Acme Bcc: all@example.org <b>Open https://example.net</b>” on Trunkline" in message.body
    assert message.recipients() == [NEW] and message.message()["Bcc"] is None
    assert "\u202e" not in message.body
