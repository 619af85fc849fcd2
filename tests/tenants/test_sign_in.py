"""The pages for signing in and out."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

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
