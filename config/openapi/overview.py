"""The introduction of the document and the names of its enums. The settings import it, so it imports nothing."""

from __future__ import annotations

DESCRIPTION = """\
Outbound calls, campaigns, contacts and their settings, for programs.

* **Keys.** `Authorization: Bearer <key>`. A key covers one organization, or all organizations of its tenant; then
  `X-Organization` chooses one. An object of another organization does not exist: 404.
* **Errors** have one shape: `{"error": "<sentence>", "details": [{"field", "message", "code"}]}`.
* **Bodies** are JSON, UTF-8, at most 1 MB. An unknown field is a 400; read-only fields may be sent and
  are ignored. A create requires only the fields that identify the object; null is the same as leaving a field out.
* **Lists** are paged: follow `next` until it is null. An unknown filter is a 400.
* **Times** are RFC 3339 in UTC with Z, numbers E.164 with +, durations whole seconds, money decimal text.
* **`Idempotency-Key`** on a POST makes it safe to send again.
"""

# Name of the enum -> dotted path of its choices.
ENUM_NAMES = {
    "CallStatus": "calls.models.Status",
    "CampaignStatus": "campaigns.models.Campaign.Status",
    "RecipientStatus": "campaigns.models.Recipient.Status",
    "ImportStatus": "campaigns.models.ContactImport.Status",
    "OnDuplicate": "campaigns.models.ContactImport.OnDuplicate",
    "NumberKind": "campaigns.models.NumberKind",
    "RetryOutcome": "campaigns.models.RetryRule.Outcome",
    "ResultKind": "calls.api.campaign_results.KINDS",
    "SingleCallHours": "tenants.models.Organization.SingleCallHours",
    "Provider": "providers.adapters.registry.choices",
    "EventSource": "calls.models.CallEvent.Source",
}
