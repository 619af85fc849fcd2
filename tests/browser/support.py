"""What the browser tests share: which need a browser, who signs in, what cannot be used by all."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client

from tenants.models import Membership, Organization

AXE = (Path(__file__).parent.parent / "assets" / "axe.min.js").read_text()
CHROMIUM = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), "")
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="There is no Chromium on this machine."),
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
SOON = 20_000  # for a page that refreshes itself
BEAT = 1_000  # milliseconds between two refreshes in tests
# Pages refresh themselves every three seconds: a wait that tells nothing. Other timers keep their time.
QUICK_TIMERS = f"""
const setIntervalAsIs = window.setInterval;
window.setInterval = (what, delay, ...rest) => setIntervalAsIs(what, delay === 3000 ? {BEAT} : delay, ...rest);
"""
# What htmx says of a refresh that ends with its page. An error of the server or the network has another name.
CUT_OFF = {"htmx:sendAbort", "htmx:afterRequest"}
WIDTHS = (1280, 400)
SPILL = "document.documentElement.scrollWidth - window.innerWidth"
# What `make test` looks at in the light theme alone, `make proof` looks at in the dark one as well.
THEMES = ["light", pytest.param("dark", marks=pytest.mark.proof)]


class Chromium:
    """One Chromium for all tests of a process: to start it and its driver takes a second of processor time."""

    def __init__(self) -> None:
        sync_api = pytest.importorskip("playwright.sync_api")
        self._driver = sync_api.sync_playwright().start()
        self._loop = asyncio.get_running_loop()
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        self._program = self._driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        asyncio._set_running_loop(None)

    @contextmanager
    def contexts(self, url: str) -> Iterator[Contexts]:
        """Fails when the console, a page or a request to another host complained meanwhile.

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
    """Opens browser contexts, each with cookies of its own. The console also reports violations of the policy."""

    def __init__(self, program: Any, url: str) -> None:
        self._program = program
        self.url = url
        self.complaints: list[str] = []

    def __call__(self) -> Any:
        context = self._program.new_context(base_url=self.url)
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
    """A page may close in the middle of a refresh: the server's thread must not write after the tables are emptied."""
    deadline = time.monotonic() + 120
    while any("process_request_thread" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a request is still being answered"
        time.sleep(0.01)


def a_member(organization: Organization, role: str = "manager", name: str = "olga") -> User:
    user = User.objects.create_user(name, password=PASSWORD, is_staff=True)
    Membership.objects.create(user=user, organization=organization, role=role)
    return user


def sign_in(page: Any, name: str = "olga", password: str = PASSWORD) -> Any:
    page.goto("/admin/")
    page.fill("#id_username", name)
    page.fill("#id_password", password)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")
    return page


def enter(context: Any, url: str, name: str = "olga") -> Any:
    """The dashboard of somebody whose session began elsewhere: the sign-in form costs two more pages."""
    client = Client()
    client.force_login(User.objects.get(username=name), "django.contrib.auth.backends.ModelBackend")
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": url}])
    page = context.new_page()
    page.goto("/admin/")
    return page


def desk(contexts: Contexts, organization: Organization, role: str, name: str = "") -> Any:
    """The dashboard of a member of staff, in a browser context of their own."""
    a_member(organization, role, name or role)
    return enter(contexts(), contexts.url, name or role)


def settled(page: Any) -> None:
    """The parts that the page fetches by itself have arrived."""
    page.wait_for_selector(".htmx-request, .htmx-swapping, .htmx-settling", state="detached")


def visit(page: Any, path: str) -> Any:
    """Opens a page with all its parts; returns the response."""
    response = page.goto(path)
    settled(page)
    return response


def forged(page: Any, path: str, **fields: str) -> Any:
    """What comes of a form sent by hand with the session of whoever looks at the page."""
    token = next(each["value"] for each in page.context.cookies() if each["name"] == "csrftoken")
    return page.request.post(
        path, form={"csrfmiddlewaretoken": token, **fields}, headers={"Referer": page.url}, max_redirects=0
    )


def faults_of(page: Any) -> list[str]:
    """What axe-core calls serious or critical on the page as it stands."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{fault['id']}: {node['target']} {node['failureSummary']}"
        for fault in found["violations"]
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"]
    ]
