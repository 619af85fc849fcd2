"""A form whose session has ended stays on its page, and is sent by its own user alone, once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from campaigns.models import ContactList
from tenants.models import Organization, StaffSession
from tests.browser.support import ASKED, MARKS, Contexts, a_member, expect, replaced, sign_in, until
from tests.sizes import one_in

pytestmark = MARKS
ADD = "/admin/campaigns/contactlist/add/"
TOLD = "#session-ended"
QUESTION = "**/admin/session/"

# Playwright does not click while a page waits for its next one. A second request would have begun when it says so.
SECOND_CLICK = """addEventListener("submit", event => {
  if (event.defaultPrevented) return;
  setTimeout(() => document.querySelector("[name=_save]").click(), 20);
  setTimeout(() => console.log("clicked again"), 500);
})"""


@pytest.fixture
def filled(browser: Any, organization: Organization) -> Any:
    """A page with a form that its user has filled in."""
    a_member(organization)
    a_member(organization, name="paul")
    page = sign_in(browser.new_page())
    page.goto(ADD)
    until(page, ASKED)
    page.fill("#id_name", "Spring")
    return page


@pytest.fixture
def typed(filled: Any) -> Any:
    """The same page. The session ended before the form was submitted."""
    StaffSession.objects.all().delete()
    filled.click("[name=_save]")
    filled.wait_for_selector(TOLD)
    return filled


def lists() -> list[str]:
    return [row.name for row in ContactList.objects.all()]


def stays(page: Any) -> None:
    """Check that the form is where it was, as it was filled in, and that nothing is stored."""
    expect(page).to_have_url(re.compile(f"{ADD}$"))
    expect(page.locator("#id_name")).to_have_value("Spring")
    assert lists() == []


def tells(page: Any, text: str) -> None:
    expect(page.locator(TOLD)).to_contain_text(text)


def back_on(page: Any) -> None:
    page.bring_to_front()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_what_was_typed_is_kept_and_sent_once_after_the_sign_in(typed: Any) -> None:
    page = typed
    tells(page, "Your session has ended")
    stays(page)
    with replaced(page, f"{TOLD} a"):  # it is told again
        page.click("[name=_save]")
    with page.context.expect_page() as opened:
        page.click(f"{TOLD} a")
    sign_in(opened.value)
    back_on(page)
    tells(page, "You are signed in again")
    stays(page)  # nothing is sent by itself
    with page.expect_navigation():
        page.dblclick("[name=_save]")
    assert lists() == ["Spring"]


@pytest.mark.parametrize("asked", one_in(2, [True, False]))
def test_a_second_click_does_not_abort_what_the_first_one_sends(filled: Any, asked: bool) -> None:
    """On a slow machine the second click of two comes while the browser waits for the answer to the first."""
    page = filled
    if not asked:  # the page does not know whose it is
        page.route(QUESTION, lambda route: route.fulfill(status=200, content_type="text/html", body="<h1>Proxy</h1>"))
        page.reload()
        page.fill("#id_name", "Spring")
    sent: list[Any] = []
    page.route(f"**{ADD}", lambda route: sent.append(route) if route.request.method == "POST" else route.continue_())
    page.evaluate(SECOND_CLICK)
    with page.expect_console_message(lambda message: message.text == "clicked again"):
        page.click("[name=_save]", no_wait_after=True)
    with page.expect_navigation():
        sent[0].continue_()
    assert (len(sent), lists()) == (1, ["Spring"])


def test_another_user_cannot_send_it(typed: Any) -> None:
    page = typed
    sign_in(page.context.new_page(), "paul")
    back_on(page)
    tells(page, "Another user")
    with replaced(page, f"{TOLD} a"):
        page.click("[name=_save]")
    tells(page, "Another user")
    stays(page)


def test_no_click_is_lost_when_the_question_is_not_answered(filled: Any) -> None:
    page = filled
    page.clock.install()
    page.route(QUESTION, lambda route: None)  # neither an answer nor an error
    with page.expect_request(QUESTION):
        page.click("[name=_save]")
    page.click("[name=_save]")
    with page.expect_navigation():
        page.clock.fast_forward(10_000)
    assert lists() == ["Spring"]


def test_no_click_is_lost_when_something_else_answers(filled: Any) -> None:
    page = filled
    page.route(QUESTION, lambda route: route.fulfill(status=200, content_type="text/html", body="<h1>Proxy</h1>"))
    with page.expect_navigation():
        page.press("#id_name", "Enter")
    assert lists() == ["Spring"]


def test_without_a_network_the_form_stays_and_can_be_sent_later(browsers: Contexts, filled: Any) -> None:
    page = filled
    page.context.set_offline(True)
    page.click("[name=_save]")
    tells(page, "The server cannot be reached")
    stays(page)
    page.context.set_offline(False)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    back_on(page)
    with page.expect_navigation():
        page.click("[name=_save]")
    assert lists() == ["Spring"]
    assert asked.index("POST") == 1, "one question: coming back asks only for who has to sign in"
    browsers.complaints[:] = [text for text in browsers.complaints if "ERR_INTERNET_DISCONNECTED" not in text]


@pytest.mark.parametrize("replaced", one_in(2, [True, False]))
def test_a_button_that_the_page_replaces_meanwhile_is_pressed_or_its_user_is_told(filled: Any, replaced: bool) -> None:
    page = filled
    swap = "const old = document.querySelector('[name=_save]');" + (
        "old.replaceWith(old.cloneNode(true))" if replaced else "old.remove()"
    )

    def answer_late(route: Any) -> None:
        page.evaluate(swap)
        route.continue_()

    page.route(QUESTION, answer_late, times=1)
    if replaced:
        with page.expect_navigation():
            page.click("[name=_save]")
        assert lists() == ["Spring"]
    else:
        page.click("[name=_save]")
        tells(page, "The page changed")
        assert lists() == []
