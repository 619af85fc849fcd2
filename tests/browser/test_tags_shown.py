"""Tags as pages show them: with their own letters, also long, hostile and right-to-left ones, and none cut off."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from campaigns import tagging
from campaigns.models import Contact, Tag
from tenants.models import Organization
from tests.browser.support import MARKS, THEMES_OF_PROOFS, WIDTHS, expect, faults_of, settled, spill_at, until, visit

pytestmark = MARKS
LONG = "x" * 50
HOSTILE = "<img src=x onerror=document.title=1>"
TAGS = (HOSTILE, "Letter sent", LONG, "مهم جدا", "needs an interpreter")
NARROW = WIDTHS[-1]
SHOWN = 4  # in the list of contacts, in alphabetical order
# Cells whose content is wider than they are: what does not fit is not seen.
CUT_OFF = """[...document.querySelectorAll("#result_list td, #result_list th")]
    .filter(cell => cell.scrollWidth > cell.clientWidth + 1)"""


@pytest.fixture
def contact(organization: Organization) -> Contact:
    made = Contact.objects.create(
        organization=organization, phone="+33612345678", name="Wolfeschlegelsteinhausenbergerdorff " * 2
    )
    with transaction.atomic():
        tagging.add(organization, [made], TAGS, actor="olga")
    return made


@pytest.mark.parametrize("theme", THEMES_OF_PROOFS)
def test_every_tag_fits_its_page(signed_in: Any, contact: Contact, theme: str) -> None:
    page = signed_in
    page.emulate_media(color_scheme=theme)
    long = Tag.objects.get(name=LONG)
    for path in (
        "/admin/campaigns/contact/",
        f"/admin/campaigns/contact/?tags__id__exact={long.pk}",
        f"/admin/campaigns/contact/{contact.pk}/change/",
        "/admin/campaigns/tag/",
        f"/admin/campaigns/tag/{long.pk}/change/",
        f"/admin/campaigns/tag/{long.pk}/delete/",
        f"/admin/campaigns/tag/many/?step=merge&keys={','.join(str(tag.pk) for tag in Tag.objects.all())}",
        f"/admin/campaigns/contact/many/?step=add-tags&keys={contact.pk}",
        "/admin/tenants/auditentry/",
    ):
        visit(page, path)
        for width in WIDTHS:
            assert spill_at(page, width) <= 0, path
            settled(page)
            until(page, f"{CUT_OFF}.length === 0")
            assert faults_of(page) == [], path


def test_a_cell_of_several_parts_is_running_text(signed_in: Any, contact: Contact) -> None:
    """On a telephone, a row is a card: beside a long tag, the name of the team member keeps its line."""
    page = signed_in
    visit(page, "/admin/tenants/auditentry/")
    assert spill_at(page, NARROW) <= 0
    expect(page.locator("#result_list a[href='?q=olga']").first).to_have_text("olga")
    until(page, "[...document.querySelectorAll('#result_list a[href^=\"?q=\"]')].every(name => name.offsetHeight < 30)")


def test_the_list_of_contacts_shows_the_first_tags_as_they_were_written(signed_in: Any, contact: Contact) -> None:
    page = signed_in
    visit(page, "/admin/campaigns/contact/")
    chips = page.locator("#result_list .tl-tag")
    expect(chips).to_have_count(SHOWN)
    expect(chips.first).to_have_text(HOSTILE)
    expect(chips.first).to_have_css("text-transform", "none")
    expect(page.locator("#result_list .tl-tags")).to_contain_text(f"+ {len(TAGS) - SHOWN}")
    expect(page).not_to_have_title("1")
