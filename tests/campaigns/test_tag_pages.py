"""The pages of tags: chips and filter of the list of contacts, the form of a contact, the list of tags."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import transaction
from django.urls import reverse

from campaigns import tagging
from campaigns.admin.tag import TAG_FILTER
from campaigns.models import Contact, Tag
from tenants.models import AuditEntry, Organization
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db
CONTACTS, TAGS, MANY = (f"admin:campaigns_{name}" for name in ("contact_changelist", "tag_changelist", "tag_many"))
A, B, C = (f"+3361234560{number}" for number in range(3))


def tagged(organization: Organization, phone: str, *names: str) -> Contact:
    contact = Contact.objects.create(organization=organization, phone=phone)
    with transaction.atomic():
        tagging.replace(contact, names)
    return contact


def test_the_list_of_contacts_shows_tags_and_filters_by_one(organization: Organization, sign_in: SignIn) -> None:
    client = sign_in(organization, "viewer")
    for phone, names in ((A, ["<VIP>"]), (B, ["<VIP>", "Recall"]), (C, [])):
        tagged(organization, phone, *names)
    page = client.get(reverse(CONTACTS)).content.decode()
    assert page.count("&lt;VIP&gt;</span>") == 2
    vip = Tag.objects.get(name="<VIP>")
    filtered = client.get(reverse(CONTACTS), {TAG_FILTER: vip.pk})
    assert [row.phone for row in filtered.context["cl"].result_list] == [B, A]
    assert [(chip["title"], chip["label"]) for chip in filtered.context["cl"].chips] == [("Tag", "<VIP>")]
    assert not client.get(reverse(CONTACTS), {TAG_FILTER: 0}).context["cl"].result_list


def test_a_tag_of_another_organization_filters_nothing_out(
    organization: Organization, stranger: Organization, sign_in: SignIn
) -> None:
    tagged(stranger, A, "Secret")
    tagged(organization, B)
    client = sign_in(organization, "admin")
    answer = client.get(reverse(CONTACTS), {TAG_FILTER: Tag.objects.get().pk})
    assert not answer.context["cl"].result_list
    assert "Secret" not in answer.content.decode() + client.get(reverse(TAGS)).content.decode()


def test_the_file_of_contacts_has_a_column_of_tags_where_there_are_any(
    organization: Organization, sign_in: SignIn
) -> None:
    client, first = sign_in(organization, "viewer"), tagged(organization, A)
    file = reverse("admin:campaigns_contact_export")

    def rows() -> list[dict[str, str]]:
        text = b"".join(client.get(file).streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
        return list(csv.DictReader(io.StringIO(text)))

    assert "Tags" not in rows()[0]
    with transaction.atomic():
        tagging.replace(first, ["VIP", "Recall"])
    assert [row["Tags"] for row in rows()] == ["Recall; VIP"]


def test_the_form_of_a_contact_changes_its_tags(organization: Organization, sign_in: SignIn) -> None:
    client, contact = sign_in(organization, "manager"), tagged(organization, A, "Old", "VIP")
    url = reverse("admin:campaigns_contact_change", args=[contact.pk])
    page = client.get(url).content.decode()
    assert 'value="Old, VIP"' in page
    fields = {"variables-rows": "0", "further_numbers-rows": "0", "name": "Ada"}
    client.post(url, {**fields, "tags": "vip; New"})
    assert [tag.name for tag in contact.tags.all()] == ["New", "VIP"]
    assert "tags" in AuditEntry.objects.latest("pk").detail["fields"]
    refused = client.post(url, {**fields, "tags": "x" * 61})
    assert "Shorten it to 60." in refused.content.decode()
    assert contact.tags.count() == 2


def test_the_list_of_tags_says_how_many_contacts_have_each(organization: Organization, sign_in: SignIn) -> None:
    for phone, names in ((A, ["VIP"]), (B, ["VIP"])):
        tagged(organization, phone, *names)
    client, tag = sign_in(organization, "viewer"), Tag.objects.get()
    assert f'?{TAG_FILTER}={tag.pk}">2</a>' in client.get(reverse(TAGS)).content.decode()
    assert "on 2 contacts" in client.get(reverse("admin:campaigns_tag_change", args=[tag.pk])).content.decode()


def test_a_tag_is_renamed_but_not_to_the_name_of_another(organization: Organization, sign_in: SignIn) -> None:
    client, contact = sign_in(organization, "operator"), tagged(organization, A, "One", "Two")
    one = Tag.objects.get(name="One")
    url = reverse("admin:campaigns_tag_change", args=[one.pk])
    assert "There is a tag with this name" in client.post(url, {"name": "TWO"}).content.decode()
    client.post(url, {"name": "Öne"})
    assert [tag.name for tag in contact.tags.all()] == ["Öne", "Two"]
    assert AuditEntry.objects.latest("pk").action == "tag.changed"


def test_tags_are_merged_on_their_page(organization: Organization, sign_in: SignIn) -> None:
    client, contact = sign_in(organization, "manager"), tagged(organization, A, "One", "Two")
    one, two = Tag.objects.order_by("pk")
    chosen = {"step": "merge", "keys": f"{one.pk},{two.pk}"}
    assert "The other tags are deleted" in client.get(reverse(MANY), chosen).content.decode()
    client.post(reverse(MANY), {**chosen, "into": two.pk})
    assert [tag.name for tag in contact.tags.all()] == ["Two"]
    assert sign_in(organization, "operator").post(reverse(MANY), {**chosen, "into": two.pk}).status_code == 403


def test_a_tag_is_not_merged_into_that_of_another_organization(
    organization: Organization, stranger: Organization, sign_in: SignIn
) -> None:
    tagged(organization, A, "One")
    tagged(stranger, A, "Theirs")
    one, theirs = Tag.objects.get(name="One"), Tag.objects.get(name="Theirs")
    client = sign_in(organization, "admin")
    answer = client.post(reverse(MANY), {"step": "merge", "keys": one.pk, "into": theirs.pk})
    assert answer.status_code == 200
    assert Tag.objects.count() == 2


def test_a_tag_is_deleted_and_its_contacts_stay(organization: Organization, sign_in: SignIn) -> None:
    contact = tagged(organization, A, "One")
    client = sign_in(organization, "manager")
    client.post(reverse("admin:campaigns_tag_delete", args=[Tag.objects.get().pk]), {"post": "yes"})
    assert not Tag.objects.exists()
    contact.refresh_from_db()
