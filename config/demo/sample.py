"""The sample organization: one provider account, assistant, caller number and campaign per provider, and contacts."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from campaigns.models import CallingWindow, Campaign, Contact, ContactList, ContactListMember, RetryRule
from providers import sample as sandbox
from providers.models import Assistant
from tenants.models import Organization, Tenant

FIRST = ("Ada", "Ben", "Chloe", "Dan", "Elif", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Kofi", "Lea", "Mara", "Noor")
LAST = ("Roy", "Lopez", "Chen", "Haddad", "Novak", "Okafor", "Silva", "Weber", "Tanaka", "Moreau")


@dataclass(frozen=True)
class Team:
    """One provider's part of the demo. `area` is the area code of its contacts' fictional numbers."""

    sample: sandbox.Sample
    area: str
    stories: tuple[int, ...]  # scripted outcomes, besides the realistic mix

    @property
    def slug(self) -> str:
        return self.sample.slug


TEAMS = (
    # 08: placed, but the provider's response is lost; its callback brings the id
    Team(sandbox.ALLOMIA, "212", (1, 2, 3, 5, 8)),
    Team(sandbox.POLYAI, "303", (1, 2)),
    Team(sandbox.PLUMVOICE, "415", (1, 2, 3, 8)),
    Team(sandbox.CALLINGBOX, "617", (1, 2, 3, 5, 8)),  # 08: found in the provider's list of calls
)

BROKEN_ROWS = (
    ("Somebody Unreachable", "0612", "", "allomia"),
    ("Extension Please", "212-555-0150 ext 5", "", "allomia"),
    ("Spreadsheet Victim", "1.21256E+10", "", "polyai"),
    ("No Number", "", "", "plumvoice"),
    ("Premium Line", "+19005550123", "", "callingbox"),
)


def contacts_csv(each: int) -> bytes:
    """Return a CSV file with `each` contacts per provider, and a few rows whose numbers cannot be called."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["name", "phone", "appointment", "team"])
    for team in TEAMS:
        for index, number in enumerate(numbers(team, each)):
            name = f"{FIRST[index % len(FIRST)]} {LAST[index // len(FIRST) % len(LAST)]}"
            writer.writerow([name, number, f"Tuesday {8 + index % 9}:{index % 4 * 15:02}", team.slug])
    for row in BROKEN_ROWS:
        writer.writerow(row)
    return out.getvalue().encode()


def numbers(team: Team, each: int) -> list[str]:
    """Return fictional numbers (555-01xx). The last two digits choose the outcome in the sandbox: 40-99 is a mix."""
    endings = [*team.stories, *range(40, 100)]
    areas = [str(int(team.area) + step) for step in range(1 + each // len(endings))]
    return [f"+1{AREAS.get(area, area)}55501{ending:02}" for area in areas for ending in endings][:each]


AREAS = {"416": "408"}  # 416 is Toronto


def organization() -> Organization:
    tenant = Tenant.objects.create(name="Demo")
    return Organization.objects.create(
        tenant=tenant,
        name="Demo clinic",
        timezone="America/New_York",
        default_region="US",
        single_call_hours=Organization.SingleCallHours.ANY,
        min_gap_minutes=0,
    )


def set_up(organization: Organization, sandbox_url: str) -> list[Assistant]:
    """Create a provider account, an assistant and a caller number for each provider."""
    return [sandbox.set_up(organization, team.sample, sandbox_url) for team in TEAMS]


def campaign(assistant: Assistant, contacts: ContactList) -> Campaign:
    """Create a campaign over the provider's contacts, at all hours, with one retry after busy and no answer."""
    slug = assistant.account.provider
    team = ContactList.objects.create(organization=assistant.organization, name=f"Team {slug}")
    members = Contact.objects.filter(lists=contacts, variables__team=slug)
    ContactListMember.objects.bulk_create(ContactListMember(contact_list=team, contact=contact) for contact in members)
    made = Campaign.objects.create(
        organization=assistant.organization,
        name=f"Reminders over {assistant.account.get_provider_display()}",
        assistant=assistant,
        max_attempts=2,
        min_gap_minutes=0,
        legal_override="Demo: the sandbox calls no real phone.",
        variables={"appointment": '{{ contact.variables.appointment|default:"soon" }}'} if assistant.variables else {},
    )
    made.contact_lists.add(team)
    made.phone_numbers.add(assistant.account.phone_numbers.get())
    CallingWindow.objects.create(
        campaign=made, days=["mon", "tue", "wed", "thu", "fri", "sat", "sun"], opens=0, closes=1440
    )
    for outcome in ("no_answer", "busy"):
        RetryRule.objects.create(campaign=made, outcome=outcome, wait_minutes=0, max_attempts=2)
    return made
