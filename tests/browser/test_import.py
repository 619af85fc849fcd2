"""Imports of contacts and do-not-call numbers in a browser: drop, choose, correct, save a mapping, follow, undo."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from campaigns.imports import job, undo
from campaigns.models import Contact, ContactImport, ContactList, DoNotCall, ImportMapping
from tenants.models import Organization
from tests.browser.support import MARKS, THEMES, expect, faults_of, fits, visit

pytestmark = MARKS

LISTS = "/admin/campaigns/contactlist/"
CRM = "Mobile;Nom;Ville\n0612345601;Claire;Lyon\nnonsense;Bob;Nice\n0612345603;Zoé;Metz\n"
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
DROP = """([name, text]) => {
    const given = new DataTransfer();
    given.items.add(new File([text], name, {type: "text/csv"}));
    return given;
}"""


def drop(page: Any, name: str, text: str) -> None:
    page.wait_for_selector("[data-drop]")
    page.wait_for_load_state()  # a file dropped before the scripts run has no effect
    given = page.evaluate_handle(DROP, [name, text])
    for event in ("dragover", "drop"):
        page.dispatch_event("[data-drop]", event, {"dataTransfer": given})


def carry_out(row: ContactImport) -> None:
    while not job.run_step(row.pk):
        pass


def test_a_file_is_dropped_corrected_remembered_imported_and_undone(signed_in: Any, tmp_path: Path) -> None:
    page = signed_in
    page.goto(LISTS)
    page.click("text=Import contacts")
    drop(page, "crm.csv", CRM)
    page.wait_for_selector("text=crm.csv (")
    expect(page.locator("#id_new_list"), "a new list has its file's name").to_have_value("crm")
    page.fill("#id_new_list", "January")
    page.click("text=Show the preview")
    page.wait_for_selector("text=Of 3 rows 1 would be rejected and 2 imported")
    expect(page.locator("#import-preview").get_by_text("06 12 34 56 01")).to_have_count(1)
    # A column is mapped by hand: the rows follow, the fields stay.
    expect(page.locator("#import-preview").get_by_text("Lyon")).to_have_count(1)
    page.select_option("#id_column-2", label="External ID")
    page.wait_for_selector("#import-preview th:has-text('External ID')")
    # Two columns cannot both be the external ID: the page says so at once and refuses the import.
    page.select_option("#id_column-1", label="External ID")
    page.wait_for_selector("text=Two columns become external_id")
    expect(page.locator("text=Import the file")).to_have_count(0)
    page.select_option("#id_column-1", label="Name")
    page.wait_for_selector("text=Import the file")
    # Another delimiter is tried, and the first one again.
    page.select_option("#id_delimiter", label="Comma")
    page.wait_for_selector("label:has-text('Mobile;Nom;Ville')")
    page.select_option("#id_delimiter", label="Semicolon")
    page.wait_for_selector("#id_column-2")
    page.select_option("#id_column-2", label="External ID")
    page.wait_for_selector("#import-preview th:has-text('External ID')")
    expect(page.locator("#id_mapping_name")).to_be_hidden()
    page.check("#id_remember")
    page.fill("#id_mapping_name", "CRM export")
    page.click("text=Import the file")
    page.wait_for_url("**/contactimport/*/change/")
    page.wait_for_selector("text=Waiting")
    carry_out(ContactImport.objects.get())
    # The page refreshes by itself.
    page.wait_for_selector("text=3 rows were read: 2 new contacts, 1 rejected.")
    with page.expect_download() as found:
        page.click("text=Download the rejected rows")
    assert "nonsense" in Path(found.value.path()).read_text("utf-8-sig")
    assert set(Contact.objects.values_list("external_id", flat=True)) == {"Lyon", "Metz"}

    # The next file with these columns, in another order, chosen and not dropped: its mapping is known.
    file = tmp_path / "again.csv"
    file.write_text("Ville,Mobile,Nom\nBrest,0612345604,Eve\n")
    page.goto(LISTS)
    page.click("text=Import contacts")
    page.set_input_files("#id_file", file)
    page.select_option("#id_contact_list", label="January")
    expect(page.locator("#id_new_list")).to_be_hidden()
    page.click("text=Show the preview")
    page.wait_for_selector("text=This file has the columns of the saved mapping")
    expect(page.locator("#import-step")).to_contain_text("CRM export")
    expect(page.locator("#id_column-0")).to_have_value("external_id")
    page.click("text=Import the file")
    page.wait_for_url("**/contactimport/*/change/")
    row = ContactImport.objects.latest("pk")
    carry_out(row)
    page.wait_for_selector("text=1 row was read: 1 new contact.")

    page.click("summary:has-text('More')")
    page.click("text=Undo import…")
    page.wait_for_selector("text=Deleted: 1 contact that this file created.")
    page.click("text=Undo the import")
    page.wait_for_selector("text=is being undone")
    assert undo.run_step(row.pk)
    page.wait_for_selector("text=1 contact was removed")
    assert Contact.objects.count() == 2 and ContactList.objects.get().name == "January"


def test_a_file_that_cannot_be_taken_is_refused_before_it_is_sent(signed_in: Any, settings: Any) -> None:
    settings.IMPORT_MAX_BYTES = 1024 * 1024
    page = signed_in
    page.goto(LISTS + "import/")
    page.fill("#id_new_list", "January")
    sent: list[str] = []
    page.on("request", lambda asked: sent.append(asked.url) if asked.method == "POST" else None)
    for name, size, words in (
        ("photo.pdf", 10, "does not look like a CSV file"),
        ("large.csv", 1024 * 1024 + 1, "larger than 1 MB"),
    ):
        page.set_input_files("#id_file", {"name": name, "mimeType": "text/csv", "buffer": b"a" * size})
        page.wait_for_selector(f"[data-drop-said]:has-text('{words}')")
        assert faults_of(page) == []
        page.click("text=Show the preview")
    page.set_input_files("#id_file", {"name": "good.csv", "mimeType": "text/csv", "buffer": CRM.encode()})
    page.click("text=Show the preview")
    page.wait_for_selector("text=What the columns become")
    assert len(sent) == 1, "the good file alone"


def test_a_file_is_chosen_with_the_keyboard(signed_in: Any, tmp_path: Path) -> None:
    file = tmp_path / "crm.csv"
    file.write_text(CRM)
    page = signed_in
    visit(page, LISTS + "import/")
    with page.expect_file_chooser() as chooser:
        page.locator("#id_file").press("Space")
    chooser.value.set_files(file)
    page.wait_for_selector("text=crm.csv (")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#id_new_list")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_selector("text=What the columns become")


@pytest.mark.parametrize("theme", THEMES)
def test_every_step_is_for_everybody_and_fits_a_telephone(
    signed_in: Any, organization: Organization, theme: str
) -> None:
    page = signed_in
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": 400, "height": 800})

    def check(step: str) -> None:
        assert faults_of(page) == [], step
        fits(page)

    page.goto(LISTS + "import/")
    check("an empty first step")
    page.click("#content summary")
    page.click("text=Show the preview")  # without a file: the browser says so
    page.set_input_files("#id_file", {"name": "bad.csv", "mimeType": "text/csv", "buffer": b"%PDF-1.4"})
    page.click("text=Show the preview")
    page.wait_for_selector("text=This is a PDF")
    check("a refused file")
    wide = "".join(f";Column number {number} with a long name" for number in range(12))
    text = f"Mobile;Nom{wide}\n0612345601;{'Claire' * 20}{';' + 'x' * 60 * 1}\nnonsense;Bob\n".encode("cp1252")
    page.set_input_files("#id_file", {"name": "wide.csv", "mimeType": "text/csv", "buffer": text})
    page.click("text=Show the preview")
    page.wait_for_selector("text=What the columns become")
    page.check("#id_remember")
    check("the second step")
    page.click("text=Import the file")
    page.wait_for_url("**/contactimport/*/change/")
    check("an import that waits")
    carry_out(ContactImport.objects.get())
    page.reload()
    page.wait_for_selector("text=1 new contact")
    check("an import that is over")
    page.goto("/admin/campaigns/contactimport/")
    check("imports")
    page.goto("/admin/campaigns/importmapping/")
    check("saved mappings")
    page.goto(f"/admin/campaigns/importmapping/{ImportMapping.objects.get().pk}/change/")
    check("a saved mapping")
    page.goto("/admin/campaigns/donotcall/import/")
    check("numbers not to call")
    page.fill("#id_numbers", "06 12 34 56 01\nnonsense\n" + "x" * 200)
    page.fill("#id_reason", "asked")
    page.click("text=Add to the do-not-call list")
    page.wait_for_selector("text=1 number added to the list")
    check("what became of them")


def test_nasty_files_are_text(signed_in: Any, organization: Organization) -> None:
    page = signed_in
    page.goto(LISTS + "import/")
    quoted = HOSTILE.replace('"', '""')
    drop(page, f"{HOSTILE.replace('/', '')}.csv", f'Mobile,"{quoted}"\n0612345601,"{quoted}"\n"{quoted}",x\n')
    page.wait_for_selector("[data-drop-said] strong")
    page.fill("#id_new_list", HOSTILE)
    page.click("text=Show the preview")
    page.wait_for_selector("text=What the columns become")
    page.select_option("#id_column-1", label="Name")
    page.wait_for_selector("#import-preview th:has-text('Name')")
    page.check("#id_remember")
    page.fill("#id_mapping_name", HOSTILE)
    page.click("text=Import the file")
    page.wait_for_url("**/contactimport/*/change/")
    row = ContactImport.objects.get()
    carry_out(row)
    for path in (
        page.url,
        f"{LISTS}{row.contact_list_id}/change/",
        LISTS,
        "/admin/campaigns/contact/",
        "/admin/campaigns/contactimport/",
        "/admin/campaigns/importmapping/",
        f"/admin/campaigns/importmapping/{ImportMapping.objects.get().pk}/change/",
    ):
        visit(page, path)
        expect(page.locator("body"), path).to_contain_text("onerror", use_inner_text=True)
        expect(page, path).not_to_have_title(re.compile("^[12]$"))
        expect(page.locator("img[src=x]"), path).to_have_count(0)
    page.goto("/admin/campaigns/donotcall/import/")
    page.fill("#id_numbers", HOSTILE)
    page.fill("#id_reason", HOSTILE)
    page.click("text=Add to the do-not-call list")
    page.wait_for_selector("text=1 row could not be read")
    expect(page.locator("table")).to_contain_text("onerror", use_inner_text=True)
    expect(page.locator("img[src=x]")).to_have_count(0)


def test_numbers_not_to_call_are_dropped_and_the_list_is_exported(signed_in: Any) -> None:
    page = signed_in
    page.goto("/admin/campaigns/donotcall/")
    page.click("text=Import numbers")
    drop(page, "list.csv", "0612345601\n0612345602\nnonsense\n")
    page.fill("#id_reason", "asked in writing")
    page.click("text=Add to the do-not-call list")
    page.wait_for_selector("text=2 numbers added to the list")
    with page.expect_download() as found:
        page.click("text=Download it")
    assert "3,nonsense," in Path(found.value.path()).read_text("utf-8-sig")
    page.click("text=Open the list")
    page.fill("#searchbar", "0612345602")
    page.keyboard.press("Enter")
    page.wait_for_url("**?q=0612345602*")
    with page.expect_download() as found:
        page.click("text=Export")
    lines = Path(found.value.path()).read_text("utf-8-sig").splitlines()
    assert len(lines) == 2 and "+33612345602" in lines[1]
    assert DoNotCall.objects.count() == 2
