"""Collect the evidence of a run: the providers' journal and the stored calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from tests.chaos.judging import LISTS, Dial, Evidence, Row, Rules, Silence
from tests.chaos.meaning import Stored

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from calls.models import Call
    from campaigns.models import Campaign
    from providers.sandbox.server import Running

AMBIGUOUS = (  # the sandbox's names of placing faults that leave open whether a phone rings
    "500 before dialling",
    "500 after dialling",
    "dropped before dialling",
    "dropped after dialling",
    "2xx without id",
    "truncated JSON after dialling",
    "HTML 502 after dialling",
)


def over(campaigns: Sequence[Campaign], sandbox: Running) -> bool:
    """Return whether these campaigns are finished and no call or callback is in progress.

    Calls whose result or price is still to come are in progress, and so are calls that a list shows.
    """
    from calls.models import Call, ProviderCallback, Status
    from campaigns.models import Campaign

    mine = Campaign.objects.filter(pk__in=[made.pk for made in campaigns])
    if mine.exclude(status=Campaign.Status.FINISHED).exists():
        return False
    if Call.objects.open().exclude(status=Status.UNCONFIRMED, provider_call_id="").exists():
        return False
    if ProviderCallback.objects.filter(processed_at=None).exists() or awaited().exists():
        return False
    listed = [entry["reference"] for entry in sandbox.journal() if entry["provider"] in LISTS]
    return not Call.objects.filter(status=Status.UNCONFIRMED, reference__in=listed).exists()


def awaited() -> QuerySet[Call]:
    """Return the calls that ended and of which the result or the price is still read."""
    from calls.models import TERMINAL, Call

    return Call.objects.filter(status__in=TERMINAL, polling__isnull=False)


def gather(
    sandbox: Running,
    campaigns: Sequence[Campaign],
    rules: Mapping[str, Rules],
    stranded: Collection[int],
    silences: Sequence[Silence] = (),
    left_behind: int = 0,
) -> Evidence:
    """Return the evidence of a run. `campaigns` are the campaigns that must be finished."""
    from campaigns.models import Recipient

    faults = sandbox.control()["faults"]["placing"]
    statuses = Recipient.objects.filter(campaign__in=campaigns).values_list("status", flat=True)
    return Evidence(
        dials=[Dial.from_journal(entry) for entry in sandbox.journal()],
        rows=_rows(),
        rules=rules,
        silences=silences,
        recipients=Counter(statuses),
        ambiguous_faults=sum(faults.get(name, 0) for name in AMBIGUOUS),
        stranded=stranded,
        left_behind=left_behind,
    )


def _rows() -> list[Row]:
    from calls.models import Call, CallEvent, WebhookDelivery
    from campaigns.models import DoNotCall

    opted = set(CallEvent.objects.filter(type="opt_out").values_list("call_id", flat=True))
    listed = set(DoNotCall.objects.values_list("phone", flat=True))
    outbox = Counter(WebhookDelivery.objects.filter(endpoint=None).values_list("call_id", flat=True))
    doubts: dict[int, set[str]] = {}
    for pk, source in CallEvent.objects.filter(type="unconfirmed").values_list("call_id", "source"):
        doubts.setdefault(pk, set()).add(source)
    return [
        Row(
            pk=call.pk,
            to_number=call.to_number,
            status=call.status,
            reference=call.reference,
            token=call.callback_token,
            provider_call_id=call.provider_call_id,
            dialed_at=call.dialed_at,
            terminal_at=call.terminal_at,
            callback_url=call.callback_url,
            outbox=outbox[call.pk],
            doubted=doubts.get(call.pk, frozenset()),
            stored=_stored(call),
            opted_out=call.pk in opted and call.to_number in listed,
        )
        for call in Call.objects.order_by("pk")
    ]


def _stored(call: Call) -> Stored:
    return Stored(
        voicemail=call.is_voicemail,
        duration=call.duration_seconds,
        price=call.cost_price,
        result=call.result,
        result_text=call.result_text,
        held={doubt["field"] for doubt in call.doubts},
    )
