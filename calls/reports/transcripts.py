"""Transcripts of calls: read from the provider on request, and stored nowhere here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from django.utils import timezone

from calls.gate import rate_limits
from calls.models import Call
from providers.adapters import http
from providers.adapters.base import Answer, Request, Segment
from providers.adapters.errors import NotFound, NotSent, ProviderError
from tenants import audit_log

DEADLINE = 10.0


class NoTranscript(Exception):
    """There is no transcript, or none yet. The message is a sentence for the team member."""


class Unreadable(Exception):
    """The provider gave no usable answer. The message never quotes the provider."""


class TooMany(Exception):
    """The account's limit of reads is reached, or the provider answered 429. `seconds`: when to try again."""

    def __init__(self, seconds: float) -> None:
        super().__init__("The account's limit of reads is reached. Try again later.")
        self.seconds = seconds


def may_exist(call: Call) -> bool:
    """Return whether the provider can have a transcript of the call."""
    known = bool(call.provider_call_id) and not call.contact.erased_at
    return call.account.adapter.can_transcribe and known


def shown_to(actor: str, call: Call) -> Sequence[Segment]:
    """Return the turns for someone who looks at them, and record the look. Raises what `read` raises."""
    turns = read(call)
    audit_log.record(call.organization_id, actor=actor, action="call.transcript_seen", subject=str(call.uuid))
    return turns


def read(call: Call) -> Sequence[Segment]:
    """Return the turns in order, at least one. It takes one of the account's reads.

    Raises NoTranscript, TooMany, Unreadable.
    """
    adapter = call.account.adapter
    if not adapter.can_transcribe:
        raise NoTranscript(f"{adapter.name} has no transcripts that can be read by the ID of a call.")
    if call.contact.erased_at:
        raise NoTranscript("The contact was erased, so the transcript is not shown.")
    if not call.provider_call_id:
        raise NoTranscript("The provider's id of this call is not known, so its transcript cannot be read.")
    now = timezone.now()
    if not rate_limits.take_for_reading(call.account, 1, now):
        raise TooMany(1.0)
    try:
        turns = adapter.read_transcript(asyncio.run(_fetch(adapter.transcript(call.as_handle()))))
    except NotFound as error:
        raise NoTranscript("The provider keeps no transcript of this call.") from error
    except NotSent as error:
        if not error.throttled:
            raise Unreadable("No connection to the provider could be made. Try again later.") from error
        wait = error.retry_after or 5.0
        rate_limits.close_for_reading(call.account_id, wait, now)
        raise TooMany(wait) from error
    except ProviderError as error:
        raise Unreadable("The provider gave no usable answer. Try again later.") from error
    if not turns:
        raise NoTranscript("The provider has no transcript of this call, or none yet.")
    return turns


async def _fetch(request: Request) -> Answer:
    async with http.Client(deadline=DEADLINE) as client:
        return await client.read(request)
