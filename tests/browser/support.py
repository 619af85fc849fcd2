"""Shared code of the browser tests: markers, waits, sign-in, forged forms, accessibility.

A click returns before its effect: each form asks `/admin/session/` before it is sent, and parts of pages are fetched.
So a test waits for what it expects, with `expect`, `until` or `wait_for_selector`, and never reads a page at once
(`tests/test_browser_waits.py`). Absence holds on the page before as well: first wait for something of the new page.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client

from tenants.models import Membership, Organization
from tests import waiting

AXE = (Path(__file__).parent.parent / "assets" / "axe.min.js").read_text()
# The headless shell renders the same pages without windows of its own, in a third of the processor time.
CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser"))), "")
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="There is no Chromium on this machine."),
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
SOON = 60_000  # milliseconds to wait for whatever a page shall do, also on a shared machine
BEAT = 1_000  # milliseconds between two refreshes in tests
CLOSED = 5.0  # seconds in which the connections of closed pages mostly end
# Pages refresh every three seconds; tests need not wait so long. Other timers keep their time.
QUICK_TIMERS = f"""
const setIntervalAsIs = window.setInterval;
window.setInterval = (what, delay, ...rest) => setIntervalAsIs(what, delay === 3000 ? {BEAT} : delay, ...rest);
"""
# Events of htmx when a refresh ends with its page. An error of the server or the network has another name.
CUT_OFF = {"htmx:sendAbort", "htmx:afterRequest"}
WIDTHS = (1280, 400)
# The page learns with its first question whose it is. Until then it sends a form without asking.
ASKED = "performance.getEntriesByName(`${location.origin}/admin/session/`).some(each => each.responseEnd > 0)"
SPILL = "document.documentElement.scrollWidth - window.innerWidth"
SETTLES = 20_000  # milliseconds in which a page takes another width: its menus fold, its charts are drawn again
# Nothing moves or fades, except what never stops. Half-faded text has too little contrast.
STILL = """document.getAnimations().every(
    each => each.playState !== "running" || each.effect?.getComputedTiming().endTime === Infinity)"""

ANSWERED = """path => document.addEventListener("htmx:afterRequest", event => {
    if (event.detail.pathInfo.requestPath.includes(path)) window.answered = true;
})"""


def expect(shown: Any, told: str | None = None) -> Any:
    """Return Playwright's waiting assertions about a page or a locator, with the patience of a shared machine."""
    from playwright.sync_api import expect as assertions  # where it is missing, these tests are skipped

    assertions.set_options(timeout=SOON)
    return assertions(shown, told)


def fits(page: Any) -> None:
    """Wait until the page is no wider than its window."""
    until(page, f"{SPILL} <= 0")


def spill_at(page: Any, width: int) -> int:
    """Return by how many pixels the page is wider than a window of this width, once it has taken it."""
    page.set_viewport_size({"width": width, "height": 900})
    comes_true(page, f"window.innerWidth === {width} && {SPILL} <= 0", SETTLES)
    return int(page.evaluate(SPILL))


def until(page: Any, expression: str) -> None:
    """Wait until an expression is true in the page, and fail when it never is.

    `wait_for_function` evaluates again inside the page when the first answer is false, and the pages' policy refuses
    that (`script-src` without `unsafe-eval`): it passes on a quick machine and fails on a slow one.
    """
    assert comes_true(page, expression, SOON), f"never true: {expression}"


def comes_true(page: Any, expression: str, milliseconds: int) -> bool:
    deadline = time.monotonic() + milliseconds / 1000
    while not (true := page.evaluate(expression)) and time.monotonic() < deadline:
        page.wait_for_timeout(20)
    return bool(true)


# `make test` tests only the light theme; `make proof` tests the dark one as well.
THEMES = ["light", pytest.param("dark", marks=pytest.mark.proof)]
THEMES_OF_PROOFS = [pytest.param("light", marks=pytest.mark.long), pytest.param("dark", marks=pytest.mark.proof)]


class Chromium:
    """One Chromium for all tests of a process, because starting it and its driver takes a second of processor time."""

    def __init__(self) -> None:
        sync_api = pytest.importorskip("playwright.sync_api")
        self._driver = sync_api.sync_playwright().start()
        self._loop = asyncio.get_running_loop()
        # Without hinting, the shell measures text as Chromium does; with it, lines differ by a pixel.
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--font-render-hinting=none"]
        self._program = self._driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        asyncio._set_running_loop(None)

    @contextmanager
    def contexts(self, url: str) -> Iterator[Contexts]:
        """Yield browser contexts. Fail on an error in the console or a page, or a request to another host.

        The driver leaves an event loop running in this thread: Django and `asyncio.run` refuse to work under it. Other
        tests of this process do not see it.
        """
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
            asyncio._set_running_loop(self._loop)
            try:
                found = Contexts(self._program, url)
                try:
                    yield found
                finally:
                    found.close()
                    # Under a running loop this thread has a database connection of its own.
                    connections.close_all()
            finally:
                asyncio._set_running_loop(None)
        assert found.complaints == [], found.complaints

    def close(self) -> None:
        asyncio._set_running_loop(self._loop)
        self._program.close()
        self._driver.stop()
        asyncio._set_running_loop(None)


class Contexts:
    """Open browser contexts, each with its own cookies. The console also reports violations of the policy."""

    def __init__(self, program: Any, url: str) -> None:
        self._program = program
        self.url = url
        self.complaints: list[str] = []

    def __call__(self) -> Any:
        context = self._program.new_context(base_url=self.url)
        context.set_default_timeout(SOON)
        context.add_init_script(QUICK_TIMERS)
        context.on("console", self._listen)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("request", self._watch)
        return context

    def close(self) -> None:
        for context in list(self._program.contexts):
            context.close()
        _wait_for_the_last_answers()

    def _listen(self, said: Any) -> None:
        if said.type in {"error", "warning"} and said.text not in CUT_OFF:
            self.complaints.append(f"{said.text} {said.location['url']}")

    def _watch(self, asked: Any) -> None:
        if not asked.url.startswith((self.url, "data:")):
            self.complaints.append(f"outside: {asked.url}")


def _wait_for_the_last_answers() -> None:
    """Wait for the server: after a page closed during a refresh, it must not write once the tables are emptied.

    A connection that the browser opened ahead, or keeps, has a thread too. It may stay open: it answers nothing, and
    is not waited for again.
    """
    begun = time.monotonic()

    def over() -> bool:
        idle = not _answering()
        if idle and time.monotonic() - begun > CLOSED:
            _kept.update(_serving())
        return idle and _serving().keys() <= _kept

    try:
        waiting.eventually(over)
    except AssertionError as error:
        stacks = "\n".join("".join(traceback.format_stack(frame)) for frame in _serving().values())
        raise AssertionError(f"A request is still being answered:\n{stacks}") from error


_kept: set[threading.Thread] = set()  # of connections that stayed open after their pages


def _serving() -> dict[threading.Thread, FrameType]:
    """Return what the server's threads for connections do at the moment."""
    frames = sys._current_frames()
    threads = (each for each in threading.enumerate() if "process_request_thread" in each.name)
    return {each: frames[each.ident] for each in threads if each.ident in frames}


def _answering() -> bool:
    return any(
        outer.f_code.co_filename.endswith("wsgiref/handlers.py")
        for frame in _serving().values()
        for outer, _ in traceback.walk_stack(frame)
    )


def a_member(organization: Organization, role: str = "manager", name: str = "olga") -> User:
    user = User.objects.create_user(name, password=PASSWORD, is_staff=True)
    Membership.objects.create(user=user, organization=organization, role=role)
    return user


def sign_in(page: Any, name: str = "olga", password: str = PASSWORD) -> Any:
    page.goto("/admin/")
    page.fill("#id_username", name)
    page.fill("#id_password", password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda address: "/login/" not in address)  # whose own address ends with the next one
    return page


def enter(context: Any, url: str, name: str = "olga") -> Any:
    """Open the dashboard with a session made without the sign-in form, which costs two more pages."""
    client = Client()
    client.force_login(User.objects.get(username=name), "django.contrib.auth.backends.ModelBackend")
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": url}])
    page = context.new_page()
    page.goto("/admin/")
    return page


def desk(contexts: Contexts, organization: Organization, role: str, name: str = "") -> Any:
    """Open the dashboard of a new team member in a separate browser context."""
    a_member(organization, role, name or role)
    return enter(contexts(), contexts.url, name or role)


def themed(page: Any, theme: str) -> None:
    """Wait until the page has taken a theme."""
    until(page, f"document.documentElement.classList.contains('dark') === {str(theme == 'dark').lower()}")


def without_scripts(page: Any) -> Any:
    """Open a page of the same user in a browser that runs no scripts."""
    origin = page.url.partition("/admin/")[0]
    state = page.context.storage_state()
    context = page.context.browser.new_context(base_url=origin, java_script_enabled=False, storage_state=state)
    context.set_default_timeout(SOON)
    return context.new_page()


def settled(page: Any) -> None:
    """Wait until the parts that the page fetches by itself have arrived. Panels that are refreshed never rest."""
    loading = ".htmx-request:not([data-refresh]), .htmx-swapping, .htmx-settling"
    page.wait_for_selector(loading, state="detached")


@contextmanager
def replaced(page: Any, part: str) -> Iterator[None]:
    """Wait at the end until the page has put another element in the place of a part."""
    page.locator(part).evaluate("part => { part.dataset.before = 'yes'; }")
    yield
    page.wait_for_selector(f"{part}:not([data-before])")


@contextmanager
def answered(page: Any, path: str) -> Iterator[None]:
    """Wait at the end until the page has dealt with the answer from a path, also if it puts nothing in place."""
    page.evaluate(ANSWERED, path)
    yield
    until(page, "window.answered")


def refreshed(page: Any, part: str, address: str) -> None:
    """Wait until a part of the page shows what the server answers from now on."""
    with page.expect_request(address):
        pass
    with replaced(page, part):
        pass
    settled(page)


def visit(page: Any, path: str) -> Any:
    """Open a page with all its parts. Return the response."""
    response = page.goto(path)
    settled(page)
    return response


def forged(page: Any, path: str, **fields: str) -> Any:
    """Return the response to a forged form, sent with the session of the page's user."""
    token = next(each["value"] for each in page.context.cookies() if each["name"] == settings.CSRF_COOKIE_NAME)
    return page.request.post(
        path, form={"csrfmiddlewaretoken": token, **fields}, headers={"Referer": page.url}, max_redirects=0
    )


def faults_of(page: Any) -> list[str]:
    """Return what axe-core calls serious or critical on the page, once it has settled."""
    settled(page)
    until(page, STILL)
    if not page.evaluate("'axe' in window"):  # loading it takes as long as running it
        page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{fault['id']}: {node['target']} {node['failureSummary']}"
        for fault in found["violations"]
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"]
    ]
