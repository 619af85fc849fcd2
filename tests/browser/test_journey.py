"""A new user's first campaign on the demo: import a file, start a campaign, resolve a doubt, download the results."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.browser import demo
from tests.browser.support import CHROMIUM, SOON, Chromium, faults_of, sign_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="There is no Chromium on this machine."),
    pytest.mark.skipif("os.environ.get('DATABASE_URL')", reason="the demo brings its own database"),
]
CLICKS = 27
TO_A_RUNNING_CAMPAIGN = 18  # of these, the sign-in included
# Fictional numbers whose last two digits choose what the sandbox does. At these hours no call goes to Tokyo.
PEOPLE = """Full name;Mobile;Time zone
Nora Field;(919) 555-0101;
Otto Berg;(919) 555-0108;
Pia Stone;(919) 555-0102;
Yuki Tanaka;(800) 555-0141;Asia/Tokyo
Nobody There;12;
"""


class Newcomer:
    """A new user at a browser, whose clicks are counted."""

    def __init__(self, page: Any) -> None:
        self.page, self.clicks = page, 0

    def click(self, what: str) -> None:
        self.page.locator(what).locator("visible=true").first.click()
        self.clicks += 1

    def choose(self, select: str, label: str) -> None:
        self.page.select_option(select, label=label)
        self.clicks += 2  # opened, and chosen

    def sees(self, text: str, milliseconds: float = SOON) -> None:
        self.page.locator(f"text={text}").locator("visible=true").first.wait_for(timeout=milliseconds)


def hours_around_now() -> tuple[str, str]:
    """Return a window that is open now on the American east coast and closed in Japan, 13 or 14 hours ahead."""
    now = datetime.now(ZoneInfo("America/New_York"))
    opens, closes = now - timedelta(hours=2), now + timedelta(hours=3)
    return f"{opens:%H}:00", f"{closes:%H}:00"


@pytest.mark.long
def test_a_newcomer_gets_from_a_file_to_results(tmp_path: Path, chromium: Chromium) -> None:
    file = tmp_path / "people.csv"
    file.write_text(PEOPLE)
    with demo.running(tmp_path) as running, chromium.contexts(running.url) as contexts:
        page = sign_in(contexts().new_page(), running.user, running.password)
        user = Newcomer(page)
        user.clicks += 1  # signing in
        import_people(user, file)
        make_campaign(user)
        assert user.clicks <= TO_A_RUNNING_CAMPAIGN
        campaign = page.url
        find_why_one_is_not_called(user)
        resolve_the_doubt(user)
        results = export(user, campaign, tmp_path)
        assert faults_of(page) == []
        assert user.clicks <= CLICKS
    rows = {row["name"]: row for row in results}
    assert set(rows) == {"Nora Field", "Otto Berg", "Pia Stone", "Yuki Tanaka"}
    assert rows["Nora Field"]["attempts"] == rows["Pia Stone"]["attempts"] == "1"
    assert (rows["Yuki Tanaka"]["status"], rows["Yuki Tanaka"]["reason"]) == ("pending", "calling_hours")


def import_people(user: Newcomer, file: Path) -> None:
    page = user.page
    user.click("nav >> text=Lists")
    user.click("text=Import contacts")
    page.set_input_files("input[type=file]", file)
    user.clicks += 1  # or a file dropped
    page.fill("input[name=new_list]", "Spring")
    user.click("text=Show the preview")
    user.sees("Rejected: ")
    user.click("button:has-text('Import')")
    user.sees("4 new contacts")


def make_campaign(user: Newcomer) -> None:
    page = user.page
    user.click("text=Call these contacts")
    page.fill("input[name=name]", "Spring reminders")
    user.sees("All of them may be called.")
    user.click("text=Save and continue")
    user.choose("select[name=assistant]", "PolyAI reminder")
    user.click("text=Front desk")
    user.click("text=Save and continue")
    opens, closes = hours_around_now()
    page.fill("input[name=windows-0-opens]", opens)
    page.fill("input[name=windows-0-closes]", closes)
    for day in ("sat", "sun"):
        user.click(f"input[name=windows-0-days][value={day}]")
    page.fill("input[name=legal_override]", "A trial with the sandbox, which dials no phone")
    user.click("text=Save and continue")
    page.wait_for_url("**/steps/limits/")
    user.click("text=Save and continue")
    user.click("text=Start calling now")
    user.click("button:has-text('Start calling')")
    user.sees("is running")


def find_why_one_is_not_called(user: Newcomer) -> None:
    user.sees("Needs attention", 4 * SOON)  # the page refreshes itself: the recipient whose answer was lost
    user.click("#tab-recipients")
    user.click("text=Yuki Tanaka")
    user.sees("Outside calling hours")


def resolve_the_doubt(user: Newcomer) -> None:
    page = user.page
    user.click("nav >> text=Unconfirmed calls")
    user.click("text=(919) 555-0108")
    user.click("text=It was not placed: release")
    page.fill("textarea[name=reason]", "The provider's dashboard does not have it.")
    user.click("button:has-text('It was not placed')")
    user.sees("counts as not placed")


def export(user: Newcomer, campaign: str, folder: Path) -> list[dict[str, str]]:
    page = user.page
    user.click("text=Spring reminders")
    user.click("#tab-results")
    with page.expect_download() as waiting:
        user.click("text=Download the results")
    waiting.value.save_as(folder / "results.csv")
    with (folder / "results.csv").open(encoding="utf-8-sig", newline="") as found:
        return list(csv.DictReader(found))
