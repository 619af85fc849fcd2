"""The rows that the figures work on: an organization with accounts at the fast provider, people, calls.

One row of each kind is made through its model. PostgreSQL then copies it as often as needed, so that neither a million
rows nor a new column of the table is a burden.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACCOUNTS = 4
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
RATE = {
    "calls_per_second": 9_999, "reads_per_second": 9_999, "place_tokens": 9_999,
    "max_open_calls": 1_000_000, "max_unconfirmed": None, "longest_call_minutes": 1_440,
}  # fmt: skip
AREAS = "ARRAY['212', '312', '415', '512', '617', '702', '206', '305', '404', '816']"
PHONE = f"'+1' || ({AREAS})[1 + {{g}} %% 10] || lpad((2000000 + {{g}} / 10)::text, 7, '0')"
TOKEN = "md5(random()::text || g) || md5(g::text || random())"  # noqa: S105
NEW = {
    "uuid": "gen_random_uuid()", "reference": "left(md5(random()::text || g), 16)", "callback_token": TOKEN,
    "hook_token": TOKEN,
}  # fmt: skip


class World:
    """An organization with four accounts, and a running campaign through each. Calls are legal around the clock."""

    def __init__(self, address: str, **limits: Any) -> None:
        from campaigns.models import CallingWindow, Campaign
        from providers.models import Assistant, PhoneNumber, ProviderAccount
        from tenants.models import Organization, Tenant

        self.home = Organization.objects.create(
            tenant=Tenant.objects.create(name="B"), name="B", default_region="US", min_gap_minutes=0,
            max_attempts_per_day=100,
        )  # fmt: skip
        self.campaigns: list[Any] = []
        self._people = 0
        for number in range(ACCOUNTS):
            account = ProviderAccount.objects.create(
                organization=self.home, provider="allomia", name=f"A{number}", base_url=address,
                credentials={"api_key": "benchmark"}, **(RATE | limits),
            )  # fmt: skip
            assistant = Assistant.objects.create(
                organization=self.home, account=account, name="A", external_id="a", variables=[{"name": "slot"}]
            )
            caller = PhoneNumber.objects.create(
                organization=self.home, account=account, e164=f"+1646555010{number}", external_id="n"
            )
            campaign = Campaign.objects.create(
                organization=self.home, name=f"Campaign {number}", assistant=assistant, status="running",
                max_attempts=1, min_gap_minutes=0, legal_override="a benchmark", variables={"slot": "Monday at 9"},
            )  # fmt: skip
            Campaign.objects.filter(pk=campaign.pk).update(launched_at=campaign.created_at)
            campaign.phone_numbers.add(caller)
            CallingWindow.objects.create(campaign=campaign, days=EVERY_DAY, opens=0, closes=1440)
            self.campaigns.append(campaign)

    def recipients(self, count: int, **columns: str) -> int:
        """Add that many due recipients to the campaigns in turns. Return the key before the first of them."""
        from campaigns.models import Campaign, Contact, Recipient

        # The engine finishes a campaign whose recipients of an earlier round are all done.
        Campaign.objects.update(status=Campaign.Status.RUNNING, finished_at=None)
        first = self.contacts(count)
        made = Recipient.objects.create(campaign=self.campaigns[0], contact=Contact.objects.get(pk=first))
        due = {
            "campaign_id": by_turns([campaign.pk for campaign in self.campaigns]), "contact_id": f"{first} + g",
            "next_attempt_at": "now() - interval '1 minute'", "sort_key": "(g::bigint * 1327217885) %% 2147483647",
        }  # fmt: skip
        copy(made, count, due | columns)
        Recipient.objects.filter(pk=made.pk).delete()
        return int(made.pk)

    def contacts(self, count: int, **columns: str) -> int:
        """Add that many contacts. Return the key before the first of them: theirs follow one by one."""
        from campaigns.models import Contact

        first = self._people
        self._people += count + 1
        made = Contact.objects.create(organization=self.home, phone=f"+1646{9_000_000 - first % 1_000_000}")
        copy(made, count, {"phone": PHONE.format(g=f"(g + {first})"), "name": "'Ada ' || g"} | columns)
        return int(made.pk)

    def calls(self, count: int, **columns: str) -> int:
        """Add that many queued calls of recipients. Return the key before the first of them.

        `columns` holds SQL expressions, in which `g` counts from 1.
        """
        from calls.models import Call
        from campaigns.models import Contact, Recipient

        first = self.recipients(count, status="'calling'", next_attempt_at="NULL", attempts="0")
        recipient = Recipient.objects.order_by("pk").filter(pk__gt=first)[:1].get()
        person = Contact.objects.get(pk=recipient.contact_id - 1)
        accounts = [campaign.assistant.account for campaign in self.campaigns]
        one = accounts[0]
        made = Call.objects.create(
            organization=self.home, campaign=self.campaigns[0], contact=person, account=one,
            assistant=one.assistants.get(), phone_number=one.phone_numbers.get(), to_number=person.phone,
            from_number="+16465550100", dynamic_variables={"slot": "Monday at 9"},
        )  # fmt: skip

        of_each = {
            "recipient_id": f"{first} + g",
            "contact_id": f"{person.pk} + g",
            "to_number": f"(SELECT phone FROM campaigns_contact WHERE id = {person.pk} + g)",  # noqa: S608
            "campaign_id": by_turns([campaign.pk for campaign in self.campaigns]),
            "account_id": by_turns([account.pk for account in accounts]),
            "assistant_id": by_turns([account.assistants.get().pk for account in accounts]),
            "phone_number_id": by_turns([account.phone_numbers.get().pk for account in accounts]),
            "from_number": "'+1646555010' || g %% 4",
        }
        copy(made, count, of_each | columns)
        Call.objects.filter(pk=made.pk).delete()
        return int(made.pk)

    def open_calls(self, count: int, kind: str, age: str = "7 hours", **columns: str) -> int:
        """Add that many calls that were placed a while ago and are due for a read. Return the key before the first.

        A call of seven hours is read every 20 minutes, so a run of the worker reads each of them once.
        """
        placed = f"now() - interval '{age}'"
        said = {
            "status": "'dialing'", "due_at": "NULL", "dialed_at": placed, "placed_at": placed, "created_at": placed,
            "placing_attempts": "1", "provider_call_id": f"'{kind}-' || g || '-' || md5(random()::text)",
        }  # fmt: skip
        return self.calls(count, **(said | {"polling_id": f"{self._due_reads(count)} + g"} | columns))

    def _due_reads(self, count: int) -> int:
        """Add that many polling rows that are due. Return the key before the first of them."""
        from calls.models import Polling

        accounts = [campaign.assistant.account_id for campaign in self.campaigns]
        made = Polling.objects.create(account_id=accounts[0], next_read_at=self.home.created_at)
        copy(made, count, {"account_id": by_turns(accounts), "next_read_at": "now()"})
        Polling.objects.filter(pk=made.pk).delete()
        return int(made.pk)

    def clear(self) -> None:
        """Delete the calls, recipients and contacts, so that each round has the same number of rows."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE campaigns_contact, calls_call, calls_polling, campaigns_recipient CASCADE")
            cursor.execute("TRUNCATE tenants_dialjournal CASCADE")  # it would miss the calls
        self._people = 0


def by_turns(keys: list[int]) -> str:
    """Return the SQL expression that takes one of four keys for each row in turns."""
    return f"(ARRAY[{', '.join(map(str, keys))}])[1 + g %% {ACCOUNTS}]"


def copy(row: Any, count: int, columns: Mapping[str, str]) -> None:
    """Copy a row `count` times. `columns`: SQL expressions, in which `g` counts from 1."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(copied(row, columns, "generate_series(1, %s) g WHERE t.id = %s ORDER BY g"), [count, row.pk])


def copied(row: Any, columns: Mapping[str, str], source: str) -> str:
    """Return an INSERT … SELECT of copies of a row, whose table is `t`, for each row of a source."""
    from django.db import connection

    table = row._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'"
            " AND table_schema = 'public' AND column_name <> 'id'",
            [table],
        )
        names = [name for (name,) in cursor.fetchall()]
    unknown = set(columns) - set(names)
    assert not unknown, unknown  # noqa: S101
    values = [columns.get(name, NEW.get(name, f"t.{name}")) for name in names]
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {table} t, {source}"  # noqa: S608


def analyse() -> None:
    """Update statistics and visibility maps as autovacuum does."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
