"""Import on the pages: an existing or a new list, corrected formats, saved mappings, the preview of the rows."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns.do_not_call import entries
from campaigns.imports import job, saved_mappings
from campaigns.models import Contact, ContactImport, ContactList, ImportMapping, number_hash
from tenants.models import AuditEntry, Membership, Organization

pytestmark = pytest.mark.django_db

NEW = "/admin/campaigns/contactlist/import/"
CRM = b"Tel;Nom;Ville\n0612345601;Ana;Lyon\n0612345602;Bob;Nice\n"
HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "' onfocus='alert(1)"]


def staff(organization: Organization, role: str = "operator") -> Client:
    user = User.objects.create(username=f"{role}-{organization.pk}", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role=role)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator(organization: Organization) -> Client:
    return staff(organization)


def looked_at(client: Client, content: bytes = CRM, name: str = "crm.csv", url: str = NEW, **fields: str) -> str:
    fields = {"new_list": "January", **fields}
    return str(client.post(url, {"file": SimpleUploadedFile(name, content), **fields}).content.decode())


def fields_of(page: str) -> dict[str, str]:
    """Return the fields that the second page would send."""
    found = dict(re.findall(r'<input type="hidden" name="(stored|columns)" value="([^"]*)"', page))
    for name, options in re.findall(r'<select name="([^"]+)".*?>(.*?)</select>', page, re.DOTALL):
        chosen = re.findall(r'<option value="([^"]*)" selected', options) or re.findall(
            r'<option value="([^"]*)"', options
        )
        found[name] = unescape(chosen[0])
    return found


def carried_out(row: ContactImport) -> ContactImport:
    while not job.run_step(row.pk):
        pass
    row.refresh_from_db()
    return row


def test_a_newcomer_imports_into_a_new_list(operator: Client, organization: Organization) -> None:
    page = operator.get(reverse("admin:campaigns_contactlist_changelist")).content.decode()
    assert f'href="{NEW}"' in page
    page = looked_at(operator)
    assert "Of 2 rows none would be rejected" in page and "the new list “January”" in page
    assert not ContactList.objects.exists(), "the preview creates nothing"
    answer = operator.post(NEW, {**fields_of(page), "_import": "1"})
    row = ContactImport.objects.get()
    assert answer["Location"] == reverse("admin:campaigns_contactimport_change", args=[row.pk])
    assert (row.contact_list.name, row.contact_list.organization) == ("January", organization)
    assert carried_out(row).created == 2
    page = operator.get(answer["Location"]).content.decode()
    assert "2 rows were read: 2 new contacts." in page
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {
        "contactlist.added",
        "contactlist.import_started",
    }
    # The file of the preview is deleted, and cannot be imported twice.
    assert default_storage.listdir("previews")[1] == []
    again = operator.post(
        NEW, {"stored": fields_of(looked_at(operator, new_list="February"))["stored"] + "x"}, follow=True
    )
    assert "Choose it again" in again.content.decode()


def test_a_list_is_chosen_or_created(operator: Client, organization: Organization, stranger: Organization) -> None:
    december = ContactList.objects.create(organization=organization, name="December")
    theirs = ContactList.objects.create(organization=stranger, name="Theirs")
    assert "Name the new list" in looked_at(operator, new_list="  ")
    assert "There is a list with this name already" in looked_at(operator, new_list="December")
    assert "Theirs" not in operator.get(NEW).content.decode()
    assert "Select a valid choice" in looked_at(operator, contact_list=str(theirs.pk))
    page = looked_at(operator, contact_list=str(december.pk))
    assert "into “December”" in page
    operator.post(NEW, {**fields_of(page), "_import": "1"})
    assert ContactImport.objects.get().contact_list == december and ContactList.objects.count() == 2


def test_a_new_list_belongs_to_the_chosen_organization(organization: Organization, sister: Organization) -> None:
    client = staff(organization)
    Membership.objects.create(user=User.objects.get(), organization=sister, role="viewer")
    assert 'id="id_organization"' not in client.get(NEW).content.decode(), "a viewer may not import there"
    Membership.objects.filter(organization=sister).update(role="operator")
    page = looked_at(client, organization=str(sister.pk))
    client.post(NEW, {**fields_of(page), "_import": "1"})
    assert ContactImport.objects.get().organization == sister
    # A user who lost the role meanwhile cannot import the previewed file.
    page = looked_at(client, new_list="February", organization=str(sister.pk))
    Membership.objects.filter(organization=sister).update(role="viewer")
    assert client.post(NEW, {**fields_of(page), "_import": "1"}).status_code == 403


def test_how_a_file_is_read_is_shown_and_corrected(operator: Client) -> None:
    content = "Tel,Nom;Ville\n0612345601,Zoé;Lyon\n".encode("cp1250")
    page = looked_at(operator, content)
    assert "Comma (detected)" in page and "is a guess" in page
    fields = fields_of(page)
    fields |= {"delimiter": ";", "encoding": "cp1252"}
    page = operator.post(NEW, fields).content.decode()
    # The columns are different now: the mapping of the former columns does not apply.
    assert "Tel,Nom" in page and "Detect" in page and "is a guess" not in page
    assert "0612345601,Zoé&#x27; has &#x27;,&#x27; in it" in page
    assert "The columns have changed" in operator.post(NEW, {**fields, "_import": "1"}).content.decode()
    assert not ContactImport.objects.exists()
    page = operator.post(NEW, {**fields, "delimiter": ","}).content.decode()
    operator.post(NEW, {**fields_of(page), "_import": "1"})
    row = carried_out(ContactImport.objects.get())
    assert (row.delimiter, row.encoding) == (",", "cp1252")
    assert Contact.objects.get().variables == {"Nom_Ville": "Zoé;Lyon"}


def test_the_country_of_national_numbers_is_corrected(operator: Client, organization: Organization) -> None:
    organization.allowed_countries = ["FR", "US"]
    organization.save()
    page = looked_at(operator, b"Tel,Name\n(212) 555-0123,Ada\n")
    assert "1 would be rejected" in page and "Empty: FR of the organization" in page
    fields = fields_of(page)
    assert "This is not a country" in operator.post(NEW, {**fields, "default_region": "XX"}).content.decode()
    assert operator.post(NEW, {**fields, "default_region": "XX", "_import": "1"}).status_code == 200
    assert not ContactImport.objects.exists()
    page = operator.post(NEW, {**fields, "default_region": "us"}).content.decode()
    assert "none would be rejected" in page and "US +12125550123" in page
    operator.post(NEW, {**fields, "default_region": "us", "on_duplicate": "skip", "_import": "1"})
    row = ContactImport.objects.get()
    assert (row.default_region, row.on_duplicate) == ("US", "skip")


def test_an_accent_after_the_sample_decides_the_encoding_of_an_upload(operator: Client) -> None:
    """The detected encoding is not passed on as chosen: the import checks the whole file again."""
    content = b"Tel;Nom\n" + b"0612345601;Ana\n" * 20_000 + "0612345602;Zoé\n".encode("cp1252")
    page = looked_at(operator, content)
    assert "UTF-8 (detected)" in page
    operator.post(NEW, {**fields_of(page), "_import": "1"})
    row = ContactImport.objects.get()
    assert row.encoding == "cp1252"


def test_a_mapping_is_remembered_for_the_next_file_with_its_columns(
    operator: Client, organization: Organization
) -> None:
    fields = fields_of(looked_at(operator))
    assert (fields["column-0"], fields["column-1"], fields["column-2"]) == ("phone", "name", "variables.Ville")
    unnamed = {**fields, "column-2": "", "_import": "1", "remember": "on", "mapping_name": " "}
    assert "Give the mapping a name" in operator.post(NEW, unnamed).content.decode()
    assert not ContactImport.objects.exists()
    operator.post(NEW, {**unnamed, "mapping_name": "CRM export"})
    saved = ImportMapping.objects.get()
    assert saved.mapping == {"Tel": "phone", "Nom": "name", "Ville": ""} and saved.name == "CRM export"
    assert AuditEntry.objects.get(action="importmapping.saved").subject == "CRM export"
    # The same columns in another order, in another file.
    page = looked_at(operator, b"Ville,Tel,Nom\nLyon,0612345603,Eve\n", "again.csv", new_list="February")
    assert "“CRM export”" in page and "The mapping is used" in page
    fields = fields_of(page)
    assert (fields["column-0"], fields["column-1"], fields["column-2"]) == ("", "phone", "name")
    other = operator.post(NEW, {**fields, "column-0": "external_id"}).content.decode()
    assert "Your choices here differ from it" in other
    # Saving again replaces the mapping: there is one for each set of columns.
    operator.post(
        NEW, {**fields, "column-0": "external_id", "_import": "1", "remember": "on", "mapping_name": "CRM, newer"}
    )
    saved = ImportMapping.objects.get()
    assert (saved.name, saved.mapping["Ville"]) == ("CRM, newer", "external_id")
    page = looked_at(operator, b"Tel,Nom\n0612345603,Eve\n", new_list="March")
    assert "CRM" not in page, "other columns"


def test_a_mapping_that_cannot_be_used_is_not_kept(operator: Client) -> None:
    fields = fields_of(looked_at(operator)) | {"column-1": "language", "column-2": "language"}
    page = operator.post(NEW, {**fields, "_import": "1", "remember": "on", "mapping_name": "x"}).content.decode()
    assert "Two columns become language" in page
    assert (
        not ImportMapping.objects.exists() and not ContactList.objects.exists() and not ContactImport.objects.exists()
    )


def test_saved_mappings_stay_in_their_organization(organization: Organization, stranger: Organization) -> None:
    saved_mappings.remember(
        stranger, "Secret CRM", ["Tel", "Nom", "Ville"], {"Tel": "phone", "Nom": "", "Ville": ""}, "x"
    )
    page = looked_at(staff(organization))
    assert "Secret CRM" not in page and fields_of(page)["column-1"] == "name"


def test_saved_mappings_are_renamed_and_forgotten(operator: Client, organization: Organization) -> None:
    row = saved_mappings.remember(organization, "CRM", ["Tel", "Nom"], {"Tel": "phone", "Nom": ""}, "olga")
    page = operator.get(reverse("admin:campaigns_importmapping_changelist")).content.decode()
    assert "Tel, Nom" in page and "/add/" not in page
    change = reverse("admin:campaigns_importmapping_change", args=[row.pk])
    assert operator.post(change, {"name": "CRM export"}).status_code == 302
    row.refresh_from_db()
    assert row.name == "CRM export"
    assert (
        operator.post(reverse("admin:campaigns_importmapping_delete", args=[row.pk]), {"post": "yes"}).status_code
        == 302
    )
    assert not ImportMapping.objects.exists()


def words_of(page: str) -> str:
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", page).split()))


def test_what_would_be_rejected_is_counted_in_the_first_thousand(operator: Client, organization: Organization) -> None:
    Contact.objects.create(organization=organization, phone="+33612340001", name="Known")
    rows = [f"06 12 34 {n // 100:02} {n % 100:02};N{n}" if n % 100 else "nonsense;N" for n in range(1_200)]
    rows[-1] = "06 12 34 00 01;again"
    page = looked_at(operator, "\n".join(["Tel;Nom", *rows]).encode())
    text = words_of(page)
    assert "Of the first 1,000 rows 10 would be rejected and 990 imported. Nothing is imported yet." in text
    assert "989 new contacts 1 row changes a contact 10 rows rejected" in text
    assert "10 2 'nonsense' has letters in it" in text, "counted once, with the first line"
    assert "3 06 12 34 00 01 Name Known N1" in text, "what changes, before and after"
    page = looked_at(operator, "\n".join(["Tel;Nom", *rows[:30], rows[1]]).encode(), new_list="other")
    text = words_of(page)
    assert (
        "Of 31 rows 1 would be rejected and 30 imported." in text
        and "1 row is about a contact of an earlier row" in text
    )


def test_nasty_cells_and_headers_are_text(operator: Client) -> None:
    cells = ";".join(["0612345601", *(each.replace(";", ",").replace('"', '""').join('""') for each in HOSTILE)])
    quoted = ";".join(["Tel", *(each.replace('"', '""').join('""') for each in HOSTILE)])
    page = looked_at(operator, f"{quoted}\n{cells}\n".encode(), name="<b>x</b>.csv", new_list=HOSTILE[0])
    assert "<script>alert" not in page and "<img src=x" not in page and "<b>x</b>" not in page
    assert "{{ 7*7 }}" in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    operator.post(NEW, {**fields_of(page), "_import": "1", "remember": "on", "mapping_name": HOSTILE[1]})
    row = carried_out(ContactImport.objects.get())
    for url in (
        reverse("admin:campaigns_contactimport_change", args=[row.pk]),
        reverse("admin:campaigns_importmapping_changelist"),
        reverse("admin:campaigns_importmapping_change", args=[ImportMapping.objects.get().pk]),
    ):
        text = operator.get(url).content.decode()
        assert "<script>alert" not in text and "<img src=x" not in text, url


def test_a_file_that_is_too_large_is_refused_in_words(operator: Client, settings: Any) -> None:
    settings.IMPORT_MAX_BYTES = 1024 * 1024
    page = looked_at(operator, CRM + b"x" * 1024 * 1024)
    assert "The file is larger than 1 MB; split it" in page
    assert not default_storage.exists("previews") or default_storage.listdir("previews")[1] == []


def test_a_part_of_the_page_with_an_expired_file_redirects(operator: Client) -> None:
    answer = operator.post(NEW, {"stored": "old"}, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == NEW


def test_the_pages_take_few_queries(operator: Client, organization: Organization) -> None:
    saved_mappings.remember(organization, "CRM", ["Tel", "Nom", "Ville"], {"Tel": "phone", "Nom": "", "Ville": ""}, "x")
    number_hash.number_hash("+33612345678")  # the first one makes the installation's key
    with CaptureQueriesContext(connection) as asked:
        page = looked_at(operator)
    assert len(asked) <= 15
    with CaptureQueriesContext(connection) as asked:
        operator.post(NEW, fields_of(page))
    assert len(asked) <= 15


def test_a_column_that_may_be_an_opt_out_stops_the_import_until_somebody_decides(
    operator: Client, organization: Organization
) -> None:
    content = b"Tel;Nom;OK to call\n0612345601;Ana;no\n0612345602;Bob;yes\n"
    page = looked_at(operator, content)
    assert "“OK to call” may say who must not be called. Choose what it becomes" in page
    assert "Import the file" not in page, "nothing can be imported yet"
    fields = fields_of(page)
    assert fields["column-2"] == "?"
    again = operator.post(NEW, {**fields, "_import": "1"}).content.decode()
    assert "may say who must not be called" in again and not ContactImport.objects.exists()
    page = operator.post(NEW, {**fields, "column-2": "may_call"}).content.decode()
    assert "number put on the do-not-call list" in words_of(page) and "Import the file" in page
    operator.post(NEW, {**fields, "column-2": "may_call", "_import": "1"})
    row = carried_out(ContactImport.objects.get())
    assert (row.created, row.listed) == (2, 1)
    assert entries.listed(organization.pk, ["+33612345601", "+33612345602"], timezone.now()) == {"+33612345601"}
    text = words_of(operator.get(reverse("admin:campaigns_contactimport_change", args=[row.pk])).content.decode())
    assert "1 number put on the do-not-call list" in text and "May be called (no: never called)" in text


def test_columns_with_other_names_are_left_out_on_request(operator: Client) -> None:
    fields = fields_of(looked_at(operator))
    page = operator.post(NEW, {**fields, "other_columns": "ignore"}).content.decode()
    fields = fields_of(page)
    assert (fields["column-1"], fields["column-2"]) == ("name", "")
    assert "other columns are left out" in page
    operator.post(NEW, {**fields, "_import": "1"})
    row = carried_out(ContactImport.objects.get())
    assert row.mapping == {"Tel": "phone", "Nom": "name", "Ville": ""}
    assert list(Contact.objects.values_list("variables", flat=True)) == [{}, {}]


def test_the_preview_warns_of_values_that_nobody_means_to_speak(operator: Client) -> None:
    page = looked_at(operator, b"Tel;Nom;Ville\n0612345601;Ana;NULL\n0612345602;{{nom}};Nice\n")
    assert "2 rows have a value that nobody means to speak" in page
    assert "a program&#x27;s word for a missing value" in page and "{{nom}}" in page
    assert "nobody means to speak" not in looked_at(operator)


@pytest.mark.parametrize(
    ("status", "read", "shown"),
    [
        ("failed", 0, "The column “Tel” is twice in the file."),
        ("failed", 4, "The column “Tel” is twice in the file. 3 new, 0 updated, 0 skipped, 1 rejected"),
        ("completed", 4, "3 new, 0 updated, 0 skipped, 1 rejected"),
    ],
)
def test_the_lists_of_imports_say_in_a_sentence_why_one_failed(
    operator: Client, contact_list: ContactList, status: str, read: int, shown: str
) -> None:
    error = "The column “Tel” is twice in the file. The column “Nom” is twice in the file."
    row = ContactImport.objects.create(
        organization=contact_list.organization, contact_list=contact_list, filename="a.csv", status=status, error=error,
        rows_read=read, created=3 * bool(read), rejected=bool(read),
    )  # fmt: skip
    page = operator.get(reverse("admin:campaigns_contactimport_changelist")).content.decode()
    assert re.search(rf">\s*{shown}\s*<", page) and "Nom" not in page
    of_list = operator.get(reverse("admin:campaigns_contactlist_change", args=[contact_list.pk])).content.decode()
    assert ("The column “Tel” is twice in the file.<" in of_list) is (status == "failed") and "Nom" not in of_list
    assert error in operator.get(reverse("admin:campaigns_contactimport_change", args=[row.pk])).content.decode()
