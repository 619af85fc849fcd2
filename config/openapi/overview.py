"""What the document says first, and the names of its enums. Read by the settings, so it imports nothing."""

from __future__ import annotations

DESCRIPTION = """\
Calls, campaigns and everything around them, for programs.

* **Keys.** `Authorization: Bearer <key>`. A key reaches one organization, or all of its tenant; then `X-Organization`
  chooses one. Another organization's object does not exist: 404.
* **Errors** have one shape: `{"error": "<sentence>", "details": [{"field", "message", "code"}]}`.
* **Bodies** are JSON, UTF-8, at most 1 MB. A field that does not exist is a 400; fields that are read-only may be sent
  back and are ignored. In a create only what identifies the object is required; null is the same as leaving it out.
* **Lists** come in pages: follow `next` until it is null. A filter that does not exist is a 400.
* **Times** are RFC 3339 in UTC with Z, numbers E.164 with +, durations whole seconds, money decimal text.
* **`Idempotency-Key`** on a POST makes it safe to send again.
"""

# Name -> where the choices are.
ENUM_NAMES = {
    "CallStatus": "calls.models.Status",
    "CampaignStatus": "campaigns.models.Campaign.Status",
    "RecipientStatus": "campaigns.models.Recipient.Status",
    "ImportStatus": "campaigns.models.ContactImport.Status",
    "OnDuplicate": "campaigns.models.ContactImport.OnDuplicate",
    "RetryOutcome": "campaigns.models.RetryRule.Outcome",
    "SingleCallHours": "tenants.models.Organization.SingleCallHours",
    "Provider": "providers.adapters.registry.choices",
    "EventSource": "calls.models.CallEvent.Source",
}
