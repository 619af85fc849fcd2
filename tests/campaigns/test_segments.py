"""Segments: which contacts meet their conditions, and campaigns that call them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.actions.campaign_edits import refresh
from calls.reports.preflight import problems
from campaigns import launching, segments, tagging
from campaigns.models import (
    Campaign,
    Contact,
    ContactList,
    ContactListMember,
    ContactTag,
    Recipient,
    Segment,
    Tag,
)
from campaigns.rules.conditions import KINDS, NotACondition, read, sentence
from tenants.models import AuditEntry, Organization
from tests.calls.test_api_calls import a_call
from tests.conftest import UNCHECKED, ApiClient, KeyMaker, a_number, an_account, an_assistant

pytestmark = pytest.mark.django_db
SEGMENTS, CAMPAIGNS = "/api/v1/segments/", "/api/v1/campaigns/"
NOW = timezone.now()
NEVER: dict[str, Any] = {"field": "last_call", "is": "never"}


def someone(home: Organization, place: int, *tags: str, **fields: Any) -> Contact:
    contact = Contact.objects.create(organization=home, phone=f"+336123456{place:02}", **fields)
    with transaction.atomic():
        tagging.replace(contact, tags)
    return contact


def a_segment(home: Organization, *conditions: dict[str, Any]) -> Segment:
    return Segment.objects.create(organization=home, name="S", conditions=[read(each) for each in conditions])


def numbers(segment: Segment) -> list[int]:
    found = segments.contacts_of(segment).order_by("pk").values_list("phone", flat=True)
    return [int(phone[-2:]) for phone in found]


@pytest.fixture
def people(organization: Organization, contact_list: ContactList) -> list[Contact]:
    """Contacts 0 to 7; what each has is written beside the conditions below."""
    old = datetime(2026, 1, 1, tzinfo=UTC)
    made = [
        someone(organization, 0, "VIP"),
        someone(organization, 1, "VIP", "Recall", created_at=old),
        someone(organization, 2, "Recall", variables={"city": "Lyon"}),
        someone(organization, 3, variables={"city": "Lyons", "empty": ""}, consent_basis="contract"),
        someone(organization, 4, consent_at=old),
        someone(organization, 5, consent_evidence="Form 7"),
        someone(organization, 6),
        someone(organization, 7, "VIP", erased_at=NOW),
    ]
    ContactListMember.objects.bulk_create(
        ContactListMember(contact_list=contact_list, contact=contact) for contact in made[:3]
    )
    account = an_account(organization)
    assistant, number = an_assistant(account), a_number(account)
    for place, days, status in ((0, 40, "completed"), (0, 3, "no_answer"), (1, 40, "busy"), (2, None, "canceled")):
        dialed = NOW - timedelta(days=days) if days else None
        a_call(assistant, number, made[place].phone, status=status, dialed_at=dialed)
    return made


ALL = [0, 1, 2, 3, 4, 5, 6]
EXPECTED: dict[tuple[str, str], list[tuple[Any, list[int]]]] = {
    ("tags", "any"): [(["VIP"], [0, 1]), (["VIP", "Recall"], [0, 1, 2])],
    ("tags", "all"): [(["VIP", "Recall"], [1]), (["VIP"], [0, 1])],
    ("tags", "none"): [(["VIP"], [2, 3, 4, 5, 6]), (["VIP", "Recall"], [3, 4, 5, 6])],
    ("lists", "in"): [(["Patients"], [0, 1, 2])],
    ("lists", "not_in"): [(["Patients"], [3, 4, 5, 6])],
    ("number", "begins"): [("+3361234560", ALL), ("+33612345603", [3]), ("+337", [])],
    ("created_at", "from"): [("2026-06-01T00:00:00Z", [0, 2, 3, 4, 5, 6]), ("2026-01-01T00:00:00Z", ALL)],
    ("created_at", "before"): [("2026-06-01T00:00:00Z", [1]), ("2026-01-01T00:00:00Z", [])],
    ("last_call", "never"): [(None, [2, 3, 4, 5, 6])],
    ("last_call", "within_days"): [(30, [0]), (60, [0, 1])],
    ("last_call", "not_within_days"): [(30, [1, 2, 3, 4, 5, 6]), (60, [2, 3, 4, 5, 6])],
    ("last_outcome", "in"): [(["no_answer"], [0]), (["completed"], []), (["busy", "no_answer"], [0, 1])],
    ("consent", "given"): [(None, [3, 4, 5])],
    ("consent", "missing"): [(None, [0, 1, 2, 6])],
    ("variables.city", "equals"): [("Lyon", [2]), ("lyon", [])],
    ("variables.city", "contains"): [("lyon", [2, 3])],
    ("variables.city", "empty"): [(None, [0, 1, 4, 5, 6])],
    ("variables.empty", "empty"): [(None, ALL)],
}


def test_every_condition_has_a_row() -> None:
    assert {(field.partition(".")[0], test) for field, test in EXPECTED} == set(KINDS) == set(segments.TESTS)


@pytest.mark.parametrize(("field", "test"), list(EXPECTED))
def test_a_segment_has_the_contacts_that_meet_its_condition(
    organization: Organization, people: list[Contact], field: str, test: str
) -> None:
    names = {row.name: str(row.uuid) for rows in (Tag.objects.all(), ContactList.objects.all()) for row in rows}
    for value, expected in EXPECTED[field, test]:
        given: dict[str, Any] = {"field": field, "is": test}
        if value is not None:
            given["value"] = [names[each] for each in value] if field in {"tags", "lists"} else value
        assert numbers(a_segment(organization, given)) == expected, given


def test_contacts_meet_all_conditions(organization: Organization, people: list[Contact]) -> None:
    vip = str(Tag.objects.get(name="VIP").uuid)
    both = a_segment(
        organization,
        {"field": "tags", "is": "any", "value": [vip]},
        {"field": "last_call", "is": "within_days", "value": 30},
    )
    assert numbers(both) == [0]
    assert segments.sentence_of(both) == "Contacts with any of the tags “VIP”, called in the last 30 days."
    Tag.objects.all().delete()
    both.refresh_from_db()
    assert numbers(both) == [], "a deleted tag is on nobody"


def test_whom_a_deleted_tag_or_list_kept_out_is_not_called(organization: Organization, people: list[Contact]) -> None:
    vip, recall = (str(Tag.objects.get(name=name).uuid) for name in ("VIP", "Recall"))
    listed = ContactList.objects.get()
    untagged = a_segment(organization, {"field": "tags", "is": "none", "value": [vip, recall]})
    unlisted = a_segment(organization, {"field": "lists", "is": "not_in", "value": [str(listed.uuid)]})
    assert numbers(untagged) == numbers(unlisted) == [3, 4, 5, 6]
    Tag.objects.get(name="VIP").delete()
    listed.delete()
    assert numbers(untagged) == numbers(unlisted) == []


@pytest.mark.parametrize(
    "given",
    [
        "never",
        {},
        {"field": "last_call"},
        {"field": "last_call", "is": "never", "value": 1},
        {"field": "last_call", "is": "within_days", "value": 0},
        {"field": "last_call", "is": "within_days", "value": True},
        {"field": "last_call", "is": "within_days", "value": "30"},
        {"field": "tags", "is": "any", "value": []},
        {"field": "tags", "is": "any", "value": ["VIP"]},
        {"field": "created_at", "is": "from", "value": "2026-01-01"},
        {"field": "number", "is": "begins", "value": "0612"},
        {"field": "variables", "is": "empty"},
        {"field": "variables.a b", "is": "empty"},
        {"field": "variables.city", "is": "equals", "value": ""},
        {"field": "last_outcome", "is": "in", "value": ["won"]},
        {"field": "consent", "is": "given", "more": 1},
        {"field": ["consent"], "is": "given"},
    ],
)
def test_what_is_no_condition_is_refused(given: Any) -> None:
    with pytest.raises(NotACondition):
        read(given)


def test_sentences() -> None:
    rows = [
        NEVER,
        {"field": "variables.city", "is": "contains", "value": "Ly"},
        {"field": "tags", "is": "none", "value": ["x"]},
    ]
    assert sentence(rows, {}) == "Contacts never called, whose city contains “Ly”, with none of the tags “deleted”."


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"field": "tags", "is": "any", "value": ["a", "b", "c"]}, "with any of the tags “A”, “B” or “C”"),
        ({"field": "tags", "is": "all", "value": ["a", "b"]}, "with all of the tags “A” and “B”"),
        ({"field": "lists", "is": "not_in", "value": ["a", "b"]}, "on none of the lists “A” or “B”"),
        ({"field": "variables.grade", "is": "equals", "value": "AZ"}, "whose grade is “AZ”"),
        ({"field": "variables.grade", "is": "equals", "value": "+1"}, "whose grade is “+1”"),
        ({"field": "variables.grade", "is": "equals", "value": "{name}"}, "whose grade is “{name}”"),
        ({"field": "number", "is": "begins", "value": "+336"}, "with a number that begins with +336"),
        ({"field": "created_at", "is": "before", "value": "2026-05-12T00:00:00Z"}, "created before <then>"),
        ({"field": "last_call", "is": "within_days", "value": 30}, "called in the last 30 days"),
        (
            {"field": "last_outcome", "is": "in", "value": ["busy", "no_answer"]},
            "whose last call ended as Busy or No answer",
        ),
        ({"field": "variables.grade", "is": "empty"}, "without grade"),
    ],
)
def test_each_kind_of_condition_in_words(condition: dict[str, Any], said: str) -> None:
    names = {each: each.upper() for each in "abc"}
    assert sentence([condition], names, moment=lambda stored: "<then>") == f"Contacts {said}."


# --- campaigns


def a_campaign(home: Organization, **fields: Any) -> Campaign:
    return Campaign.objects.create(organization=home, name="C", status=Campaign.Status.RUNNING, **fields)


def launch(campaign: Campaign, limit: int = 20_000) -> list[dict[str, Any]]:
    """Launch the campaign, and return its recipients without what tells rows apart."""
    for _ in range(100):
        if launching.step(campaign.pk, limit):
            break
    campaign.refresh_from_db()
    assert campaign.launched_at is not None
    rows: Any = campaign.recipients.order_by("contact").values()
    return [{name: row[name] for name in row if name not in {"id", "uuid", "campaign_id", "sort_key"}} for row in rows]


@settings(suppress_health_check=UNCHECKED)
@given(
    tagged=st.lists(st.sets(st.sampled_from(["VIP", "Recall"])), min_size=1, max_size=12),
    test=st.sampled_from(["any", "all", "none"]),
    limit=st.integers(1, 5),
)
def test_a_segment_launches_as_a_list_of_the_same_contacts(
    organization: Organization, tagged: list[set[str]], test: str, limit: int
) -> None:
    """Row by row, however many steps it takes, and the contacts are those that Python finds."""
    with transaction.atomic():
        wanted = tagging.named(organization.pk, ["VIP", "Recall"])
        made = [someone(organization, place, *names) for place, names in enumerate(tagged)]
        meets: dict[str, Callable[[set[str]], bool]] = {
            "any": bool,
            "all": lambda names: len(names) == 2,
            "none": lambda names: not names,
        }
        chosen = [contact for contact, names in zip(made, tagged, strict=True) if meets[test](names)]
        people = ContactList.objects.create(organization=organization, name="P")
        ContactListMember.objects.bulk_create(ContactListMember(contact_list=people, contact=row) for row in chosen)
        start = timezone.now() + timedelta(hours=1)
        by_list, by_segment = a_campaign(organization, starts_at=start), a_campaign(organization, starts_at=start)
        by_list.contact_lists.add(people)
        ids = [str(tag.uuid) for tag in wanted.values()]
        by_segment.segments.add(a_segment(organization, {"field": "tags", "is": test, "value": ids}))
        found = launch(by_segment, limit)
        assert found == launch(by_list, limit)
        assert [row["contact_id"] for row in found] == [contact.pk for contact in chosen]
        transaction.set_rollback(True)


def test_a_contact_on_a_list_and_in_segments_is_called_once(
    organization: Organization, contact_list: ContactList
) -> None:
    both, other = someone(organization, 0), someone(organization, 1)
    ContactListMember.objects.create(contact_list=contact_list, contact=both)
    campaign = a_campaign(organization)
    campaign.contact_lists.add(contact_list)
    campaign.segments.add(
        a_segment(organization, NEVER), a_segment(organization, {"field": "consent", "is": "missing"})
    )
    assert [row["contact_id"] for row in launch(campaign)] == [both.pk, other.pk]


def test_two_organizations_never_mix(organization: Organization) -> None:
    other = Organization.objects.create(tenant=organization.tenant, name="Other", default_region="FR")
    own, _ = someone(organization, 0, "VIP"), someone(other, 1, "VIP")
    campaign = a_campaign(organization)
    vip = [str(uid) for uid in Tag.objects.values_list("uuid", flat=True)]
    campaign.segments.add(a_segment(organization, {"field": "tags", "is": "any", "value": vip}))
    assert [row["contact_id"] for row in launch(campaign)] == [own.pk]
    assert numbers(a_segment(organization, NEVER)) == [0]
    foreign = a_campaign(organization)
    foreign.segments.add(a_segment(other, NEVER))  # no form or request can do it
    assert launch(foreign) == []


def test_a_launch_is_a_snapshot_until_new_contacts_are_asked_for(organization: Organization) -> None:
    someone(organization, 0)
    campaign = a_campaign(organization)
    campaign.segments.add(a_segment(organization, NEVER))
    assert len(launch(campaign)) == 1
    someone(organization, 1)
    launching.look_again()
    assert len(launch(campaign)) == 1
    refresh(campaign, actor="ada")
    assert len(launch(campaign)) == 2


def test_an_ongoing_campaign_takes_who_comes_into_its_segment(organization: Organization) -> None:
    first = someone(organization, 0, "VIP")
    campaign = a_campaign(organization, ongoing=True)
    vip = Tag.objects.get()
    campaign.segments.add(a_segment(organization, {"field": "tags", "is": "any", "value": [str(vip.uuid)]}))
    assert len(launch(campaign)) == 1
    later = someone(organization, 1, "VIP")
    ContactTag.objects.filter(contact=first).delete()
    launching.look_again()
    assert len(launch(campaign)) == 1, "not every second"
    Campaign.objects.update(launched_at=timezone.now() - launching.LOOK_AGAIN - timedelta(seconds=1))
    launching.look_again()
    assert [row["contact_id"] for row in launch(campaign)] == [first.pk, later.pk], "whoever has left stays"
    assert Recipient.objects.count() == 2
    Campaign.objects.update(status="paused", launched_at=timezone.now() - timedelta(days=1))
    launching.look_again()
    assert Campaign.objects.get().launched_at is not None


def test_the_preflight_knows_segments(organization: Organization) -> None:
    campaign = Campaign.objects.create(organization=organization, name="C")
    campaign.segments.add(a_segment(organization, NEVER))

    def codes() -> set[str]:
        return {found.code for found in problems(campaign)} & {"no_contacts", "no_contacts_yet"}

    assert codes() == {"no_contacts"}
    campaign.ongoing = True
    assert codes() == {"no_contacts_yet"}
    someone(organization, 0)
    assert codes() == set()


def test_merged_tags_are_merged_in_segments(organization: Organization) -> None:
    someone(organization, 0, "One")
    someone(organization, 1, "Two")
    one, two = Tag.objects.order_by("name")
    segment = a_segment(organization, {"field": "tags", "is": "any", "value": [str(one.uuid)]}, NEVER)
    tagging.merge([one, two], two, actor="ada")
    segment.refresh_from_db()
    assert numbers(segment) == [0, 1]


# --- API


def test_the_api_makes_reads_and_changes_segments(api: ApiClient, organization: Organization) -> None:
    someone(organization, 0, "VIP")
    someone(organization, 1)
    made = api.post(SEGMENTS, {"name": "VIPs", "conditions": [{"field": "tags", "is": "any", "value": ["vip"]}, NEVER]})
    assert made.status_code == 201, made.content
    found = made.json()
    assert found["conditions"] == [{"field": "tags", "is": "any", "value": ["VIP"]}, NEVER]
    assert found["description"] == "Contacts with any of the tags “VIP”, never called."
    url = f"{SEGMENTS}{found['id']}/"
    assert api.get(url).json() == found == api.get(SEGMENTS).json()["results"][0]
    assert api.patch(url, found).json() == found
    assert [row["phone"] for row in api.get(f"{url}contacts/").json()["results"]] == ["+33612345600"]
    assert api.patch(url, {"conditions": [NEVER]}).json()["description"] == "Contacts never called."
    assert len(api.get(f"{url}contacts/").json()["results"]) == 2
    assert AuditEntry.objects.filter(action__startswith="segment.").count() == 2


@pytest.mark.parametrize("given", [None, [], [{"field": "x", "is": "y"}], [NEVER] * 21, {"field": "x"}])
def test_the_api_refuses_what_are_no_conditions(api: ApiClient, organization: Organization, given: Any) -> None:
    answer = api.post(SEGMENTS, {"name": "S", "conditions": given})
    assert answer.status_code == 400
    assert {each["field"].split(".")[0] for each in answer.json()["details"]} == {"conditions"}


def test_names_of_another_organization_do_not_exist(
    organization: Organization, contact_list: ContactList, client_for: KeyMaker
) -> None:
    other = Organization.objects.create(tenant=organization.tenant, name="Other", default_region="FR")
    someone(organization, 0, "VIP")
    api = client_for(other)
    for condition in (
        {"field": "tags", "is": "any", "value": ["VIP"]},
        {"field": "lists", "is": "in", "value": [str(contact_list.uuid)]},
    ):
        answer = api.post(SEGMENTS, {"name": "S", "conditions": [condition]})
        assert answer.status_code == 400, condition
        assert "There is no" in answer.json()["details"][0]["message"]
    foreign = a_segment(organization, NEVER)
    assert api.post(CAMPAIGNS, {"name": "C", "segments": [str(foreign.uuid)]}).status_code == 400


def test_a_campaign_has_segments_over_the_api(api: ApiClient, organization: Organization) -> None:
    someone(organization, 0)
    segment = a_segment(organization, NEVER)
    made = api.post(CAMPAIGNS, {"name": "C", "segments": [str(segment.uuid)]}).json()
    assert made["segments"] == [str(segment.uuid)]
    url = f"{CAMPAIGNS}{made['id']}/"
    assert api.get(f"{url}preflight/").json()["recipients"] == 1
    Campaign.objects.update(status="running")
    assert api.delete(f"{SEGMENTS}{segment.uuid}/").status_code == 409
    assert api.patch(url, {"segments": []}).status_code == 409
    Campaign.objects.update(status="canceled")
    assert api.delete(f"{SEGMENTS}{segment.uuid}/").status_code == 204
