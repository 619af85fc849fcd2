"""A form whose session has ended stays on its page, and is sent by its own user alone, once."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.models import ContactList
from tenants.models import Organization, StaffSession
from tests.browser.support import MARKS, a_member, sign_in, until

pytestmark = MARKS
ADD = "/admin/campaigns/contactlist/add/"
TOLD = "#session-ended"


@pytest.fixture
def typed(browser: Any, organization: Organization) -> Any:
    """A page with a form that its user has filled in; then the session ended."""
    a_member(organization)
    a_member(organization, name="paul")
    page = sign_in(browser.new_page())
    with page.expect_response("**/admin/session/"):
        page.goto(ADD)
    page.fill("#id_name", "Spring")
    StaffSession.objects.all().delete()
    page.click("[name=_save]")
    page.wait_for_selector(TOLD)
    return page


def back_on(page: Any) -> None:
    page.bring_to_front()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_what_was_typed_is_kept_and_sent_once_after_the_sign_in(typed: Any) -> None:
    page = typed
    assert "session has ended" in page.text_content(TOLD) and page.input_value("#id_name") == "Spring"
    assert page.url.endswith(ADD) and not ContactList.objects.exists()
    page.click("[name=_save]")
    page.wait_for_timeout(100)
    with page.context.expect_page() as opened:
        page.click(f"{TOLD} a")
    sign_in(opened.value)
    back_on(page)
    until(page, f"document.querySelector('{TOLD}').textContent.startsWith('You are signed in again')")
    assert not ContactList.objects.exists(), "nothing is sent by itself"
    with page.expect_navigation():
        page.dblclick("[name=_save]")
    assert [row.name for row in ContactList.objects.all()] == ["Spring"]


def test_another_user_cannot_send_it(typed: Any) -> None:
    page = typed
    sign_in(page.context.new_page(), "paul")
    back_on(page)
    until(page, f"document.querySelector('{TOLD}').textContent.startsWith('Another user')")
    with page.expect_response("**/admin/session/"):
        page.click("[name=_save]")
    page.wait_for_timeout(100)
    assert page.url.endswith(ADD) and page.input_value("#id_name") == "Spring"
    assert not ContactList.objects.exists()
