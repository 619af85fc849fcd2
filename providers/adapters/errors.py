"""What can go wrong with a provider, sorted by what the caller may do next."""

from __future__ import annotations


class ProviderError(Exception):
    """Any trouble with a provider. `str(error)` is a sentence for staff: no keys, no numbers of people.

    `status` is the HTTP status that was answered (0 when there was none); `evidence` the start of the body.
    """

    def __init__(self, message: str, *, status: int = 0, evidence: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.evidence = evidence


class NotSent(ProviderError):
    """The request certainly placed nothing: it never left, or was answered 429.

    `retry_after` is in seconds, None where the provider named no time. `throttled` is true for a 429,
    which says that the provider is alive and only wants us to slow down.
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
    """Understood and refused, because of this one call. Nothing was placed and nothing will be."""


class NotFound(Rejected):
    """A read of a call the provider does not (or no longer) know. Never raised by a placing."""


class Misconfigured(ProviderError):
    """Our key, account, assistant or number is at fault: every call would be refused alike. Nothing was placed."""


class MayBeRinging(ProviderError):
    """Nobody can say whether it was placed. For a read: no usable answer, look again later."""
