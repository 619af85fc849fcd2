"""Every registered page is accessible, fits a phone, and shows foreign input as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tenants.models import Organization
from tests.browser import work
from tests.browser.pages import pages_of
from tests.browser.support import (
    MARKS,
    SPILL,
    WIDTHS,
    Contexts,
    desk,
    expect,
    faults_of,
    spill_at,
    themed,
    until,
    visit,
)

pytestmark = MARKS
PROOF = pytest.mark.proof
HOSTILE = """"><img src=x onerror="document.title='hit'"><script>document.title='hit'</script>{{7*7}}"""


@pytest.fixture
def manager(browsers: Contexts, organization: Organization) -> Any:
    return desk(browsers, organization, "admin")


def visits(page: Any, pages: dict[str, str]) -> Iterator[str]:
    """Yield each page with its name, once it has settled."""
    for name, path in pages.items():
        answer = visit(page, path)
        assert answer.status == 200, f"{name}: {answer.status}"
        yield name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("theme", "every_state", "share"),
    [
        pytest.param("light", False, 6, id="a sixth of the kinds"),
        pytest.param("light", False, 1, id="each kind", marks=pytest.mark.long),
        pytest.param("light", True, 1, id="every state in light", marks=PROOF),
        pytest.param("dark", True, 1, id="every state in dark", marks=PROOF),
    ],
)
def test_pages_are_for_everybody_and_fit_and_show_what_others_wrote_as_text(
    manager: Any, organization: Organization, theme: str, every_state: bool, share: int
) -> None:
    """The browser's complaints (a refused script, a missing picture) fail this test as well."""
    work.done(organization, HOSTILE)
    work.trouble(organization)
    work.mark(organization, HOSTILE)
    manager.emulate_media(color_scheme=theme)
    faults: dict[str, list[str]] = {}
    shown = 0
    found = pages_of(organization, every_state=every_state)
    for name in visits(manager, dict(list(found.items())[::share])):
        themed(manager, theme)
        faults[name] = []
        for width in WIDTHS:
            if (spill := spill_at(manager, width)) > 0:
                faults[name].append(f"{spill} pixels wider than a window of {width}")
            if every_state or width == WIDTHS[0]:
                faults[name] += faults_of(manager)
        expect(manager, name).not_to_have_title("hit")
        expect(manager.locator("img[src=x]"), name).to_have_count(0)
        shown += "{{7*7}}" in manager.inner_text("body")
    assert shown > 20 // share
    manager.context.clear_cookies()
    manager.goto("/admin/")
    faults["sign-in"] = faults_of(manager)
    assert {name: found for name, found in faults.items() if found} == {}


def test_a_page_that_spills_is_found(manager: Any) -> None:
    manager.evaluate("document.body.style.width = '3000px'")
    until(manager, f"{SPILL} > 0")
