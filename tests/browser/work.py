"""Data for the browser tests: an organization with calls and some trouble, and an empty one."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.utils import timezone

from calls.actions import campaigns, recipients, scheduled_callbacks
from calls.models import Call, CallBack, CallEvent, Status, WebhookDelivery
from calls.outcomes import circuit_breaker
from calls.webhooks import outbox
from campaigns import launching
from campaigns.do_not_call import entries
from campaigns.models import (
    CallingWindow,
    Campaign,
    CampaignVariant,
    Contact,
    ContactImport,
    ContactList,
    DoNotCall,
    Recipient,
)
from config.demo import sample
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants import alerts, audit_log
from tenants.models import Alert, AuditEntry, Membership, Organization, WebhookEndpoint
from tests.calls import support

NEWCOMER = "newcomer@example.org"
WHO = "demo@example.org"
S = Status


def nothing_yet(password: str) -> Organization:
    """An organization created a minute ago, with a new team member."""
    organization = Organization.objects.create(
        tenant=Organization.objects.get().tenant, name="Harbour pharmacy", timezone="Europe/Lisbon", default_region="PT"
    )
    user = User.objects.create_user(NEWCOMER, NEWCOMER, password, is_staff=True)
    Membership.objects.create(user=user, organization=organization, role=Membership.Role.ADMIN)
    return organization


def done(organization: Organization, text: str = "They asked to be called in the morning.") -> None:
    """The demo's data without its processes: calls with every outcome, and `text` about them."""
    assistants = sample.set_up(organization, "http://127.0.0.1:9")
    everybody = [number for each in sample.TEAMS for number in sample.numbers(each, 4)]
    people = support.people(organization, everybody, name="Ada Roy", variables={"appointment": "Tuesday 9:30"})
    for assistant, each in zip(assistants, sample.TEAMS, strict=True):
        Contact.objects.filter(phone__in=sample.numbers(each, 4)).update(
            variables={"appointment": "Tuesday 9:30", "team": each.slug}
        )
        sample.campaign(assistant, people)
    campaign = Campaign.objects.earliest("pk")
    number = campaign.phone_numbers.get()
    now = timezone.now()
    for phone, status in zip(everybody, (S.COMPLETED, S.NO_ANSWER, S.FAILED, S.QUEUED), strict=False):
        ended = {} if status == S.QUEUED else {"dialed_at": now, "terminal_at": now, "ended_reason": "hangup"}
        result = {"confirmed": True, "note": text} if status == S.COMPLETED else None
        call = support.single(number, phone, campaign=campaign, status=status, result=result, **ended)
        CallEvent.objects.create(
            call=call, type="status", to_status=status, source="read", detail=text, raw=text.encode()
        )


def trouble(organization: Organization) -> None:
    """One of each problem that needs attention, for an organization with `done` or a demo."""
    reminder = Campaign.objects.filter(organization=organization).earliest("pk")
    waiting = _waiting(organization, reminder)
    _other_campaigns(reminder)
    _doubt(organization)
    _people(organization, waiting)
    plum = organization.provider_accounts.get(provider="plumvoice")
    circuit_breaker.block(plum.pk, "misconfigured", "Plum Voice Fuse refused the credentials (401).")
    alerts.tell(organization, "example", "“Spring check-ups” used 80 % of its budget of 400.00 USD.")
    _webhooks(organization)
    people = organization.contact_lists.earliest("pk")
    ContactImport.objects.create(
        organization=organization,
        contact_list=people,
        filename="people.pages",
        status=ContactImport.Status.FAILED,
        error="This is no CSV or Excel file.",
        finished_at=timezone.now(),
    )


def _waiting(organization: Organization, reminder: Campaign) -> Campaign:
    """A running campaign outside its hours; two assistants share its recipients."""
    later = timezone.now() + timedelta(hours=30)
    made = Campaign.objects.create(
        organization=organization,
        name="Spring check-ups",
        assistant=reminder.assistant,
        variables={"appointment": '{{ contact.variables.appointment|default:"soon" }}'},
        max_attempts=3,
        budget=Decimal(400),
        budget_currency="USD",
        calls_per_minute=30,
    )
    made.contact_lists.add(organization.contact_lists.earliest("pk"))
    made.phone_numbers.set(organization.phone_numbers.filter(account__provider__in=["allomia", "callingbox"]))
    other = Assistant.objects.get(organization=organization, account__provider="callingbox")
    CampaignVariant.objects.create(campaign=made, assistant=other, weight=1)
    CallingWindow.objects.create(campaign=made, days=[support.EVERY_DAY[later.weekday()]], opens=600, closes=1020)
    campaigns.start(made, actor=WHO)
    while not launching.step(made.pk):
        pass
    return made


def _other_campaigns(reminder: Campaign) -> None:
    """An incomplete draft, a scheduled campaign and a paused one."""
    home = reminder.organization
    Campaign.objects.create(organization=home, name="Flu vaccination")
    contacts = home.contact_lists.latest("pk")
    number = reminder.phone_numbers.get()
    later = timezone.now() + timedelta(days=3)
    support.campaign(number, contacts, name="Next week's letters", status="scheduled", starts_at=later)
    support.campaign(number, contacts, name="Unpaid bills", status="paused", status_reason="The budget is used up.")


def _doubt(organization: Organization) -> None:
    number = organization.phone_numbers.get(account__provider="polyai")
    now = timezone.now()
    doubt = {"status": S.UNCONFIRMED, "dialed_at": now, "next_read_at": now + timedelta(hours=6)}
    support.single(number, "+13035550108", **doubt)


def _people(organization: Organization, waiting: Campaign) -> None:
    first, second, third = Contact.objects.filter(recipients__campaign=waiting).order_by("pk")[:3]
    entries.add(organization, first.phone, reason="Asked on the phone", source=WHO)
    entries.add(organization, "+12125550177", reason="Letter of 3 March", source=WHO)
    recipients.hold(second, actor=WHO, reason="Is in hospital until Easter")
    promised = Recipient.objects.get(campaign=waiting, contact=third)
    scheduled_callbacks.schedule(promised, _next_wednesday(), actor=WHO, note="After work, please")


def _next_wednesday() -> datetime:
    """Return a time at which every contact may be called."""
    now = timezone.now().astimezone(ZoneInfo("America/New_York"))
    return (now + timedelta(days=(2 - now.weekday()) % 7 or 7)).replace(hour=16, minute=0)


def _webhooks(organization: Organization) -> None:
    endpoint = WebhookEndpoint.objects.create(
        organization=organization, url="https://crm.example.org/trunkline", description="Patient records"
    )
    for status, error in (("delivered", ""), ("failed", "answered 500")):
        call = Call.objects.filter(organization=organization).latest("pk")
        made = outbox.delivery_to(endpoint, "call.ended", outbox.body_of("call.ended", {}), call)
        made.status, made.last_error, made.attempts = WebhookDelivery.Status(status), error, 3
        made.save()


def mark(organization: Organization, text: str) -> None:
    """Write `text` into every field that a user may write, of the only organization with `done` data."""
    Organization.objects.filter(pk=organization.pk).update(name=text)
    Contact.objects.update(name=text, hold_reason=text, variables={"appointment": text, "<b>": text})
    Campaign.objects.update(name=text, status_reason=text)
    ContactList.objects.update(name=text)
    ContactImport.objects.update(filename=text, error=text, note=text)
    DoNotCall.objects.update(reason=text)
    Assistant.objects.update(name=text, variables=[{"name": "appointment", "required": True, "example": text}])
    PhoneNumber.objects.update(label=text)
    ProviderAccount.objects.update(name=text, blocked_reason=text)
    CallBack.objects.update(note=text)
    Alert.objects.update(message=text)
    audit_log.record_many(  # entries are never changed
        audit_log.entry(
            entry.organization, actor=text, action=entry.action, subject=entry.subject, detail={"reason": text}
        )
        for entry in AuditEntry.objects.select_related("organization")
    )
    WebhookEndpoint.objects.update(description=text)
