"""Which calls belong to a figure, and the share of two counts. `calls/models/counts.py` has the same for triggers."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from calls.models import OPEN, TERMINAL, Status
from calls.models.counts import RANG as RANG_STATUSES

ENDED = Q(status__in=TERMINAL, terminal_at__isnull=False)
# Calls that rang, or may have: dialled, and ended with what happened at the phone. The denominator of all shares.
RANG = Q(status__in=RANG_STATUSES, dialed_at__isnull=False)
ANSWERED = RANG & Q(status=Status.COMPLETED)  # by a person or a voicemail
BY_VOICEMAIL = Q(answered_by="machine") | Q(ended_reason="voicemail")  # as far as the provider reports it
VOICEMAIL_ENDS = (Status.COMPLETED, Status.NO_ANSWER, Status.FAILED)  # other ends contradict a voicemail
ENDED_AT_VOICEMAIL = BY_VOICEMAIL & Q(status__in=VOICEMAIL_ENDS)  # whatever the provider calls the end
REACHED = ANSWERED & ~BY_VOICEMAIL  # a person
UNDER_WAY = Q(status__in=OPEN)


@dataclass(frozen=True)
class Share:
    """A part of a whole. Both are shown wherever the share is, or named."""

    part: int = 0
    whole: int = 0

    @property
    def rate(self) -> float | None:
        return self.part / self.whole if self.whole else None

    @property
    def counts(self) -> str:
        return f"{self.part:,} of {self.whole:,}"

    @property
    def text(self) -> str:
        """Return the share such as “33.3 %”; a dash where there is no whole."""
        return "-" if self.rate is None else percent(self.rate)

    @property
    def whole_text(self) -> str:
        """Return whole per cents such as “33 %”, rounded down: “100 %” only when nothing is left."""
        return whole_percent(self.part * 100 // self.whole if self.whole else 0, some=self.part > 0)


def percent(share: float) -> str:
    """Return a share as text, such as “33.3 %”. A little is never “0 %”, and nearly all never “100 %”."""
    if 0 < share < 0.0005:
        return "<0.1 %"
    if 0.9995 <= share < 1:
        return ">99.9 %"
    return f"{share * 100:.1f}".rstrip("0").rstrip(".") + " %"


def whole_percent(per_cent: int, *, some: bool) -> str:
    """Return per cents that were rounded down as text. `some`: the part is more than nothing."""
    return "<1 %" if some and per_cent == 0 else f"{per_cent} %"
