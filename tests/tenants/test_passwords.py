"""Which passwords are accepted, everywhere where one is set, and how a forgotten one is replaced."""

from __future__ import annotations

import io
import re
from typing import Any
from unittest.mock import Mock

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tenants.models import SecretTries, StaffSession
from tests.tenants.signing_in import OLGA, PASSWORD, a_user, is_in, sign_in

pytestmark = pytest.mark.django_db
NEW = "seven green lanterns"
WEAK = ["aaaaaaaaaaaa", "abababababab", "AaBbAaBbAaBb", OLGA, "olga@example", "short", "123456789012", "102938475610",
        "password1234"]  # fmt: skip


def test_weak_passwords_are_refused() -> None:
    user = User(username=OLGA, email=OLGA, first_name="Olga")
    for password in WEAK:
        with pytest.raises(ValidationError):
            validate_password(password, user)
    for password in (PASSWORD, NEW, "x9#Kd2!mQz7w"):
        validate_password(password, user)


def test_the_pages_and_commands_that_set_a_password_hold_to_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    user, client, root = a_user(), Client(), Client()
    root.force_login(User.objects.create_superuser("root", password=PASSWORD))
    client.force_login(user)
    for number, password in enumerate(WEAK):
        twice = {"new_password1": password, "new_password2": password}
        assert client.post("/admin/password_change/", {"old_password": PASSWORD, **twice}).status_code == 200
        two = {"password1": password, "password2": password, "usable_password": "true"}
        root.post(f"/admin/auth/user/{user.pk}/password/", two)
        # The new user's name is the old one's, so that the address as a password is refused here too.
        root.post("/admin/auth/user/add/", {"username": f"{number}{OLGA}", "is_staff": "on", **two})
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)
        with pytest.raises(CommandError):
            call_command("createsuperuser", username="s", email=OLGA, interactive=False, stdout=io.StringIO())
    assert sorted(User.objects.values_list("username", flat=True)) == [OLGA, "root"]
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", NEW)
    call_command("createsuperuser", username="s", email=OLGA, interactive=False, stdout=io.StringIO())
    assert User.objects.get(username="s").check_password(NEW)


def change(client: Client, old: str) -> Any:
    sent = {"old_password": old, "new_password1": NEW, "new_password2": NEW}
    return client.post("/admin/password_change/", sent)


def test_changing_the_password_ends_all_other_sessions() -> None:
    user, client, other = a_user(), Client(), Client()
    sign_in(client)
    sign_in(other)
    assert change(client, PASSWORD).status_code == 302
    assert is_in(client) and not is_in(other)
    assert StaffSession.objects.filter(user=user).count() == 1


def test_another_users_sessions_end_when_a_superuser_changes_the_password() -> None:
    user, client, root = a_user(), Client(), Client()
    sign_in(client)
    root.force_login(User.objects.create_superuser("root", password=PASSWORD))
    sent = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert root.post(f"/admin/auth/user/{user.pk}/password/", sent).status_code == 302
    assert not is_in(client) and is_in(root)
    assert not StaffSession.objects.filter(user=user).exists()


def test_wrong_old_passwords_are_limited(frozen: time_machine.Traveller) -> None:
    user, client = a_user(), Client()
    client.force_login(user)
    assert [change(client, f"wrong {number}").status_code for number in range(8)] == [200] * 6 + [429] * 2
    assert change(client, PASSWORD).status_code == 429
    frozen.shift(1)
    assert change(client, PASSWORD).status_code == 302


# --- forgotten passwords


@pytest.fixture
def mailing(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send e-mail, at once instead of in a thread, with the connection of the test."""

    class AtOnce:
        def __init__(self, target: Any, args: Any, **_: Any) -> None:
            self.start = lambda: target(*args)

    settings.EMAIL_CONFIGURED, settings.DEFAULT_FROM_EMAIL = True, "calls@example.org"
    settings.PUBLIC_BASE_URL = "https://calls.example.org"
    monkeypatch.setattr("tenants.backoffice.sign_in.password_links.threading.Thread", AtOnce)
    monkeypatch.setattr("tenants.backoffice.sign_in.password_links.connection", Mock())


def ask(email: str = OLGA, address: str = "192.0.2.1") -> Any:
    return Client().post("/admin/password-reset/", {"email": email}, REMOTE_ADDR=address)


def link_of(message: Any) -> str:
    found = re.search(r"https://calls\.example\.org(/\S+)", message.body)
    assert found
    return found[1]


def test_a_link_sets_a_new_password_once_and_ends_all_sessions(mailing: None, frozen: time_machine.Traveller) -> None:
    user, open_session, client = a_user(), Client(), Client()
    sign_in(open_session)
    assert ask(OLGA.upper()).status_code == 302
    (message,) = mail.outbox
    assert (message.to, message.from_email) == ([OLGA], "calls@example.org")
    form = client.get(link_of(message))["Location"]
    assert client.post(form, {"new_password1": "aaaaaaaaaaaa", "new_password2": "aaaaaaaaaaaa"}).status_code == 200
    answer = client.post(form, {"new_password1": NEW, "new_password2": NEW})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/login/")
    user.refresh_from_db()
    assert not StaffSession.objects.filter(user=user).exists()
    assert user.check_password(NEW) and not is_in(open_session) and not is_in(client)
    assert "no longer valid" in Client().get(link_of(message)).content.decode()


def test_a_link_works_for_an_hour(mailing: None, frozen: time_machine.Traveller) -> None:
    a_user()
    ask()
    frozen.shift(3601)
    assert "no longer valid" in Client().get(link_of(mail.outbox[0])).content.decode()


def test_the_answer_does_not_tell_whether_a_team_member_has_the_address(mailing: None) -> None:
    a_user()
    a_user("gone@example.org", is_active=False)
    answers = [ask(email) for email in (OLGA, "nobody@example.org", "gone@example.org")]
    assert len({(found.status_code, found["Location"], found.content) for found in answers}) == 1
    assert [message.to for message in mail.outbox] == [[OLGA]]


def test_the_request_asks_the_database_the_same_whether_the_address_exists(
    mailing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    class Later:
        def __init__(self, target: Any, args: Any, **_: Any) -> None:
            self.start = lambda: started.append((target, args))

    monkeypatch.setattr("tenants.backoffice.sign_in.password_links.threading.Thread", Later)
    a_user()
    asked = []
    for email in (OLGA, "nobody@example.org"):
        with CaptureQueriesContext(connection) as queries:
            ask(email)
        asked.append([re.sub(r"'[^']*'|[0-9]+", "", query["sql"]) for query in queries])
        SecretTries.objects.all().delete()
    assert asked[0] == asked[1] and not any("auth_user" in sql for sql in asked[0])
    assert len(started) == 2 and not mail.outbox
    threads = Mock()
    monkeypatch.setattr("tenants.backoffice.sign_in.password_links.connection", threads)
    for target, args in started:
        target(*args)
    assert [message.to for message in mail.outbox] == [[OLGA]]
    assert threads.close.call_count == 2


def test_pages_and_mail_say_how_long_a_link_works_and_how_long_to_wait(
    mailing: None, settings: Any, frozen: time_machine.Traveller
) -> None:
    settings.PASSWORD_RESET_TIMEOUT = 1800
    a_user()
    ask()
    wrong = [Client().get(f"/admin/password-reset/MQ/abc-{number}/").content.decode() for number in range(12)]
    for text in (mail.outbox[0].body, Client().get("/admin/password-reset/sent/").content.decode(), wrong[0]):
        assert "30 minutes" in text and "an hour" not in text
    assert "Try again in a second." in wrong[11]


def test_requests_and_links_are_limited(mailing: None, frozen: time_machine.Traveller) -> None:
    a_user()
    for number in range(20):
        assert ask(address=f"198.51.100.{number + 1}").status_code == 302
    assert len(mail.outbox) == 4, "one mailbox is not flooded"
    answers = [ask(f"{number}@example.org").status_code for number in range(13)]
    assert answers == [302] * 11 + [429] * 2
    tried = [Client().get(f"/admin/password-reset/MQ/abc-{number}/").status_code for number in range(13)]
    assert tried == [200] * 11 + [429] * 2
    assert Client().get(link_of(mail.outbox[0])).status_code == 302, "a right link is not refused for wrong ones"


def test_a_link_ends_when_the_user_is_changed(mailing: None) -> None:
    """The old mailbox may be another person's. Some users have no address but the one they sign in with."""
    changes: list[dict[str, Any]] = [
        {"username": "o@example.org"},
        {"email": NEW},
        {"is_active": False},
        {"is_staff": False},
    ]
    for number, change in enumerate(changes):
        user = a_user(f"u{number}@example.org")
        User.objects.filter(pk=user.pk).update(email="")
        ask(user.username)
        link = link_of(mail.outbox[-1])
        assert Client().get(link).status_code == 302
        User.objects.filter(pk=user.pk).update(**change)
        assert Client().get(link).status_code == 200, change


def test_without_e_mail_the_page_says_whom_to_ask() -> None:
    a_user()
    assert "sends no e-mail" in Client().get("/admin/password-reset/").content.decode()
    ask()
    assert not mail.outbox


def test_a_mail_server_that_fails_changes_no_answer(
    mailing: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(message: Any) -> None:
        raise ConnectionRefusedError(f"the words of a server about {OLGA}")

    a_user()
    monkeypatch.setattr(mail.EmailMessage, "send", refuse)
    assert ask().status_code == 302
    assert "was not sent" in caplog.text and OLGA not in caplog.text
