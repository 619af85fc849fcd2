"""Work in the back office: launch a call, run a campaign, import contacts, resolve a doubt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.actions import campaigns
from calls.models import Call, Polling, Status
from campaigns.do_not_call import entries
from campaigns.imports import job, undo
from campaigns.models import CallingWindow, Campaign, Contact, ContactImport, ContactList, ContactListMember, Recipient
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import AuditEntry, Membership, Organization
from tests.campaigns.workbooks import archive, parts_of, sheet
from tests.conftest import an_account
from tests.test_admin import campaign_form
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db
LAUNCH = "/admin/calls/call/launch/"


@pytest.fixture
def operator(organization: Organization) -> Client:
    user = User.objects.create(username="olga", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="operator")
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def manager(organization: Organization) -> Client:
    user = User.objects.create(username="mona", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="manager")
    client = Client()
    client.force_login(user)
    return client


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


# Launch a call.


@pytest.fixture
def order(assistant: Assistant, phone_number: PhoneNumber) -> dict[str, Any]:
    assistant.variables = [
        {"name": "slot", "required": True, "description": "The time", "example": "9:30"},
        {"name": "clinic", "default": "Main street"},
    ]
    assistant.save()
    return {
        "assistant": assistant.pk,
        "phone_number": phone_number.pk,
        "to_number": "06 12 34 56 78",
        "customer_name": "Ada",
        "variable-slot": "Monday",
        "_launch": "1",
    }


def test_a_call_is_launched(operator: Client, order: dict[str, Any]) -> None:
    answer = operator.post(LAUNCH, order)
    call = Call.objects.get()
    assert answer.status_code == 302 and answer["Location"] == reverse("admin:calls_call_change", args=[call.pk])
    assert (call.status, call.to_number, call.created_by) == (Status.QUEUED, "+33612345678", "olga")
    assert call.dynamic_variables == {"slot": "Monday", "clinic": "Main street"}
    page = text_of(operator.get(answer["Location"]))
    assert "data-refresh" in page and "Queued" in page


def test_the_fields_come_from_the_assistant(operator: Client, order: dict[str, Any], account: ProviderAccount) -> None:
    other = ProviderAccount.objects.create(
        organization=account.organization,
        provider="allomia",
        name="B",
        base_url="https://b.example.org",
        credentials={"api_key": "k"},
    )
    PhoneNumber.objects.create(organization=account.organization, account=other, e164="+33142000077", external_id="x")
    Assistant.objects.create(organization=account.organization, account=other, name="Second", external_id="s")
    assert "Choose an assistant" in text_of(operator.get(LAUNCH))
    fields = text_of(operator.get(f"{LAUNCH}fields/", {"assistant": order["assistant"]}))
    assert "variable-slot" in fields and "The time" in fields
    assert "01 42 00 00 01 (FR)" in fields and "01 42 00 00 77" not in fields


def test_a_missing_variable_is_named(operator: Client, order: dict[str, Any]) -> None:
    answer = operator.post(LAUNCH, order | {"variable-slot": ""})
    assert answer.status_code == 200 and "This field is required" in text_of(answer)
    assert not Call.objects.exists()


def test_refusals_are_in_words(operator: Client, order: dict[str, Any], organization: Organization) -> None:
    entries.add(organization, "+33612345678", reason="asked", source="staff")
    assert "The number is on the do-not-call list." in text_of(operator.post(LAUNCH, order))
    assert "is not a phone number" in text_of(operator.post(LAUNCH, order | {"to_number": "12"}))
    assert "may not be called" in text_of(operator.post(LAUNCH, order | {"to_number": "+4915112345678"}))
    assert not Call.objects.exists()


def test_a_second_call_to_a_number_is_refused(operator: Client, order: dict[str, Any]) -> None:
    operator.post(LAUNCH, order)
    assert "already open" in text_of(operator.post(LAUNCH, order))
    assert Call.objects.count() == 1


def test_the_rules_can_be_asked_first(operator: Client, order: dict[str, Any], organization: Organization) -> None:
    order = {key: value for key, value in order.items() if key != "_launch"} | {"_check": "1"}
    assert "The call would be placed at once." in text_of(operator.post(LAUNCH, order))
    Organization.objects.update(calls_stopped=True)
    assert "The call would wait: All calls of the organization are stopped." in text_of(operator.post(LAUNCH, order))
    assert not Call.objects.exists() and not Contact.objects.exists()


def test_an_inactive_organization_launches_nothing(operator: Client, order: dict[str, Any]) -> None:
    Organization.objects.update(is_active=False)
    assert "The organization is inactive" in text_of(operator.post(LAUNCH, order))
    assert not Call.objects.exists()


def test_a_strangers_assistant_cannot_be_used(operator: Client, order: dict[str, Any], stranger: Organization) -> None:
    foreign = ProviderAccount.objects.create(
        organization=stranger,
        provider="allomia",
        name="S",
        base_url="https://s.example.org",
        credentials={"api_key": "k"},
    )
    hidden = Assistant.objects.create(organization=stranger, account=foreign, name="Hidden voice", external_id="h")
    answer = operator.post(LAUNCH, order | {"assistant": hidden.pk})
    assert answer.status_code == 200 and "Hidden voice" not in text_of(answer)
    number = PhoneNumber.objects.create(organization=stranger, account=foreign, e164="+33142000088", external_id="x")
    assert operator.post(LAUNCH, order | {"phone_number": number.pk}).status_code == 200
    assert not Call.objects.exists()


# One call.


@pytest.fixture
def doubtful(
    organization: Organization,
    account: ProviderAccount,
    assistant: Assistant,
    phone_number: PhoneNumber,
    contact: Contact,
) -> Call:
    now = timezone.now()
    return Call.objects.create(
        organization=organization,
        contact=contact,
        account=account,
        assistant=assistant,
        phone_number=phone_number,
        to_number=contact.phone,
        from_number=phone_number.e164,
        status=Status.UNCONFIRMED,
        dialed_at=now,
        polling=Polling(account=account, next_read_at=now + timedelta(hours=1)),
    )


def step(call: Call, name: str) -> str:
    return reverse("admin:calls_call_step", args=[call.pk, name])


def test_a_doubt_is_settled_as_placed(operator: Client, doubtful: Call) -> None:
    assert "1" in text_of(operator.get("/admin/")) and "06 12 34 56 78" in text_of(operator.get("/admin/"))
    assert "This field is required" in text_of(
        operator.post(step(doubtful, "confirm-placed"), {"provider_call_id": "x"})
    )
    operator.post(step(doubtful, "confirm-placed"), {"provider_call_id": " call_9 ", "reason": "seen in the dashboard"})
    doubtful.refresh_from_db()
    assert (doubtful.status, doubtful.provider_call_id) == (Status.PLACED, "call_9")
    page = text_of(operator.get(reverse("admin:calls_call_change", args=[doubtful.pk])))
    assert "seen in the dashboard" in page and "olga" in page


def test_a_doubt_is_released_with_a_reason(operator: Client, doubtful: Call) -> None:
    confirmation = text_of(operator.get(step(doubtful, "release")))
    assert "the contact is rung twice" in confirmation
    doubtful.refresh_from_db()
    assert doubtful.status == Status.UNCONFIRMED, "opening the page changes nothing"
    assert operator.post(step(doubtful, "release"), {"reason": " "}).status_code == 200
    operator.post(step(doubtful, "release"), {"reason": "not in their list"})
    doubtful.refresh_from_db()
    assert doubtful.status == Status.CANCELED
    again = operator.post(step(doubtful, "release"), {"reason": "twice"}, follow=True)
    assert "not possible any more" in text_of(again)


def test_a_queued_call_is_canceled(operator: Client, order: dict[str, Any]) -> None:
    operator.post(LAUNCH, order)
    call = Call.objects.get()
    operator.post(step(call, "cancel"))
    call.refresh_from_db()
    assert call.status == Status.CANCELED


def test_the_panel_of_a_call_stops_refreshing_at_its_end(operator: Client, doubtful: Call) -> None:
    url = reverse("admin:calls_call_panel", args=[doubtful.pk])
    assert "data-refresh" in text_of(operator.get(url))
    operator.post(step(doubtful, "release"), {"reason": "not in their list"})
    assert "data-refresh" not in text_of(operator.get(url))


# Campaigns.


@pytest.fixture
def campaign(organization: Organization, assistant: Assistant, phone_number: PhoneNumber, contact: Contact) -> Campaign:
    row = Campaign.objects.create(organization=organization, name="Reminders", assistant=assistant)
    people = ContactList.objects.create(organization=organization, name="December")
    ContactListMember.objects.create(contact_list=people, contact=contact)
    row.phone_numbers.add(phone_number)
    row.contact_lists.add(people)
    CallingWindow.objects.create(campaign=row, days=["mon"], opens=0, closes=1440)
    return row


def test_a_campaign_is_run_with_buttons(operator: Client, campaign: Campaign) -> None:
    def press(name: str) -> str:
        operator.post(reverse("admin:campaigns_campaign_step", args=[campaign.pk, name]))
        campaign.refresh_from_db()
        return str(campaign.status)

    url = reverse("admin:campaigns_campaign_change", args=[campaign.pk]) + "?tab=settings"
    panel = text_of(operator.get(reverse("admin:campaigns_campaign_panel", args=[campaign.pk])))
    assert "Start calling" in panel and "Before it can start" not in panel and "aria-disabled" not in panel
    confirmation = operator.get(reverse("admin:campaigns_campaign_step", args=[campaign.pk, "start"]))
    assert "Its lists have 1 entry." in text_of(confirmation)
    assert press("start") == "running"
    assert "data-refresh" in text_of(operator.get(url))
    assert press("pause") == "paused"
    assert press("resume") == "running"
    assert press("cancel") == "canceled"
    assert press("resume") == "canceled", "a canceled campaign stays canceled"
    assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"olga"}


def test_a_campaign_that_is_not_ready_says_why(operator: Client, campaign: Campaign) -> None:
    campaign.windows.all().delete()
    answer = operator.post(reverse("admin:campaigns_campaign_step", args=[campaign.pk, "start"]), follow=True)
    assert "Add at least one calling window" in text_of(answer)
    campaign.refresh_from_db()
    assert campaign.status == "draft"


def test_progress_is_shown(operator: Client, campaign: Campaign, organization: Organization) -> None:
    Campaign.objects.update(status="running", launched_at=timezone.now())
    for number, status in enumerate(("done", "done", "pending", "review")):
        person = Contact.objects.create(organization=organization, phone=f"+3361200000{number}")
        Recipient.objects.create(
            campaign=campaign,
            contact=person,
            status=status,
            outcome="completed" if status == "done" else "",
            reason="placeholder_values" if status == "review" else "",
        )
    page = text_of(operator.get(reverse("admin:campaigns_campaign_panel", args=[campaign.pk])))
    assert "50 %" in page and "Needs attention" in page and "1 recipient" in page
    people = text_of(
        operator.get(f"/admin/campaigns/recipient/?campaign__id__exact={campaign.pk}&status__exact=review")
    )
    assert "+33612000003" in people and "+33612000000" not in people


def test_a_draft_is_filled_in_on_one_page(manager: Client, campaign: Campaign) -> None:
    lists, numbers = campaign.contact_lists.get(), campaign.phone_numbers.get()
    form = campaign_form(
        assistant=campaign.assistant_id,
        phone_numbers=[numbers.pk],
        contact_lists=[lists.pk],
        holidays="2026-12-25, 2027-01-01",
        **{
            "variables-rows": "2",
            "variables-0-name": "slot",
            "variables-0-value": "{{ contact.variables.slot }}",
            "retry_rules-TOTAL_FORMS": "1",
            "retry_rules-0-outcome": "busy",
            "retry_rules-0-wait_minutes": "30",
            "retry_rules-0-multiplier": "1.5",
            "retry_rules-0-max_attempts": "2",
        },
    )
    manager.post("/admin/campaigns/campaign/add/", {"name": "New"})
    made = Campaign.objects.get(name="New")
    url = reverse("admin:campaigns_campaign_change", args=[made.pk]) + "?tab=settings"
    bad = manager.post(url, form | {"variables-0-value": "{{ contact.password }}", "windows-0-opens": "9 o'clock"})
    assert "is not understood" in text_of(bad) and "Write it like 09:00" in text_of(bad)
    answer = manager.post(url, form)
    assert answer.status_code == 302, text_of(answer)
    made.refresh_from_db()
    window = made.windows.get()
    assert (window.days, window.opens, window.closes) == (["mon", "tue"], 540, 1440)
    assert made.variables == {"slot": "{{ contact.variables.slot }}"} and made.holidays == ["2026-12-25", "2027-01-01"]
    assert made.retry_rules.get().wait_minutes == 30 and made.organization == campaign.organization
    page = text_of(manager.get(reverse("admin:campaigns_campaign_change", args=[made.pk]) + "?tab=settings"))
    assert 'value="09:00"' in page and 'value="24:00"' in page


def edited(campaign: Campaign, **fields: Any) -> dict[str, Any]:
    """Return the form of a campaign as its page shows it, with changes."""
    return campaign_form(
        **{
            "name": campaign.name,
            "phone_numbers": [row.pk for row in campaign.phone_numbers.all()],
            "contact_lists": [row.pk for row in campaign.contact_lists.all()],
            "windows-INITIAL_FORMS": "1",
            "windows-0-id": campaign.windows.get().pk,
            "windows-0-campaign": campaign.pk,
            **fields,
        }
    )


def test_a_running_campaign_is_edited_and_its_page_tells_what_was_changed(manager: Client, campaign: Campaign) -> None:
    campaigns.start(campaign, actor="olga")
    url = reverse("admin:campaigns_campaign_change", args=[campaign.pk]) + "?tab=settings"
    answer = manager.post(url, edited(campaign, max_attempts="5"))
    assert answer.status_code == 302, text_of(answer)
    campaign.refresh_from_db()
    assert (campaign.max_attempts, campaign.version, campaign.status) == (5, 2, "running")
    assert campaign.assistant is not None, "fields that a running campaign keeps are not in the form"
    page = text_of(manager.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk]), {"tab": "history"}))
    assert "Version 2" in page and "mona" in page
    assert "Maximum attempts per recipient: 3 → 5" in page
    assert "Calling windows: mon 00:00-24:00 → mon tue 09:00-24:00" in page


def test_a_refused_edit_changes_nothing_and_says_why(manager: Client, campaign: Campaign) -> None:
    campaigns.start(campaign, actor="olga")
    url = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    page = text_of(manager.post(url, edited(campaign, contact_lists=[], name="Other"), follow=True))
    assert "Withdraw the recipients who must not be called" in page and "was changed successfully" not in page
    campaign.refresh_from_db()
    assert (campaign.name, campaign.version, campaign.contact_lists.count()) == ("Reminders", 1, 1)


def test_a_form_opened_before_the_campaign_paused_itself_does_not_start_it_again(
    manager: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaigns.start(campaign, actor="olga")
    from calls.admin.campaigns.form import CampaignForm

    real = CampaignForm.clean

    def slow(self: Any) -> Any:
        Campaign.objects.update(status="paused", status_reason="The account is set up wrongly")
        return real(self)

    monkeypatch.setattr(CampaignForm, "clean", slow)
    manager.post(reverse("admin:campaigns_campaign_change", args=[campaign.pk]), edited(campaign, max_attempts="5"))
    campaign.refresh_from_db()
    assert (campaign.status, campaign.max_attempts) == ("paused", 5)


def test_other_assistants_are_of_the_same_organization(
    manager: Client, campaign: Campaign, account: ProviderAccount, stranger: Organization
) -> None:
    mine = Assistant.objects.create(organization=account.organization, account=account, name="Bea", external_id="b")
    theirs = Assistant.objects.create(
        organization=stranger, account=an_account(stranger), name="Foreign voice", external_id="f"
    )
    url = reverse("admin:campaigns_campaign_change", args=[campaign.pk]) + "?tab=settings"
    page = text_of(manager.get(url))
    assert "Bea" in page and "Foreign voice" not in page
    rows = {"variants-TOTAL_FORMS": "1", "variants-0-weight": "1", "variants-0-campaign": campaign.pk}
    form = edited(campaign, assistant=campaign.assistant_id)
    assert manager.post(url, form | rows | {"variants-0-assistant": theirs.pk}).status_code == 200
    own = manager.post(url, form | rows | {"variants-0-assistant": campaign.assistant_id})
    assert "is also among the other assistants" in text_of(own)
    assert manager.post(url, form | rows | {"variants-0-assistant": mine.pk}).status_code == 302
    assert campaign.variants.get().assistant == mine


@pytest.mark.time_machine(datetime(2027, 6, 7, 9, tzinfo=UTC))  # a Monday, 11:00 in Paris
def test_a_person_is_withdrawn_held_and_promised_a_call_back_with_buttons(
    operator: Client, campaign: Campaign, contact: Contact
) -> None:
    campaigns.start(campaign, actor="olga")
    Campaign.objects.update(legal_override="test")
    row = Recipient.objects.create(campaign=campaign, contact=contact)

    def press(step: str, **values: Any) -> str:
        url = reverse("admin:campaigns_recipient_step", args=[row.pk, step])
        return text_of(operator.post(url, values, follow=True))

    assert "This is in the past" in press("call-back", at="2020-01-01T10:00", tolerance="30")
    assert "is scheduled for" in press("call-back", at="2027-06-07T14:00", tolerance="30", note="After work")
    listed = text_of(operator.get("/admin/calls/callback/?status__exact=due"))
    assert "After work" in listed and "Reminders" in listed
    assert "is canceled" in press("cancel-call-back")
    assert "is on hold" in press("hold", reason="Complaint")
    page = text_of(operator.get(reverse("admin:campaigns_contact_change", args=[contact.pk])))
    assert "On hold." in page and "Complaint" in page
    assert "may be called again" in press("unhold")
    assert "is withdrawn" in press("withdraw")
    row.refresh_from_db()
    assert row.status == "withdrawn"


def test_lifting_the_legal_hours_is_kept(manager: Client, campaign: Campaign) -> None:
    url = reverse("admin:campaigns_campaign_change", args=[campaign.pk]) + "?tab=settings"
    window = campaign.windows.get()
    form = campaign_form(legal_override="Emergency recall") | {
        "windows-INITIAL_FORMS": "1",
        "windows-0-id": window.pk,
        "windows-0-campaign": campaign.pk,
    }
    assert manager.post(url, form).status_code == 302
    assert AuditEntry.objects.get(action="campaign.legal_override").detail == {"reason": "Emergency recall"}


# Imports.


CSV = b"Mobile;Full name;Slot\n06 12 34 56 01;Claire;9:30\nnonsense;Hugo;10:30\n"


@pytest.fixture
def people(organization: Organization) -> ContactList:
    return ContactList.objects.create(organization=organization, name="December")


def upload(name: str = "people.csv", content: bytes = CSV) -> dict[str, Any]:
    return {"file": SimpleUploadedFile(name, content)}


def kept(page: str) -> dict[str, str]:
    """Return the fields that the second page passes on from the first."""
    return {name: page.partition(f'name="{name}" value="')[2].partition('"')[0] for name in ("stored", "columns")}


def begin_import(client: Client, people: ContactList) -> ContactImport:
    url = reverse("admin:campaigns_contactlist_import", args=[people.pk])
    fields = {"column-0": "phone", "column-1": "name", "column-2": ""}
    client.post(url, kept(text_of(client.post(url, upload()))) | fields | {"_import": "1"})
    return ContactImport.objects.get()


def test_a_file_is_imported_after_a_look(operator: Client, people: ContactList) -> None:
    url = reverse("admin:campaigns_contactlist_import", args=[people.pk])
    page = text_of(operator.post(url, upload()))
    assert "06 12 34 56 01" in page and "Rejected:" in page and "Claire" in page and "Semicolon (detected)" in page
    assert "Of 2 rows <strong" in page and "1 would be rejected</strong> and 1 imported" in page
    assert not ContactImport.objects.exists()
    mapping = kept(page) | {"column-0": "phone", "column-1": "name", "column-2": ""}
    assert "Slot</span> 9:30" in page
    again = text_of(operator.post(url, mapping))
    assert "Slot</span> 9:30" not in again
    both = operator.post(url, {**mapping, "_import": "1", "column-1": "language", "column-2": "language"})
    assert both.status_code == 200 and "Two columns become language" in text_of(both)
    answer = operator.post(url, {**mapping, "_import": "1"})
    row = ContactImport.objects.get()
    assert answer["Location"] == reverse("admin:campaigns_contactimport_change", args=[row.pk])
    assert row.mapping == {"Mobile": "phone", "Full name": "name", "Slot": ""}
    assert "data-refresh" in text_of(operator.get(answer["Location"]))
    while not job.run_step(row.pk):
        pass
    row.refresh_from_db()
    page = text_of(operator.get(answer["Location"]))
    assert row.status == "completed" and "data-refresh" not in page and "nonsense" in page
    rejected = operator.get(reverse("admin:campaigns_contactimport_rejected", args=[row.pk]))
    assert b"nonsense" in rejected.getvalue()
    assert people.contacts.get().name == "Claire"
    count = text_of(operator.get(reverse("admin:campaigns_contactlist_counts"), {"ids": people.pk}))
    assert ">1<" in count


def test_the_people_of_the_only_list_are_its_people(operator: Client, people: ContactList, contact: Contact) -> None:
    page = text_of(operator.get(reverse("admin:campaigns_contact_changelist"), {"lists__id__exact": people.pk}))
    assert contact.phone not in page
    people.members.create(contact=contact)
    page = text_of(operator.get(reverse("admin:campaigns_contact_changelist"), {"lists__id__exact": people.pk}))
    assert contact.phone in page


def test_a_workbook_is_imported_after_a_look(operator: Client, people: ContactList) -> None:
    url = reverse("admin:campaigns_contactlist_import", args=[people.pk])
    file = archive(parts_of(sheet([["Mobile", "Name"], [612345601, "Claire"]]), sheet([]), names=("December", "Old")))
    page = text_of(operator.post(url, upload("people.xlsx", file)))
    assert (
        "06 12 34 56 01" in page and "only the first, &#x27;December&#x27;, is read" in page and "separated" not in page
    )
    operator.post(url, {**kept(page), "_import": "1", "column-0": "phone", "column-1": "name"})
    assert job.run_step(ContactImport.objects.get().pk, PATIENCE)
    assert people.contacts.get().name == "Claire"


def test_a_file_that_is_no_csv_is_refused_in_words(operator: Client, people: ContactList) -> None:
    url = reverse("admin:campaigns_contactlist_import", args=[people.pk])
    answer = operator.post(url, upload(content=b"%PDF-1.4"))
    assert answer.status_code == 200 and "This is a PDF" in text_of(answer)
    assert not ContactImport.objects.exists()


def test_a_stored_file_serves_its_own_list_and_person(operator: Client, manager: Client, people: ContactList) -> None:
    url = reverse("admin:campaigns_contactlist_import", args=[people.pk])
    token = kept(text_of(operator.post(url, upload())))["stored"]
    other = ContactList.objects.create(organization=people.organization, name="Other")
    elsewhere = reverse("admin:campaigns_contactlist_import", args=[other.pk])
    for client, where, stored in ((operator, elsewhere, token), (manager, url, token), (operator, url, f"{token}x")):
        answer = client.post(where, {"stored": stored, "_import": "1", "column-0": "phone"}, follow=True)
        assert "Choose it again" in text_of(answer)
    assert not ContactImport.objects.exists()


def test_an_import_is_canceled(operator: Client, people: ContactList) -> None:
    row = begin_import(operator, people)
    operator.post(reverse("admin:campaigns_contactimport_step", args=[row.pk, "cancel"]))
    row.refresh_from_db()
    assert row.status == "canceled"


def test_an_import_is_undone(operator: Client, manager: Client, people: ContactList) -> None:
    row = begin_import(operator, people)
    url = reverse("admin:campaigns_contactimport_step", args=[row.pk, "undo"])
    assert operator.get(url).status_code == 403, "an undo deletes contacts"
    assert "is not possible any more" in text_of(manager.get(url, follow=True)), "it has not started"
    while not job.run_step(row.pk):
        pass
    page = text_of(manager.get(url))
    assert "Deleted: 1 contact that this file created." in page and "Kept: 0 contacts that it created" in page
    assert "is being undone" in text_of(manager.post(url, follow=True))
    assert "0 contacts so far" in text_of(manager.get(reverse("admin:campaigns_contactimport_change", args=[row.pk])))
    assert undo.run_step(row.pk, PATIENCE)
    assert not Contact.objects.exists()
    page = text_of(manager.get(reverse("admin:campaigns_contactimport_change", args=[row.pk])))
    assert "1 contact was removed" in page and "Undo import" not in page


def test_an_import_that_brought_nothing_has_nothing_to_undo(manager: Client, people: ContactList) -> None:
    row = begin_import(manager, people)
    ContactImport.objects.filter(pk=row.pk).update(status="failed", error="The file is empty.", encoding="")
    page = text_of(manager.get(reverse("admin:campaigns_contactimport_change", args=[row.pk])))
    assert "The file is empty." in page and "Undo import" not in page and "Read as" not in page


def test_a_person_is_added_once(manager: Client, organization: Organization) -> None:
    form = {
        "phone": "06 12 34 56 78",
        "name": "Ada",
        "variables-rows": "1",
        "variables-0-name": "slot",
        "variables-0-value": "9:30",
    }
    assert manager.post("/admin/campaigns/contact/add/", form).status_code == 302
    assert "a contact with this number already" in text_of(manager.post("/admin/campaigns/contact/add/", form))
    row = Contact.objects.get()
    assert (row.phone, row.variables) == ("+33612345678", {"slot": "9:30"})
    url = reverse("admin:campaigns_contact_change", args=[row.pk])
    assert manager.post(url, form | {"phone": "0799999999", "name": "Eve"}).status_code == 302
    row.refresh_from_db()
    assert (row.phone, row.name) == ("+33612345678", "Eve"), "a new number is a new contact"
