"""Parts of the document that no serializer holds: JSON columns, computed answers, errors, headers, pages."""

from __future__ import annotations

from typing import Any

from calls.models import Status
from calls.reports.progress import OUTCOMES
from campaigns.models import Campaign, Recipient
from campaigns.models.contact import MAX_VARIABLES
from campaigns.rules.windows import DAYS
from providers.adapters import registry
from providers.models import VARIABLE_NAME

Schema = dict[str, Any]

# JSON's escapes, because a pattern is read by other languages' engines too.
ONE_LINE = r"^[^\u0000-\u001f\u007f-\u009f]*$"
E164 = r"^\+[1-9][0-9]{6,14}$"


def obj(**properties: Schema) -> Schema:
    """An object whose keys are all always there."""
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def listed(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def maybe(schema: Schema) -> Schema:
    if "type" in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"oneOf": [schema, {"type": "null"}]}


TEXT: Schema = {"type": "string"}
WORD: Schema = {"type": "string", "minLength": 1}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
MOMENT: Schema = {"type": "string", "format": "date-time"}
ID: Schema = {"type": "string", "format": "uuid"}
ANYTHING: Schema = {"type": ["object", "array", "string", "number", "boolean"]}
OBJECT: Schema = {"type": "object", "additionalProperties": {}}
NAME = f"^{VARIABLE_NAME.pattern}$"
TEXTS: Schema = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "propertyNames": {"pattern": NAME},
    "maxProperties": MAX_VARIABLES,
}
CSV: Schema = {"type": "string", "format": "binary", "description": "UTF-8, with a header row."}
COUNTRY: Schema = {"type": "string", "pattern": "^[A-Z]{2}$", "examples": ["FR"]}
DAY_NAMES: Schema = {**listed({"type": "string", "enum": list(DAYS)}), "minItems": 1}
MONEY: Schema = {
    **obj(
        amount={"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2,}$", "examples": ["0.4125"]},
        currency={"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["USD"]},
    ),
    "title": "Money",
}
MONEY_REF: Schema = {"$ref": "#/components/schemas/Money"}


def money_given(places: int) -> Schema:
    zeros = f"|[0-9]{{{places}}}0{{1,{6 - places}}}" if places < 6 else ""
    return {
        "type": "object",
        "properties": {
            "amount": {"type": "string", "pattern": rf"^[0-9]{{1,10}}(\.([0-9]{{1,{places}}}{zeros}))?$"},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "default": "USD"},
        },
        "required": ["amount"],
        "additionalProperties": False,
    }


VARIABLE: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": NAME},
        "required": {"type": "boolean", "default": False},
        **{name: maybe(TEXT) for name in ("description", "default", "example")},
    },
    "required": ["name"],
    "additionalProperties": False,
}
OPT_OUT_RULE: Schema = {**obj(field=WORD, equals=WORD), "additionalProperties": False}

# (serializer, field) -> what is in it. For JSON columns and for what a serializer computes.
FIELDS: dict[tuple[str, str], Schema] = {
    ("OrganizationSerializer", "allowed_countries"): listed(COUNTRY),
    ("OrganizationSerializer", "default_region"): COUNTRY,
    ("PhoneNumberSerializer", "e164"): {"type": "string", "pattern": E164, "examples": ["+33142000001"]},
    ("AssistantSerializer", "variables"): listed(VARIABLE),
    ("AssistantSerializer", "opt_out_rules"): listed(OPT_OUT_RULE),
    ("ProviderAccountSerializer", "blocked_until"): maybe(MOMENT),
    ("ProviderAccountSerializer", "credentials_hint"): {"type": "object", "additionalProperties": {"type": "string"}},
    ("CampaignSerializer", "holidays"): listed({"type": "string", "format": "date"}),
    ("CampaignSerializer", "variables"): TEXTS,
    ("CampaignSerializer", "progress"): {"$ref": "#/components/schemas/Progress"},
    ("WindowSerializer", "days"): DAY_NAMES,
    ("ImportSerializer", "mapping"): OBJECT,
    ("UploadSerializer", "mapping"): {"type": "object", "additionalProperties": {"type": "string"}},
    ("UploadSerializer", "delimiter"): {"type": "string"},
    ("CallSerializer", "dynamic_variables"): TEXTS,
    ("CallSerializer", "metadata"): OBJECT,
    ("CallSerializer", "result"): ANYTHING,
    ("CallSerializer", "cost"): maybe(MONEY_REF),
    ("CallSerializer", "callback_status"): {"type": "string", "enum": ["none", "pending", "delivered", "failed"]},
    ("WebhookDeliverySerializer", "next_attempt_at"): maybe(MOMENT),
    ("WebhookEndpointSerializer", "secret"): maybe(TEXT),
    ("CampaignVersionSerializer", "changes"): ANYTHING,
    ("CampaignVersionSerializer", "rules"): ANYTHING,
}
# What a serializer adds to its fields when it answers.
EXTRA: dict[str, dict[str, Schema]] = {
    "EventSerializer": {"from": maybe(TEXT), "to": maybe(TEXT)},
}
# What only some answers have.
SOMETIMES = {("ApiKeySerializer", "key")}
# Plain serializers for which null is the same as leaving an optional field out.
NULL_IS_ABSENT = frozenset({"OrderSerializer", "OutboundSerializer"})


def of_field(field: Any) -> Schema | None:
    """The shape of a field that only this page knows. None: the field itself says what it is."""
    parent = getattr(field, "parent", None)
    for base in type(parent).__mro__:
        if (base.__name__, field.field_name) in FIELDS:
            return dict(FIELDS[base.__name__, field.field_name])
    return None


PROGRESS: Schema = obj(
    status={"type": "string", "enum": list(Campaign.Status.values)},
    recipients=obj(**dict.fromkeys(Recipient.Status.values, COUNT)),
    outcomes=obj(**dict.fromkeys(OUTCOMES, COUNT)),
    attempts=COUNT,
    open_calls=COUNT,
    spent=MONEY_REF,
    started_at=maybe(MOMENT),
    estimated_finish=maybe(MOMENT),
    idle_reasons=listed(obj(code=WORD, message=WORD, count=maybe(COUNT), until=maybe(MOMENT))),
)
PREFLIGHT: Schema = obj(
    ok=FLAG,
    problems=listed(
        obj(
            code=WORD,
            severity={"type": "string", "enum": ["error", "warning"]},
            message=WORD,
            count=maybe(COUNT),
        )
    ),
    recipients=COUNT,
    callable_now=maybe(COUNT),
    skipped={"type": "object", "additionalProperties": COUNT, "description": "People who will not be called, by rule."},
    zones_never_open=listed(WORD),
    per_hour=listed(obj(at=MOMENT, calls=COUNT)),
    estimated_start=maybe(MOMENT),
    estimated_cost=maybe(MONEY_REF),
    estimated_cost_low=maybe(MONEY_REF),
    estimated_finish=maybe(MOMENT),
)
PREVIEW: Schema = obj(
    assistant=maybe(ID),
    variables=listed(
        obj(
            name=WORD,
            value=TEXT,
            source={"type": "string", "enum": ["campaign", "contact", "default", ""]},
            required=FLAG,
            missing=FLAG,
        )
    ),
)
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
COMPARISON: Schema = obj(
    variants=listed(
        obj(
            assistant=ID,
            name=WORD,
            people=COUNT,
            calls=COUNT,
            completed=COUNT,
            rate=maybe(SHARE),
            rate_low=SHARE,
            rate_high=SHARE,
            cost=maybe(MONEY_REF),
            cost_per_completed=maybe(MONEY_REF),
        )
    ),
    statement=WORD,
)
DECISION: Schema = {"type": "string", "enum": ["allow", "defer", "skip"]}
EXPLANATION: Schema = obj(
    decision=DECISION,
    until=maybe(MOMENT),
    checks=listed(obj(name=WORD, result=DECISION, detail=TEXT)),
)
OUTBOUND: Schema = obj(
    outboundCallId=ID, contactId=ID, status={"type": "string", "enum": ["calling"]}, message={"type": "string"}
)
OUTBOUND_STATUS: Schema = obj(
    outboundCallId=ID,
    contactId=ID,
    status={"type": "string", "enum": ["calling", "completed", "failed", "busy", "no-answer"]},
    callDetails=maybe(
        obj(startedAt=maybe(MOMENT), endedAt=maybe(MOMENT), duration=maybe(COUNT), endedReason=maybe(TEXT))
    ),
)
OPEN_CALL: Schema = obj(
    id=ID,
    status={"type": "string", "enum": list(Status.values)},
    to_number={"type": "string", "pattern": E164},
)
SCHEMAS: dict[str, Schema] = {
    "Money": MONEY,
    "Progress": PROGRESS,
    "Preflight": PREFLIGHT,
    "Preview": PREVIEW,
    "Comparison": COMPARISON,
    "Explanation": EXPLANATION,
    "OutboundCall": OUTBOUND,
    "OutboundStatus": OUTBOUND_STATUS,
    "Error": {
        "type": "object",
        "properties": {
            "error": {**WORD, "description": "One sentence for a person."},
            "details": {
                **listed(
                    obj(
                        field={**WORD, "description": "The field at fault; nested ones with dots."},
                        message=WORD,
                        code={**WORD, "description": "The kind of fault in one word.", "examples": ["too_small"]},
                    )
                ),
                "minItems": 1,
                "description": "Only where fields are at fault: every one of them.",
            },
        },
        "required": ["error"],
        "additionalProperties": False,
    },
}

# Status -> name of the component, what it means, an example of its sentence.
ERRORS: dict[str, tuple[str, str, str]] = {
    "400": ("Invalid", "The request is not understood, or fields are at fault.", "Invalid request data"),
    "401": ("Unauthorized", "The key is missing or not in force.", "Invalid or missing API key"),
    "403": ("Forbidden", "The key's scope is too small, or the organization is inactive.", "Insufficient permissions"),
    "404": ("NotFound", "It does not exist, or not for this key.", "Not found"),
    "405": ("MethodNotAllowed", "This address has no such method.", 'Method "PUT" not allowed.'),
    "406": ("NotAcceptable", "The answer is JSON.", "Could not satisfy the request Accept header."),
    "409": ("Conflict", "The present state forbids it.", "A call to this number is already open"),
    "413": ("TooLarge", "The body is too large.", "The request body is too large."),
    "415": ("UnsupportedMediaType", "The body has the wrong media type.", 'Unsupported media type "text/plain".'),
    "422": ("Refused", "Understood, and refused by a rule.", "This number is on the do-not-call list"),
    "429": ("TooManyRequests", "Too many requests of this key.", "Too many requests. Try again in 1 second."),
    "500": ("ServerError", "A mistake of ours.", "Internal server error occurred"),
    "503": ("Unavailable", "A provider gives no answer.", "The provider gave no usable answer. Try again later."),
}
ERROR_HEADERS = {"401": "WWW-Authenticate", "405": "Allow", "429": "Retry-After"}
DETAIL = {"field": "phoneNumber", "message": "A phone number has at least 10 characters.", "code": "too_small"}


def error_answers() -> dict[str, Any]:
    """The one error shape, for every status."""
    return {name: _error(code, meaning, sentence) for code, (name, meaning, sentence) in ERRORS.items()}


def _error(code: str, meaning: str, sentence: str) -> dict[str, Any]:
    names = ["X-Request-Id", *([ERROR_HEADERS[code]] if code in ERROR_HEADERS else [])]
    example = {"error": sentence, **({"details": [DETAIL]} if code == "400" else {})}
    return {
        "description": meaning,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}, "example": example}},
    }


REQUEST_ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}
PARAMETERS: dict[str, Any] = {
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Your name for this request, given back and written to the logs: 1 to 128 of letters, digits, "
        "`.`, `_` and `-`. Anything else is replaced by one of ours.",
        "schema": {"type": "string"},
    },
    "Organization": {
        "name": "X-Organization",
        "in": "header",
        "description": "With a tenant-level key: the organization that is meant. Without it lists span them all.",
        "schema": ID,
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A repeat with the same key and body within 24 hours has no further effect and is answered as "
        "the first was; with another body it is a 422, while the first still runs a 409.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
}
HEADERS: dict[str, Any] = {
    "X-Request-Id": {
        "description": "Quote it when you ask about this answer.",
        "required": True,
        "schema": REQUEST_ID,
    },
    "Idempotent-Replayed": {
        "description": "There when this is the answer to an earlier request with the same `Idempotency-Key`.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "WWW-Authenticate": {"description": "How to sign in.", "schema": {"type": "string"}},
    "Allow": {"description": "The methods that there are.", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
}


def path_parameter(name: str) -> dict[str, Any]:
    schema: Schema = ID
    if name == "provider":
        schema = {"type": "string", "enum": [slug for slug, _ in registry.choices()]}
    elif name == "token":
        schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def page_parameters(pages: Any, orderings: Any) -> list[dict[str, Any]]:
    """How a list is read on."""
    limit = {"type": "integer", "minimum": 1, "maximum": pages.max_page_size, "default": pages.page_size}
    ordering = {"type": "string", "enum": sorted(orderings), "default": "-created_at"}
    return [
        {"name": "limit", "in": "query", "description": "How many at a time.", "schema": limit},
        {
            "name": "cursor",
            "in": "query",
            "description": "Where to go on. Follow `next` and `previous` as they were given.",
            "schema": {"type": "string"},
        },
        {"name": "ordering", "in": "query", "description": "Newest or oldest first.", "schema": ordering},
    ]


class Pages:
    """What a list answers."""

    @staticmethod
    def get_paginated_response_schema(results: Schema) -> Schema:
        link = {"type": ["string", "null"], "format": "uri"}
        return obj(next=link, previous=link, results=results)
