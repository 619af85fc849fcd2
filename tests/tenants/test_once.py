"""A form sent twice has one effect, and the second submission leads to what the first did."""

from __future__ import annotations

import re
import threading
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, ContactList
from tenants.backoffice import once
from tenants.models import Membership, Organization, StoredAnswer
from tests.test_admin import SignIn, sign_in
from tests.test_saved_unchanged import submitted

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db
TOKEN = "a" * 32
ADD = "admin:campaigns_contactlist_add"


def form_of(client: Client, url: str) -> dict[str, Any]:
    page = client.get(url).content.decode()
    tokens = set(re.findall(rf'name="{once.FIELD}" value="([0-9a-f]{{32}})"', page))
    assert len(tokens) == page.count(f'name="{once.FIELD}"') > 1, "each form of the page has a token of its own"
    return submitted(page, "name")


def test_a_form_sent_twice_has_one_effect(organization: Organization, sign_in: SignIn) -> None:
    client, url = sign_in(organization, "manager"), reverse(ADD)
    form = form_of(client, url) | {"name": "Patients"}
    first, second = client.post(url, form), client.post(url, form)
    assert first.status_code == second.status_code == 302
    assert first["Location"] == second["Location"]
    assert ContactList.objects.filter(name="Patients").count() == 1
    assert once.DONE in client.get(second["Location"], follow=True).content.decode()


def test_other_contents_and_a_form_opened_again_are_other_forms(organization: Organization, sign_in: SignIn) -> None:
    client, url = sign_in(organization, "manager"), reverse("admin:campaigns_campaign_add")
    home = ContactList.objects.create(organization=organization, name="Patients")
    form = form_of(client, url) | {"name": "Spring", "contact_lists": [home.pk]}
    client.post(url, form)
    client.post(url, form | {"name": "Autumn"})
    page = client.post(url, form_of(client, url) | {"name": "Spring", "contact_lists": [home.pk]}, follow=True)
    assert sorted(Campaign.objects.values_list("name", flat=True)) == ["Autumn", "Spring", "Spring"]
    assert "There is another campaign named “Spring”." in page.content.decode()


def test_a_refused_form_can_be_sent_again(organization: Organization, sign_in: SignIn) -> None:
    client, url = sign_in(organization, "manager"), reverse(ADD)
    form = form_of(client, url)
    assert client.post(url, form | {"name": ""}).status_code == 200
    assert not StoredAnswer.objects.exists()
    assert client.post(url, form | {"name": "Patients"}).status_code == 302


def test_the_token_of_another_user_is_none(organization: Organization, sign_in: SignIn) -> None:
    client, other, url = sign_in(organization, "manager"), Client(), reverse(ADD)
    user = User.objects.create(username="otto", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="manager")
    other.force_login(user)
    form = form_of(client, url) | {"name": "Patients"}
    for each in (client, other):
        each.post(url, form)
    assert StoredAnswer.objects.count() == ContactList.objects.count() == 2


def test_what_a_dead_process_left_is_not_repeated(
    organization: Organization, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "WAIT", 0.0)
    client, url = sign_in(organization, "manager"), reverse(ADD)
    form = form_of(client, url) | {"name": "Patients"}
    client.post(url, form)
    StoredAnswer.objects.update(answer=None)
    answer = client.post(url, form, follow=True)
    assert "it is not known whether that took effect" in answer.content.decode()
    assert ContactList.objects.count() == 1


def test_two_tabs_are_two_forms_and_back_is_the_same(organization: Organization, sign_in: SignIn) -> None:
    client, url = sign_in(organization, "manager"), reverse(ADD)
    one, other = form_of(client, url), form_of(client, url)
    for form in (one, other, one, other):
        client.post(url, form | {"name": "Patients"})
    assert ContactList.objects.count() == 2


def test_a_new_session_of_the_user_knows_the_form(organization: Organization, sign_in: SignIn) -> None:
    client, url = sign_in(organization, "manager"), reverse(ADD)
    form = form_of(client, url) | {"name": "Patients"}
    client.post(url, form)
    client.logout()
    assert client.post(url, form).status_code == 302
    client.force_login(User.objects.get())
    assert once.DONE in client.post(url, form, follow=True).content.decode()
    assert ContactList.objects.count() == 1


def test_who_is_not_signed_in_or_sends_no_csrf_token_leaves_no_marker(
    organization: Organization, sign_in: SignIn
) -> None:
    client, url = sign_in(organization, "manager"), reverse(ADD)
    form = form_of(client, url) | {"name": "Patients"}
    Client().post(url, form)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get())
    assert strict.post(url, form).status_code == 403
    assert not StoredAnswer.objects.exists()
    assert client.post(url, form).status_code == 302


@pytest.mark.parametrize("token", ["", "x" * 65])
def test_a_form_without_a_token_of_ours_is_sent_each_time(
    organization: Organization, sign_in: SignIn, token: str
) -> None:
    client, url = sign_in(organization, "manager"), reverse(ADD)
    form = form_of(client, url) | {"name": "Patients", once.FIELD: token}
    for _ in range(2):
        client.post(url, form)
    assert ContactList.objects.count() == 2 and not StoredAnswer.objects.exists()


def test_parts_of_a_page_and_the_api_leave_no_marker(organization: Organization, sign_in: SignIn, api: Any) -> None:
    client, url = sign_in(organization, "manager"), reverse("admin:calls_call_launch_person")
    for _ in range(2):
        assert client.post(url, {once.FIELD: "a" * 32}, headers={"HX-Request": "true"}).status_code == 200
        assert api.post("/api/v1/contact-lists/", {"name": "N"}).status_code == 201
    assert not StoredAnswer.objects.exists()
    assert ContactList.objects.count() == 2


def test_a_corrected_file_with_the_name_and_size_of_the_old_is_another(rf: RequestFactory) -> None:
    user, slots = User.objects.create(username="olga"), []
    for contents in (b"+33612345678", b"+33612345679", b"+33612345678"):
        request = rf.post("/admin/x/", {once.FIELD: TOKEN, "file": SimpleUploadedFile("numbers.csv", contents)})
        request.user = user
        slots.append(once._slot(request))
        file: Any = request.FILES["file"]
        assert file.read() == contents, "the page reads it from its beginning"
    assert slots[0] == slots[2] != slots[1]


def test_a_redirect_that_says_an_error_frees_the_token(organization: Organization, sign_in: SignIn) -> None:
    client = sign_in(organization, "operator")
    campaign = Campaign.objects.create(organization=organization, name="Spring", status="running")
    url = reverse("admin:campaigns_campaign_step", args=[campaign.pk, "resume"])
    assert "not possible any more" in client.post(url, {once.FIELD: TOKEN}, follow=True).content.decode()
    assert not StoredAnswer.objects.exists()


def test_a_stop_is_done_again_unless_it_was_a_double_click(organization: Organization, sign_in: SignIn) -> None:
    client = sign_in(organization, "operator")
    url = reverse("admin:tenants_organization_step", args=[organization.pk, "stop-calls"])

    def stop() -> str:
        Organization.objects.update(calls_stopped=False)
        return client.post(url, {once.FIELD: TOKEN}, follow=True).content.decode()

    assert once.DONE not in stop()
    assert once.DONE in stop(), "a double click"
    StoredAnswer.objects.update(started_at=timezone.now() - timedelta(seconds=once.WAIT + 1))
    assert once.DONE not in stop()
    organization.refresh_from_db()
    assert organization.calls_stopped
    StoredAnswer.objects.update(started_at=timezone.now() - timedelta(seconds=once.WAIT + 1), answer=None)
    stop()
    organization.refresh_from_db()
    assert organization.calls_stopped, "also where the first submission died"


def test_every_button_and_page_that_keeps_calls_from_being_placed_is_known() -> None:
    assert once.stopping_steps() == {
        ("tenants_organization_step", "stop-calls"),
        *(("campaigns_campaign_step", name) for name in ("pause", "cancel", "skip-held")),
        *(("campaigns_recipient_step", name) for name in ("withdraw", "hold", "skip", "cancel-call-back")),
        *(("campaigns_contact_step", "hold"), ("calls_callback_step", "cancel-call-back")),
        *(("campaigns_contact_many", name) for name in ("hold", "do-not-call")),
        ("calls_call_step", "cancel"),
    }
    for name in once.STOPPING_PAGES:
        reverse(f"admin:{name}")


def test_a_double_click_on_a_form_that_is_refused_shows_what_was_typed(
    organization: Organization, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits; the first ends without an effect, so that the second is the first."""
    client, url = sign_in(organization, "manager"), reverse("admin:campaigns_contact_add")
    form = form_of(client, url) | {"phone": "12", "name": "Ada Lovelace"}
    client.post(url, form | {"phone": "+33612345678"})
    StoredAnswer.objects.update(answer=None)
    slot = StoredAnswer.objects.get().slot
    monkeypatch.setattr(once, "_slot", lambda _: slot)
    monkeypatch.setattr(once, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: _freed()))
    answer = client.post(url, form)
    assert answer.status_code == 200 and "Ada Lovelace" in answer.content.decode()


def _freed() -> None:
    StoredAnswer.objects.all().delete()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("sqlite" in connection.settings_dict["ENGINE"], reason="SQLite has one writer at a time")
def test_a_double_click_waits_for_the_first(organization: Organization, sign_in: SignIn) -> None:
    client, url = sign_in(organization, "manager"), reverse(ADD)
    form = form_of(client, url) | {"name": "Patients"}
    answers: list[Any] = []

    def click() -> None:
        own = Client()
        own.cookies = client.cookies
        answers.append(own.post(url, form))
        connection.close()

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()
    assert ContactList.objects.count() == 1
    assert {(each.status_code, each["Location"]) for each in answers} == {(302, answers[0]["Location"])}
