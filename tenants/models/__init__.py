"""The tables of organizations, memberships and API keys, and the records of what happened in an organization."""

from tenants.models.api_key import ApiKey, ApiKeyQuerySet, Scope
from tenants.models.audit import AuditEntry, AuditPersonal, AuditSeal
from tenants.models.journal import DialJournal, History, JournalFile, JournalNote
from tenants.models.key_canary import KeyCanary
from tenants.models.members import Membership, StaffSettings, levels_of, member_level
from tenants.models.organization import Organization, Tenant
from tenants.models.records import Alert
from tenants.models.requests import RequestBudget, StoredAnswer
from tenants.models.saved_view import SavedView
from tenants.models.sign_in import Authenticator, ProviderIdentity, RecoveryCode, SecretTries, StaffSession
from tenants.models.validators import check_region, check_regions, check_timezone
from tenants.models.webhook_endpoint import WebhookEndpoint, WebhookEvent, all_webhook_events
from tenants.models.webhook_secret import OVERLAP, new_webhook_secret

__all__ = [
    "OVERLAP",
    "Alert",
    "ApiKey",
    "ApiKeyQuerySet",
    "AuditEntry",
    "AuditPersonal",
    "AuditSeal",
    "Authenticator",
    "DialJournal",
    "History",
    "JournalFile",
    "JournalNote",
    "KeyCanary",
    "Membership",
    "Organization",
    "ProviderIdentity",
    "RecoveryCode",
    "RequestBudget",
    "SavedView",
    "Scope",
    "SecretTries",
    "StaffSession",
    "StaffSettings",
    "StoredAnswer",
    "Tenant",
    "WebhookEndpoint",
    "WebhookEvent",
    "all_webhook_events",
    "check_region",
    "check_regions",
    "check_timezone",
    "levels_of",
    "member_level",
    "new_webhook_secret",
]
