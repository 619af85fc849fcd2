"""Schemas that no serializer declares: JSON columns and computed responses."""

from __future__ import annotations

from typing import Any

from calls.models import Status
from calls.reports.progress import OUTCOMES
from campaigns.models import Campaign, Contact, Recipient
from campaigns.models.contact import MAX_VARIABLES
from campaigns.phones import Reading
from campaigns.rules.conditions import MOST as MOST_CONDITIONS
from campaigns.rules.placeholders import Kind
from campaigns.rules.windows import DAYS
from providers.adapters.words import LONGEST, MEANINGS
from providers.validators import VARIABLE_NAME

Schema = dict[str, Any]

# JSON escapes: engines of other languages read the pattern too.
ONE_WORD = r"^[^\u0000-\u001f\u007f-\u009f]*$"
TEXT_PATTERN = r"^[^\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f]*$"  # line breaks become spaces
E164 = r"^\+[1-9][0-9]{6,14}$"


def obj(**properties: Schema) -> Schema:
    """Return the schema of an object whose keys are always present."""
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
ANYTHING: Schema = {}  # any JSON value: a list of all types would need the items of its arrays
OBJECT: Schema = {"type": "object", "additionalProperties": {}}
NAME = f"^{VARIABLE_NAME.pattern}$"
TEXTS: Schema = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "propertyNames": {"pattern": NAME},
    "maxProperties": MAX_VARIABLES,
}
CONDITIONS: Schema = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST_CONDITIONS,
    "items": {
        "type": "object",
        "properties": {"field": {"type": "string"}, "is": {"type": "string"}, "value": {}},
        "required": ["field", "is"],
        "additionalProperties": False,
    },
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
OWN_WORDS: Schema = {
    "type": "object",
    "properties": {
        field: {
            "type": "object",
            "additionalProperties": {"type": "string", "enum": list(meanings)},
            "propertyNames": {"minLength": 1, "maxLength": LONGEST, "pattern": TEXT_PATTERN},
        }
        for field, meanings in MEANINGS.items()
    },
    "additionalProperties": False,
}
OPT_OUT_RULE: Schema = {**obj(field=WORD, equals=WORD), "additionalProperties": False}
DOUBT: Schema = {**obj(field=WORD, said=TEXT, why=WORD), "additionalProperties": False}
ZONE_EXAMPLES: Schema = {
    "type": "object",
    "properties": {
        "contradicting": listed(obj(line=COUNT, timezone=WORD, number_zones=listed(WORD))),
        "interpreted": listed(obj(line=COUNT, written=WORD, timezone=WORD)),
    },
    "additionalProperties": False,
}
PHONE_READINGS: Schema = {
    "type": "object",
    "additionalProperties": {"type": "string", "enum": [reading.value for reading in Reading]},
}

# (serializer, field) -> schema, for JSON columns and computed fields.
FIELDS: dict[tuple[str, str], Schema] = {
    ("OrganizationSerializer", "allowed_countries"): listed(COUNTRY),
    ("OrganizationSerializer", "default_region"): COUNTRY,
    ("PhoneNumberSerializer", "e164"): {"type": "string", "pattern": E164, "examples": ["+33142000001"]},
    ("AssistantSerializer", "variables"): listed(VARIABLE),
    ("AssistantSerializer", "opt_out_rules"): listed(OPT_OUT_RULE),
    ("ProviderAccountSerializer", "blocked_until"): maybe(MOMENT),
    ("ProviderAccountSerializer", "words"): OWN_WORDS,
    ("ProviderAccountSerializer", "credentials_hint"): {"type": "object", "additionalProperties": {"type": "string"}},
    ("ProviderAccountSerializer", "credentials_readable"): {"type": "boolean"},
    ("CampaignSerializer", "campaign_zone_countries"): listed(COUNTRY),
    ("CampaignSerializer", "holidays"): listed({"type": "string", "format": "date"}),
    ("CampaignSerializer", "variables"): TEXTS,
    ("CampaignSerializer", "progress"): {"$ref": "#/components/schemas/Progress"},
    ("WindowSerializer", "days"): DAY_NAMES,
    ("ContactSerializer", "zone_fault"): {"type": "string", "enum": ["", *Contact.ZoneFault.values]},
    ("ImportSerializer", "mapping"): OBJECT,
    ("ImportSerializer", "zone_examples"): ZONE_EXAMPLES,
    ("ImportSerializer", "phone_readings"): PHONE_READINGS,
    ("UploadSerializer", "mapping"): {"type": "object", "additionalProperties": {"type": "string"}},
    ("UploadSerializer", "delimiter"): {"type": "string"},
    ("CallSerializer", "dynamic_variables"): TEXTS,
    ("CallSerializer", "metadata"): OBJECT,
    ("CallSerializer", "result"): ANYTHING,
    ("CallSerializer", "doubts"): listed(DOUBT),
    ("CallSerializer", "cost"): maybe(MONEY_REF),
    ("CallSerializer", "cost_price"): maybe(MONEY_REF),
    ("CallSerializer", "cost_estimate"): maybe(MONEY_REF),
    ("CallSerializer", "overdue"): FLAG,
    ("CallSerializer", "callback_status"): {"type": "string", "enum": ["none", "pending", "delivered", "failed"]},
    ("WebhookDeliverySerializer", "next_attempt_at"): maybe(MOMENT),
    ("WebhookEndpointSerializer", "secret"): maybe(TEXT),
    ("CampaignVersionSerializer", "changes"): ANYTHING,
    ("CampaignVersionSerializer", "rules"): ANYTHING,
}
# Keys that a serializer adds to its fields in a response.
EXTRA: dict[str, dict[str, Schema]] = {
    "EventSerializer": {"from": maybe(TEXT), "to": maybe(TEXT)},
}
# Fields that only some responses have.
SOMETIMES = {("ApiKeySerializer", "key")}
# Plain serializers for which null means the same as leaving an optional field out.
NULL_IS_ABSENT = frozenset({"OrderSerializer", "OutboundSerializer"})


def of_field(field: Any) -> Schema | None:
    """Return the schema of a field from FIELDS, or None if the field describes itself."""
    parent = getattr(field, "parent", None)
    for base in type(parent).__mro__:
        if (base.__name__, field.field_name) in FIELDS:
            return dict(FIELDS[base.__name__, field.field_name])
    return None


MONEYS: Schema = listed(MONEY_REF)
PROGRESS: Schema = obj(
    status={"type": "string", "enum": list(Campaign.Status.values)},
    recipients=obj(**dict.fromkeys(Recipient.Status.values, COUNT)),
    outcomes=obj(**dict.fromkeys(OUTCOMES, COUNT)),
    attempts=COUNT,
    open_calls=COUNT,
    overdue_calls=COUNT,
    spent=MONEY_REF
    | {
        "description": "In the currency of the budget; without a budget in the only currency there is. Of several "
        "currencies it is one part, which may be 0."
    },
    spent_by_currency=MONEYS | {"description": "What the calls cost as far as known. Amounts are never converted."},
    budget_not_counted=MONEYS | {"description": "What is spent and set aside in other currencies than the budget's."},
    started_at=maybe(MOMENT),
    estimated_finish=maybe(MOMENT),
    idle_reasons=listed(obj(code=WORD, message=WORD, count=maybe(COUNT), until=maybe(MOMENT))),
)
KIND: Schema = {
    "type": "string",
    "enum": [kind.value for kind in Kind],
    "description": "Why nobody means to speak a value.",
}
WARNINGS: Schema = {
    **listed(obj(field=WORD, message=WORD, code=WORD)),
    "description": "Values of the order that nobody means to speak. They were sent as they are.",
}
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
    skipped={
        "type": "object",
        "additionalProperties": COUNT,
        "description": "Recipients who will not be called, by rule.",
    },
    placeholder_values=listed(
        obj(variable=WORD, kind=KIND, recipients=COUNT, examples=listed(obj(contact=ID, value=WORD)))
    ),
    zones_never_open=listed(WORD),
    never_open=listed(
        obj(
            country=TEXT,
            zones=listed(WORD),
            cause={"type": "string", "enum": ["no_common_hour", "zones_contradict", "never_open"]},
            recipients=COUNT,
        )
    ),
    per_hour=listed(obj(at=MOMENT, calls=COUNT)),
    estimated_start=maybe(MOMENT),
    estimated_cost=maybe(MONEY_REF),
    estimated_cost_low=maybe(MONEY_REF),
    estimated_cost_by_currency=MONEYS,
    estimated_cost_low_by_currency=MONEYS,
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
            placeholder={
                "type": "string",
                "enum": [*(kind.value for kind in Kind), ""],
                "description": "Why nobody means to speak the value. Empty: it may be spoken.",
            },
        )
    ),
)
IMPORT_PREVIEW: Schema = obj(
    whole_file={**FLAG, "description": "False: the file has more rows, and the counts are of its first rows."},
    **dict.fromkeys(
        (
            *("rows_read", "created", "updated", "unchanged", "skipped", "repeated", "rejected"),
            *("listed", "on_do_not_call", "numbers_left_out", "zones_contradicting", "zones_interpreted"),
        ),
        COUNT,
    ),
    reasons=listed(obj(reason=WORD, line=COUNT, rows=COUNT)),
    columns=listed(obj(column=WORD, target=TEXT, reason=WORD)),
    changes={"type": "object", "additionalProperties": COUNT, "description": "Changed contacts, by what changes."},
    examples=listed(
        obj(line=COUNT, phone={"type": "string", "pattern": E164}, field=WORD, before=maybe(TEXT), after=maybe(TEXT))
    ),
    phone_readings=PHONE_READINGS,
    zone_examples=ZONE_EXAMPLES,
    placeholder_values=listed(obj(field=WORD, kind=KIND, rows=COUNT, examples=listed(obj(line=COUNT, value=WORD)))),
    notes=listed(WORD),
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
            cost_by_currency=MONEYS,
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
    "ImportPreview": IMPORT_PREVIEW,
    "Comparison": COMPARISON,
    "Explanation": EXPLANATION,
    "OutboundCall": OUTBOUND,
    "OutboundStatus": OUTBOUND_STATUS,
    "Error": {
        "type": "object",
        "properties": {
            "error": {**WORD, "description": "A sentence for a human reader."},
            "details": {
                **listed(
                    obj(
                        field={**WORD, "description": "The field at fault; the names of nested fields are dotted."},
                        message=WORD,
                        code={**WORD, "description": "The kind of error in one word.", "examples": ["too_small"]},
                    )
                ),
                "minItems": 1,
                "description": "All fields at fault, only if there are any.",
            },
        },
        "required": ["error"],
        "additionalProperties": False,
    },
}
