"""Write the calls of a claim into the dial journal before they are sent, and what became of them afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.db import DatabaseError, InterfaceError

from calls.models import Call
from campaigns.models.number_hash import number_hashes
from providers.adapters.base import Reading
from providers.adapters.errors import Misconfigured, NotSent, ProviderError, Rejected
from tenants.db.encrypted_fields import UndecryptableSecret
from tenants.journal.lines import Line
from tenants.journal.writer import NotWritten, writer


def is_ready() -> bool:
    """Return whether calls may be claimed: not while the journal cannot be written."""
    found = writer()
    return found is None or found.ready()


def told() -> dict[str, int]:
    """Return what the processes of this host have told the database so far, for `mark`. Raises NotCompared."""
    found = writer()
    return found.told() if found else {}


def mark(told: Mapping[str, int]) -> None:
    """Tell the database, in the claim's transaction, what is on the disk. Raises DatabaseIsOlder, NotCompared."""
    if found := writer():
        found.mark(told)


def write_intents(calls: Sequence[Call]) -> None:
    """Write one line for each claimed call. Return when they are on the disk. Raises NotWritten."""
    found = writer()
    if found is None or not calls:
        return
    try:
        hashes = {phone: hashed for hashed, phone in number_hashes({call.to_number for call in calls}).items()}
    except (DatabaseError, InterfaceError, UndecryptableSecret) as error:
        raise NotWritten("The key of number hashes cannot be read.") from error
    found.append([_intent(call, hashes[call.to_number]) for call in calls])


def _intent(call: Call, hashed: str) -> Line:
    """Return what makes the call anew where a restored database lacks it. A number is only told by its keyed hash."""
    return {
        "kind": "intent",
        "at": call.dialed_at,
        "organization": call.organization.uuid,
        "call": call.uuid,
        "campaign": call.campaign.uuid if call.campaign else None,
        "contact": call.contact.uuid,
        "number": hashed,
        "account": call.account.uuid,
        "assistant": call.assistant.uuid,
        "caller": call.phone_number.uuid,
        "attempt": call.attempt,
        "fence": call.placing_attempts,
        "reference": call.reference,
        "address": call.callback_token,
    }


def add_answers(answers: Iterable[tuple[Call, int, Reading | ProviderError]]) -> None:
    """Write what certainly became of requests: the call, the fence of its claim, the answer. Do not wait for the disk.

    Of a doubt there is nothing to write: without a line of its own, an intent is one.
    """
    if found := writer():
        lines = [_answer(*each) for each in answers]
        found.add([line for line in lines if line is not None])


def _answer(call: Call, fence: int, answer: Reading | ProviderError) -> Line | None:
    line: Line = {"kind": "", "call": call.uuid, "fence": fence}
    if isinstance(answer, Reading):
        if not answer.provider_call_id:
            return None
        return line | {"kind": "placed", "id": answer.provider_call_id}
    if isinstance(answer, NotSent | Misconfigured):
        return line | {"kind": "unsent"}
    return line | {"kind": "refused"} if isinstance(answer, Rejected) else None
