"""What the browser tests share: which need a browser, who signs in, what cannot be used by all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from tenants.models import Membership, Organization

AXE = (Path(__file__).parent.parent / "assets" / "axe.min.js").read_text()
CHROMIUM = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), "")
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="There is no Chromium on this machine."),
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
SOON = 20_000  # for a page that refreshes itself every three seconds


@contextmanager
def chromium(url: str) -> Iterator[Any]:
    """One browser context, see `chromiums`."""
    with chromiums(url) as another:
        yield another()


@contextmanager
def chromiums(url: str) -> Iterator[Callable[[], Any]]:
    """Opens browser contexts, each with cookies of its own.

    Fails when the console, a page or a request to another host complained meanwhile. What the content security policy
    refuses is said in the console, too.
    """
    sync_api = pytest.importorskip("playwright.sync_api")
    complaints: list[str] = []

    def listen(said: Any) -> None:
        if said.type in {"error", "warning"}:
            complaints.append(f"{said.text} {said.location['url']}")

    def watch(asked: Any) -> None:
        if not asked.url.startswith((url, "data:")):
            complaints.append(f"outside: {asked.url}")

    with sync_api.sync_playwright() as driver:
        program = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )

        def another() -> Any:
            context = program.new_context(base_url=url)
            context.on("console", listen)
            context.on("weberror", lambda error: complaints.append(str(error.error)))
            context.on("request", watch)
            return context

        yield another
        program.close()
    assert complaints == [], complaints


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


def desk(browsers: Callable[[], Any], organization: Organization, role: str, name: str = "") -> Any:
    """The page of a member of staff who has just signed in, in a browser context of their own."""
    a_member(organization, role, name or role)
    return sign_in(browsers().new_page(), name or role)


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
