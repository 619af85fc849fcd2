"""How long sessions last, and the page where their owner lists and ends them."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tenants.backoffice.sign_in.sessions_page import browser_name
from tenants.models import StaffSession
from tests.tables import cases
from tests.tenants.signing_in import OLGA, a_user, is_in, sign_in

pytestmark = pytest.mark.django_db
PAGE = "/admin/my-sessions/"
STATE = "/admin/session/"


def test_an_idle_session_ends_and_an_active_one_ends_after_twelve_hours(frozen: time_machine.Traveller) -> None:
    a_user()
    idle, active, watching = Client(), Client(), Client()
    for client in (idle, active, watching):
        sign_in(client)
    for _ in range(12):  # to 11 h 48 min
        frozen.shift(timedelta(minutes=59))
        assert is_in(active)
        stored = active.session
        stored["page"] = 1  # stored data extends nothing
        stored.save()
        watching.get("/admin/", headers={"hx-request": "true"})  # a page that refreshes itself
    assert not is_in(idle) and not is_in(watching)
    frozen.shift(timedelta(minutes=11))
    assert is_in(active)
    frozen.shift(timedelta(minutes=1, seconds=1))
    assert not is_in(active)


def test_changing_the_password_does_not_extend_a_session(frozen: time_machine.Traveller) -> None:
    user, client = a_user(), Client()
    sign_in(client)
    before = StaffSession.objects.get(user=user).signed_in_at
    frozen.shift(timedelta(hours=1))
    client.get("/admin/two-step/")
    session = client.session
    session.cycle_key()
    session.save()
    assert StaffSession.objects.get(user=user).signed_in_at == before


def test_a_page_asks_whether_its_session_is_in_force_without_prolonging_it(frozen: time_machine.Traveller) -> None:
    a_user()
    a_user("paul@example.org")
    client, other = Client(), Client()
    sign_in(client)
    sign_in(other, name="paul@example.org")
    asks = {"hx-request": "true"}  # as session.js does
    first, theirs = (each.get(STATE, headers=asks).json() for each in (client, other))
    assert first["user"] and first["token"] and first["user"] != theirs["user"]
    assert client.get(STATE).headers["Cache-Control"].count("no-store") == 1
    for _ in range(3):
        frozen.shift(settings.SESSION_IDLE_SECONDS / 2)
        last = client.get(STATE, headers=asks).json()
    assert last == Client().get(STATE).json() == {"user": "", "token": ""}
    sign_in(client)
    assert client.get(STATE, headers=asks).json()["user"] == first["user"]


def test_a_form_sent_without_a_session_is_said_to_be_unsaved() -> None:
    user, client = a_user(), Client()
    sign_in(client)
    StaffSession.objects.all().delete()
    path = "/admin/campaigns/contactlist/add/"
    answer = client.post(path, {"name": "Spring"})
    assert answer.status_code == 302 and answer["Location"].startswith("/admin/login/?next=")
    assert "was not saved" in client.get(answer["Location"]).content.decode()
    assert "was not saved" not in client.get(client.get(path)["Location"]).content.decode()
    assert user.is_active


def test_activity_is_written_at_most_once_a_minute(frozen: time_machine.Traveller) -> None:
    user, client = a_user(), Client()
    sign_in(client)
    start = StaffSession.objects.get(user=user).seen_at
    frozen.shift(60)
    is_in(client)
    assert StaffSession.objects.get(user=user).seen_at == start
    frozen.shift(1)
    is_in(client)
    assert (StaffSession.objects.get(user=user).seen_at - start).total_seconds() == 61


def test_the_page_lists_ones_own_sessions_and_ends_them(frozen: time_machine.Traveller) -> None:
    user = a_user()
    a_user("ada@example.org")
    laptop, phone, tablet, stranger = (Client() for _ in range(4))
    for number, client in enumerate((laptop, phone, tablet)):
        client.defaults["HTTP_USER_AGENT"] = f"Mozilla/5.0 (X11; Linux) Firefox/{number}"
        sign_in(client, address=f"192.0.2.{number + 1}")
        frozen.shift(1)
    sign_in(stranger, address="203.0.113.9", name="ada@example.org")
    page = laptop.get(PAGE).content.decode()
    assert page.count("Firefox on Linux") == 3 and page.count("(this session)") == 1
    assert all(f"192.0.2.{number}" in page for number in (1, 2, 3)) and "203.0.113.9" not in page
    assert not any(str(row.session_key) in page for row in StaffSession.objects.all()), "keys would open the sessions"

    marks = {row.address: str(row.signed_in_at.timestamp()) for row in StaffSession.objects.all()}
    laptop.post(PAGE, {"session": marks["192.0.2.2"]})
    laptop.post(PAGE, {"session": marks["203.0.113.9"]})
    assert (is_in(laptop), is_in(phone), is_in(tablet), is_in(stranger)) == (True, False, True, True)
    laptop.post(PAGE)
    assert (is_in(laptop), is_in(tablet), is_in(stranger)) == (True, False, True)
    laptop.post("/admin/logout/")
    assert not StaffSession.objects.filter(user=user).exists()


def test_signing_in_changes_the_key_and_removes_what_has_expired(frozen: time_machine.Traveller) -> None:
    a_user()
    old, client = Client(), Client()
    sign_in(old)
    session = client.session
    session["before"] = 1
    session.save()
    before = str(session.session_key)
    client.cookies[settings.SESSION_COOKIE_NAME] = before
    frozen.shift(timedelta(hours=3))
    sign_in(client)
    keys = set(StaffSession.objects.values_list("session_key", flat=True))
    assert before not in keys and len(keys) == 1


def test_sessions_end_with_the_users_access_and_do_not_come_back() -> None:
    user, client, root = a_user(), Client(), Client()
    root.force_login(User.objects.create_superuser("root", password="x"))
    page = f"/admin/auth/user/{user.pk}/change/"
    for field in ("is_active", "is_staff"):
        client.force_login(user)
        assert is_in(client)
        given = {"username": OLGA, "email": OLGA, "is_active": "on", "is_staff": "on"}
        assert root.post(page, {name: value for name, value in given.items() if name != field}).status_code == 302
        assert not is_in(client)
        assert root.post(page, given).status_code == 302
        assert not is_in(client), field


def test_browsers_are_named_as_people_know_them() -> None:
    webkit = "AppleWebKit/537.36 (KHTML, like Gecko)"
    for agent, name in [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {webkit} Chrome/130.0 Safari/537.36 Edg/130.0", "Edge on Windows"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_1) {webkit} Chrome/130.0 Safari/537.36", "Chrome on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) Version/17.1 Safari/604.1", "Safari on iOS"),
        ("Mozilla/5.0 (Android 14; Mobile; rv:131.0) Gecko/131.0 Firefox/131.0", "Firefox on Android"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "Unknown browser"),
    ]:
        assert browser_name(agent) == name


@cases(
    "cookie",
    ["\0" * 32, "a" * 31 + "\0", "a" * 31 + "\u00e9", "A" * 32, "a" * 31, "a" * 33, "a" * 5000, "-" * 32, " " * 32],
)
@cases("path", ["/admin/", "/admin/login/", "/api/v1/contacts/"])
def test_a_cookie_that_is_no_key_of_ours_is_no_session(path: str, cookie: str) -> None:
    """A browser quotes a zero byte as `"\\000"`, which Django reads; the database would refuse to be asked about it."""
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = cookie
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == {"/admin/": 302, "/admin/login/": 200}.get(path, 401)
    assert not [each for each in asked if "tenants_staffsession" in each["sql"]]
