"""The document says at least what the public contract says. The contract's tables are written out here as data.

The document must have everything that the contract has; it may have more.
"""

from __future__ import annotations

import pytest

from tests.config.reading import answer, body, operation, query_names, resolved, the_document, words
from tests.tables import cases

V1 = "/api/v1/"
EACH = {"get", "post"}
ONE = {"get", "patch", "delete"}

ADDRESSES: dict[str, set[str]] = {
    "/api/outbound": {"post"},
    "/api/outbound/{id}/status": {"get"},
    "/api/v1/provider-accounts/": EACH,
    "/api/v1/provider-accounts/{id}/": ONE,
    "/api/v1/provider-accounts/{id}/check/": {"post"},
    "/api/v1/provider-accounts/{id}/unblock/": {"post"},
    "/api/v1/assistants/": EACH,
    "/api/v1/assistants/{id}/": ONE,
    "/api/v1/phone-numbers/": EACH,
    "/api/v1/phone-numbers/{id}/": ONE,
    "/api/v1/organizations/": {"get"},
    "/api/v1/organizations/{id}/": {"get", "patch"},
    "/api/v1/organizations/{id}/rotate-webhook-secret/": {"post"},
    "/api/v1/contacts/": EACH,
    "/api/v1/contacts/{id}/": ONE,
    "/api/v1/contact-lists/": EACH,
    "/api/v1/contact-lists/{id}/": ONE,
    "/api/v1/contact-lists/{id}/imports/": {"post"},
    "/api/v1/contact-lists/{id}/imports/preview/": {"post"},
    "/api/v1/segments/": EACH,
    "/api/v1/segments/{id}/": ONE,
    "/api/v1/segments/{id}/contacts/": {"get"},
    "/api/v1/imports/": {"get"},
    "/api/v1/imports/{id}/": {"get"},
    "/api/v1/imports/{id}/errors.csv": {"get"},
    "/api/v1/imports/{id}/cancel/": {"post"},
    "/api/v1/imports/{id}/undo/": {"post"},
    "/api/v1/do-not-call/": EACH,
    "/api/v1/do-not-call/{id}/": ONE,
    "/api/v1/campaigns/": EACH,
    "/api/v1/campaigns/{id}/": ONE,
    "/api/v1/campaigns/{id}/start/": {"post"},
    "/api/v1/campaigns/{id}/pause/": {"post"},
    "/api/v1/campaigns/{id}/resume/": {"post"},
    "/api/v1/campaigns/{id}/cancel/": {"post"},
    "/api/v1/campaigns/{id}/preflight/": {"get"},
    "/api/v1/campaigns/{id}/progress/": {"get"},
    "/api/v1/campaigns/{campaign}/recipients/": {"get"},
    "/api/v1/campaigns/{campaign}/recipients/{id}/explain/": {"get"},
    "/api/v1/campaigns/{campaign}/results.csv": {"get"},
    "/api/v1/campaigns/{campaign}/calls.csv": {"get"},
    "/api/v1/calls/": EACH,
    "/api/v1/calls/{id}/": {"get"},
    "/api/v1/calls/{id}/cancel/": {"post"},
    "/api/v1/calls/{id}/end/": {"post"},
    "/api/v1/calls/{id}/transcript/": {"get"},
    "/api/v1/api-keys/": EACH,
    "/api/v1/api-keys/{id}/": ONE,
    "/api/v1/webhook-endpoints/": EACH,
    "/hooks/{provider}/{token}": {"get", "post"},
    "/hooks/callingbox/account/{token}": {"get", "post"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
    "/api/schema/": {"get"},
    "/api/docs/": {"get"},
}

# As in the contract's table: `.r` is read-only, `.w` write-only.
FIELDS = {
    "provider-accounts": "id.r organization provider name base_url credentials.w credentials_hint.r options "
    "calls_per_second max_open_calls reads_per_second max_unconfirmed failing_percent price_per_minute is_active "
    "health.r blocked_until.r blocked_reason.r open_calls.r longest_call_minutes overdue_calls.r",
    "assistants": "id.r organization account name external_id options variables is_active",
    "phone-numbers": "id.r organization account e164 external_id label is_active max_open_calls",
    "organizations": "id.r tenant.r name timezone default_region allowed_countries is_active calls_stopped "
    "single_call_hours daily_budget",
    "contacts": "id.r organization phone name external_id language timezone variables do_not_call.r created_at.r "
    "updated_at.r zone_fault.r phone_kind further_numbers tags consent_basis consent_at consent_evidence",
    "contact-lists": "id.r organization name contacts_count.r",
    "segments": "id.r organization name conditions description.r created_at.r",
    "imports": "id.r list.r status.r filename.r bytes_total.r bytes_read.r rows_read.r created.r updated.r skipped.r "
    "rejected.r mapping.r error.r started_at.r finished_at.r zones_contradicting.r zones_interpreted.r zone_examples.r "
    "listed.r numbers_left_out.r phone_readings.r removed.r restored.r",
    "do-not-call": "id.r organization phone reason source.r expires_at created_at.r",
    "campaigns": "id.r organization name status.r assistant phone_numbers contact_lists segments variables timezone "
    "windows holidays retry_rules max_attempts try_next_number min_gap_minutes max_open_calls calls_per_minute budget "
    "legal_override starts_at ends_at callback_url progress.r created_at.r contact_zone_rule campaign_zone_countries "
    "campaign_zone_reason placeholder_values",
    "calls": "id.r organization.r status.r provider.r account.r assistant phone_number contact.r campaign.r "
    "recipient.r attempt.r to_number from_number.r customer_name dynamic_variables metadata provider_call_id.r "
    "provider_status.r ended_reason.r answered_by.r error_code.r error_message.r result.r result_text.r "
    "result_status.r doubts.r created_at.r placed_at.r started_at.r answered_at.r ended_at.r duration_seconds.r "
    "billed_duration_seconds.r cost.r callback_url callback_status.r updated_at.r overdue.r",
    "api-keys": "id.r organization name scopes expires_at prefix.r key.r last_used_at.r",
}
REQUIRED = {  # in a create: only what identifies the object
    "provider-accounts": {"provider", "name", "credentials"},
    "assistants": {"account", "name"},
    "phone-numbers": {"account", "e164"},
    "contacts": {"phone"},
    "contact-lists": {"name"},
    "segments": {"name", "conditions"},
    "do-not-call": {"phone"},
    "campaigns": {"name"},
    "calls": {"to_number", "assistant", "phone_number"},
    "api-keys": {"name"},
}
FILTERS = {
    "/api/v1/contacts/": {"phone", "external_id", "list", "tag", "q"},
    "/api/v1/calls/": {
        *("status", "campaign", "contact", "account", "to_number"),
        *("created_after", "created_before", "overdue"),
    },
    "/api/v1/campaigns/{campaign}/recipients/": {"status", "outcome"},
}
CALL_STATUSES = {
    *("queued", "placing", "unconfirmed", "placed", "dialing", "ringing", "in_progress"),
    *("completed", "no_answer", "busy", "failed", "canceled", "expired", "unknown"),
}
CAMPAIGN_STATUSES = {"draft", "scheduled", "running", "paused", "finished", "canceled"}
RECIPIENT_STATUSES = {"pending", "calling", "waiting", "done", "skipped", "review", "withdrawn"}
PROVIDERS = {"allomia", "polyai", "plumvoice", "callingbox"}
# Place of an enum -> its values.
ENUMS: list[tuple[str, str, str, set[str]]] = [
    ("get", "calls/{id}/", "status", CALL_STATUSES),
    ("get", "calls/{id}/", "callback_status", {"none", "pending", "delivered", "failed"}),
    ("get", "campaigns/{id}/", "status", CAMPAIGN_STATUSES),
    ("get", "campaigns/{id}/progress/", "status", CAMPAIGN_STATUSES),
    ("get", "campaigns/{campaign}/recipients/", "status", RECIPIENT_STATUSES),
    ("get", "campaigns/{campaign}/recipients/{id}/explain/", "decision", {"allow", "defer", "skip"}),
    ("get", "imports/{id}/", "status", {"pending", "running", "completed", "failed", "canceled"}),
    ("get", "contacts/{id}/", "phone_kind", {"mobile", "home", "work", "other"}),
    ("get", "provider-accounts/{id}/", "provider", PROVIDERS),
    ("get", "organizations/{id}/", "single_call_hours", {"legal", "any"}),
]
NESTED: list[tuple[str, str, set[str]]] = [  # address, dotted path in the response, keys
    ("campaigns/{id}/progress/", "recipients", RECIPIENT_STATUSES),
    (
        "campaigns/{id}/progress/",
        "outcomes",
        {"completed", "no_answer", "busy", "failed", "expired", "unknown", "canceled"},
    ),
    (
        "campaigns/{id}/progress/",
        "",
        {
            "attempts",
            "open_calls",
            "overdue_calls",
            "spent",
            "started_at",
            "estimated_finish",
            "idle_reasons",
            "status",
        },
    ),
    ("campaigns/{id}/progress/", "idle_reasons", {"code", "message", "count", "until"}),
    ("campaigns/{id}/progress/", "spent", {"amount", "currency"}),
    (
        "campaigns/{id}/preflight/",
        "",
        {"ok", "problems", "recipients", "callable_now", "estimated_cost", "estimated_finish"},
    ),
    ("campaigns/{id}/preflight/", "problems", {"code", "severity", "message", "count"}),
    ("campaigns/{campaign}/recipients/{id}/explain/", "", {"decision", "until", "checks"}),
    ("campaigns/{campaign}/recipients/{id}/explain/", "checks", {"name", "result", "detail"}),
    ("contacts/{id}/", "further_numbers", {"phone", "kind"}),
    ("campaigns/{id}/", "windows", {"days", "opens", "closes"}),
    ("campaigns/{id}/", "retry_rules", {"outcome", "wait_minutes", "max_attempts"}),
    ("campaigns/{id}/", "progress", {"status", "recipients", "outcomes"}),
    ("assistants/{id}/", "variables", {"name", "required", "description", "default", "example"}),
    ("calls/{id}/", "events", {"at", "type", "from", "to", "source", "detail"}),
    ("calls/{id}/", "cost", {"amount", "currency"}),
    ("calls/{id}/", "cost_price", {"amount", "currency"}),
    ("calls/{id}/", "cost_estimate", {"amount", "currency"}),
]


def fields(resource: str, *, read: bool = True, write: bool = True) -> set[str]:
    found = [word.partition(".") for word in FIELDS[resource].split()]
    kinds = {"", *(["r"] if read else []), *(["w"] if write else [])}
    return {name for name, _, kind in found if kind in kinds}


@cases("path", ADDRESSES)
def test_every_address_is_there_with_its_methods(path: str) -> None:
    assert set(the_document()["paths"][path]) >= ADDRESSES[path]


@pytest.mark.parametrize("path", [f"{V1}{resource}/" for resource in FIELDS])
def test_every_field_can_be_read(path: str) -> None:
    resource = path.removeprefix(V1).strip("/")
    for found in (answer("get", path), answer("get", f"{path}{{id}}/")):
        properties = found["properties"]
        assert set(properties) >= fields(resource, write=False)
        assert not set(properties) & (fields(resource) - fields(resource, write=False))
        assert all(resolved(properties[name]).get("description") for name in fields(resource, write=False))


@pytest.mark.parametrize("path", [f"{V1}{resource}/" for resource in REQUIRED])
def test_a_create_takes_every_field_and_requires_what_identifies(path: str) -> None:
    resource = path.removeprefix(V1).strip("/")
    found = body("post", path)
    assert set(found["properties"]) >= fields(resource, read=False)
    assert not set(found["properties"]) & (fields(resource) - fields(resource, read=False))
    assert set(found["required"]) == REQUIRED[resource]
    assert found["additionalProperties"] is False


@pytest.mark.parametrize("path", [path for path, methods in ADDRESSES.items() if "patch" in methods])
def test_a_change_takes_every_field_and_requires_none(path: str) -> None:
    resource = path.removeprefix(V1).split("/")[0]
    found = body("patch", path)
    assert set(found["properties"]) >= fields(resource, read=False)
    assert "required" not in found
    assert found["additionalProperties"] is False


@pytest.mark.parametrize(("method", "path", "field", "expected"), ENUMS)
def test_every_word_of_an_enum_is_there(method: str, path: str, field: str, expected: set[str]) -> None:
    assert words(answer(method, V1 + path)["properties"][field]) >= expected


def test_words_that_requests_choose_from() -> None:
    windows = resolved(body("post", "/api/v1/campaigns/")["properties"]["windows"]["items"])
    assert words(windows["properties"]["days"]) == {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
    rules = resolved(body("post", "/api/v1/campaigns/")["properties"]["retry_rules"]["items"])
    assert words(rules["properties"]["outcome"]) == {"no_answer", "busy", "failed", "voicemail"}
    assert words(body("post", "/api/v1/provider-accounts/")["properties"]["provider"]) == PROVIDERS
    upload = body("post", "/api/v1/contact-lists/{id}/imports/")["properties"]
    assert words(upload["on_duplicate"]) == {"update", "skip"}
    assert words(upload["on_tags"]) == {"add", "replace"}
    assert set(upload) >= {
        "file",
        "mapping",
        "delimiter",
        "encoding",
        "default_region",
        "on_duplicate",
        "other_columns",
    }
    order = body("post", "/api/v1/calls/")["properties"]
    assert set(order) >= {"not_before", "not_after"}
    assert set(operation("post", "/api/v1/contact-lists/{id}/imports/")["requestBody"]["content"]) == {
        "multipart/form-data"
    }


@cases(("path", "where", "keys"), NESTED)
def test_every_key_of_what_is_nested_is_there(path: str, where: str, keys: set[str]) -> None:
    found = answer("get", V1 + path)
    if where:
        found = resolved(found["properties"][where])
        found = resolved(found["items"]) if "items" in found else found
    assert set(found["properties"]) >= keys


@pytest.mark.parametrize("path", FILTERS)
def test_every_filter_is_there(path: str) -> None:
    assert query_names(path) >= FILTERS[path]


def test_every_list_comes_in_pages() -> None:
    for path in ADDRESSES:
        if not path.endswith("/") or not operation_is_list(path):
            continue
        assert query_names(path) >= {"limit", "cursor", "ordering"}, path
        [content] = operation("get", path)["responses"]["200"]["content"].values()
        assert set(resolved(content["schema"])["required"]) == {"next", "previous", "results"}


def operation_is_list(path: str) -> bool:
    return path.startswith(V1) and not path.endswith("}/") and (path.count("/") == 4 or path.endswith("recipients/"))


def test_the_outbound_contract_word_for_word() -> None:
    order = body("post", "/api/outbound")
    properties = order["properties"]
    assert set(properties) == {
        *("phoneNumber", "assistantId", "phoneNumberId"),
        *("customerName", "dynamicVariables", "callbackUrl"),
    }
    assert set(order["required"]) == {"phoneNumber", "assistantId", "phoneNumberId"}
    assert (properties["phoneNumber"]["minLength"], properties["phoneNumber"]["maxLength"]) == (10, 20)
    assert (properties["customerName"]["maxLength"], properties["callbackUrl"]["maxLength"]) == (200, 2000)
    variables = properties["dynamicVariables"]
    assert variables["additionalProperties"] == {"type": "string"} and variables["maxProperties"] == 64
    assert variables["propertyNames"]["pattern"] == "^[A-Za-z_][A-Za-z0-9_]{0,63}$"
    made = answer("post", "/api/outbound", "201")["properties"]
    assert set(made) == {"outboundCallId", "contactId", "status", "message"}
    status = answer("get", "/api/outbound/{id}/status")["properties"]
    assert set(status) == {"outboundCallId", "contactId", "status", "callDetails"}
    assert words(status["status"]) == {"calling", "completed", "failed", "busy", "no-answer"}
    assert set(status["callDetails"]["properties"]) == {"startedAt", "endedAt", "duration", "endedReason"}
    assert "null" in status["callDetails"]["type"]


STATUSES = {
    "/api/outbound": ("post", {"201", "400", "401", "403", "404", "409", "422", "500"}),
    "/api/v1/contact-lists/{id}/imports/": ("post", {"202", "413", "415"}),
    "/api/v1/campaigns/{id}/start/": ("post", {"200", "409", "422"}),
    "/api/v1/calls/{id}/cancel/": ("post", {"200", "409"}),
    "/api/v1/calls/{id}/end/": ("post", {"200", "400", "409"}),
    "/api/v1/do-not-call/": ("post", {"200", "201"}),
    "/api/v1/contacts/{id}/": ("delete", {"204", "409"}),
    "/hooks/{provider}/{token}": ("post", {"200", "401", "404", "413"}),
}


@pytest.mark.parametrize("path", STATUSES)
def test_the_statuses_of_the_contract_are_there(path: str) -> None:
    method, expected = STATUSES[path]
    assert set(operation(method, path)["responses"]) >= expected


def test_the_answer_to_a_do_not_call_entry_lists_open_calls() -> None:
    assert "open_calls" in answer("post", "/api/v1/do-not-call/", "201")["properties"]
    assert "webhook_secret" in answer("post", "/api/v1/organizations/{id}/rotate-webhook-secret/")["properties"]
    assert set(answer("post", "/api/v1/provider-accounts/{id}/check/")["properties"]) >= {"ok", "message"}
