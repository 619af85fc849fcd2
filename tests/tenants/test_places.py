"""The organization at the foot of the sidebar: what a choice shows, and that it never shows or allows more."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from campaigns.models import Contact, ContactList, ContactListMember, DoNotCall
from config.admin_site import GROUPS
from tenants.models import Membership, Organization
from tests.tables import cases, rolled_back

pytestmark = pytest.mark.django_db
CONTACTS = "admin:campaigns_contact_changelist"
CHOOSE = "choose-organization"


@pytest.fixture
def both(organization: Organization, sister: Organization) -> Client:
    user = User.objects.create(username="mona", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="admin")
    Membership.objects.create(user=user, organization=sister, role="viewer")
    for number, home in enumerate((organization, sister)):
        Contact.objects.create(organization=home, phone=f"+3361234567{number}")
    client = Client()
    client.force_login(user)
    return client


def shown(client: Client) -> set[int]:
    answer: Any = client.get(reverse(CONTACTS))
    return {row.organization_id for row in answer.context["cl"].result_list}


def test_lists_show_the_chosen_organization_and_all_stays_possible(
    both: Client, organization: Organization, sister: Organization
) -> None:
    assert shown(both) == {organization.pk, sister.pk}
    answer = both.post(reverse(CHOOSE), {"organization": sister.pk, "next": reverse(CONTACTS)})
    assert answer["Location"] == reverse(CONTACTS)
    assert shown(both) == {sister.pk}
    # A record of the other organization still opens: a link to it was followed.
    theirs = Contact.objects.get(organization=organization)
    assert both.get(reverse("admin:campaigns_contact_change", args=[theirs.pk])).status_code == 200
    assert both.get(reverse("admin:campaigns_contact_add")).status_code == 403, (
        "a viewer of the chosen one adds nothing"
    )
    both.post(reverse(CHOOSE), {"organization": ""})
    assert shown(both) == {organization.pk, sister.pk}


@pytest.mark.parametrize("given", ["0", "-1", "999999", "x", "9" * 30, "²"])
def test_no_other_organization_can_be_chosen(
    both: Client, organization: Organization, sister: Organization, stranger: Organization, given: str
) -> None:
    Contact.objects.create(organization=stranger, phone="+33699999999")
    for value in (given, str(stranger.pk)):
        both.post(reverse(CHOOSE), {"organization": value})
        assert shown(both) == {organization.pk, sister.pk}


def test_a_choice_ends_with_the_membership(both: Client, organization: Organization, sister: Organization) -> None:
    both.post(reverse(CHOOSE), {"organization": sister.pk})
    Membership.objects.filter(organization=sister).delete()
    assert shown(both) == {organization.pk}


def test_the_choice_leads_to_no_other_site(both: Client) -> None:
    answer = both.post(reverse(CHOOSE), {"organization": "", "next": "https://example.org/"})
    assert answer["Location"] == reverse("admin:index")


def test_the_foot_says_which_organization_and_role(both: Client, sister: Organization) -> None:
    page = both.get(reverse(CONTACTS)).content.decode()
    assert "All organizations" in page and f">{sister.name}</option>" in page
    Membership.objects.filter(organization=sister).delete()
    page = both.get(reverse(CONTACTS)).content.decode()
    foot = page[page.index('class="tl-place"') :][:400]
    assert "Acme" in foot and "Admin" in foot and "<select" not in foot


def test_a_superuser_may_look_at_one_organization(organization: Organization, sister: Organization) -> None:
    user = User.objects.create(username="root", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    for number, home in enumerate((organization, sister)):
        Contact.objects.create(organization=home, phone=f"+3361234567{number}")
    client.post(reverse(CHOOSE), {"organization": sister.pk})
    assert shown(client) == {sister.pk}


LINKS = [link for _, links in GROUPS for link in links]


@cases("link", LINKS)
@rolled_back
def test_the_words_of_the_menu_are_the_heading_of_the_page(link: Any, organization: Organization) -> None:
    client = Client()
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    page = client.get(link.url).content.decode()
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
    assert heading
    text = " ".join(unescape(re.sub(r"<[^>]+>|chevron_right", " ", heading[1])).split())
    assert text.removesuffix(" Show all").endswith(link.title), text


def test_a_link_from_a_record_of_another_organization_stays_with_it(
    both: Client, organization: Organization, sister: Organization
) -> None:
    """The choice must not put a number on the do-not-call list of the wrong organization."""
    Membership.objects.update(role="admin")
    both.post(reverse(CHOOSE), {"organization": sister.pk})
    contact = Contact.objects.get(organization=organization)
    page = both.get(reverse("admin:campaigns_contact_change", args=[contact.pk])).content.decode()
    [link] = re.findall(r'href="([^"]*/donotcall/add/[^"]*)"', page)
    answer = both.post(unescape(link), {"phone": contact.phone, "reason": "Asked", "expires_at_0": ""})
    assert answer.status_code == 302
    assert DoNotCall.objects.get().organization_id == organization.pk


def test_a_filter_by_an_object_of_another_organization_finds_its_rows(
    both: Client, organization: Organization, sister: Organization
) -> None:
    home = ContactList.objects.create(organization=organization, name="Patients")
    ContactListMember.objects.create(contact_list=home, contact=Contact.objects.get(organization=organization))
    both.post(reverse(CHOOSE), {"organization": sister.pk})
    assert shown(both) == {sister.pk}
    answer: Any = both.get(reverse(CONTACTS), {"lists__id__exact": home.pk})
    assert [row.organization_id for row in answer.context["cl"].result_list] == [organization.pk]
    file: Any = both.get(reverse("admin:campaigns_contact_export"), {"lists__id__exact": home.pk})
    assert len(file.getvalue().splitlines()) == 2


@pytest.mark.parametrize("given", ["0", "-1", "999999", "x", "stranger"])
def test_a_form_never_writes_into_another_organization_than_the_address_names(
    organization: Organization, stranger: Organization, given: str
) -> None:
    user = User.objects.create(username="otto", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="admin")
    client = Client()
    client.force_login(user)
    home = str(stranger.pk) if given == "stranger" else given
    url = f"{reverse('admin:campaigns_donotcall_add')}?organization={home}"
    answer = client.post(url, {"phone": "+33612345678", "reason": "Asked"})
    assert answer.status_code == 200 and "For which organization?" in answer.content.decode()
    assert not DoNotCall.objects.exists()
