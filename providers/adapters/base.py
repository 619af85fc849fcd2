"""The interface that every provider adapter implements, and the provider-neutral types that it uses.

Adapters do no I/O: they build requests and parse responses. `http.py` sends requests; callers store results.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar

from providers.adapters.errors import ProviderError
from tenants.money import Money


class CallState(enum.Enum):
    """The state of a call as a provider reports it, in the order in which a call goes through the states.

    `Call.Status` is a separate vocabulary: it is the status that Trunkline has concluded.
    """

    QUEUED = "queued"
    DIALING = "dialing"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    CANCELED = "canceled"
    FAILED = "failed"
    EXPIRED = "expired"
    UNRECOGNISED = "unrecognised"  # an undocumented value: the call keeps its status

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        CallState.COMPLETED,
        CallState.NO_ANSWER,
        CallState.BUSY,
        CallState.CANCELED,
        CallState.FAILED,
        CallState.EXPIRED,
    }
)


@dataclass(frozen=True)
class AccountConfig:
    """The address, secrets and options of one provider account. `repr` shows no secret."""

    base_url: str  # may have a path prefix; the adapter appends the provider's paths to it
    credentials: Mapping[str, str] = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    time_zone: str = ""  # IANA name of the zone in which the provider writes times without one; empty: not stated


@dataclass(frozen=True)
class CallOrder:
    """One call to place."""

    reference: str  # Trunkline's; sent in the provider's context, metadata or variables where one exists
    to_number: str  # E.164 with +
    from_number: str = ""  # E.164 with +; empty means the provider's default
    from_external_id: str = ""  # the provider's ID of the caller number
    assistant_external_id: str = ""
    assistant_options: Mapping[str, Any] = field(default_factory=dict)
    customer_name: str = ""
    dynamic_variables: Mapping[str, str] = field(default_factory=dict)
    callback_url: str = ""  # empty means that no callback is requested


@dataclass(frozen=True)
class CallHandle:
    """The data needed to ask a provider about one placed call."""

    provider_call_id: str
    reference: str = ""
    to_number: str = ""
    assistant_external_id: str = ""
    assistant_options: Mapping[str, Any] = field(default_factory=dict)
    placed_at: datetime | None = None


@dataclass(frozen=True)
class Request:
    """One HTTP request to send. At most one of `json` and `form` is set. `repr` shows no header."""

    method: str
    url: str  # absolute
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None  # sent as multipart/form-data


@dataclass(frozen=True)
class Answer:
    """A complete HTTP response. Header names are lower-case. The body is at most 2 MiB, as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Remark:
    """Something odd about one field of what a provider sent.

    Taken: only one meaning was left, so the value was read tolerantly and stands in the reading. Not taken: the value
    is doubtful, and the reading has none.
    """

    path: str  # the provider's name of the field, like "callDetails.duration"
    said: str  # what was sent, as text of at most 200 characters
    why: str  # a sentence for staff
    taken: bool
    field: str = ""  # the reading's field, where there is one


@dataclass(frozen=True)
class Reading:
    """What an adapter claims that one response or callback says about a call.

    None and "" mean that it does not report the value. `remarks` names every value that was read tolerantly or not at
    all: nothing that a provider says is left out in silence.
    """

    state: CallState
    provider_call_id: str = ""
    provider_status: str = ""  # the provider's value, unchanged
    reference: str = ""  # Trunkline's, where the provider returns it
    to_number: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None  # ringing began
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: int | None = None
    billed_duration_seconds: int | None = None
    price: Money | None = None  # what the provider charges; not an amount that it holds for now
    ended_reason: str = ""  # a Trunkline reason: hangup_callee, no_answer, busy, voicemail, ..., other
    provider_reason: str = ""  # the provider's text, unchanged
    answered_by: str = ""  # "machine", "human" or the provider's value
    error_code: str = ""
    error_message: str = ""
    result: Mapping[str, Any] | None = None
    result_text: str = ""  # a result without one structured meaning, as text
    result_status: str = ""  # "pending", "completed", "failed"
    settled: bool = True  # False: the result or the price will follow after the terminal state
    amounts_settled: bool | None = None  # whether price and durations are final; None: as `settled`
    remarks: tuple[Remark, ...] = ()
    may_go_back: bool = False  # the provider may dial again, so the state may go back

    @property
    def has_final_amounts(self) -> bool:
        """Whether the price and the durations do not change any more. The result may still follow."""
        return self.settled if self.amounts_settled is None else self.amounts_settled


class Verification(enum.Enum):
    """The result of checking a callback's signature."""

    VERIFIED = "verified"
    UNSIGNED = "unsigned"  # the provider signs nothing, or the account has no secret: the callback is only a hint
    BAD = "bad"


@dataclass(frozen=True)
class Listing:
    """Calls of one page of a provider's list. `next_page` is opaque and empty on the last page."""

    calls: Sequence[Reading]
    next_page: str = ""


@dataclass(frozen=True)
class Segment:
    """One turn of a transcript, in order."""

    role: str  # the provider's name for the speaker
    text: str
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Provider(ABC):
    """Adapter base class: builds a provider's requests and parses its responses.

    Every `read_*` and `parse_*` method raises `ProviderError` and nothing else, whatever the bytes.
    """

    slug: ClassVar[str]
    name: ClassVar[str]
    # Each adapter declares what its provider lacks. No code probes for it.
    can_find_by_reference: ClassVar[bool] = False
    can_transcribe: ClassVar[bool] = False
    has_callbacks: ClassVar[bool] = False
    signs_callbacks: ClassVar[bool] = False
    gives_call_id: ClassVar[bool] = True  # whether callbacks carry the provider's call ID
    statuses: ClassVar[Mapping[str, CallState]] = MappingProxyType({})  # documented words; their meaning is fixed
    # Outcomes that the provider does not tell apart (`voicemail`, `no_answer`, `busy`): the state it reports instead.
    merged_outcomes: ClassVar[Mapping[str, CallState]] = MappingProxyType({})
    gives_duration: ClassVar[bool] = True
    gives_cost: ClassVar[bool] = False
    currency_of_costs: ClassVar[str] = ""  # of all costs that it reports; "": not known
    required_credentials: ClassVar[tuple[str, ...]]
    optional_credentials: ClassVar[tuple[str, ...]] = ()
    option_names: ClassVar[tuple[str, ...]] = ()
    default_base_url: ClassVar[str] = ""
    retention_seconds: ClassVar[int | None] = None  # after the call's end; None: no limit is known

    def __init__(self, account: AccountConfig) -> None:
        self.account = account

    @property
    def carries_variables(self) -> bool:
        """Return whether dynamic variables reach the assistant."""
        return True

    @property
    def gives_reason(self) -> bool:
        """Return whether the provider says in its own words why a call ended."""
        return True

    def gives_result(self, external_id: str, options: Mapping[str, Any]) -> bool:
        """Return whether the assistant's calls have a structured result."""
        return False

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the faults of an account's options by option name, empty if there are none."""
        return {name: "This provider has no such option." for name in options if name not in cls.option_names}

    @classmethod
    def check_assistant(cls, external_id: str, options: Mapping[str, Any], account: AccountConfig) -> Mapping[str, str]:
        """Return an assistant's faults by field (`external_id`, `options.NAME`), empty if it can place calls."""
        return {}

    def url(self, path: str) -> str:
        return self.account.base_url.rstrip("/") + path

    @abstractmethod
    def place(self, order: CallOrder) -> Request:
        """Return the one request that dials. Raise Rejected if the provider's API cannot express the order."""

    @abstractmethod
    def read_placing(self, answer: Answer) -> Reading:
        """Parse the response to `place`."""

    @abstractmethod
    def status(self, call: CallHandle) -> Request:
        """Return the request that reads a call's status. It is harmless and may be repeated."""

    @abstractmethod
    def read_status(self, answer: Answer, call: CallHandle, now: datetime) -> Reading:
        """Parse the response to `status`. Raise NotFound for a call that the provider does not know."""

    @abstractmethod
    def check(self) -> Request:
        """Return one harmless read that shows whether the credentials work."""

    @abstractmethod
    def read_check(self, answer: Answer) -> None:
        """Return if the credentials work.

        Raise Misconfigured if the provider refuses them, and another ProviderError if the response does not say.
        """

    def verify_callback(self, headers: Mapping[str, str], body: bytes, now: datetime, secret: str = "") -> Verification:
        """Check the signature over the raw bytes, before anything is parsed. Header names are lower-case.

        `secret` replaces the account's default secret: an account-wide endpoint has a secret of its own.
        """
        return Verification.UNSIGNED

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Reading:
        """Parse a callback."""
        raise ProviderError(f"{self.name} sends no callbacks for calls.")

    def list_calls(self, page: str = "") -> Request:
        """Return the request for the account's newest calls, to find a call by Trunkline's reference."""
        raise ProviderError(f"{self.name} cannot list calls.")

    def read_row(self, row: bytes) -> Reading | None:
        """Return the call of one row of the list. None: it is no outbound call."""
        raise ProviderError(f"{self.name} cannot list calls.")

    def read_list(self, answer: Answer, last_row: bytes = b"") -> Listing:
        """Return the calls of the list's rows in `answer`, and the next page.

        `last_row`: the last row of the page, where its rows were read by `read_row` and are not in the answer any more.
        """
        raise ProviderError(f"{self.name} cannot list calls.")

    def transcript(self, call: CallHandle) -> Request:
        """Return the request for a call's transcript."""
        raise ProviderError(f"{self.name} has no transcripts.")

    def read_transcript(self, answer: Answer) -> Sequence[Segment]:
        """Return the transcript in order. Raise NotFound for a call that the provider does not know."""
        raise ProviderError(f"{self.name} has no transcripts.")
