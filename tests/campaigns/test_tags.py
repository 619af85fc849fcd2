"""Tags on contacts: names, imports and their undo, the API, limits, organizations."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns import tagging
from campaigns.imports import job, undo, upload
from campaigns.imports.columns import guess_mapping
from campaigns.models import Contact, ContactImport, ContactList, ContactTag, Tag, TagCount
from campaigns.rules.tag_names import MAX_NAME, NotATag, read_tag, split_tags, tag_key
from tenants.db import counters
from tenants.models import AuditEntry, Organization
from tests.conftest import UNCHECKED, ApiClient, KeyMaker
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db
A, B, C = (f"+3361234560{number}" for number in range(3))
CONTACTS = "/api/v1/contacts/"


def tags_of(phone: str) -> set[str]:
    return set(Tag.objects.filter(contacts__phone=phone).values_list("name", flat=True))


def imported(contact_list: ContactList, text: str, **options: Any) -> ContactImport:
    imp = upload.start_import(contact_list, io.BytesIO(text.encode()), "list.csv", **options)
    assert job.run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    return imp


def undone(imp: ContactImport) -> None:
    undo.undo(imp, "ada@example.org")
    assert undo.run_step(imp.pk, PATIENCE)


def tagged(organization: Organization, phone: str, *names: str) -> Contact:
    contact = Contact.objects.create(organization=organization, phone=phone)
    with transaction.atomic():
        tagging.replace(contact, names)
    return contact


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("", ()),
        ("VIP", ("VIP",)),
        (" VIP ;recall ,  two   words ", ("VIP", "recall", "two words")),
        ("vip; VIP; Vip", ("vip",)),
        ("café, CAFE", ("café",)),
        ('"customer","vip"', ("customer", "vip")),  # as Mailchimp writes them
        (";,;", ()),
        ("one\ntwo", ("one", "two")),
        ("★", ("★",)),
    ],
)
def test_a_cell_names_tags(cell: str, expected: tuple[str, ...]) -> None:
    assert split_tags(cell) == expected


@pytest.mark.parametrize("text", ["", "  ", "a,b", "a;b", "x" * (MAX_NAME + 1)])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(NotATag):
        read_tag(text)


@pytest.mark.parametrize(
    "header", ["Tags", "tag", "Étiquettes", "mots-clés", "Schlagwörter", "Stichworte", "Etiquetas", "contact_tags"]
)
def test_columns_of_tags_are_known_by_their_names(header: str) -> None:
    assert guess_mapping(["phone", header])[header] == "tags"


def test_an_import_adds_tags_and_removes_none(contact_list: ContactList) -> None:
    tagged(contact_list.organization, A, "Old", "VIP")
    imp = imported(contact_list, f"phone,tags\n{A},vip;Recall\n{B},Recall\n{C},\n")
    assert (imp.created, imp.updated, imp.rejected) == (2, 1, 0)
    assert tags_of(A) == {"Old", "VIP", "Recall"}, "vip is VIP"
    assert (tags_of(B), tags_of(C)) == ({"Recall"}, set())


def test_an_import_that_replaces_leaves_the_tags_of_rows_without_any(contact_list: ContactList) -> None:
    for phone in (A, B):
        tagged(contact_list.organization, phone, "Old", "VIP")
    imported(contact_list, f"phone,tags\n{A},VIP;Recall\n{B},\n", on_tags="replace")
    assert (tags_of(A), tags_of(B)) == ({"VIP", "Recall"}, {"Old", "VIP"})


def test_an_import_that_leaves_contacts_as_they_are_tags_only_new_ones(contact_list: ContactList) -> None:
    tagged(contact_list.organization, A, "Old")
    imported(contact_list, f"phone,tags\n{A},New\n{B},New\n", on_duplicate="skip")
    assert (tags_of(A), tags_of(B)) == ({"Old"}, {"New"})


ROWS = st.lists(
    st.tuples(st.sampled_from([A, B, C]), st.sets(st.sampled_from(["One", "Two", "Three"]))), min_size=1, max_size=6
)


@settings(suppress_health_check=UNCHECKED)
@given(
    before=st.dictionaries(st.sampled_from([A, B]), st.sets(st.sampled_from(["One", "Two", "Four"]))),
    rows=ROWS,
    mode=st.sampled_from(["add", "replace"]),
)
def test_an_undo_takes_back_what_the_import_changed(
    contact_list: ContactList, before: dict[str, set[str]], rows: list[tuple[str, set[str]]], mode: str
) -> None:
    Contact.objects.all().delete()
    for phone, names in before.items():
        tagged(contact_list.organization, phone, *names)
    expected = {phone: set(names) for phone, names in before.items()}
    for phone, names in rows:
        expected[phone] = set(names) if names and mode == "replace" else expected.get(phone, set()) | names
    text = "phone,tags\n" + "".join(f"{phone},{';'.join(sorted(names))}\n" for phone, names in rows)

    imp = imported(contact_list, text, on_tags=mode)

    assert {phone: tags_of(phone) for phone in expected} == expected
    undone(imp)
    left = set(Contact.objects.values_list("phone", flat=True))
    assert {phone: tags_of(phone) for phone in left} == before


def test_an_undo_keeps_what_was_tagged_since_and_what_was_deleted(contact_list: ContactList) -> None:
    contact = tagged(contact_list.organization, A, "Old", "Gone")
    imp = imported(contact_list, f"phone,tags\n{A},New;Renamed\n", on_tags="replace")
    Tag.objects.get(name="Gone").delete()
    renamed = Tag.objects.get(name="Renamed")
    renamed.name = "Other"
    renamed.save()
    with transaction.atomic():
        tagging.add(contact.organization, [contact], ["Since"], actor="ada")
    undone(imp)
    assert tags_of(A) == {"Old", "Since"}, "a tag that was renamed is the same tag"


def test_rows_of_one_contact_add_up(contact_list: ContactList) -> None:
    imp = imported(contact_list, f"phone,home phone,tags\n{A},,One\n{A},+33142345678,Two\n{A},,\n")
    assert (tags_of(A), imp.created, imp.updated) == ({"One", "Two"}, 1, 2)


def test_a_row_with_too_many_tags_is_rejected(contact_list: ContactList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ContactTag, "MAX", 2)
    tagged(contact_list.organization, A, "One", "Two")
    text = f"phone,tags\n{A},Three\n{B},One;Two;Three\n{C},{'x' * (MAX_NAME + 1)}\n+33612345609,Two\n"
    imp = imported(contact_list, text)
    assert (imp.created, imp.updated, imp.rejected) == (1, 0, 3)
    assert tags_of(A) == {"One", "Two"}


def test_an_import_makes_no_more_tags_than_an_organization_may_have(
    contact_list: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagged(contact_list.organization, A, "One")
    monkeypatch.setattr(tagging, "MOST", 2)
    imp = imported(contact_list, f"phone,tags\n{A},Two;One\n{B},Three\n{C},One\n")
    assert (imp.rejected, Tag.objects.count()) == (1, 2)
    assert tags_of(C) == {"One"}


def test_a_tag_that_asks_not_to_call_is_not_taken_for_a_tag(contact_list: ContactList) -> None:
    """The last of many tags too: such a wish is heard, and the row rejected, as with a variable."""
    many = ";".join(f"tag number {n}" for n in range(40))
    imp = imported(contact_list, f"phone,tags\n{A},VIP;do not call\n{B},{many};DNC\n{C},VIP\n")
    assert (imp.rejected, imp.listed, imp.created) == (2, 2, 1)


def test_a_batch_takes_a_bounded_number_of_statements(contact_list: ContactList) -> None:
    def batch(size: int, start: int) -> int:
        lines = "".join(f"+3361{start + n:07d},One;T{n}\n" for n in range(size))
        imported(contact_list, f"phone,tags\n{lines}")
        with CaptureQueriesContext(connection) as queries:
            imported(contact_list, f"phone,tags\n{lines.replace('One', 'Two')}", on_tags="replace")
        return len(queries)

    assert batch(40, 1000) <= batch(10, 0) + 3  # locks of numbers


def test_the_api_writes_reads_and_filters(api: ApiClient, organization: Organization) -> None:
    made = api.post(CONTACTS, {"phone": A, "tags": ["VIP", "vip", " Recall "]}).json()
    assert made["tags"] == ["Recall", "VIP"]
    api.post(CONTACTS, {"phone": B, "tags": ["Recall"]})
    api.post(CONTACTS, {"phone": C})
    url = f"{CONTACTS}{made['id']}/"
    assert api.get(url).json()["tags"] == ["Recall", "VIP"]
    assert [row["phone"] for row in api.get(f"{CONTACTS}?tag=RÉCALL").json()["results"]] == [B, A]
    assert api.get(f"{CONTACTS}?tag=unknown").json()["results"] == []
    assert api.patch(url, {"name": "Ada"}).json()["tags"] == ["Recall", "VIP"]
    changed = api.patch(url, {"tags": ["New"]}).json()
    assert changed["tags"] == ["New"]
    assert changed["updated_at"] > made["updated_at"]
    entry = AuditEntry.objects.filter(action="contact.changed").latest("pk")
    assert entry.detail["fields"] == ["tags"]
    assert api.patch(url, {"tags": []}).json()["tags"] == []


@pytest.mark.parametrize("tags", ["VIP", [1], [""], ["a,b"], ["x" * (MAX_NAME + 1)], [str(n) for n in range(51)]])
def test_the_api_refuses_what_are_no_tags(api: ApiClient, organization: Organization, tags: Any) -> None:
    answer = api.post(CONTACTS, {"phone": A, "tags": tags})
    assert answer.status_code == 400, answer.content
    assert not Contact.objects.exists()


def test_the_api_creates_no_more_tags_than_an_organization_may_have(
    api: ApiClient, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagging, "MOST", 1)
    answer = api.post(CONTACTS, {"phone": A, "tags": ["One", "Two"]})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "tags")
    assert not Contact.objects.exists()
    assert not Tag.objects.exists()


@pytest.fixture
def other(organization: Organization) -> Organization:
    return Organization.objects.create(tenant=organization.tenant, name="Other", default_region="FR")


def test_two_organizations_never_share_a_tag(
    organization: Organization, other: Organization, client_for: KeyMaker
) -> None:
    contact, foreign = tagged(organization, A, "VIP"), tagged(other, A, "VIP", "Secret")
    assert Tag.objects.filter(name="VIP").count() == 2
    api = client_for(organization, "manage")
    assert [row["id"] for row in api.get(f"{CONTACTS}?tag=vip").json()["results"]] == [str(contact.uuid)]
    assert api.get(f"{CONTACTS}?tag=secret").json()["results"] == []
    with pytest.raises(ValueError, match="one organization"), transaction.atomic():
        tagging.add(organization, [foreign], ["VIP"], actor="ada")
    with pytest.raises(tagging.NotTagged):
        tagging.merge([Tag.objects.get(organization=organization)], Tag.objects.get(name="Secret"), actor="ada")
    assert not ContactTag.objects.exclude(tag__organization=F("contact__organization")).exists()


def test_tags_are_put_on_several_contacts_and_taken_off(organization: Organization) -> None:
    rows = [tagged(organization, A, "One"), tagged(organization, B)]
    with transaction.atomic():
        assert tagging.add(organization, rows, ["one", "Two"], actor="ada") == 2
    assert tags_of(A) == tags_of(B) == {"One", "Two"}
    with transaction.atomic():
        assert tagging.remove(organization, rows[:1], list(Tag.objects.all()), actor="ada") == 1
    assert (tags_of(A), tags_of(B)) == (set(), {"One", "Two"})
    actions = AuditEntry.objects.order_by("pk").values_list("action", "detail__object", "detail__contacts")
    assert list(actions) == [
        ("tag.contacts_added", "One", 1),
        ("tag.contacts_added", "Two", 2),
        ("tag.contacts_removed", "One", 1),
        ("tag.contacts_removed", "Two", 1),
    ]


def test_no_contact_gets_more_tags_than_it_may_have(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ContactTag, "MAX", 2)
    rows = [tagged(organization, A, "One", "Two"), tagged(organization, B)]
    with pytest.raises(tagging.NotTagged), transaction.atomic():
        tagging.add(organization, rows, ["Three"], actor="ada")
    assert (tags_of(A), tags_of(B)) == ({"One", "Two"}, set())


def test_merged_tags_are_one_tag(organization: Organization) -> None:
    for phone, names in ((A, ["One"]), (B, ["One", "Two"]), (C, ["Three"])):
        tagged(organization, phone, *names)
    one, two, three = Tag.objects.order_by("pk")
    assert tagging.merge([one, three], two, actor="ada") == 2
    assert tags_of(A) == tags_of(B) == tags_of(C) == {"Two"}
    assert tagging.counts([two.pk]) == {two.pk: 3}
    assert AuditEntry.objects.filter(action="tag.merged", detail__into="Two").count() == 2


def test_counts_follow_the_contacts(organization: Organization) -> None:
    tagged(organization, A, "One", "Two")
    contact = tagged(organization, B, "One")
    one, two = Tag.objects.order_by("pk")
    assert tagging.counts([one.pk, two.pk]) == {one.pk: 2, two.pk: 1}
    contact.delete()
    counters.fold()
    assert tagging.counts([one.pk, two.pk]) == {one.pk: 1, two.pk: 1}
    two.delete()
    assert not TagCount.objects.filter(tag_id=two.pk).exclude(contacts=0).filter(folded=True, contacts__lt=0).exists()


@given(st.text(max_size=40), st.text(max_size=40))
def test_two_spellings_of_one_key_are_one_tag(one: str, two: str) -> None:
    names = [read for text in (one, two) for read in _readable(text)]
    assert len({tag_key(name) for name in names}) == len(split_tags(";".join(names)))


def _readable(text: str) -> Iterator[str]:
    try:
        yield read_tag(text.replace('"', ""))
    except ValueError:
        return
