"""The pages for signing in and out, and the limits of wrong passwords and other secrets."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client

from tenants.models import SecretTries
from tenants.sign_in import tries
from tests.conftest import ApiClient
from tests.tenants.signing_in import OLGA, PASSWORD, a_user, is_in, sign_in

pytestmark = pytest.mark.django_db


def test_the_sign_in_page_asks_for_the_e_mail_address() -> None:
    page = Client().get("/admin/login/").content.decode()
    assert "E-mail" in page and "Sign in" in page
    assert "Username" not in page and "Log in" not in page


def test_a_wrong_password_is_refused_with_a_sentence() -> None:
    answer = Client().post("/admin/login/", {"username": "olga@example.org", "password": "wrong"})
    assert "No team member has this e-mail address and password." in answer.content.decode()


def test_a_team_member_signs_out() -> None:
    client = Client()
    client.force_login(User.objects.create(username="olga@example.org", is_staff=True))
    assert "Sign out" in client.get("/admin/").content.decode()
    assert "You are signed out of" in client.post("/admin/logout/").content.decode()
    assert client.get("/admin/").status_code == 302


# --- wrong passwords


def attack(rounds: int, name: str = OLGA) -> None:
    """Guess the password from many addresses, two tries each."""
    for number in range(rounds):
        for _ in range(2):
            sign_in(Client(), "a wrong guess", f"198.51.{number // 250}.{number % 250 + 1}", name)


def wait_of(answer: Any) -> int:
    """Return the seconds that a refused try has to wait, 0 if it was not refused."""
    text = answer.content.decode()
    found = re.search(r"Try again in (?:(\d+) seconds|a second)", text)
    assert (answer.status_code == 429) == bool(found)
    return int(found[1] or 1) if found else 0


def test_each_wrong_password_from_one_place_makes_the_next_try_wait_longer(frozen: time_machine.Traveller) -> None:
    a_user()
    waits = []
    for _ in range(7):
        waits.append(wait_of(sign_in(Client(), "wrong")))
        frozen.shift(0 if waits[-1] == 0 else waits[-1])
    # Five are free and a sixth is admitted; then one second, and the seventh try is admitted.
    assert waits == [0, 0, 0, 0, 0, 0, 1]
    assert wait_of(sign_in(Client(), "wrong")) == 0
    assert wait_of(sign_in(Client(), PASSWORD)) == 2, "the right password is not even looked at"
    frozen.shift(2)
    assert sign_in(Client()).status_code == 302


def test_the_owner_gets_in_from_elsewhere_while_strangers_guess_the_password(frozen: time_machine.Traveller) -> None:
    a_user()
    attack(40)
    owner = Client()
    wait = wait_of(sign_in(owner))
    assert 0 < wait <= 60
    attack(20)  # goes on while the owner waits
    frozen.shift(wait)
    assert sign_in(owner).status_code == 302 and is_in(owner)


def test_guessing_from_many_addresses_is_slowed_down(frozen: time_machine.Traveller) -> None:
    a_user()
    for number in range(20):
        for _ in range(2):  # the guesser waits as asked
            sign_in(Client(), "a wrong guess", f"198.51.100.{number + 1}")
            frozen.shift(60)
    for number in range(5):  # addresses that have not been seen
        assert wait_of(sign_in(Client(), PASSWORD, f"203.0.113.{number + 1}")) == 60


def test_a_browser_that_signed_in_before_is_not_hindered_by_strangers(frozen: time_machine.Traveller) -> None:
    a_user()
    owner = Client()
    sign_in(owner)
    owner.post("/admin/logout/")
    attack(30)
    for _ in range(12):
        sign_in(Client(), "wrong")  # from the owner's own address
        frozen.shift(30)
    assert sign_in(Client()).status_code == 429
    assert sign_in(owner).status_code == 302 and is_in(owner)


def test_a_known_browser_is_known_for_its_user_alone_and_cannot_be_made_up(frozen: time_machine.Traveller) -> None:
    a_user()
    a_user("ada@example.org")
    browser = Client()
    sign_in(browser)
    browser.post("/admin/logout/")
    attack(30, "ada@example.org")
    assert wait_of(sign_in(browser, name="ada@example.org")) > 0
    cookie = browser.cookies["trunkline_browser"]
    assert cookie["httponly"] and cookie["samesite"] == "Lax"
    attack(30)
    forged = Client()
    forged.cookies["trunkline_browser"] = cookie.value[:-2] + "xx"
    assert wait_of(sign_in(forged)) > 0
    assert sign_in(browser).status_code == 302


def test_eight_failures_close_one_address_to_one_user_and_nobody_extends_it(frozen: time_machine.Traveller) -> None:
    a_user()
    a_user("ada@example.org")
    for _ in range(12):
        answer = sign_in(Client(), "wrong")
        frozen.shift(8)
    assert answer.status_code == 429 and "Try again in 15 minutes" in answer.content.decode()
    assert sign_in(Client(), name="ada@example.org").status_code == 302, "others at this address get in"
    frozen.shift(timedelta(minutes=15))
    assert sign_in(Client()).status_code == 302


def test_an_address_behind_a_trusted_proxy_does_not_share_the_limit(frozen: time_machine.Traveller) -> None:
    a_user()
    for _ in range(12):
        guess = {"username": OLGA, "password": "wrong"}
        Client().post("/admin/login/", guess, headers={"x-forwarded-for": "203.0.113.66"}, REMOTE_ADDR="127.0.0.1")
    sent = {"username": OLGA, "password": PASSWORD}
    answer = Client().post("/admin/login/", sent, headers={"x-forwarded-for": "203.0.113.66"}, REMOTE_ADDR="127.0.0.1")
    assert answer.status_code == 429
    SecretTries.objects.all().delete()  # leaves the failures that django-axes has counted
    answer = Client().post("/admin/login/", sent, headers={"x-forwarded-for": "203.0.113.7"}, REMOTE_ADDR="127.0.0.1")
    assert answer.status_code == 302


def test_guesses_at_many_users_from_one_address_are_slowed_down_without_closing_it(
    frozen: time_machine.Traveller,
) -> None:
    a_user()
    for number in range(60):
        sign_in(Client(), "wrong", name=f"user-{number}@example.org")
    wait = wait_of(sign_in(Client()))
    assert 0 < wait <= 60
    for number in range(60, 80):  # goes on, from the same address
        sign_in(Client(), "wrong", name=f"user-{number}@example.org")
    frozen.shift(wait)
    assert sign_in(Client()).status_code == 302


def test_failures_are_forgotten_after_an_hour(frozen: time_machine.Traveller) -> None:
    a_user()
    attack(40)
    frozen.shift(timedelta(hours=1, seconds=1))
    assert sign_in(Client()).status_code == 302


def test_a_try_between_the_look_and_the_count_of_another_is_not_lost(
    frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests at the same moment do not get more tries than one after the other."""
    limit = tries.Limit("test", free=1, longest=timedelta(minutes=1))
    store, others = tries._stored, [lambda: tries.admit(limit, "subject")]

    def stored_after_another(*given: Any) -> bool:
        while others:
            assert others.pop()() == 0
        return store(*given)

    assert tries.admit(limit, "subject") == 0
    monkeypatch.setattr(tries, "_stored", stored_after_another)
    assert tries.admit(limit, "subject") == 1, "the try in between was the last one"
    assert SecretTries.objects.get().failures == 2


def test_delays_double_to_their_bound_and_no_further() -> None:
    limit = tries.Limit("test", free=2, longest=timedelta(seconds=60))
    found = [limit.closed_for(failures).total_seconds() for failures in (0, 2, 3, 4, 5, 8, 9, 10, 1_000_000)]
    assert found == [0, 0, 1, 2, 4, 32, 60, 60, 60]


def test_a_guesser_gets_no_more_tries_from_many_addresses_of_one_network(frozen: time_machine.Traveller) -> None:
    a_user()
    answers = [sign_in(Client(), "a wrong guess", f"2001:db8:7:7::{number:x}") for number in range(1, 9)]
    assert [found.status_code for found in answers] == [200] * 6 + [429] * 2
    assert wait_of(sign_in(Client(), address="2001:db8:7:8::1")) == 0
    keys = [
        ApiClient("tl_wrong").get("/api/v1/contacts/", REMOTE_ADDR=f"2001:db8:7:7::{number:x}") for number in range(53)
    ]
    assert keys[-1].status_code == 429


def test_wrong_api_keys_are_limited_by_address_and_never_refuse_a_right_one(api: ApiClient) -> None:
    answers = [ApiClient("tl_wrong").get("/api/v1/contacts/") for _ in range(53)]
    assert [found.status_code for found in answers[:51]] == [401] * 51
    assert answers[-1].status_code == 429 and answers[-1]["Retry-After"]
    assert api.get("/api/v1/contacts/").status_code == 200
    assert ApiClient("tl_wrong").get("/api/v1/contacts/", REMOTE_ADDR="192.0.2.9").status_code == 401


def test_no_row_of_tries_names_a_person_or_an_address() -> None:
    a_user()
    sign_in(Client(), "wrong")
    rows = str(list(SecretTries.objects.values()))
    assert "olga" not in rows and "192.0.2.1" not in rows
