"""Requests and responses of operations that are not simply the view's serializer, by view and action.

An entry for a view also holds for its subclasses. Serializers are named by dotted path and imported when needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.utils.module_loading import import_string
from drf_spectacular.utils import OpenApiParameter

from config.openapi import shapes
from config.openapi.protocol import Pages
from config.openapi.shapes import COUNT, FLAG, MOMENT, TEXT, WORD, listed, maybe, obj

Key = tuple[str, str]


def serializer(path: str) -> Callable[[], Any]:
    return lambda: import_string(path)


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


PAGED = {("SegmentViewSet", "contacts")}  # besides the lists
TAGS = {"HookView": "hooks", "EvidenceView": "calls"}

NOUNS = {
    "do not call": ("do-not-call entry", "do-not-call entries"),
    "api key": ("API key", "API keys"),
    "call back": ("call-back", "call-backs"),
    "contact note": ("note about a contact", "notes about contacts"),
    "webhook delivery": ("webhook delivery", "webhook deliveries"),
}

SUMMARIES: dict[Key | None, str] = {
    ("OutboundView", "post"): "Order one call",
    ("OutboundStatusView", "get"): "Read the status of a call",
    ("HookView", "get"): "Check that the address exists",
    ("HookView", "post"): "Report the status of a call (providers)",
    ("CallViewSet", "create"): "Order a call",
    ("CallViewSet", "transcript"): "Read the transcript of a call",
    ("CallViewSet", "end"): "Mark a call as over",
    ("CampaignViewSet", "preflight"): "Check a campaign before its start, with a forecast",
    ("CampaignViewSet", "preview"): "Preview the call to a contact",
    ("CampaignViewSet", "held_send"): "Call the held recipients with their values as they are",
    ("CampaignViewSet", "held_skip"): "Do not call the held recipients",
    ("RecipientViewSet", "send_as_is"): "Call a held recipient with its values as they are",
    ("RecipientViewSet", "skip"): "Do not call a held recipient",
    ("CampaignViewSet", "variants"): "Compare the assistants of a campaign",
    ("CampaignViewSet", "progress"): "Read the progress of a campaign",
    ("CampaignViewSet", "result_fields"): "Read the fields of a campaign's results",
    ("CampaignViewSet", "choose_result_fields"): "Choose how the fields of a campaign's results are shown",
    ("CampaignViewSet", "results_summary"): "Read what the results of a campaign say",
    ("CampaignViewSet", "compare"): "Compare two campaigns",
    ("RecipientViewSet", "explain"): "Explain why a recipient is or is not called",
    ("OrganizationViewSet", "rotate_webhook_secret"): "Rotate the webhook secret",
    ("RecipientViewSet", "call_back"): "Schedule a call-back",
    ("AlertViewSet", "seen"): "Mark an alert as seen",
    ("RecipientViewSet", "cancel_call_back"): "Cancel a call-back",
    ("WebhookEndpointViewSet", "rotate_secret"): "Rotate the secret of an endpoint",
    ("WebhookEndpointViewSet", "replay_held"): "Replay what was held while an endpoint was off",
    ("WebhookDeliveryViewSet", "replay_range"): "Replay the deliveries of a period",
    ("SegmentViewSet", "contacts"): "List the contacts that a segment has now",
    ("ContactListViewSet", "contacts"): "Add one contact to a list",
    ("ContactListViewSet", "add"): "Add contacts to a list",
    ("ContactListViewSet", "remove"): "Remove contacts from a list",
    ("ContactListViewSet", "remove_contact"): "Remove a contact from a list",
    ("ContactListViewSet", "imports"): "Import a file of contacts",
    ("ContactListViewSet", "preview_import"): "Preview an import",
    ("ImportErrorsViewSet", "errors"): "Download the rejected rows of an import",
    ("CallsFileViewSet", "calls"): "Download the calls of a campaign",
    ("ResultsViewSet", "results"): "Download the results of a campaign",
    ("EvidenceView", "get"): "Download the evidence of the calls to a number",
}

PARAMETERS: dict[Key | None, list[OpenApiParameter]] = {
    ("CampaignViewSet", "preview"): [OpenApiParameter("contact", UUID, required=True, description="The contact.")],
    ("CampaignViewSet", "compare"): [
        OpenApiParameter("a", UUID, required=True, description="The campaign to compare with."),
        OpenApiParameter("b", UUID, required=True, description="The campaign that is compared."),
    ],
    ("EvidenceView", "get"): [OpenApiParameter("to_number", str, required=True, description="The number called.")],
}

RESULT_FIELDS = serializer("calls.api.campaign_results.ResultFieldsSerializer")
REQUESTS: dict[Key | None, Callable[[], Any]] = {
    ("OutboundView", "post"): serializer("calls.api.outbound.OutboundSerializer"),
    ("CallViewSet", "create"): serializer("calls.api.calls.OrderSerializer"),
    ("CallViewSet", "end"): serializer("calls.api.calls.EndSerializer"),
    ("ContactListViewSet", "contacts"): serializer("campaigns.lists_api.LeadSerializer"),
    ("ContactListViewSet", "add"): serializer("campaigns.lists_api.MembersSerializer"),
    ("ContactListViewSet", "remove"): serializer("campaigns.lists_api.MembersSerializer"),
    ("ContactListViewSet", "imports"): serializer("campaigns.import_api.UploadSerializer"),
    ("ContactListViewSet", "preview_import"): serializer("campaigns.import_api.UploadSerializer"),
    ("CampaignViewSet", "held_send"): serializer("calls.api.campaigns.HeldSerializer"),
    ("CampaignViewSet", "held_skip"): serializer("calls.api.campaigns.HeldSerializer"),
    ("CampaignViewSet", "choose_result_fields"): RESULT_FIELDS,
    ("HookView", "post"): lambda: {"application/json": dict(shapes.OBJECT)},
    ("RecipientViewSet", "hold"): serializer("calls.api.recipients.HoldSerializer"),
    ("RecipientViewSet", "call_back"): serializer("calls.api.recipients.PromiseSerializer"),
    ("CallingContactViewSet", "hold"): serializer("calls.api.recipients.HoldSerializer"),
    ("WebhookDeliveryViewSet", "replay_range"): serializer("calls.api.webhooks.RangeSerializer"),
}

IMPORT = serializer("campaigns.import_api.ImportSerializer")
CALL_BACK = serializer("calls.api.call_backs.CallBackSerializer")
RESPONSES: dict[Key | None, dict[int, Any]] = {
    ("OutboundView", "post"): {201: ref("OutboundCall")},
    ("OutboundStatusView", "get"): {200: ref("OutboundStatus")},
    ("HookView", "get"): {200: None},
    ("HookView", "post"): {200: obj()},
    ("CallViewSet", "create"): {
        201: {"allOf": [ref("Call"), {"type": "object", "properties": {"warnings": shapes.WARNINGS}}]}
    },
    ("CallViewSet", "transcript"): {
        200: obj(transcript=listed(obj(role=TEXT, text=TEXT, at=maybe(MOMENT)))),
    },
    ("CampaignViewSet", "preflight"): {200: ref("Preflight")},
    ("CampaignViewSet", "held_send"): {200: obj(recipients=COUNT)},
    ("CampaignViewSet", "held_skip"): {200: obj(recipients=COUNT)},
    ("CampaignViewSet", "preview"): {200: ref("Preview")},
    ("CampaignViewSet", "variants"): {200: ref("Comparison")},
    ("CampaignViewSet", "progress"): {200: ref("Progress")},
    ("CampaignViewSet", "result_fields"): {200: RESULT_FIELDS},
    ("CampaignViewSet", "choose_result_fields"): {200: RESULT_FIELDS},
    ("CampaignViewSet", "results_summary"): {200: ref("ResultsSummary")},
    ("CampaignViewSet", "compare"): {200: ref("CampaignComparison")},
    ("RecipientViewSet", "explain"): {200: ref("Explanation")},
    ("RecipientViewSet", "call_back"): {201: CALL_BACK},
    ("RecipientViewSet", "cancel_call_back"): {200: CALL_BACK},
    ("ProviderAccountViewSet", "check"): {200: obj(ok=FLAG, message=WORD)},
    ("OrganizationViewSet", "rotate_webhook_secret"): {
        200: obj(webhook_secret={"type": "string", "pattern": "^whsec_"})
    },
    ("SegmentViewSet", "contacts"): {200: Pages.get_paginated_response_schema(listed(ref("Contact")))},
    ("ContactListViewSet", "contacts"): dict.fromkeys((200, 201), serializer("campaigns.api.ContactSerializer")),
    ("ContactListViewSet", "add"): {200: obj(contacts=COUNT)},
    ("ContactListViewSet", "remove"): {200: obj(contacts=COUNT)},
    ("ContactListViewSet", "imports"): {202: IMPORT},
    ("ContactListViewSet", "preview_import"): {200: ref("ImportPreview")},
    ("ImportViewSet", "undo"): {200: IMPORT, 202: IMPORT},
    ("DoNotCallViewSet", "create"): {200: ref("DoNotCallAdded"), 201: ref("DoNotCallAdded")},
    ("WebhookEndpointViewSet", "rotate_secret"): {200: obj(secret=TEXT, old_secret_until=maybe(MOMENT))},
    ("WebhookEndpointViewSet", "test"): {202: serializer("calls.api.webhooks.WebhookDeliverySerializer")},
    ("WebhookEndpointViewSet", "replay_held"): {200: obj(replayed=COUNT, more=FLAG)},
    ("WebhookDeliveryViewSet", "replay_range"): {200: obj(replayed=COUNT, more=FLAG)},
}

AN_ID = "0b0f6a3e-6f0b-4c53-9d6e-2f6a2f9d4c11"
ANOTHER = "5f3c8a52-0a6e-4a52-8a53-0d9f6f2b7a10"
EXAMPLES: dict[Key | None, dict[str, Any]] = {
    ("OutboundView", "post"): {
        "request": {
            "phoneNumber": "+33612345678",
            "assistantId": AN_ID,
            "phoneNumberId": ANOTHER,
            "customerName": "Ada",
            "dynamicVariables": {"slot": "9:30"},
            "callbackUrl": "https://example.org/calls",
        },
        "response": {
            "outboundCallId": AN_ID,
            "contactId": ANOTHER,
            "status": "calling",
            "message": "Outbound call dispatched",
        },
    },
    ("OutboundStatusView", "get"): {
        "response": {
            "outboundCallId": AN_ID,
            "contactId": ANOTHER,
            "status": "completed",
            "callDetails": {
                "startedAt": "2026-05-12T09:30:12Z",
                "endedAt": "2026-05-12T09:31:40Z",
                "duration": 88,
                "endedReason": "call-ended",
            },
        },
    },
    ("ProviderAccountViewSet", "create"): {
        "request": {
            "provider": "allomia",
            "name": "AlloMia",
            "credentials": {"api_key": "..."},
            "max_open_calls": 20,
            "calls_per_second": 5,
            "price_per_minute": {"amount": "0.12", "currency": "EUR"},
        }
    },
    ("AssistantViewSet", "create"): {
        "request": {
            "account": AN_ID,
            "name": "Reminder",
            "external_id": "as_1",
            "variables": [{"name": "slot", "required": True, "example": "9:30"}],
        }
    },
    ("PhoneNumberViewSet", "create"): {
        "request": {"account": AN_ID, "e164": "+33142000001", "external_id": "pn_1", "label": "Front desk"}
    },
    ("OrganizationViewSet", "partial_update"): {"request": {"calls_stopped": True}},
    ("ContactViewSet", "create"): {
        "request": {"phone": "+33612345678", "name": "Ada", "timezone": "Europe/Paris", "variables": {"slot": "9:30"}}
    },
    ("ContactListViewSet", "create"): {"request": {"name": "March"}},
    ("SegmentViewSet", "create"): {
        "request": {
            "name": "Recall",
            "conditions": [
                {"field": "tags", "is": "any", "value": ["Recall"]},
                {"field": "last_call", "is": "not_within_days", "value": 30},
            ],
        }
    },
    ("ContactNoteViewSet", "create"): {"request": {"contact": AN_ID, "text": "Prefers to be called in the afternoon."}},
    ("DoNotCallViewSet", "create"): {"request": {"phone": "+33612345678", "reason": "asked us on 3 March"}},
    ("CampaignViewSet", "create"): {
        "request": {
            "name": "March reminders",
            "assistant": AN_ID,
            "phone_numbers": [ANOTHER],
            "contact_lists": [AN_ID],
            "variables": {"slot": '{{ contact.variables.slot|default:"soon" }}'},
            "windows": [{"days": ["mon", "tue", "wed", "thu", "fri"], "opens": "09:00", "closes": "19:00"}],
            "holidays": ["2026-12-25"],
            "retry_rules": [{"outcome": "no_answer", "wait_minutes": 120, "max_attempts": 3}],
            "budget": {"amount": "100.00", "currency": "EUR"},
        }
    },
    ("CallViewSet", "create"): {
        "request": {
            "to_number": "+33612345678",
            "assistant": AN_ID,
            "phone_number": ANOTHER,
            "dynamic_variables": {"slot": "9:30"},
            "metadata": {"order": "4711"},
            "not_after": "2027-05-12T18:00:00Z",
        }
    },
    ("ApiKeyViewSet", "create"): {"request": {"name": "CRM", "scopes": ["call"]}},
}
