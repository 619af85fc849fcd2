"""The two verbs every provider must speak, in neutral words. Sans I/O: nobody here sends or stores anything."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from providers.adapters.errors import ProviderError


class CallState(enum.Enum):
    """What a provider says of a call, in ranks. What we hold true is `Call.Status`, another vocabulary."""

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
    UNRECOGNISED = "unrecognised"  # a word nobody documented: keeps the call as it is

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
    """One account's address, secrets and options, as an adapter needs them. `repr` shows no secret."""

    base_url: str  # may carry a path prefix; provider paths are appended to it
    credentials: Mapping[str, str] = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CallOrder:
    """One call to be placed."""

    reference: str  # ours; travels in context/metadata/variables where the provider has room
    to_number: str  # E.164 with +
    from_number: str = ""  # E.164 with +, empty: the provider's default
    from_external_id: str = ""  # the provider's id of the caller number
    assistant_external_id: str = ""
    assistant_options: Mapping[str, Any] = field(default_factory=dict)
    customer_name: str = ""
    dynamic_variables: Mapping[str, str] = field(default_factory=dict)
    callback_url: str = ""  # empty: no callback is asked for


@dataclass(frozen=True)
class CallHandle:
    """Enough to ask a provider about one placed call."""

    provider_call_id: str
    reference: str = ""
    to_number: str = ""
    assistant_external_id: str = ""
    assistant_options: Mapping[str, Any] = field(default_factory=dict)
    placed_at: datetime | None = None


@dataclass(frozen=True)
class Request:
    """One HTTP request to be sent. At most one of `json`, `form` is set. `repr` shows no header."""

    method: str
    url: str  # absolute
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None  # sent as multipart/form-data


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer. Header names are lower-case. The body is at most 256 KiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Snapshot:
    """What one piece of evidence says of a call. None and "" mean that it does not say."""

    state: CallState
    provider_call_id: str = ""
    provider_status: str = ""  # their word, as written
    reference: str = ""  # ours, where it comes back
    to_number: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None  # ringing began
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: int | None = None
    billed_duration_seconds: int | None = None
    cost: Decimal | None = None  # in `currency`
    currency: str = ""
    ended_reason: str = ""  # a word of ours: hangup_callee, no_answer, busy, voicemail, ..., other
    provider_reason: str = ""  # their text, as written
    answered_by: str = ""  # "machine", "human" or the provider's word
    error_code: str = ""
    error_message: str = ""
    result: Mapping[str, Any] | None = None
    result_status: str = ""  # "pending", "completed", "failed"
    settled: bool = True  # False: more will come (result, cost) after the terminal state
    may_go_back: bool = False  # the provider is between two attempts of its own


class Verification(enum.Enum):
    """What the signature of a callback proves."""

    VERIFIED = "verified"
    UNSIGNED = "unsigned"  # the provider signs nothing, or the account has no secret: a hint, no more
    BAD = "bad"


@dataclass(frozen=True)
class Listing:
    """One page of a provider's calls, newest first. `next_page` is opaque, empty at the end."""

    calls: Sequence[Snapshot]
    next_page: str = ""


@dataclass(frozen=True)
class Segment:
    """One turn of a transcript, in order."""

    role: str  # the provider's word for the speaker
    text: str
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Provider(ABC):
    """One provider's words: builds requests and reads answers. `http.py` sends, others store.

    Every `read_*` and `parse_*` raises `ProviderError` and nothing else, whatever the bytes.
    """

    slug: ClassVar[str]
    name: ClassVar[str]
    # What a provider lacks is declared, not discovered.
    can_find_by_reference: ClassVar[bool] = False
    can_transcribe: ClassVar[bool] = False
    has_callbacks: ClassVar[bool] = False
    signs_callbacks: ClassVar[bool] = False
    gives_call_id: ClassVar[bool] = True  # in callbacks
    required_credentials: ClassVar[tuple[str, ...]]
    optional_credentials: ClassVar[tuple[str, ...]] = ()
    option_names: ClassVar[tuple[str, ...]] = ()
    default_base_url: ClassVar[str] = ""
    retention_seconds: ClassVar[int | None] = None  # after the end of the call; None: not known to forget

    def __init__(self, account: AccountConfig) -> None:
        self.account = account

    @property
    def carries_variables(self) -> bool:
        """Whether dynamic variables reach the assistant."""
        return True

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        """Faults of an account's options by option name; empty when they are usable."""
        return {name: "This provider has no such option." for name in options if name not in cls.option_names}

    @classmethod
    def check_assistant(cls, external_id: str, options: Mapping[str, Any], account: AccountConfig) -> Mapping[str, str]:
        """Faults of an assistant's `external_id` and `options.NAME`; empty when it can place calls."""
        return {}

    def url(self, path: str) -> str:
        return self.account.base_url.rstrip("/") + path

    @abstractmethod
    def place(self, order: CallOrder) -> Request:
        """The one request that dials. Raises Rejected when the order cannot be expressed."""

    @abstractmethod
    def read_placing(self, answer: Answer) -> Snapshot:
        """What the answer to `place` means."""

    @abstractmethod
    def status(self, call: CallHandle) -> Request:
        """The request that asks where a call stands. Harmless, may be repeated."""

    @abstractmethod
    def read_status(self, answer: Answer, call: CallHandle, now: datetime) -> Snapshot:
        """Where the call stands. Raises NotFound for a call the provider does not know."""

    @abstractmethod
    def check(self) -> Request:
        """One harmless read that shows whether the credentials work."""

    @abstractmethod
    def read_check(self, answer: Answer) -> None:
        """Returns when the credentials work. Raises Misconfigured when they do not, else another error."""

    def verify_callback(self, headers: Mapping[str, str], body: bytes, now: datetime, secret: str = "") -> Verification:
        """Check the signature over the raw bytes, before anything is parsed. Header names are lower-case.

        `secret` replaces the account's own (an account-wide endpoint is signed with another).
        """
        return Verification.UNSIGNED

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Snapshot:
        """What a callback says."""
        raise ProviderError(f"{self.name} sends no callbacks for calls.")

    def list_calls(self, page: str = "") -> Request:
        """The newest calls of the account, for finding one by our reference."""
        raise ProviderError(f"{self.name} cannot list calls.")

    def read_list(self, answer: Answer) -> Listing:
        raise ProviderError(f"{self.name} cannot list calls.")

    def transcript(self, call: CallHandle) -> Request:
        """The request for what was said in a call."""
        raise ProviderError(f"{self.name} has no transcripts.")

    def read_transcript(self, answer: Answer) -> Sequence[Segment]:
        """What was said, in order. Raises NotFound for a call the provider does not know."""
        raise ProviderError(f"{self.name} has no transcripts.")
