"""Provider errors, classified by what the caller may do next."""

from __future__ import annotations


class ProviderError(Exception):
    """Base class. `str(error)` is a sentence for staff, without keys or recipients' phone numbers.

    `status` is the HTTP status of the response (0 if there was none). `evidence` is the start of its body.
    """

    def __init__(self, message: str, *, status: int = 0, evidence: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.evidence = evidence


class NotSent(ProviderError):
    """The request placed no call: it was never sent, or the response was 429.

    `retry_after` is in seconds, None if the provider named no time. `throttled` is true for a 429: the provider works
    and only asks for fewer requests.
    """

    def __init__(
        self, message: str, *, status: int = 0, evidence: bytes = b"", retry_after: float | None = None
    ) -> None:
        super().__init__(message, status=status, evidence=evidence)
        self.retry_after = retry_after

    @property
    def throttled(self) -> bool:
        return self.status == 429


class Rejected(ProviderError):
    """The provider understood this call and refused it. No call was placed and none will be."""


class NotFound(Rejected):
    """A read of a call that the provider does not know, or no longer knows. A placing never raises it."""


class Misconfigured(ProviderError):
    """Our key, account, assistant or caller number is wrong, so every call would fail alike. No call was placed."""


class NotAllowed(Misconfigured):
    """The account's address leads where this installation sends nothing. No byte was sent."""


class MayBeRinging(ProviderError):
    """It is not known whether a call was placed. For a read: there was no usable response; read again later."""
