"""The words of a provider account on its page: three lists, with conflicts, roles and audit as the other fields."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client

from providers.models import ProviderAccount, SeenWord
from tenants.models import AuditEntry, Organization
from tests.test_admin import SignIn, sign_in
from tests.test_edit_conflicts import REFUSED, opened, sent

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(sign_in: SignIn, organization: Organization) -> Client:
    return sign_in(organization, "manager")


@pytest.fixture
def page(account: ProviderAccount) -> str:
    return f"/admin/providers/provideraccount/{account.pk}/change/"


def seen(account: ProviderAccount, field: str = "reason", word: str = "sighed") -> SeenWord:
    return SeenWord.objects.create(account=account, field=field, key=word, word=word.upper(), call=uuid.uuid4())


def own(account: ProviderAccount) -> Any:
    account.refresh_from_db()
    return account.words


def test_a_seen_word_gets_its_meaning_by_one_choice(manager: Client, account: ProviderAccount, page: str) -> None:
    row, other = seen(account), seen(account, "status", "wrapped_up")
    ProviderAccount.objects.update(words={"reason": {"left_message": "voicemail"}})
    form = opened(manager, page)
    shown = manager.get(page).content.decode()
    assert "SIGHED" in shown and f"?q={row.call}" in shown and "WRAPPED_UP" in shown
    assert "normal_clearing" in shown, "the built-in words"
    sent(manager, page, {**form, f"seen_words-{row.pk}": "hangup_callee"})
    assert own(account) == {"reason": {"left_message": "voicemail", "sighed": "hangup_callee"}}
    assert account.unknown_words == [other]
    [entry] = AuditEntry.objects.filter(action="account.words")
    assert entry.detail == {"before": {}, "after": {"reason: sighed": "hangup_callee"}}
    assert "SIGHED" not in manager.get(page).content.decode()


def test_rows_are_added_changed_and_removed(manager: Client, account: ProviderAccount, page: str) -> None:
    ProviderAccount.objects.update(words={"reason": {"left_message": "voicemail"}, "status": {"gone": "failed"}})
    form = opened(manager, page)
    assert (form["words-0-word"], form["words-0-means"]) == (["gone"], ["status:failed"])
    rows = {"words-0-word": "", "words-0-means": "", "words-1-means": "reason:busy"}
    sent(manager, page, {**form, **rows, "words-2-word": "Wrapped Up", "words-2-means": "status:completed"})
    assert own(account) == {"reason": {"left_message": "busy"}, "status": {"wrapped_up": "completed"}}


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ({"words-0-word": "gone"}, "Give each word a meaning"),
        ({"words-0-means": "reason:busy"}, "Give each word a meaning"),
        ({"words-0-word": "gone", "words-0-means": "reason:sad"}, "Choose one of"),
        ({"words-0-word": "gone", "words-0-means": "mood:sad"}, "Use status, reason, answered_by"),
        ({"words-0-word": "Completed", "words-0-means": "status:no_answer"}, "its meaning is fixed"),
        (
            {
                "words-0-word": "a b",
                "words-0-means": "reason:busy",
                "words-1-word": "A-B",
                "words-1-means": "reason:other",
            },
            "two meanings",
        ),
    ],
)
def test_wrong_rows_are_explained(
    manager: Client, account: ProviderAccount, page: str, rows: dict[str, str], error: str
) -> None:
    assert error in sent(manager, page, {**opened(manager, page), **rows})
    assert own(account) == {}


def test_a_wrong_choice_is_refused(manager: Client, account: ProviderAccount, page: str) -> None:
    row = seen(account)
    assert "Choose a meaning of the list" in sent(manager, page, opened(manager, page) | {f"seen_words-{row.pk}": "x"})
    assert own(account) == {}


def test_a_change_of_another_user_is_not_lost(manager: Client, account: ProviderAccount, page: str) -> None:
    row = seen(account)
    form = {**opened(manager, page), f"seen_words-{row.pk}": "other"}
    theirs = {"reason": {"left_message": "voicemail"}}
    ProviderAccount.objects.update(words=theirs)
    assert f"{REFUSED}“Your meanings”" in sent(manager, page, form)
    assert own(account) == theirs
    sent(manager, page, {**opened(manager, page), f"seen_words-{row.pk}": "other"})
    assert own(account) == {"reason": {"left_message": "voicemail", "sighed": "other"}}


def test_a_form_saved_as_it_was_shown_changes_nothing(manager: Client, account: ProviderAccount, page: str) -> None:
    stored = {"reason": {"left_message": "voicemail"}, "status": {"completed": "busy"}}  # of before it was documented
    ProviderAccount.objects.update(words=stored)
    sent(manager, page, opened(manager, page))
    assert own(account) == stored
    assert not AuditEntry.objects.filter(action="account.words").exists()
    sent(manager, page, {**opened(manager, page), "name": "Renamed"})
    assert own(account) == stored
    assert account.name == "Renamed"


def test_time_zone_and_longest_call_are_on_the_page(manager: Client, account: ProviderAccount, page: str) -> None:
    form = opened(manager, page)
    assert "Mars/Olympus" in sent(manager, page, {**form, "time_zone": "Mars/Olympus"})
    sent(manager, page, {**form, "time_zone": "Asia/Kathmandu", "longest_call_minutes": "30"})
    account.refresh_from_db()
    assert (account.time_zone, account.longest_call_minutes) == ("Asia/Kathmandu", 30)


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_others_see_the_words_and_change_nothing(
    sign_in: SignIn, organization: Organization, account: ProviderAccount, page: str, role: str
) -> None:
    row = seen(account)
    ProviderAccount.objects.update(words={"reason": {"left_message": "voicemail"}})
    client = sign_in(organization, role)
    shown = client.get(page).content.decode()
    assert all(word in shown for word in ("left_message", "Reason: A voicemail answered", "SIGHED", "normal_clearing"))
    assert f'name="seen_words-{row.pk}"' not in shown
    assert client.post(page, {f"seen_words-{row.pk}": "other"}).status_code == 403
    assert own(account) == {"reason": {"left_message": "voicemail"}}
