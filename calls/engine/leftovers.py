"""What becomes of the rows of every table in the years, and the purge of those that no other module deletes.

`FATES` names each table: a test compares it with the models.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.db.models import QuerySet
from django_q.models import OrmQ, Task

from calls.models import Heartbeat
from tenants.models import RequestBudget
from tenants.sign_in.sessions import expired

ATTEMPTS_KEPT = timedelta(days=1)  # of wrong passwords; they close an address for 15 minutes
TASKS_KEPT = timedelta(days=7)
HEARTBEATS_KEPT = timedelta(hours=1)  # a living process beats every few seconds
BUDGETS_KEPT = timedelta(days=1)  # an older row says the same as none: the caller has rested
PURGED_AT_ONCE = 1_000

LEFT = "purged here"
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
    "calls.Heartbeat": "deleted when a worker ends, or an hour after the last: calls.engine.leftovers.of_ended_workers",
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
    "campaigns.Contact": BOUND,
    "campaigns.ContactImport": RECORD,
    "campaigns.ContactList": BOUND,
    "campaigns.ContactListMember": BOUND,
    "campaigns.ContactNumber": BOUND,
    "campaigns.DoNotCall": RECORD,
    "campaigns.ImportMapping": "one row for each header of a file",
    "campaigns.ImportOverwrite": "7 days: campaigns.imports.retention",
    "campaigns.InstallationKey": "one row",
    "campaigns.MemberCount": "folded: tenants.db.counters.fold",
    "campaigns.Recipient": RECORD,
    "campaigns.RecipientCount": "folded: tenants.db.counters.fold",
    "campaigns.RetryRule": BOUND,
    "contenttypes.ContentType": BOUND,
    "django_q.Failure": LEFT,
    "django_q.OrmQ": "deleted with its task, or with its worker's heartbeats: calls.engine.leftovers.of_ended_workers",
    "django_q.Schedule": "empty: nothing is scheduled there",
    "django_q.Success": LEFT,
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


def purge(now: datetime, limit: int = PURGED_AT_ONCE) -> int:
    """Delete what nothing needs any more, at most `limit` rows of a table. Return how many."""
    return sum(_delete(rows, limit) for rows in _due(now))


def of_ended_workers(now: datetime) -> list[QuerySet]:  # type: ignore[type-arg]
    """Return heartbeats of workers that were killed long ago, then the queues of workers without a heartbeat."""
    alive = Heartbeat.objects.values("worker")
    return [
        Heartbeat.objects.filter(beaten_at__lt=now - HEARTBEATS_KEPT),
        OrmQ.objects.filter(key__startswith="trunkline-").exclude(key__in=alive),
    ]


def _due(now: datetime) -> list[QuerySet]:  # type: ignore[type-arg]
    return [
        *of_ended_workers(now),
        expired(now),
        AccessAttempt.objects.filter(attempt_time__lt=now - ATTEMPTS_KEPT),
        AccessLog.objects.filter(attempt_time__lt=now - ATTEMPTS_KEPT),
        AccessFailureLog.objects.filter(attempt_time__lt=now - ATTEMPTS_KEPT),
        Task.objects.filter(stopped__lt=now - TASKS_KEPT),
        RequestBudget.objects.filter(spent_until__lt=(now - BUDGETS_KEPT).timestamp()),
    ]


def _delete(rows: QuerySet, limit: int) -> int:  # type: ignore[type-arg]
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:limit])
    rows.filter(pk__in=keys).delete()  # still due: another request may use the row meanwhile
    return len(keys)
