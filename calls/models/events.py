"""Events of a call with the evidence for them, and team members' decisions about it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.timezone import now as utc_now

from calls.models.call import Call
from tenants.db.loaded import like

LARGEST_EVIDENCE = 16 * 1024  # bytes
OPT_OUT = "opt_out"  # type of the event that the call met a rule of its assistant for opt-outs


class CallEvent(models.Model):
    """Something that happened to a call. Append-only."""

    class Source(models.TextChoices):
        ENGINE = "engine", "Trunkline"
        RESPONSE = "response", "Provider's answer"
        READ = "read", "Status read"
        CALLBACK = "callback", "Provider event"
        LISTING = "listing", "Provider's call list"
        STAFF = "staff", "Team member"

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=utc_now)
    type = models.CharField(max_length=32)
    from_status = models.CharField(max_length=11, blank=True)
    to_status = models.CharField(max_length=11, blank=True)
    source = models.CharField(max_length=8, choices=Source)
    detail = models.TextField(blank=True)
    # The evidence as it came, byte for byte, but no more than LARGEST_EVIDENCE; and how many bytes came.
    raw = models.BinaryField(blank=True, default=b"")
    raw_size = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.type} {self.to_status}".strip()


_EVENT = CallEvent()  # what `event_of` makes others of


class StaffDecision(models.Model):
    """A team member's decision about a call that no evidence settles.

    A trigger lets a terminal status change only to what a decision says that is not applied yet.
    """

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="decisions")
    at = models.DateTimeField(default=utc_now)
    actor = models.CharField(max_length=200)
    from_status = models.CharField(max_length=11)
    to_status = models.CharField(max_length=11)
    reason = models.CharField(max_length=500)
    applied = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.actor}: {self.from_status} to {self.to_status}"


def storable(text: str) -> str:
    """Return a text as both databases can store it: without NUL and lone surrogates."""
    if text.isascii() and "\x00" not in text:  # as nearly always
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def readable(raw: bytes, size: int = 0) -> str:
    """Return evidence as text for a page: UTF-8, and every byte that is none as an escape.

    `size`: how many bytes came, if more than the evidence holds. The text then says so.
    """
    shown = raw[:LARGEST_EVIDENCE]
    text = storable(shown.decode("utf-8", "backslashreplace").replace("\x00", "\\x00"))
    came = max(size, len(raw))
    return text if came <= len(shown) else f"{text}\n… (the first {len(shown):,} of {came:,} bytes)"


def event_of(
    call: Call | int,
    type_: str,
    source: str,
    detail: str = "",
    before: str = "",
    after: str = "",
    raw: bytes = b"",
) -> CallEvent:
    """Return one event of a call, unsaved.

    `call`: the object or its key. `before`, `after`: the statuses of a change, empty where there is none. `raw`: the
    provider's payload, kept as evidence. Text and evidence are cut to their largest sizes.
    """
    return like(
        _EVENT,
        call_id=call.pk if isinstance(call, Call) else call,
        type=type_,
        source=source,
        detail=storable(detail)[:2000],
        from_status=before,
        to_status=after,
        raw=raw[:LARGEST_EVIDENCE],
        raw_size=len(raw),
    )


def record_event(
    call: Call | int,
    type_: str,
    source: str,
    detail: str = "",
    before: str = "",
    after: str = "",
    raw: bytes = b"",
) -> None:
    """Store one event of a call, in the caller's transaction. See `event_of`."""
    event_of(call, type_, source, detail, before, after, raw).save(force_insert=True)
