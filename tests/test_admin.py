"""Every page of the back office works, shows only its organization's data, and follows the role."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from calls.models import Call, CallBack, CallEvent, Heartbeat, Polling, ProviderCallback, Status, WebhookDelivery
from campaigns.do_not_call import entries
from campaigns.imports import saved_mappings
from campaigns.models import (
    CallingWindow,
    Campaign,
    Contact,
    ContactImport,
    ContactList,
    ContactListMember,
    ContactTag,
    DoNotCall,
    Recipient,
    Segment,
    Tag,
)
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.backoffice.scoped_admin import page_of
from tenants.models import Alert, ApiKey, AuditEntry, Membership, Organization, WebhookEndpoint
from tenants.policy import Level
from tests.conftest import an_account
from tests.tables import cases, rolled_back

pytestmark = pytest.mark.django_db

CANARY = "canary-key-0123456789"
SignIn = Callable[..., Client]


@pytest.fixture
def sign_in() -> SignIn:
    """`sign_in(organization, "operator")`; without an organization a superuser."""

    def make(organization: Organization | None = None, role: str = "viewer") -> Client:
        name = f"{role}-{organization.pk}" if organization else "super"
        user = User.objects.create(username=name, is_staff=True, is_superuser=organization is None)
        if organization:
            Membership.objects.create(user=user, organization=organization, role=role)
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def world(
    organization: Organization,
    account: ProviderAccount,
    assistant: Assistant,
    phone_number: PhoneNumber,
    contact: Contact,
) -> dict[str, models.Model]:
    """Return one row of each model, by model name."""
    now = timezone.now()
    account.name, account.credentials = "Our own sign-in", {"api_key": CANARY}
    account.save()
    people = ContactList.objects.create(organization=organization, name="Winter patients")
    ContactListMember.objects.create(contact_list=people, contact=contact)
    campaign = Campaign.objects.create(organization=organization, name="Reminders", assistant=assistant)
    campaign.phone_numbers.add(phone_number)
    campaign.contact_lists.add(people)
    CallingWindow.objects.create(campaign=campaign, days=["mon"], opens=0, closes=1440)
    recipient = Recipient.objects.create(campaign=campaign, contact=contact)
    call = Call.objects.create(
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
        callback_token="token-that-nobody-may-see",
        cost_price=Decimal(1),
    )
    CallEvent.objects.create(
        call=call, type="unconfirmed", source="response", detail="Lost.", raw=f"echo {CANARY}".encode()
    )
    a_tag = Tag.objects.create(organization=organization, name="VIP")
    ContactTag.objects.create(tag=a_tag, contact=contact)
    vip: list[dict[str, Any]] = [{"field": "tags", "is": "any", "value": [str(a_tag.uuid)]}]
    segment = Segment.objects.create(organization=organization, name="VIPs", conditions=vip)
    campaign.segments.add(segment)
    entry, _ = entries.add(organization, "+33612345699", reason="asked", source="staff")
    endpoint = WebhookEndpoint.objects.create(organization=organization, url="https://example.org/hook")
    return {
        "organization": organization,
        "apikey": ApiKey.issue(tenant=organization.tenant, organization=organization, name="CRM", scopes=["read"])[0],
        "auditentry": AuditEntry.objects.create(organization=organization, actor="a", action="b", subject="c"),
        "provideraccount": account,
        "assistant": assistant,
        "phonenumber": phone_number,
        "contact": contact,
        "contactlist": people,
        "segment": segment,
        "tag": a_tag,
        "contactimport": ContactImport.objects.create(organization=organization, contact_list=people, filename="a.csv"),
        "importmapping": saved_mappings.remember(organization, "CRM export", ["Tel"], {"Tel": "phone"}, "olga"),
        "donotcall": entry,
        "campaign": campaign,
        "recipient": recipient,
        "callback": CallBack.objects.create(
            organization=organization,
            contact=contact,
            recipient=recipient,
            due_at=now,
            latest_at=now + timedelta(minutes=30),
        ),
        "call": call,
        "providercallback": ProviderCallback.objects.create(
            call=call, account=account, verification="unsigned", body=b"{}"
        ),
        "alert": Alert.objects.create(
            organization=organization,
            key=f"account.blocked:{account.uuid}",
            message="Something is wrong.",
            subject=str(account.uuid),
        ),
        "webhookendpoint": endpoint,
        "webhookdelivery": WebhookDelivery.objects.create(
            organization=organization, endpoint=endpoint, call=call, url=endpoint.url, host="example.org"
        ),
    }


def pages_of(row: models.Model) -> Iterator[str]:
    """Return every address about one row, from the resolver."""
    page = page_of(type(row))
    for pattern in page.get_urls():
        if not pattern.name or ("pk" not in str(pattern.pattern) and "object_id" not in str(pattern.pattern)):
            continue
        if pattern.name.endswith("_step"):
            for step in page.steps:
                yield reverse(f"admin:{pattern.name}", args=[row.pk, step.name])
        elif not pattern.name.endswith(
            ("_rejected", "_results", "_campaign_calls", "_password_change")
        ):  # tests/tenants/test_routes.py
            yield reverse(f"admin:{pattern.name}", args=[row.pk])


def lists() -> Iterator[str]:
    for model in admin.site._registry:
        yield reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


OWN_PAGES = (
    "admin:index",
    "admin:calls_call_launch",
    "admin:calls_call_overview",
    "admin:calls_call_today",
    "admin:calls_call_legal_hours",
    "admin:campaigns_contactlist_counts",
    "admin:campaigns_campaign_listed",
)


def test_every_page_answers_a_superuser(sign_in: SignIn, world: dict[str, models.Model]) -> None:
    client = sign_in()
    Heartbeat.objects.create(worker="w", slot=1)
    for url in [*lists(), *map(reverse, OWN_PAGES)]:
        assert client.get(url).status_code == 200, url
    for row in world.values():
        for url in pages_of(row):
            answer = client.get(url)
            expected = {200, 302} if "/do/" in url else {200, 403} if url.endswith("/delete/") else {200}
            assert answer.status_code in expected, (url, answer.status_code)
            assert CANARY not in answer.content.decode(), url
            assert "token-that-nobody-may-see" not in answer.content.decode(), url


@cases(
    "path",
    [
        "providers/provideraccount/add/?provider=allomia",
        "providers/provideraccount/add/?provider=polyai",
        "providers/provideraccount/add/?provider=plumvoice",
        "providers/provideraccount/add/?provider=callingbox",
        "providers/provideraccount/add/",
        "providers/assistant/add/",
        "providers/phonenumber/add/",
        "campaigns/contact/add/",
        "campaigns/contactlist/add/",
        "campaigns/campaign/add/",
        "campaigns/donotcall/add/",
        "tenants/apikey/add/",
        "tenants/organization/add/",
        "auth/user/add/",
    ],
)
@rolled_back
def test_every_form_for_something_new_answers(sign_in: SignIn, world: dict[str, models.Model], path: str) -> None:
    assert sign_in().get(f"/admin/{path}").status_code == 200


def test_no_page_has_a_word_of_another_organization(
    sign_in: SignIn, world: dict[str, models.Model], stranger: Organization
) -> None:
    client = sign_in(stranger, "admin")
    words = (
        "Reminders",
        "Winter patients",
        "Our own sign-in",
        "+33612345678",
        "06 12 34 56 78",
        "+33612345699",
        "Acme",
        "a.csv",
    )
    for url in [*lists(), *map(reverse, OWN_PAGES)]:
        text = client.get(url).content.decode()
        for word in words:
            assert word not in text, (url, word)


def test_lists_filters_and_choices_hold_nothing_of_others(
    sign_in: SignIn, world: dict[str, models.Model], stranger: Organization
) -> None:
    client = sign_in(stranger, "admin")
    counts = client.get(reverse("admin:campaigns_contactlist_counts"), {"ids": world["contactlist"].pk})
    assert f"count-{world['contactlist'].pk}" not in counts.content.decode()
    form = client.get("/admin/campaigns/campaign/add/").content.decode()
    assert "Reminder" not in form and "Winter patients" not in form
    own = ContactList.objects.create(organization=stranger, name="Mine")
    answer = client.post(
        "/admin/campaigns/campaign/add/", {"name": "New", "contact_lists": [own.pk, world["contactlist"].pk]}
    )
    assert answer.status_code == 200
    assert not Campaign.objects.filter(organization=stranger).exists()
    draft = Campaign.objects.create(organization=stranger, name="New")
    sent = {**campaign_form(), "assistant": world["assistant"].pk, "contact_lists": [own.pk]}
    answer = client.post(reverse("admin:campaigns_campaign_change", args=[draft.pk]), sent)
    assert answer.status_code == 200 and not draft.contact_lists.exists()


def campaign_form(**fields: Any) -> dict[str, Any]:
    return {
        "name": "New",
        "variables-rows": "0",
        "max_attempts": "3",
        "budget_currency": "USD",
        "windows-TOTAL_FORMS": "1",
        "windows-INITIAL_FORMS": "0",
        "windows-0-days": ["mon", "tue"],
        "windows-0-opens": "09:00",
        "windows-0-closes": "24:00",
        "retry_rules-TOTAL_FORMS": "0",
        "retry_rules-INITIAL_FORMS": "0",
        "variants-TOTAL_FORMS": "0",
        "variants-INITIAL_FORMS": "0",
        "assistant_weight": "1",
        "number_choice": "rotate",
        "contact_zone_rule": "both_open",
        "priority": "1",
        **fields,
    }


@pytest.mark.parametrize(
    ("path", "levels"),
    [
        ("campaigns/campaign/add/", {"manager", "admin"}),
        ("providers/provideraccount/add/?provider=allomia", {"manager", "admin"}),
        ("campaigns/contact/add/", {"manager", "admin"}),
        ("campaigns/donotcall/add/", {"operator", "manager", "admin"}),
        ("campaigns/contactlist/add/", {"operator", "manager", "admin"}),
        ("calls/call/launch/", {"operator", "manager", "admin"}),
        ("tenants/apikey/add/", {"admin"}),
        ("tenants/apikey/", {"admin"}),
        ("tenants/auditentry/", {"manager", "admin"}),
        ("tenants/organization/add/", set()),
        ("auth/user/", set()),
        ("django_q/failure/", set()),
        ("axes/accessattempt/", set()),
        ("campaigns/campaign/", {"viewer", "operator", "manager", "admin"}),
    ],
)
def test_roles(sign_in: SignIn, organization: Organization, path: str, levels: set[str]) -> None:
    for role in ("viewer", "operator", "manager", "admin"):
        expected = 200 if role in levels else 403
        assert sign_in(organization, role).get(f"/admin/{path}").status_code == expected, role


def test_steps_follow_the_role(sign_in: SignIn, world: dict[str, models.Model], organization: Organization) -> None:
    viewer, operator = sign_in(organization, "viewer"), sign_in(organization, "operator")
    for row in world.values():
        page = page_of(type(row))
        for step in page.steps:
            url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_step", args=[row.pk, step.name])
            assert viewer.post(url).status_code in {403, 404}, url
            if step.action.role > Level.OPERATOR:
                assert operator.post(url).status_code in {403, 404}, url


def test_a_viewer_changes_nothing(sign_in: SignIn, world: dict[str, models.Model], organization: Organization) -> None:
    client = sign_in(organization, "viewer")
    for name in ("provideraccount", "assistant", "phonenumber", "contact", "contactlist", "campaign", "organization"):
        row = world[name]
        url = reverse(f"admin:{row._meta.app_label}_{name}_change", args=[row.pk])
        assert client.get(url).status_code == 200
        assert client.post(url, {"name": "Changed"}).status_code == 403, name


def test_staff_without_a_membership_see_an_empty_house(sign_in: SignIn, organization: Organization) -> None:
    client = sign_in(organization, "viewer")
    Membership.objects.all().delete()
    assert "do not belong to an organization" in client.get("/admin/").content.decode()
    assert client.get("/admin/calls/call/").status_code == 403


def test_secrets_cannot_be_guessed_by_filters(
    sign_in: SignIn, world: dict[str, models.Model], organization: Organization
) -> None:
    client = sign_in(organization, "viewer")
    for query in ("callback_token__startswith=t", "account__credentials__contains=a", "reference__startswith=a"):
        assert client.get(f"/admin/calls/call/?{query}").status_code == 400, query
    assert client.get("/admin/providers/provideraccount/?hook_token__startswith=a").status_code == 400
    assert client.get("/admin/calls/call/?status__exact=unconfirmed").status_code == 200


def test_what_machines_write_people_only_read(sign_in: SignIn, world: dict[str, models.Model]) -> None:
    client = sign_in()
    for name in (
        "call",
        "recipient",
        "providercallback",
        "webhookdelivery",
        "auditentry",
        "contactimport",
        "alert",
    ):
        row = world[name]
        change = reverse(f"admin:{row._meta.app_label}_{name}_change", args=[row.pk])
        assert client.post(change, {}).status_code == 403, name
        assert client.get(reverse(f"admin:{row._meta.app_label}_{name}_add")).status_code == 403, name
    assert not admin.site.is_registered(Schedule)
    assert client.get(reverse("admin:django_q_ormq_add")).status_code == 403
    assert admin.site.is_registered(OrmQ)


def test_every_page_is_the_themes(sign_in: SignIn) -> None:
    from unfold.admin import ModelAdmin

    for model, page in admin.site._registry.items():
        assert isinstance(page, ModelAdmin), model


@pytest.mark.parametrize(
    ("model", "budget"),
    [
        ("calls_call", 11),
        ("campaigns_contact", 14),
        ("campaigns_campaign", 11),
        ("campaigns_recipient", 11),
        ("tenants_apikey", 9),
    ],
)
def test_lists_ask_a_fixed_number_of_questions(
    sign_in: SignIn, world: dict[str, Any], organization: Organization, model: str, budget: int
) -> None:
    client = sign_in(organization, "admin")
    url = reverse(f"admin:{model}_changelist")
    counts = []
    for batch in range(2):
        for number in range(5):
            contact = Contact.objects.create(organization=organization, phone=f"+3361200{batch}00{number}")
            campaign = Campaign.objects.create(organization=organization, name="C", assistant=world["assistant"])
            Recipient.objects.create(campaign=campaign, contact=contact)
            Call.objects.create(
                organization=organization,
                contact=contact,
                account=world["provideraccount"],
                assistant=world["assistant"],
                phone_number=world["phonenumber"],
                to_number=contact.phone,
                from_number="+33142000001",
                campaign=campaign,
            )
            ApiKey.issue(tenant=organization.tenant, organization=organization, name="k", scopes=["read"])
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= budget, [query["sql"][:120] for query in queries]


def test_the_dashboard_asks_few_questions(
    sign_in: SignIn, world: dict[str, models.Model], organization: Organization
) -> None:
    client = sign_in(organization, "viewer")
    with CaptureQueriesContext(connection) as queries:
        text = client.get("/admin/").content.decode()
    assert len(queries) <= 15
    assert "06 12 34 56 78" in text and "Needs attention" in text


def test_an_empty_house_shows_the_way(sign_in: SignIn, organization: Organization) -> None:
    text = sign_in(organization, "manager").get("/admin/").content.decode()
    steps = [
        "Add a provider account",
        "Add an assistant",
        "Add a caller number",
        "Import contacts",
        "Create a campaign",
    ]
    positions = [text.index(step) for step in steps]
    assert positions == sorted(positions)


@pytest.mark.parametrize("term", ["+3361234", "06 12 34 56 78", "0612345", "Ada", "ada"])
def test_people_are_found_as_people_write_them(
    sign_in: SignIn, world: dict[str, models.Model], organization: Organization, term: str
) -> None:
    client = sign_in(organization, "viewer")
    assert "+33612345678" in client.get("/admin/campaigns/contact/", {"q": term}).content.decode()
    assert "+33612345678" not in client.get("/admin/campaigns/contact/", {"q": "0799"}).content.decode()


# Organizations, keys, accounts, assistants: the forms.


def test_an_empty_list_offers_what_comes_first(sign_in: SignIn, organization: Organization) -> None:
    def offered(model: str) -> list[str]:
        page = client.get(reverse(f"admin:{model}_changelist")).content.decode()
        return re.findall(r'class="tl-button tl-primary" href="[^"]*">([^<]+)<', page.partition('class="tl-empty"')[2])

    client = sign_in(organization, "admin")
    assert offered("providers_assistant") == offered("providers_phonenumber") == ["New provider account"]
    assert offered("campaigns_contact") == ["Import contacts"]
    an_account(organization)
    assert offered("providers_assistant") == ["New assistant"]
    assert offered("providers_phonenumber") == ["New caller number"]


def test_the_kill_switch(sign_in: SignIn, organization: Organization) -> None:
    client = sign_in(organization, "manager")
    url = reverse("admin:tenants_organization_step", args=[organization.pk, "stop-calls"])
    assert "no campaign, no single call, no call by API" in client.get(url).content.decode()
    organization.refresh_from_db()
    assert not organization.calls_stopped
    client.post(url)
    organization.refresh_from_db()
    assert organization.calls_stopped
    assert (
        "All calls are stopped"
        in client.get(reverse("admin:tenants_organization_change", args=[organization.pk])).content.decode()
    )
    client.post(reverse("admin:tenants_organization_step", args=[organization.pk, "allow-calls"]))
    organization.refresh_from_db()
    assert not organization.calls_stopped


def test_people_are_added_by_name(sign_in: SignIn, organization: Organization) -> None:
    client = sign_in(organization, "admin")
    User.objects.create(username="new", is_staff=True)
    mine = Membership.objects.get()
    form = {
        "name": "Acme",
        "timezone": "Europe/Paris",
        "default_region": "FR",
        "allowed_countries": ["FR", "BE"],
        "single_call_hours": "legal",
        "min_gap_minutes": "240",
        "max_attempts_per_day": "3",
        "daily_budget_currency": "EUR",
        "memberships-TOTAL_FORMS": "2",
        "memberships-INITIAL_FORMS": "1",
        "memberships-0-id": mine.pk,
        "memberships-0-organization": organization.pk,
        "memberships-0-role": "admin",
        "memberships-1-organization": organization.pk,
        "memberships-1-username": "nobody",
        "memberships-1-role": "operator",
    }
    url = reverse("admin:tenants_organization_change", args=[organization.pk])
    assert "No user has this e-mail address yet" in client.post(url, form).content.decode()
    answer = client.post(url, {**form, "memberships-1-username": "new"})
    assert answer.status_code == 302, answer.content.decode()
    assert Membership.objects.get(user__username="new").role == "operator"
    organization.refresh_from_db()
    assert organization.allowed_countries == ["FR", "BE"] and organization.daily_budget_currency == "EUR"
    page = client.get(url).content.decode()
    assert re.search(r"Countries that may be called</dt><dd>Belgium \(BE\), France \(FR\), French ", page)
    assert AuditEntry.objects.filter(action="organization.changed").exists()
    assert AuditEntry.objects.get(action="organization.people_changed").detail["new"] == "operator"


def test_a_manager_gives_nobody_a_role(sign_in: SignIn, organization: Organization) -> None:
    text = (
        sign_in(organization, "manager")
        .get(reverse("admin:tenants_organization_change", args=[organization.pk]))
        .content.decode()
    )
    assert "memberships-0-role" not in text and "memberships-TOTAL_FORMS" not in text


def test_an_api_key_is_shown_once(sign_in: SignIn, organization: Organization) -> None:
    client = sign_in(organization, "admin")
    answer = client.post("/admin/tenants/apikey/add/", {"name": "CRM", "scope": "call", "whole_tenant": "on"})
    key = re.search(r"tl_[A-Za-z0-9_-]{40,}", answer.content.decode())
    assert key and "no-store" in answer["Cache-Control"]
    row = ApiKey.objects.get()
    assert row.digest == ApiKey.digest_of(key[0]) and row.scopes == ["call"]
    assert row.organization == organization, "only a superuser may grant a whole tenant"
    page = reverse("admin:tenants_apikey_change", args=[row.pk])
    assert key[0] not in client.get(page).content.decode()
    client.post(reverse("admin:tenants_apikey_step", args=[row.pk, "revoke"]))
    row.refresh_from_db()
    assert row.revoked_at


def account_form(**fields: Any) -> dict[str, Any]:
    return {
        "name": "Box",
        "base_url": "https://api.example.org",
        "is_active": "on",
        "calls_per_second": "1",
        "max_open_calls": "10",
        "reads_per_second": "5",
        "max_unconfirmed": "5",
        "price_per_minute_currency": "USD",
        **fields,
    }


def test_credentials_are_written_and_never_shown(sign_in: SignIn, organization: Organization) -> None:
    client = sign_in(organization, "manager")
    add = "/admin/providers/provideraccount/add/?provider=callingbox"
    assert "This field is required" in client.post(add, account_form()).content.decode()
    form = account_form(secret_api_key=CANARY, secret_webhook_secret="whsec_1234567890", option_generation="prompt")
    assert client.post(add, form).status_code == 302
    row = ProviderAccount.objects.get()
    assert row.credentials == {"api_key": CANARY, "webhook_secret": "whsec_1234567890"}
    assert row.options == {"generation": "prompt"} and row.organization == organization
    url = reverse("admin:providers_provideraccount_change", args=[row.pk])
    text = client.get(url).content.decode()
    assert "••••6789" in text and CANARY not in text
    assert CANARY not in client.post(url, account_form(name="")).content.decode()

    assert client.post(url, account_form(name="Renamed")).status_code == 302
    row.refresh_from_db()
    assert row.name == "Renamed" and row.credentials["api_key"] == CANARY, "an empty field keeps the stored value"

    moved = account_form(base_url="https://elsewhere.example.org")
    assert "enter this again" in client.post(url, moved).content.decode()
    assert client.post(url, {**moved, "secret_api_key": "another-key-0123456789"}).status_code == 302
    row.refresh_from_db()
    assert row.credentials == {"api_key": "another-key-0123456789"}, "no old secret is sent to a new address"
    assert CANARY not in str(list(AuditEntry.objects.values_list("detail", flat=True)))


def test_a_blocked_account_is_unblocked(sign_in: SignIn, account: ProviderAccount) -> None:
    ProviderAccount.objects.update(
        blocked_at=timezone.now(), blocked_code="misconfigured", blocked_reason="The key is wrong."
    )
    client = sign_in(account.organization, "manager")
    assert (
        "The key is wrong."
        in client.get(reverse("admin:providers_provideraccount_change", args=[account.pk])).content.decode()
    )
    client.post(reverse("admin:providers_provideraccount_step", args=[account.pk, "unblock"]))
    account.refresh_from_db()
    assert account.blocked_at is None


def test_an_account_that_does_not_answer_says_so(sign_in: SignIn, account: ProviderAccount) -> None:
    client = sign_in(account.organization, "manager")
    url = reverse("admin:providers_provideraccount_step", args=[account.pk, "check"])
    assert "does not accept" in client.post(url, follow=True).content.decode()


def test_an_assistants_variables_are_rows(sign_in: SignIn, account: ProviderAccount) -> None:
    client = sign_in(account.organization, "manager")
    form = {
        "name": "Reminder",
        "external_id": "as_1",
        "is_active": "on",
        "variables-rows": "3",
        "variables-0-name": "slot",
        "variables-0-required": "1",
        "variables-0-example": "9:30",
        "variables-1-name": "clinic",
        "variables-1-default": "Main street",
    }
    assert client.post("/admin/providers/assistant/add/", {**form, "variables-1-name": "not a name"}).status_code == 200
    assert client.post("/admin/providers/assistant/add/", form).status_code == 302
    row = Assistant.objects.get()
    assert row.variables == [
        {"name": "slot", "required": True, "example": "9:30"},
        {"name": "clinic", "required": False, "default": "Main street"},
    ]
    text = client.get(reverse("admin:providers_assistant_change", args=[row.pk])).content.decode()
    assert 'value="Main street"' in text


def test_an_assistants_opt_out_rules_are_rows(sign_in: SignIn, assistant: Assistant) -> None:
    client = sign_in(assistant.organization, "manager")
    url = reverse("admin:providers_assistant_change", args=[assistant.pk])
    form = {
        "name": "Reminder",
        "external_id": "as_1",
        "is_active": "on",
        "variables-rows": "0",
        "opt_out_rules-rows": "2",
        "opt_out_rules-0-field": "result.opt_out",
        "opt_out_rules-0-equals": "true",
    }
    assert "is not a known field" in client.post(url, {**form, "opt_out_rules-0-field": "mood"}).content.decode()
    assert "needs field and equals" in client.post(url, {**form, "opt_out_rules-0-equals": ""}).content.decode()
    assert client.post(url, form).status_code == 302
    assistant.refresh_from_db()
    assert assistant.opt_out_rules == [{"field": "result.opt_out", "equals": "true"}]
    assert 'value="result.opt_out"' in client.get(url).content.decode()
    viewed = sign_in(assistant.organization, "viewer").get(url).content.decode()
    assert "result.opt_out is true" in viewed


def test_limits_of_money_and_numbers_are_kept(
    sign_in: SignIn, account: ProviderAccount, phone_number: PhoneNumber
) -> None:
    client = sign_in(account.organization, "manager")
    url = reverse("admin:providers_provideraccount_change", args=[account.pk])
    form = account_form(base_url=account.base_url, reserved_minutes="4.5", daily_budget="20")
    assert client.post(url, form).status_code == 302
    account.refresh_from_db()
    assert (account.reserved_minutes, account.daily_budget) == (Decimal("4.5"), Decimal(20))
    assert client.post(url, {**form, "reserved_minutes": "", "daily_budget": ""}).status_code == 302
    account.refresh_from_db()
    assert (account.reserved_minutes, account.daily_budget) == (Decimal(3), None)
    url = reverse("admin:providers_phonenumber_change", args=[phone_number.pk])
    form = {"external_id": "pn", "is_active": "on", "max_calls_per_day": "80", "rest_seconds": "30"}
    assert client.post(url, form).status_code == 302
    phone_number.refresh_from_db()
    assert (phone_number.max_calls_per_day, phone_number.rest_seconds) == (80, 30)
    assert client.post(url, {**form, "max_calls_per_day": "", "rest_seconds": ""}).status_code == 302
    phone_number.refresh_from_db()
    assert (phone_number.max_calls_per_day, phone_number.rest_seconds) == (None, 0)


def test_a_prompt_with_results(sign_in: SignIn, organization: Organization) -> None:
    account = ProviderAccount.objects.create(
        organization=organization,
        provider="callingbox",
        name="Box",
        base_url="https://a.example.org",
        credentials={"api_key": "k"},
    )
    form = {
        "name": "Survey",
        "is_active": "on",
        "variables-rows": "0",
        "option_prompt": "Ask.",
        "option_returns-rows": "1",
        "option_returns-0-name": "satisfied",
        "option_returns-0-value": "boolean",
    }
    assert (
        sign_in(organization, "manager").post(f"/admin/providers/assistant/add/?account={account.pk}", form).status_code
        == 302
    )
    assert Assistant.objects.get().options == {"prompt": "Ask.", "returns": {"satisfied": "boolean"}}


def test_a_caller_number_needs_what_its_provider_needs(sign_in: SignIn, account: ProviderAccount) -> None:
    client = sign_in(account.organization, "manager")
    form = {"e164": "+33142000009", "is_active": "on"}
    assert (
        "Copy it from the AlloMia dashboard" in client.post("/admin/providers/phonenumber/add/", form).content.decode()
    )
    assert client.post("/admin/providers/phonenumber/add/", {**form, "external_id": "pn"}).status_code == 302
    again = client.post("/admin/providers/phonenumber/add/", {**form, "external_id": "pn"})
    assert "already has this number" in again.content.decode()


def test_the_members_of_the_model_still_refuse(account: ProviderAccount, stranger: Organization) -> None:
    with pytest.raises(ValidationError):
        Assistant(organization=stranger, account=account, name="X", external_id="x").full_clean()


def test_the_do_not_call_list(sign_in: SignIn, organization: Organization) -> None:
    client = sign_in(organization, "operator")
    add = "/admin/campaigns/donotcall/add/"
    assert "is required" in client.post(add, {"phone": "06 12 34 56 78"}).content.decode()
    assert client.post(add, {"phone": "06 12 34 56 78", "reason": "asked"}).status_code == 302
    row = DoNotCall.objects.get()
    assert row.phone == "+33612345678" and row.source == f"operator-{organization.pk}"
    listed: Any = client.get("/admin/campaigns/contact/")
    assert listed.context_data["cl"].result_list[0].listed
    remove = reverse("admin:campaigns_donotcall_step", args=[row.pk, "remove"])
    assert client.post(remove, {"reason": "mistake"}).status_code == 403
    manager = sign_in(organization, "manager")
    assert manager.post(remove, {"reason": ""}).status_code == 200
    assert DoNotCall.objects.exists()
    manager.post(remove, {"reason": "a mistake"})
    assert not DoNotCall.objects.exists()
    assert AuditEntry.objects.filter(action="do_not_call.removed").exists()
