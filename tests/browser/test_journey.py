"""A newcomer's whole way, on the demo: a file becomes a campaign, its questions are answered, its results go home."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.browser import demo
from tests.browser.support import CHROMIUM, Chromium, faults_of, sign_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="There is no Chromium on this machine."),
    pytest.mark.skipif("os.environ.get('DATABASE_URL')", reason="the demo brings its own database"),
]
CLICKS = 25
# Fictional numbers whose last two digits choose what the sandbox does. Nobody in Tokyo is called at these hours.
PEOPLE = """Full name;Mobile;Time zone
Nora Field;(919) 555-0101;
Otto Berg;(919) 555-0108;
Pia Stone;(919) 555-0102;
Yuki Tanaka;(919) 555-0141;Asia/Tokyo
Nobody There;12;
"""


class Newcomer:
    """Somebody at a browser; every click counts."""

    def __init__(self, page: Any) -> None:
        self.page, self.clicks = page, 0

    def click(self, what: str) -> None:
        self.page.locator(what).locator("visible=true").first.click()
        self.clicks += 1

    def choose(self, select: str, label: str) -> None:
        self.page.select_option(select, label=label)
        self.clicks += 2  # opened, and chosen

    def sees(self, text: str, seconds: float = 20) -> None:
        self.page.locator(f"text={text}").locator("visible=true").first.wait_for(timeout=seconds * 1000)


def hours_around_now() -> tuple[str, str]:
    """Open now on the American east coast, closed in Japan, thirteen or fourteen hours ahead."""
    now = datetime.now(ZoneInfo("America/New_York"))
    opens, closes = now - timedelta(hours=2), now + timedelta(hours=3)
    return f"{opens:%H}:00", f"{closes:%H}:00"


def test_a_newcomer_gets_from_a_file_to_results(tmp_path: Path, chromium: Chromium) -> None:
    file = tmp_path / "people.csv"
    file.write_text(PEOPLE)
    with demo.running(tmp_path) as running, chromium.contexts(running.url) as contexts:
        page = sign_in(contexts().new_page(), running.user, running.password)
        somebody = Newcomer(page)
        somebody.clicks += 1  # signing in
        import_people(somebody, file)
        make_campaign(somebody)
        campaign = page.url
        find_why_one_is_not_called(somebody)
        resolve_the_doubt(somebody)
        results = export(somebody, campaign, tmp_path)
        assert faults_of(page) == []
        assert somebody.clicks <= CLICKS
    rows = {row["name"]: row for row in results}
    assert set(rows) == {"Nora Field", "Otto Berg", "Pia Stone", "Yuki Tanaka"}
    assert rows["Nora Field"]["attempts"] == rows["Pia Stone"]["attempts"] == "1"
    assert (rows["Yuki Tanaka"]["status"], rows["Yuki Tanaka"]["reason"]) == ("pending", "calling_hours")


def import_people(somebody: Newcomer, file: Path) -> None:
    page = somebody.page
    somebody.click("nav >> text=Lists")
    somebody.click("text=Import contacts")
    page.set_input_files("input[type=file]", file)
    somebody.clicks += 1  # or a file dropped
    page.fill("input[name=new_list]", "Spring")
    somebody.click("text=Show the preview")
    somebody.sees("Rejected: ")
    somebody.click("button:has-text('Import')")
    somebody.sees("4 new contacts")


def make_campaign(somebody: Newcomer) -> None:
    page = somebody.page
    somebody.click("text=Call these contacts")
    page.fill("input[name=name]", "Spring reminders")
    somebody.sees("All of them may be called.")
    somebody.click("text=Save and continue")
    somebody.choose("select[name=assistant]", "PolyAI reminder")
    somebody.click("text=Front desk")
    somebody.click("text=Save and continue")
    opens, closes = hours_around_now()
    page.fill("input[name=windows-0-opens]", opens)
    page.fill("input[name=windows-0-closes]", closes)
    for day in ("sat", "sun"):
        somebody.click(f"input[name=windows-0-days][value={day}]")
    page.fill("input[name=legal_override]", "A trial with the sandbox, which rings nobody")
    somebody.click("text=Save and continue")
    somebody.click("text=Save and continue")
    somebody.sees("Everything is there: it can start.")
    somebody.click("text=Start now")
    somebody.click("button:has-text('Start calling')")
    somebody.sees("is running")


def find_why_one_is_not_called(somebody: Newcomer) -> None:
    somebody.sees("Needs attention", 60)  # the page refreshes itself: the recipient whose answer was lost
    somebody.click("text=Yuki Tanaka")
    somebody.sees("Outside calling hours")


def resolve_the_doubt(somebody: Newcomer) -> None:
    page = somebody.page
    somebody.click("nav >> text=Unconfirmed calls")
    somebody.click("text=(919) 555-0108")
    somebody.click("text=It was not placed: release")
    page.fill("textarea[name=reason]", "The provider's dashboard does not have it.")
    somebody.click("button:has-text('It was not placed')")
    somebody.sees("counts as never placed")


def export(somebody: Newcomer, campaign: str, folder: Path) -> list[dict[str, str]]:
    page = somebody.page
    somebody.click("text=Spring reminders")
    with page.expect_download() as waiting:
        somebody.click("text=Download the results")
    waiting.value.save_as(folder / "results.csv")
    with (folder / "results.csv").open(encoding="utf-8-sig", newline="") as found:
        return list(csv.DictReader(found))
