"""Descriptions of the fields of the OpenAPI document, one sentence each, and of its successful responses."""

from __future__ import annotations

from typing import Any

RESPONSES = {
    "200": "Done.",
    "201": "Created.",
    "202": "Accepted. The work continues in the background.",
    "204": "Deleted.",
}

# By field name, in every serializer. An entry of OF_SERIALIZERS takes precedence.
FIELDS = {
    "id": "The public id.",
    "organization": "The organization it belongs to. A create may leave it out when only one is possible.",
    "tenant": "The tenant that owns the organization.",
    "name": "The name shown to team members.",
    "created_at": "When it was created.",
    "updated_at": "When it was last changed.",
    "is_active": "While this is false, no call is placed with it.",
    "timezone": "A time zone such as Europe/Paris.",
    "variables": "Text by name.",
    "options": "Settings specific to the provider. They depend on the provider and its API generation.",
    "account": "The provider account.",
    "assistant": "The assistant that speaks.",
    "phone_number": "The caller number.",
    "phone_numbers": "The caller numbers, all of the assistant's provider account.",
    "contact": "The contact.",
    "contacts": "The contacts.",
    "contact_lists": "The lists of contacts to call.",
    "segments": "The segments whose contacts are called: those that they have at the launch, and later ones too "
    "if it is ongoing.",
    "conditions": "What its contacts have in common: they meet every condition.",
    "description": "The conditions as a sentence.",
    "contacts_count": "The number of contacts on the list.",
    "campaign": "The campaign; null for a single call.",
    "recipient": "The recipient in the campaign; null for a single call.",
    "phone": "E.164 with +. A request may also use a national form, read with the organization's default country.",
    "external_id": "The id in your system, or in the provider's.",
    "language": "A language tag, such as fr or pt-BR.",
    "status": "The status.",
    "reason": "The reason.",
    "provider": "The provider.",
    "base_url": "The address of the provider's API: https and public. If it is left out, the provider's own address is "
    "used, if it has one. A change requires the credentials in the same request.",
    "credentials": "The credentials at the provider. They are never returned. allomia `api_key`; polyai `auth_token`; "
    "plumvoice `email`, `developer_key`; callingbox `api_key`, optionally `webhook_secret`, `endpoint_secret`.",
    "credentials_hint": "The last characters of each secret.",
    "credentials_readable": "False: none of FIELD_KEYS decrypts the credentials. Nothing is placed until they are sent "
    "again or the key is back.",
    "calls_per_second": "How many calls are placed in a second.",
    "max_open_calls": "How many calls may be open at once; null: no limit of its own.",
    "reads_per_second": "How many requests for outcomes are sent in a second.",
    "max_unconfirmed": "More open unconfirmed calls than this block the provider account; null: no limit.",
    "failing_percent": "From this share of failed calls among those that ended in the last hour, in per cent, pages "
    "say that the account is failing; null: never. It stops no call.",
    "price_per_minute": "The price of a minute, for budgets and forecasts.",
    "longest_call_minutes": "Minutes after which an open call is overdue: its line is free again, and it is read less "
    "often.",
    "time_zone": "The zone of times that the provider sends without one. Empty: such times are not shown.",
    "words": "What the provider means by its words, before the built-in meanings: word to meaning, for `status`, "
    "`reason` and `answered_by`. A change replaces the whole table and holds for answers from then on.",
    "unknown_words": "Words that were seen and have no meaning yet, at most 200.",
    "word": "The word as it was first sent, without phone numbers.",
    "field": "Where the word stood.",
    "first_seen_at": "When it was first seen.",
    "health": "`ok`, `failing`, `inactive`, or the reason why it is blocked.",
    "blocked_until": "When it is tried again; null: it is not blocked, or it stays blocked until it is unblocked.",
    "blocked_reason": "Why no call is placed through it; empty: it is not blocked.",
    "open_calls": "How many calls are open now.",
    "overdue_calls": "How many of the open calls are overdue. They hold no line; all others do.",
    "overdue": "Whether the call is open for longer than its provider account's `longest_call_minutes`: it holds no "
    "line, is read less often, and its contact is not called meanwhile.",
    "e164": "The number, such as +33123456789. It is unique in a provider account.",
    "label": "What the number is used for.",
    "default_region": "The country by which national numbers are read, as a two-letter code.",
    "allowed_countries": "Countries that may be called, with the overseas regions that share their numbering plan "
    "(`FR` includes `RE`). Empty: the default country (US and CA include each other).",
    "calls_stopped": "Whether all calls are stopped. When the response to `true` arrives, no further call is placed.",
    "single_call_hours": "When single calls may be placed: in the `legal` hours of the contact, or at `any` hour.",
    "daily_budget": "No call is placed that would exceed this cost in one day of the organization; null: no limit.",
    "webhook_secret": "Signs webhooks. It is shown only here, once.",
    "zone_fault": "What is wrong with the time zone: `no_place` counts for nothing, `contradicts` is none of the "
    "number's. Empty: nothing.",
    "phone_kind": "Where the contact is reached by `phone`. Empty: not known.",
    "further_numbers": "Up to four other numbers, in the order in which they are called. A change replaces the list.",
    "tags": "The names of the contact's tags, at most 50, each of at most 60 characters. A change replaces the list; a "
    "tag that does not exist yet is created.",
    "on_tags": "Whether the tags of a row are added to those of a contact that exists, or replace them: `add` or "
    "`replace`. A row without tags changes none.",
    "kind": "Where the contact is reached by the number. Empty: not known.",
    "consent_basis": "Why the contact may be called, such as `consent` or `contract`.",
    "consent_at": "When the consent was given.",
    "consent_evidence": "What proves the consent: a text of up to 10,000 characters, or where to find it.",
    "do_not_call": "Whether a number of the contact is on the do-not-call list.",
    "list": "The list that the contacts are added to.",
    "filename": "The name of the file.",
    "bytes_total": "The size of the file.",
    "bytes_read": "How many bytes are read.",
    "rows_read": "How many rows are read.",
    "created": "How many contacts were created.",
    "updated": "How many contacts were changed.",
    "skipped": "Rows whose contact was left unchanged.",
    "rejected": "Rows that were not imported; see `errors.csv`.",
    "mapping": "Column header to `phone` (or `phone.mobile`, `phone.home`, `phone.work`, `phone.other`), `phone_kind`, "
    "`name`, `external_id`, `language`, `timezone`, `tags`, `do_not_call`, `may_call`, `consent_basis`, `consent_at`, "
    "`consent_evidence`, `variables.NAME`, or an empty text for a column to ignore.",
    "other_columns": "What becomes of columns that nobody mapped and whose names say nothing: `variables` or `ignore`.",
    "listed": "How many numbers a column of the file put on the do-not-call list.",
    "numbers_left_out": "Further numbers that were not kept: unusable, or more than five for a contact.",
    "phone_readings": "How a column writes digits that fit two numbers, by its name: `national`; `plus_lost`, with a "
    "country code; `undecided`, such rows are rejected.",
    "removed": "How many contacts an undo removed.",
    "restored": "How many contacts an undo gave back what the file had changed.",
    "zones_contradicting": "Imported rows whose time zone is none of the number's.",
    "zones_interpreted": "Imported rows whose time zone was read from another word, such as EST.",
    "zone_examples": "The first rows of each kind, with the line as a spreadsheet counts.",
    "error": "Why it failed; empty: it did not fail.",
    "started_at": "When it started; of a call: when it started to ring.",
    "finished_at": "When it finished.",
    "source": "Where it came from.",
    "expires_at": "When it expires; null: never.",
    "placeholder_values": "What happens with a recipient who has a value that nobody means to speak, such as NULL: "
    "`hold` until a team member decides, `skip`, `empty` (the value counts as missing) or `send` as it is.",
    "windows": "When recipients may be called, in their time zone. Empty: never.",
    "contact_zone_rule": "What counts where a contact's own time zone is none of its number's: `both_open` calls when "
    "both are in calling hours, `trust_contact` by the contact's own zone alone.",
    "campaign_zone_countries": "Countries whose numbers are called by the campaign's time zone where they may be in "
    "several and the contact has none of its own.",
    "campaign_zone_reason": "Why; required with `campaign_zone_countries`. It is recorded in the audit log.",
    "holidays": "Dates, in the recipient's time zone, on which no call is placed.",
    "retry_rules": "What follows each outcome. An outcome without a rule is not retried.",
    "max_attempts": "The most calls to one recipient.",
    "ongoing": "Contacts that are added to its lists later are called too. The campaign does not finish by itself "
    "before `ends_at`.",
    "try_next_number": "After the last unanswered call to a number, call the contact's next number. The retry rules "
    "then count the calls to each number; `max_attempts` of the campaign counts all.",
    "min_gap_minutes": "Minutes between two calls to one contact; null: the organization's value.",
    "calls_per_minute": "How many calls are placed in a minute, evenly spread; null: no limit of its own.",
    "budget": "The highest total cost; null: no limit. It counts its own currency.",
    "legal_override": "A reason given here disables the table of legal calling hours. It is recorded in the audit log.",
    "starts_at": "No call is placed before; null: start at once.",
    "ends_at": "No call is placed after; null: end when all recipients are done.",
    "callback_url": "An https address that receives one webhook when a call is over; empty: no webhook.",
    "callback_status": "The status of the webhook to `callback_url`.",
    "progress": "The progress of the campaign.",
    "days": "Days of the week.",
    "opens": "The start, such as 09:00.",
    "closes": "The end, such as 20:00; 24:00 is midnight. Earlier than `opens`: on the next day.",
    "outcome": "The outcome of the last call.",
    "wait_minutes": "Minutes until the next call.",
    "attempt": "The number of this call among the calls to the recipient.",
    "attempts": "How many calls were made.",
    "next_attempt_at": "When the next attempt is due.",
    "to_number": "The number called, as E.164.",
    "from_number": "The caller number, as E.164.",
    "customer_name": "The name by which the assistant addresses the contact.",
    "dynamic_variables": "The variables given to the assistant, as text by name.",
    "metadata": "Your own data: stored and returned.",
    "provider_call_id": "The provider's id of the call.",
    "provider_status": "The status as the provider names it.",
    "ended_reason": "Why the call ended.",
    "answered_by": "`human` or `machine`, if the provider reports it.",
    "error_code": "The kind of failure.",
    "error_message": "The failure, in the provider's words.",
    "result": "The result of the conversation, as the provider reported it.",
    "result_text": "A result without one structured meaning, as the provider sent it.",
    "result_status": "The status of the result.",
    "doubts": "What the provider said and Trunkline does not believe: the field, what was sent, and why.",
    "placed_at": "When the provider accepted the call.",
    "answered_at": "When the call was answered.",
    "ended_at": "When the call ended; of an alert: when its cause was over.",
    "duration_seconds": "How long the call lasted.",
    "billed_duration_seconds": "How long a time the provider charged for.",
    "cost": "What counts as the cost: the provider's price when it is known, until then our estimate.",
    "cost_price": "The price that the provider reported, in its currency. It may come after the end.",
    "cost_estimate": "Our estimate from the account's price per minute at the claim, in the currency of that price.",
    "events": "What happened to the call, in order.",
    "at": "When it happened.",
    "type": "What happened.",
    "detail": "More about it.",
    "not_before": "The call is not placed before.",
    "not_after": "The call is canceled if it was not placed by then. The default is one hour from now.",
    "file": "A CSV file or a workbook: .xlsx, .xlsm, .xlsb, .xls or .ods.",
    "delimiter": "The character between cells. If it is left out, it is detected.",
    "encoding": "The character encoding. If it is left out, it is detected.",
    "on_duplicate": "What happens to a contact that exists already.",
    "phoneNumber": "The number to call. E.164; a national form is read with the organization's default country.",
    "assistantId": "The assistant that speaks.",
    "phoneNumberId": "The caller number.",
    "customerName": "The name by which the assistant addresses the contact.",
    "dynamicVariables": "The variables given to the assistant: every value is a string, at most 16 KB in all.",
    "callbackUrl": "A public https address that receives one webhook when the call is over.",
    "scopes": "What the key may do. Each scope includes the ones before it.",
    "owner": "To whom the key belongs: to its `maker`, and it may do no more than they may now; or to the "
    "`organization`. A key creates keys of its own owner; for a signed-in team member the default is `maker`.",
    "maker": "The e-mail address of the team member who made the key; null if it was not a team member.",
    "prefix": "The first characters of the key.",
    "key": "The key itself, only in the response to the create.",
    "last_used_at": "When it was last used, to the minute.",
}
# By serializer, where a name means something else.
OF_SERIALIZERS = {
    ("AssistantSerializer", "variables"): "The variables that the assistant expects.",
    ("AssistantSerializer", "external_id"): "The provider's id of the assistant.",
    ("PhoneNumberSerializer", "external_id"): "The provider's id of the number. AlloMia needs it.",
    ("PhoneNumberSerializer", "organization"): FIELDS["organization"],
    ("CampaignSerializer", "variables"): "The variables given to the assistant for each recipient: text with "
    '`{{ contact.name }}`, `{{ contact.variables.NAME|default:"..." }}` and the like.',
    ("CampaignSerializer", "timezone"): "The campaign's time zone, for numbers without a place. Empty: the "
    "organization's.",
    ("ContactSerializer", "timezone"): "A time zone such as Europe/Paris. Empty: the zones of the number.",
    ("ContactSerializer", "external_id"): "The contact's id in your system.",
    ("RecipientSerializer", "campaign"): "The campaign.",
    ("RecipientSerializer", "deciding_call"): "The call that decided the outcome; null while none did.",
    ("SeenWordSerializer", "call"): "The call in which it was first seen.",
    ("SeenWordSerializer", "key"): "The word as `words` has it.",
    ("CallSerializer", "started_at"): "When the call started to ring.",
    ("CampaignSerializer", "status"): "`draft`, then `scheduled` or `running`, which may be `paused`, until `finished` "
    "or `canceled`.",
}


def of_field(field: Any) -> str:
    """Return the description of a field: from these tables, else the model's help text, else an empty string."""
    for base in type(field.parent).__mro__:
        if (base.__name__, field.field_name) in OF_SERIALIZERS:
            return OF_SERIALIZERS[base.__name__, field.field_name]
    return FIELDS.get(field.field_name) or str(field.help_text or "")
