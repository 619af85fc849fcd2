"""What an answer other than success means: which error it is, by design rather than by each provider's mood."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

from providers.adapters.base import AccountConfig, Answer, Provider
from providers.adapters.decoding import EVIDENCE, decode_json, printable, text
from providers.adapters.errors import MayBeRinging, Misconfigured, NotFound, NotSent, ProviderError, Rejected

NIL_UUID = "00000000-0000-0000-0000-000000000000"  # an id no provider has given, for trying a key
KEY_REFUSED = frozenset({401, 402, 403})
PROVES_NOTHING = frozenset({408, 409, 425, 429, 499})  # 4xx that do not say that nothing was placed

_NUMBER = re.compile(r"(\+?\d{2})[\d ().-]{3,}(\d{2})")


class HttpProvider(Provider):
    """A provider spoken to over HTTP. Its adapter names the statuses it documents and reads its own error texts.

    The order of the rules matters:

    * 429 placed nothing whoever says it, also with a page: a limiter answers instead of passing the request on.
    * An HTML page is a proxy's word, with any status, 401, 403 and 404 too: a filter may cut in after the call was
      placed. So is a 4xx in other words than the provider's own.
    * 401, 402 and 403 without a page are about the account even without a text: bodies of gateways differ.
    """

    setup_statuses: ClassVar[frozenset[int]] = KEY_REFUSED  # documented, about our set-up
    refused_statuses: ClassVar[frozenset[int]] = frozenset(range(400, 500)) - PROVES_NOTHING  # about this call
    missing_statuses: ClassVar[frozenset[int]] = frozenset({404})  # answers to a read of a call that cannot be
    assistant_option_names: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def check_assistant(cls, external_id: str, options: Mapping[str, Any], account: AccountConfig) -> Mapping[str, str]:
        names = cls.assistant_option_names
        return {f"options.{name}": "This provider has no such option." for name in options if name not in names}

    def credential(self, name: str) -> str:
        """One secret of the account. Raises Misconfigured when it is missing."""
        value = self.account.credentials.get(name, "")
        if not value:
            raise Misconfigured(f"The {self.name} account has no {name}.")
        return value

    def read_check(self, answer: Answer) -> None:
        """The answer to a read of a call that cannot be: "not found" in the provider's words shows a good key."""
        if is_page(answer) and self.error_text(answer) is None:
            raise self.read_error_for(answer)
        if not succeeded(answer) and (answer.status not in self.missing_statuses or self.error_text(answer) is None):
            raise self.read_error_for(answer)

    def error_text(self, answer: Answer) -> str | None:
        """The provider's own words; None when the body is not in its documented error shape, {"error": text}."""
        try:
            found = decode_json(answer.body)
        except ProviderError:
            return None
        words = found.get("error") if isinstance(found, dict) else None
        return text(words, 500) if isinstance(words, str) else None

    def error_for(self, answer: Answer) -> ProviderError:
        """Why a call was not, or not surely, placed."""
        words, status = self.error_text(answer), answer.status
        if status == 429:
            return self._error(NotSent, answer, words, retry_after=retry_after(answer.headers))
        if words is None and is_page(answer):
            return self._error(MayBeRinging, answer, "a web page instead of an answer")
        if status in KEY_REFUSED or (status in self.setup_statuses and words is not None):
            return self._error(Misconfigured, answer, words)
        if status in self.refused_statuses and words is not None:
            return self._error(Rejected, answer, words)
        return self._error(MayBeRinging, answer, words)

    def read_error_for(self, answer: Answer) -> ProviderError:
        """Why a read gave nothing. Nothing was at stake: it may be repeated."""
        words, status = self.error_text(answer), answer.status
        if status == 429:
            return self._error(NotSent, answer, words, retry_after=retry_after(answer.headers))
        if words is None and is_page(answer):
            return self._error(MayBeRinging, answer, "a web page instead of an answer")
        kind = NotFound if status == 404 else Misconfigured if status in KEY_REFUSED else MayBeRinging
        return self._error(kind, answer, words)

    def _error(self, kind: type[ProviderError], answer: Answer, words: str | None, **more: Any) -> ProviderError:
        said = f": {self.quoted(words)}" if words else ""
        message = f"{self.name} answered {answer.status}{said}"
        return kind(
            message if message.endswith((".", "!", "?")) else message + ".",
            status=answer.status,
            evidence=answer.body[:EVIDENCE],
            **more,
        )

    def quoted(self, words: str) -> str:
        """A provider's words fit for staff and logs: on one line, people's numbers masked, our secrets cut out."""
        words = printable(words)
        for secret in self.account.credentials.values():
            if len(secret) >= 4:
                words = words.replace(secret, "•••")
        return _NUMBER.sub(r"\1•••\2", words)[:500]

    def unusable(self, answer: Answer, why: str) -> MayBeRinging:
        """A success that does not say what it must: `why` completes "<provider> answered 200, but …"."""
        words = self.error_text(answer)
        why += f": {self.quoted(words)}" if words else ""
        return MayBeRinging(
            f"{self.name} answered {answer.status}, but {why}.", status=answer.status, evidence=answer.body[:EVIDENCE]
        )

    def check_same_call(self, answer: Answer, told: str, asked: str) -> None:
        """Raises MayBeRinging when an answer names another call than the one asked about (a mixed-up cache)."""
        told, asked = told.casefold(), asked.casefold()
        if told and asked and not told.endswith(asked) and not asked.endswith(told):
            raise self.unusable(answer, "about another call")


def succeeded(answer: Answer) -> bool:
    return 200 <= answer.status < 300


def is_page(answer: Answer) -> bool:
    """Whether the body is meant for a browser. A label alone does not make a page of nothing."""
    start = answer.body[:1024].lower()
    labelled = "html" in answer.headers.get("content-type", "").lower() and bool(answer.body.strip())
    return labelled or any(mark in start for mark in (b"<!doctype html", b"<html", b"<head", b"<body"))


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait, 1 to 3600, from seconds or an HTTP date; None when there is no usable value."""
    value = headers.get("retry-after", "").strip()
    try:
        if re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,9})?", value):
            seconds = float(value)
        else:
            until = parsedate_to_datetime(value)
            until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
            seconds = (until - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(1.0, min(seconds, 3600.0))
