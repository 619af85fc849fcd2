"""Tables that would grow for ever: each is named with what becomes of its rows, and what is due is deleted."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
import time_machine
from axes.models import AccessAttempt
from django.apps import apps
from django.contrib.auth.models import User
from django.utils import timezone
from django_q.models import OrmQ, Task

from calls.deadlines import PAUSES
from calls.engine import leftovers
from calls.engine.control import Control
from calls.engine.leader import Leadership
from calls.engine.upkeep import Upkeep
from calls.models import Heartbeat
from tenants.api import throttling
from tenants.models import RequestBudget, StaffSession

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(microsecond=0)

LEFT = "purged: calls.engine.leftovers.due"
BOUND = "bound by what people set up"
RECORD = "kept: the record of what was done"
FATES = {
    "admin.LogEntry": RECORD,
    "auth.Group": BOUND,
    "auth.Group_permissions": BOUND,
    "auth.Permission": BOUND,
    "auth.User": BOUND,
    "auth.User_groups": BOUND,
    "auth.User_user_permissions": BOUND,
    "axes.AccessAttempt": LEFT,
    "axes.AccessAttemptExpiration": "deleted with its attempt",
    "axes.AccessFailureLog": LEFT,
    "axes.AccessLog": LEFT,
    "calls.Call": RECORD,
    "calls.CallBack": RECORD,
    "calls.CallCount": "folded: tenants.db.counters.fold",
    "calls.CallEvent": RECORD,
    "calls.ContactChange": "deleted when read: calls.dialing.reassessing",
    "calls.ContactNote": BOUND,
    "calls.EngineLease": "one row for each lease",
    "calls.Heartbeat": LEFT,  # when a worker ends, or an hour after the last
    "calls.PersonCount": "folded: tenants.db.counters.fold",
    "calls.Polling": "deleted when its call has ended: calls.outcomes",
    "calls.ProviderCallback": "30 days: calls.following.status_callbacks.purge",
    "calls.StaffDecision": RECORD,
    "calls.WebhookDelivery": "30 days, failed ones 90: calls.webhooks.maintenance.purge",
    "campaigns.CallingWindow": BOUND,
    "campaigns.Campaign": BOUND,
    "campaigns.CampaignVariant": BOUND,
    "campaigns.CampaignVersion": RECORD,
    "campaigns.Campaign_contact_lists": BOUND,
    "campaigns.Campaign_phone_numbers": BOUND,
    "campaigns.Campaign_segments": BOUND,
    "campaigns.Contact": BOUND,
    "campaigns.ContactImport": RECORD,
    "campaigns.ContactList": BOUND,
    "campaigns.ContactListMember": BOUND,
    "campaigns.ContactNumber": BOUND,
    "campaigns.ContactTag": BOUND,
    "campaigns.DoNotCall": RECORD,
    "campaigns.ImportMapping": "one row for each header of a file",
    "campaigns.ImportOverwrite": "7 days: campaigns.imports.retention",
    "campaigns.InstallationKey": "one row",
    "campaigns.MemberCount": "folded: tenants.db.counters.fold",
    "campaigns.NameKeyRenewal": "one row: campaigns.name_keys.renew",
    "campaigns.Recipient": RECORD,
    "campaigns.RecipientCount": "folded: tenants.db.counters.fold",
    "campaigns.RetryRule": BOUND,
    "campaigns.Segment": BOUND,
    "campaigns.UndoableAction": LEFT,
    "campaigns.UndoableChange": "deleted with its action",
    "campaigns.Tag": BOUND,
    "campaigns.TagCount": "folded: tenants.db.counters.fold",
    "contenttypes.ContentType": BOUND,
    "django_q.Failure": "rows of django_q.Task",
    "django_q.OrmQ": LEFT,  # with its task, or with its worker's heartbeats
    "django_q.Schedule": "empty: nothing is scheduled there",
    "django_q.Success": "rows of django_q.Task",
    "django_q.Task": LEFT,
    "providers.Assistant": BOUND,
    "providers.PhoneNumber": BOUND,
    "providers.ProviderAccount": BOUND,
    "providers.ReadBucket": "one row for each account",
    "providers.SeenWord": "one row for each word of a provider",
    "sessions.Session": "empty: sessions are in tenants.StaffSession",
    "tenants.Alert": RECORD,
    "tenants.ApiKey": BOUND,
    "tenants.AuditEntry": RECORD,
    "tenants.AuditPersonal": RECORD,
    "tenants.AuditSeal": RECORD,
    "tenants.Authenticator": BOUND,
    "tenants.DialJournal": "DIAL_JOURNAL_DAYS after its last file: tenants.journal.keeping.remove_old",
    "tenants.History": "one row: tenants.models.journal",
    "tenants.JournalFile": "DIAL_JOURNAL_DAYS: tenants.journal.keeping.remove_old",
    "tenants.JournalNote": "DIAL_JOURNAL_DAYS: tenants.journal.keeping.remove_old",
    "tenants.KeyCanary": "one row: tenants.key_canary.install",
    "tenants.Membership": BOUND,
    "tenants.Organization": BOUND,
    "tenants.ProviderIdentity": BOUND,
    "tenants.RecoveryCode": BOUND,
    "tenants.RequestBudget": LEFT,
    "tenants.SavedView": BOUND,
    "tenants.SecretTries": "a day or longer, by each further try: tenants.sign_in.tries",
    "tenants.StaffSession": LEFT,
    "tenants.StaffSettings": BOUND,
    "tenants.StoredAnswer": "24 hours: tenants.api.idempotency.purge",
    "tenants.Tenant": BOUND,
    "tenants.WebhookEndpoint": BOUND,
}


def test_every_table_is_named_with_what_becomes_of_its_rows() -> None:
    models = apps.get_models(include_auto_created=True)
    assert {model._meta.label for model in models} == set(FATES)
    for fate in FATES.values():
        *_, place = fate.rpartition(": ")
        if place.startswith(("calls.", "campaigns.", "tenants.")):
            module, _, name = place.rpartition(".")
            try:
                import_module(place)
            except ModuleNotFoundError:
                assert hasattr(import_module(module), name), fate


def test_what_is_purged_is_what_the_table_says() -> None:
    purged = {rows.model._meta.label for rows in leftovers.due(NOW)}
    assert purged == {label for label, fate in FATES.items() if fate == LEFT}


def session(key: str, user: User, **times: timedelta) -> None:
    found = {"signed_in_at": NOW, "seen_at": NOW, "expire_date": NOW + timedelta(hours=12)}
    found |= {name: NOW + moved for name, moved in times.items()}
    StaffSession.objects.create(session_key=key, session_data="x", user_id=user.pk, **found)


@pytest.fixture
def rows(django_user_model: type[User]) -> None:
    """Rows of each purged table, some of them due."""
    user = django_user_model.objects.create_user("someone")
    session("kept", user)
    session("idle", user, seen_at=-timedelta(hours=3))
    session("a day old", user, signed_in_at=-timedelta(hours=13))
    session("expired", user, expire_date=-timedelta(seconds=1))
    for name, age in (("kept", timedelta(minutes=20)), ("old", timedelta(days=2))):
        attempt = AccessAttempt.objects.create(username=name, ip_address="::1", user_agent="", failures_since_start=1)
        AccessAttempt.objects.filter(pk=attempt.pk).update(attempt_time=NOW - age)
        RequestBudget.objects.create(caller=name, spent_until=(NOW - age).timestamp())
        for success in (True, False):
            of_task = {"name": name, "func": "x", "started": NOW, "stopped": NOW - age * 4, "success": success}
            Task.objects.create(id=f"{name}-{success}", **of_task)
        Heartbeat.objects.create(worker=f"trunkline-{name}", slot=0, beaten_at=NOW - age)
        OrmQ.objects.create(key=f"trunkline-{name}", payload=name, lock=NOW)
    OrmQ.objects.create(key="of another program", payload="kept", lock=NOW)


KEPT = [{"kept"}] * 4 + [{"trunkline-kept"}, {"trunkline-kept", "of another program"}]


def left() -> list[set[str]]:
    return [
        set(StaffSession.objects.values_list("session_key", flat=True)),
        set(AccessAttempt.objects.values_list("username", flat=True)),
        set(RequestBudget.objects.values_list("caller", flat=True)),
        set(Task.objects.values_list("name", flat=True)),
        set(Heartbeat.objects.values_list("worker", flat=True)),
        set(OrmQ.objects.values_list("key", flat=True)),
    ]


@pytest.mark.usefixtures("rows")
def test_what_is_due_is_deleted_and_nothing_else() -> None:
    with time_machine.travel(NOW, tick=False):
        assert leftovers.purge(NOW) == 3 + 1 + 1 + 2 + 1 + 1
        assert left() == KEPT
        assert leftovers.purge(NOW) == 0


@pytest.mark.usefixtures("rows")
def test_many_rows_are_deleted_in_parts() -> None:
    assert [leftovers.purge(NOW, limit=1) for _ in range(4)] == [6, 2, 1, 0]
    assert left() == KEPT


def test_upkeep_does_it() -> None:
    async def db(work: object) -> None:
        raise AssertionError

    steps = Upkeep(Control(), Leadership("upkeep", "me"), db).steps(PAUSES)
    assert "purge_leftovers" in [name for name, _, _ in steps]


def test_the_budget_of_a_caller_whose_first_request_is_on_its_way_is_kept(db: None) -> None:
    """Without its row the first request would be refused with a 429."""
    throttling._spent_until("key-1")
    leftovers.purge(timezone.now())
    assert RequestBudget.objects.filter(caller="key-1").exists()
