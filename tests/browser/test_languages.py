"""A team member chooses a language: pages, parts that load later and texts of scripts speak it, and pages still fit."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from tenants.backoffice.languages.catalog import catalog_of
from tenants.models import Organization, StaffSession, StaffSettings
from tests.browser import work
from tests.browser.pages import pages_of
from tests.browser.support import ASKED, MARKS, WIDTHS, Contexts, desk, expect, spill_at, until, visit

pytestmark = MARKS
SAID = catalog_of("de").say
OF_EACH_KIND = re.compile(
    r"^(dashboard|launch|contacts|contact|campaigns|campaign \w+|call \w+|organization|new campaign)$"
)


@pytest.fixture
def manager(browsers: Contexts, organization: Organization) -> Any:
    return desk(browsers, organization, "admin")


def test_a_language_is_chosen_under_my_settings(manager: Any) -> None:
    page = manager
    page.goto(reverse("my-settings"))
    page.select_option("#id_language", "de")
    page.click(".tl-primary")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator("[role=alert], .tl-done, [role=status]").first).to_contain_text(
        SAID("Your settings are saved.")
    )
    page.keyboard.press("/")
    expect(page.locator("#palette")).to_be_visible()
    page.fill("#search-input-command", "Kontakte zum Mond")
    expect(page.locator("#command-results")).to_contain_text(SAID("Nothing found"))
    page.goto(reverse("my-settings"))
    page.select_option("#id_language", "en")
    page.click(".tl-primary")
    expect(page.locator("html")).to_have_attribute("lang", re.compile("^en"))


def test_scripts_speak_the_language_of_the_page(manager: Any, organization: Organization) -> None:
    page = manager
    StaffSettings.objects.create(user=User.objects.get(username="admin"), language="de")
    page.goto(reverse("admin:campaigns_contactlist_add"))
    until(page, ASKED)
    page.fill("#id_name", "Frühling")
    StaffSession.objects.all().delete()
    page.click("[name=_save]")
    expect(page.locator("#session-ended")).to_contain_text(SAID("Sign in in a new tab"))
    expect(page.locator("#session-ended")).not_to_contain_text("session")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("every_page", [False, pytest.param(True, marks=pytest.mark.proof)])
def test_pages_with_longer_words_fit_a_phone(manager: Any, organization: Organization, every_page: bool) -> None:
    work.done(organization)
    page = manager
    StaffSettings.objects.create(user=User.objects.get(username="admin"), language="de")
    wide: dict[str, int] = {}
    read = 0
    for name, path in pages_of(organization, every_state=every_page).items():
        if every_page or OF_EACH_KIND.match(name):
            visit(page, path)
            read += 1
            if (spill := max(spill_at(page, width) for width in WIDTHS)) > 0:
                wide[name] = spill
    assert read > 5
    assert wide == {}
