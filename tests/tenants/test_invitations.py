"""A person without an account is invited to an organization by e-mail, and can sign in once a password is set."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from tenants.models import AuditEntry, Membership, Organization, ProviderIdentity
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
    admin: Client, organization: Organization, django_capture_on_commit_callbacks: Any
) -> None:
    for _ in range(5):
        invite(admin, organization, (NEW, "viewer"), capture=django_capture_on_commit_callbacks)
        Membership.objects.filter(user__username=NEW).delete()
    assert len(mail.outbox) < 5
