"""The pages of segments: the form's rows, who is in a segment, and deletion."""

from __future__ import annotations

import html
import itertools
import re
from datetime import datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from calls.admin.shared.outcomes import LABELS as LABELS_OF_BADGES
from campaigns import segments
from campaigns.admin import segment_rows
from campaigns.admin.segment_rows import LABELS, read_rows, rows_of
from campaigns.models import Campaign, Contact, ContactList, Segment, Tag
from campaigns.rules.conditions import KINDS, NotACondition, read
from tenants.models import AuditEntry, Membership, Organization
from tests.campaigns.test_segments import EXPECTED, NEVER, a_segment, someone
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db
ADD = reverse("admin:campaigns_segment_add")
CONTACTS = reverse("admin:campaigns_contact_changelist")


def rows(*given: tuple[str, str, str]) -> dict[str, str]:
    names = ("kind", "variable", "value")
    cells = {
        f"conditions-{number}-{name}": cell
        for number, row in enumerate(given)
        for name, cell in zip(names, row, strict=True)
    }
    return {"conditions-rows": str(len(given)), **cells}


def picked(*given: dict[str, Any]) -> dict[str, Any]:
    """Return what a browser sends of these rows."""
    cells = {f"conditions-{number}-{name}": value for number, row in enumerate(given) for name, value in row.items()}
    return {"conditions-rows": str(len(given)), **cells}


def options(page: str, name: str) -> dict[str, bool]:
    """Return the choices of the first row's select, by label, and whether each is chosen."""
    [select] = re.findall(rf'<select name="conditions-0-{name}"[^>]*>(.*?)</select>', page, re.DOTALL)
    found = re.findall(r"<option value=\"[^\"]*\" (selected)?>([^<]*)<", select)
    return {html.unescape(label): bool(chosen) for chosen, label in found}


def page_of(segment: Segment, name: str = "change") -> str:
    return reverse(f"admin:campaigns_segment_{name}", args=[segment.pk])


def people_in(client: Client, segment: Segment) -> list[str]:
    answer = client.get(reverse("admin:campaigns_contact_changelist"), {"segment": segment.pk})
    return [row.phone for row in answer.context["cl"].result_list]


def test_the_form_quotes_names_as_text(sign_in: SignIn, organization: Organization) -> None:
    """The theme renders help texts as HTML; `templates/unfold/helpers/help_text.html` does not."""
    Tag.objects.create(organization=organization, name="<img src=x onerror=alert(1)>")
    ContactList.objects.create(organization=organization, name="<script>alert(2)</script>")
    page = sign_in(organization, "operator").get(ADD, {"organization": organization.pk}).content.decode()
    assert "&lt;img src=x" in page and "<img src=x" not in page
    assert "&lt;script&gt;alert(2)" in page and "<script>alert(2)" not in page


def test_moments_of_conditions_are_shown_as_pages_show_moments(sign_in: SignIn, organization: Organization) -> None:
    condition = {"field": "created_at", "is": "from", "value": "2020-05-12T10:30:00Z"}
    segment = a_segment(organization, condition)
    client = sign_in(organization, "operator")
    for page in (reverse("admin:campaigns_segment_changelist"), page_of(segment)):
        text = client.get(page).content.decode()
        assert re.search(r"created at 12 May 2020 \d\d:\d\d or later", text) and "2020-05-12T" not in text, page


def test_every_condition_has_a_label() -> None:
    assert set(LABELS) == set(KINDS)


@pytest.mark.parametrize(("field", "test"), list(EXPECTED))
def test_a_condition_that_is_shown_and_saved_stays_the_same(
    organization: Organization, contact_list: ContactList, field: str, test: str
) -> None:
    tags = [Tag.objects.create(organization=organization, name=name) for name in ("VIP", "Recall")]
    names = {row.name: str(row.uuid) for row in tags} | {contact_list.name: str(contact_list.uuid)}
    for value, _ in EXPECTED[field, test]:
        given: dict[str, Any] = {"field": field, "is": test}
        if value is not None:
            given["value"] = [names[each] for each in value] if field in {"tags", "lists"} else value
        stored = read(given)
        [again] = read_rows(rows_of([stored]), organization.pk)
        assert _sorted(again) == _sorted(stored)


def _sorted(condition: dict[str, Any]) -> dict[str, Any]:
    value = condition.get("value")
    return {**condition, "value": sorted(value) if isinstance(value, list) else value}


def test_an_operator_makes_and_changes_a_segment(organization: Organization, sign_in: SignIn) -> None:
    someone(organization, 0, "VIP", variables={"city": "Lyon"})
    someone(organization, 1, "VIP")
    client = sign_in(organization, "operator")
    conditions = rows(("tags any", "", "vip"), ("variables contains", "city", "lyo"), ("", "", ""))
    answer = client.post(ADD, {"name": "Lyon", **conditions, "_continue": "1"}, follow=True)
    segment = Segment.objects.get()
    assert (segment.name, segment.organization) == ("Lyon", organization)
    page = answer.content.decode()
    assert "Contacts with any of the tags “VIP”, whose city contains “lyo”." in page
    assert re.search(r'<option value="tags any" selected', page) and options(page, "tags") == {"VIP": True}
    assert people_in(client, segment) == ["+33612345600"]
    url = page_of(segment)
    client.post(url, {"name": "All", **rows(("tags any", "", "VIP"))})
    segment.refresh_from_db()
    assert len(segment.conditions) == 1
    assert people_in(client, segment) == ["+33612345601", "+33612345600"]
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == [
        "segment.added",
        "segment.changed",
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("", "", "VIP"), "Choose what it says about the contact."),
        (("tags any", "", "Nobody's"), "There is no tag"),
        (("tags any", "", ""), "Give a list of 1 to 50."),
        (("tags any", "city", "VIP"), "Empty the field of the variable"),
        (("lists in", "", "Unknown"), "There is no list"),
        (("lists in", "", "Twice"), "There are several lists"),
        (("last_call within_days", "", "soon"), "Give a whole number of days"),
        (("last_call never", "", "3"), "has no value"),
        (("last_outcome in", "", "no answer, won"), "There is no outcome"),
        (("created_at from", "", "May"), "Enter a date"),
        (("variables equals", "a b", "x"), "Write the variable"),
        (("number begins", "", "0612"), "Give the beginning of a number with its plus"),
    ],
)
def test_a_fault_names_its_row_and_keeps_what_was_typed(
    organization: Organization, sign_in: SignIn, row: tuple[str, str, str], says: str
) -> None:
    someone(organization, 0, "VIP")
    for _ in range(2):
        ContactList.objects.create(organization=organization, name="Twice")
    answer = sign_in(organization, "operator").post(ADD, {"name": "S", **rows(("last_call never", "", ""), row)})
    [error] = answer.context["adminform"].form.errors["conditions"]
    assert error.startswith("Condition 2: ") and says in error
    assert f'value="{row[2]}"' in answer.content.decode() or not row[2] or "&#x27;" in answer.content.decode()
    assert not Segment.objects.exists()


def test_a_segment_has_a_condition_and_twenty_at_most(organization: Organization, sign_in: SignIn) -> None:
    client = sign_in(organization, "operator")
    for given in (rows(), rows(*[("last_call never", "", "")] * 21)):
        assert "conditions" in client.post(ADD, {"name": "S", **given}).context["adminform"].form.errors


def test_names_of_another_organization_do_not_exist(
    organization: Organization, stranger: Organization, sign_in: SignIn
) -> None:
    someone(stranger, 0, "Secret")
    hidden = ContactList.objects.create(organization=stranger, name="Secret list")
    for row in (("tags any", "", "Secret"), ("lists in", "", "Secret list")):
        with pytest.raises(ValidationError, match="There is no"):
            read_rows([dict(zip(("kind", "variable", "value"), row, strict=True))], organization.pk)
    with pytest.raises(NotACondition):
        segments.list_ids(organization.pk, [hidden.name])
    theirs = a_segment(stranger, NEVER)
    client = sign_in(organization, "admin")
    assert people_in(client, theirs) == []
    assert client.get(page_of(theirs, "count")).status_code == 404
    pages = [client.get(ADD), client.get(reverse("admin:campaigns_segment_changelist"))]
    assert not any("Secret" in page.content.decode() for page in pages)


def test_the_page_counts_a_segment_up_to_a_bound(
    organization: Organization, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = a_segment(organization, NEVER)
    for place in range(3):
        someone(organization, place)
    client = sign_in(organization, "viewer")
    assert ">3<" in client.get(page_of(segment, "count")).content.decode()
    monkeypatch.setattr(segments, "COUNTED", 2)
    assert ">more than 2<" in client.get(page_of(segment, "count")).content.decode()
    assert "Contacts never called." in client.get(reverse("admin:campaigns_segment_changelist")).content.decode()


def test_use_in_a_new_campaign_is_for_those_who_may_make_one(organization: Organization, sign_in: SignIn) -> None:
    segment = a_segment(organization, NEVER)
    for role, offered in (("operator", False), ("manager", True)):
        page = sign_in(organization, role).get(page_of(segment)).content.decode()
        assert (f"segments={segment.pk}" in page) is offered


@pytest.mark.time_machine("2026-05-12T21:30:00Z")
def test_the_filters_of_the_list_are_saved_as_a_segment_of_the_same_contacts(
    organization: Organization, contact_list: ContactList, sign_in: SignIn
) -> None:
    """A list, a tag and days together, in the zone of the viewer (it is the 13th in Tokyo)."""
    organization.timezone = "Asia/Tokyo"
    organization.save()
    ways = itertools.product((True, False), ("VIP", "Recall"), ("2026-05-11T14:59Z", "2026-05-11T15:00Z"))
    for number, (listed, tag, created) in enumerate(ways):
        person = someone(organization, number, tag)
        Contact.objects.filter(pk=person.pk).update(created_at=created)
        if listed:
            contact_list.contacts.add(person)
    client = sign_in(organization, "operator")
    vip = Tag.objects.get(name="VIP")
    filters: list[tuple[dict[str, Any], int]] = [
        ({"lists__id__exact": contact_list.pk}, 4),
        ({"tags__id__exact": vip.pk}, 4),
        ({"from": "2026-05-12", "to": "2026-05-12"}, 4),
        ({"day": "yesterday"}, 4),
        ({"day": "7days", "tags__id__exact": vip.pk}, 4),
        ({"to": "2026-05-11"}, 4),
        ({"lists__id__exact": contact_list.pk, "tags__id__exact": vip.pk, "from": "2026-05-12"}, 1),
    ]
    for query, people in filters:
        page = client.get(CONTACTS, query)
        shown = [row.phone for row in page.context["cl"].result_list]
        assert len(shown) == people, query
        form = client.get(link_in(page)).context["adminform"].form
        client.post(ADD, {"name": str(query), **picked(*form.initial["conditions"])})
        assert people_in(client, Segment.objects.latest("pk")) == shown, query


@pytest.mark.parametrize(
    ("tagged", "query"),
    [
        (False, {}),
        (False, {"q": "Ada"}),
        (True, {"q": "Ada"}),
        (True, {"zone_fault": "any"}),
        (True, {"lists__id__exact": "9999999"}),
        (False, {"p": "0"}),
    ],
)
def test_what_no_segment_can_say_is_not_saved_as_one(
    organization: Organization, sign_in: SignIn, tagged: bool, query: dict[str, str]
) -> None:
    someone(organization, 0, "VIP")
    tag = {"tags__id__exact": str(Tag.objects.get().pk)}
    client = sign_in(organization, "operator")
    assert link_in(client.get(CONTACTS, tag)) != "", "the tag alone"
    assert link_in(client.get(CONTACTS, query | tag if tagged else query)) == ""


def test_a_viewer_saves_no_segment(organization: Organization, sign_in: SignIn) -> None:
    someone(organization, 0, "VIP")
    page = sign_in(organization, "viewer").get(CONTACTS, {"tags__id__exact": Tag.objects.get().pk})
    assert page.status_code == 200 and link_in(page) == ""


def test_an_address_made_up_fills_the_form_with_nothing_of_others(
    organization: Organization, sister: Organization, sign_in: SignIn
) -> None:
    theirs = ContactList.objects.create(organization=sister, name="Theirs")
    client = sign_in(organization, "operator")
    for query in ({"list": theirs.pk}, {"list": "x"}, {"tag": "9" * 30}, {"day": "never"}, {"conditions": "[]"}):
        page = client.get(ADD, query)
        assert page.context["adminform"].form.initial["conditions"] == []
        assert "Theirs" not in page.content.decode()


def link_in(page: Any) -> str:
    """Return the address behind *Save as a segment*."""
    found = re.search(r'href="([^"]*)"[^>]*><span[^>]*>filter_alt</span>Save as a segment', page.content.decode())
    return html.unescape(found[1]) if found else ""


def test_a_segment_of_a_campaign_that_is_not_over_stays(organization: Organization, sign_in: SignIn) -> None:
    segment = a_segment(organization, NEVER)
    campaign = Campaign.objects.create(organization=organization, name="March", status="paused")
    campaign.segments.add(segment)
    client, url = sign_in(organization, "manager"), page_of(segment, "delete")
    assert "March" in client.get(url).content.decode()
    client.post(url, {"post": "yes"})
    assert Segment.objects.exists()
    Campaign.objects.update(status="finished")
    client.post(url, {"post": "yes"})
    assert not Segment.objects.exists() and Campaign.objects.exists()
    assert AuditEntry.objects.latest("pk").action == "segment.deleted"


def test_what_an_organization_has_is_picked_and_nothing_of_another_one_is_offered(
    organization: Organization, sister: Organization, sign_in: SignIn
) -> None:
    """A tag and a list of each, with a user who belongs to both organizations."""
    client = sign_in(organization, "operator")
    Membership.objects.create(user=Membership.objects.get().user, organization=sister, role="operator")
    for home, word in ((organization, "Ours"), (sister, "Theirs")):
        Tag.objects.create(organization=home, name=f"{word} tag")
        ContactList.objects.create(organization=home, name=f"{word} list")
    mine = a_segment(organization, NEVER)
    for page in (client.get(ADD, {"organization": organization.pk}), client.get(page_of(mine))):
        text = page.content.decode()
        assert options(text, "tags") == {"Ours tag": False} and options(text, "lists") == {"Ours list": False}
        assert "Theirs" not in text
    theirs = {"tags": [str(Tag.objects.get(name="Theirs tag").uuid)]}
    theirs |= {"lists": [str(ContactList.objects.get(name="Theirs list").uuid)]}
    for kind, field in (("tags any", "tags"), ("tags none", "tags"), ("lists in", "lists"), ("lists not_in", "lists")):
        for ids in (theirs[field], ["not-an-id"]):
            row = picked({"kind": kind, field: ids})
            answer = client.post(page_of(mine), {"name": "S", **row})
            assert answer.context["adminform"].form.errors["conditions"], (kind, ids)
    mine.refresh_from_db()
    assert mine.conditions == [NEVER]


def test_outcomes_and_days_are_picked_in_the_words_of_pages(organization: Organization, sign_in: SignIn) -> None:
    client = sign_in(organization, "operator")
    page = client.get(ADD).content.decode()
    assert list(options(page, "outcomes")) == ["Answered", "No answer", "Busy", "Failed"]
    badges = {str(LABELS_OF_BADGES[status]) for status in LABELS_OF_BADGES}
    assert set(options(page, "outcomes")) <= badges
    french = client.get(ADD, headers={"accept-language": "fr"}).content.decode()
    assert list(options(french, "outcomes")) == ["Décroché", "Sans réponse", "Occupé", "Échec"]
    rows_sent = picked(
        {"kind": "last_outcome in", "outcomes": ["completed", "busy"]},
        {"kind": "created_at from", "day": "2026-05-12", "clock": ""},
        {"kind": "created_at before", "day": "2026-06-01", "clock": "09:30"},
        {"kind": "last_call within_days", "value": "30"},
    )
    client.post(ADD, {"name": "S", **rows_sent})
    segment = Segment.objects.get()
    assert segment.conditions[0]["value"] == ["completed", "busy"]
    again = client.get(page_of(segment)).content.decode()
    assert options(again, "outcomes")["Answered"] and not options(again, "outcomes")["Failed"]
    assert 'type="date" name="conditions-1-day" value="2026-05-12"' in again
    assert 'type="time" name="conditions-2-clock" value="09:30"' in again
    assert "whose last call ended as Answered or Busy" in again


def test_a_tag_beyond_those_offered_is_typed_and_stays_chosen(
    organization: Organization, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_rows, "OFFERED", 2)
    for name in ("A", "B", "Zebra"):
        Tag.objects.create(organization=organization, name=name)
    client = sign_in(organization, "operator")
    page = client.get(ADD).content.decode()
    assert options(page, "tags") == {"A": False, "B": False} and "type the names of the others" in page
    client.post(ADD, {"name": "S", **picked({"kind": "tags any", "tags": [], "value": "zebra"})})
    segment = Segment.objects.get()
    page = client.get(page_of(segment)).content.decode()
    assert options(page, "tags") == {"A": False, "B": False, "Zebra": True}


def test_a_field_for_another_condition_is_not_taken_in_silence(organization: Organization, sign_in: SignIn) -> None:
    """Without scripts all fields of a row are there."""
    someone(organization, 0, "VIP")
    vip = str(Tag.objects.get().uuid)
    row = {"kind": "last_outcome in", "outcomes": ["busy"], "tags": [vip]}
    answer = sign_in(organization, "operator").post(ADD, {"name": "S", **picked(row)})
    [error] = answer.context["adminform"].form.errors["conditions"]
    assert error == "Condition 1: Empty the fields that are for other conditions."


def test_a_deleted_tag_or_list_stays_in_a_condition_until_it_is_unpicked(
    organization: Organization, sign_in: SignIn
) -> None:
    """Without it, “none of VIP, Gone” would have more contacts, and “all of VIP, Gone” as well."""
    client = sign_in(organization, "operator")
    for model, field, tests in ((Tag, "tags", ("none", "all", "any")), (ContactList, "lists", ("not_in", "in"))):
        for test in tests:
            kept, gone = (model.objects.create(organization=organization, name=f"{name} {test}") for name in ("A", "Z"))
            condition = {"field": field, "is": test, "value": [str(kept.uuid), str(gone.uuid)]}
            segment = a_segment(organization, condition, {"field": "last_call", "is": "not_within_days", "value": 30})
            model.objects.filter(pk=gone.pk).delete()
            page = client.get(page_of(segment)).content.decode()
            assert options(page, field)[f"Deleted {field[:-1]}"], (field, test)
            shown = {"kind": f"{field} {test}", field: condition["value"]}
            client.post(page_of(segment), {"name": "S", **picked(shown, EVERY_60)})
            segment.refresh_from_db()
            assert segment.conditions[0] == condition and segment.conditions[1]["value"] == 60
            client.post(page_of(segment), {"name": "S", **picked({**shown, field: [str(kept.uuid)]}, EVERY_60)})
            segment.refresh_from_db()
            assert segment.conditions[0]["value"] == [str(kept.uuid)]
            client.post(page_of(segment), {"name": "S", **picked(shown, EVERY_60)})
            segment.refresh_from_db()
            assert segment.conditions[0]["value"] == [str(kept.uuid)], "what it does not have is not taken any more"
            segment.delete()


EVERY_60 = {"kind": "last_call not_within_days", "value": "60"}


def test_what_was_picked_stays_when_the_form_is_shown_again(
    organization: Organization, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also beyond what is offered, and when a colleague has removed it meanwhile."""
    monkeypatch.setattr(segment_rows, "OFFERED", 2)
    uids = {name: str(Tag.objects.create(organization=organization, name=name).uuid) for name in ("A", "B", "Zebra")}
    client = sign_in(organization, "operator")
    row = picked({"kind": "tags none", "tags": [uids["A"], uids["Zebra"]]})
    refused = client.post(ADD, {"name": "", **row})
    assert options(refused.content.decode(), "tags") == {"A": True, "B": False, "Zebra": True}
    made = a_segment(organization, {"field": "tags", "is": "none", "value": [uids["A"]]})
    refused = client.post(page_of(made), {"name": "", **row})
    assert options(refused.content.decode(), "tags") == {"A": True, "B": False, "Zebra": True}


@pytest.mark.parametrize(
    ("zone", "day", "clock", "moment"),
    [
        ("Africa/Cairo", "2026-04-24", "", "2026-04-23T22:00:00Z"),  # tzdata 2026: 00:00 EET becomes 01:00 EEST
        ("Atlantic/Azores", "2026-10-25", "", "2026-10-25T00:00:00Z"),  # 01:00 +00 becomes 00:00 -01: midnight twice
        ("Europe/Paris", "2026-10-25", "02:30", "2026-10-25T00:30:00Z"),  # twice; the first, in CEST
        ("Europe/Paris", "2026-10-25", "03:30", "2026-10-25T02:30:00Z"),
    ],
)
def test_a_day_begins_with_its_first_moment_and_a_time_that_occurs_twice_is_taken(
    organization: Organization, sign_in: SignIn, zone: str, day: str, clock: str, moment: str
) -> None:
    organization.timezone = zone
    organization.save()
    client = sign_in(organization, "operator")
    client.post(ADD, {"name": "S", **picked({"kind": "created_at from", "day": day, "clock": clock})})
    segment = Segment.objects.get()
    assert datetime.fromisoformat(segment.conditions[0]["value"]) == datetime.fromisoformat(moment)
    page = client.get(page_of(segment)).content.decode()
    assert f'name="conditions-0-day" value="{day}"' in page and f'name="conditions-0-clock" value="{clock}"' in page


def test_a_stored_moment_stays_when_another_row_is_edited(organization: Organization, sign_in: SignIn) -> None:
    """The second 02:30 of the night in Paris, and a moment with microseconds, which came over the API."""
    organization.timezone = "Europe/Paris"
    organization.save()
    client = sign_in(organization, "operator")
    for moment, clock in (("2026-10-25T01:30:00Z", "02:30"), ("2026-05-12T10:30:15.250000Z", "12:30:15")):
        condition = read({"field": "created_at", "is": "before", "value": moment})
        segment = a_segment(organization, condition)
        day = moment[:10]
        row = {"kind": "created_at before", "day": day, "clock": clock}
        assert f'name="conditions-0-clock" value="{clock}"' in client.get(page_of(segment)).content.decode()
        client.post(page_of(segment), {"name": "S", **picked(row, EVERY_60)})
        segment.refresh_from_db()
        assert segment.conditions[0] == condition and len(segment.conditions) == 2
        segment.delete()


@pytest.mark.parametrize("count", ["²", "9" * 5000, "-1", "10000", "x", ""])
def test_a_wrong_number_of_rows_is_no_error_of_ours(organization: Organization, sign_in: SignIn, count: str) -> None:
    client = sign_in(organization, "operator")
    answer = client.post(ADD, {"name": "S", **picked(EVERY_60), "conditions-rows": count})
    assert answer.status_code in (200, 302)


def test_the_largest_segment_is_saved(organization: Organization, sign_in: SignIn) -> None:
    uids = [str(Tag.objects.create(organization=organization, name=f"T{n}").uuid) for n in range(50)]
    client = sign_in(organization, "operator")
    answer = client.post(ADD, {"name": "S", **picked(*[{"kind": "tags any", "tags": uids}] * 20)})
    assert answer.status_code == 302 and len(Segment.objects.get().conditions) == 20
