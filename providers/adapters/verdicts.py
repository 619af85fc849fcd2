"""Which error an unsuccessful response means: one set of rules for all providers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

from providers.adapters.base import AccountConfig, Answer, Provider, Remark
from providers.adapters.call_ids import same_call
from providers.adapters.decoding import (
    COMPRESSED,
    EVIDENCE,
    ODD_ENCODING,
    call_id,
    decode_json,
    decode_json_or_xml,
    folded_name,
    mapping,
    opened,
    printable,
    text,
)
from providers.adapters.errors import MayBeRinging, Misconfigured, NotFound, NotSent, ProviderError, Rejected
from tenants.masking import MASK, masked

NIL_UUID = "00000000-0000-0000-0000-000000000000"  # an ID that no provider issues, to test a key with
KEY_REFUSED = frozenset({401, 402, 403})
INCONCLUSIVE = frozenset({408, 409, 425, 429, 499})  # 4xx statuses that do not prove that no call was placed


class HttpProvider(Provider):
    """Base class of the adapters. An adapter declares its provider's statuses and reads its error texts.

    The rules apply in this order:

    * A response to a placing that names a call proves nothing (`placing_error`), whatever its status.
    * A 429 proves that no call was placed, whatever else its body says: a rate limiter does not forward the request.
    * An HTML page proves nothing, with any status, 401, 403 and 404 included: it comes from a proxy, which may step in
      after the call was placed. A 4xx that is not in the provider's error format proves nothing either.
    * A 401, 402 or 403 without a page concerns the account, even without an error text: gateways' bodies differ.
    """

    setup_statuses: ClassVar[frozenset[int]] = KEY_REFUSED  # documented; concern our setup
    refused_statuses: ClassVar[frozenset[int]] = frozenset(range(400, 500)) - INCONCLUSIVE  # concern this call
    missing_statuses: ClassVar[frozenset[int]] = frozenset({404})  # responses to a read of a call that cannot exist
    assistant_option_names: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def check_assistant(cls, external_id: str, options: Mapping[str, Any], account: AccountConfig) -> Mapping[str, str]:
        names = cls.assistant_option_names
        return {f"options.{name}": "This provider has no such option." for name in options if name not in names}

    def credential(self, name: str) -> str:
        """Return one secret of the account. Raise Misconfigured if it is missing."""
        value = self.account.credentials.get(name, "")
        if not value:
            raise Misconfigured(f"The {self.name} account has no {name}.")
        return value

    def read_check(self, answer: Answer) -> None:
        """Parse the response to a read of a call that cannot exist.

        A "not found" in the provider's error format shows that the key is valid.
        """
        if is_page(answer) and self.error_text(answer) is None:
            raise self.read_error_for(answer)
        if not succeeded(answer) and (answer.status not in self.missing_statuses or self.error_text(answer) is None):
            raise self.read_error_for(answer)

    def error_text(self, answer: Answer) -> str | None:
        """Return the provider's error text, or None if the body is not in its documented format, `{"error": text}`."""
        words = error_body(answer).get("error")
        return text(words, 500) if isinstance(words, str) else None

    def placing_error(self, answer: Answer, ids: Collection[str]) -> ProviderError:
        """Return the error for an unsuccessful response to a placing. `ids`: the names of a call's ID.

        One that names a call proves no refusal, whatever its status: the provider has made the call, and may dial it.
        """
        error = self.error_for(answer)
        if isinstance(error, MayBeRinging) or not _names_a_call(answer, ids):
            return error
        return self._error(MayBeRinging, answer, f"{self.error_text(answer) or 'an error'} (and names a call)")

    def error_for(self, answer: Answer) -> ProviderError:
        """Return the error for an unsuccessful response to a placing."""
        words, status = self.error_text(answer), answer.status
        if status == 429:
            return self._error(NotSent, answer, words, retry_after=retry_after(answer.headers))
        if words is None and is_page(answer):
            return self._error(MayBeRinging, answer, "a web page instead of an API response")
        if status in KEY_REFUSED or (status in self.setup_statuses and words is not None):
            return self._error(Misconfigured, answer, words)
        if status in self.refused_statuses and words is not None:
            return self._error(Rejected, answer, words)
        return self._error(MayBeRinging, answer, words)

    def read_error_for(self, answer: Answer) -> ProviderError:
        """Return the error for an unsuccessful read. A read places no call, so it may be repeated."""
        words, status = self.error_text(answer), answer.status
        if status == 429:
            return self._error(NotSent, answer, words, retry_after=retry_after(answer.headers))
        if words is None and is_page(answer):
            return self._error(MayBeRinging, answer, "a web page instead of an API response")
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
        """Return provider text that is safe for staff and logs: one line, phone numbers masked, our secrets removed."""
        words = printable(words)
        for secret in self.account.credentials.values():
            if len(secret) >= 4:
                words = words.replace(secret, MASK)
        return masked(words[:2000])[:500]

    def unusable(self, answer: Answer, why: str) -> MayBeRinging:
        """Return the error for a success without the data we need.

        `why` completes the sentence "<provider> answered 200, but …".
        """
        words = self.error_text(answer)
        why += f": {self.quoted(words)}" if words else ""
        return MayBeRinging(
            f"{self.name} answered {answer.status}, but {why}.", status=answer.status, evidence=answer.body[:EVIDENCE]
        )

    def check_same_call(self, answer: Answer, found_id: str, requested_id: str) -> None:
        """Raise MayBeRinging if the response is about another call than the requested one (a mixed-up cache)."""
        if found_id and requested_id and not same_call(found_id, requested_id):
            raise self.unusable(answer, "about another call")


def error_body(answer: Answer, *, xml: bool = False) -> Mapping[str, Any]:
    """Return the object of an unsuccessful response, empty if there is none.

    A body that is readable only with a slip mended is not in the provider's own error format, so that it proves no
    refusal.
    """
    remarks: list[Remark] = []
    try:
        found = (decode_json_or_xml if xml else decode_json)(answer.body, remarks=remarks)
    except ProviderError:
        return {}
    return mapping(found) if all(remark.why in (ODD_ENCODING, COMPRESSED) for remark in remarks) else {}


def _names_a_call(answer: Answer, ids: Collection[str]) -> bool:
    """Return whether an unsuccessful response has a call's ID, at its top or in an envelope."""
    try:
        message = mapping(decode_json_or_xml(answer.body))
    except ProviderError:
        return False
    wanted = {folded_name(name) for name in ids}
    holders = [message, *(mapping(message.get(name)) for name in ("data", "call"))]
    return any(folded_name(name) in wanted and call_id(value) for found in holders for name, value in found.items())


def succeeded(answer: Answer) -> bool:
    return 200 <= answer.status < 300


def is_page(answer: Answer) -> bool:
    """Return whether the body is a web page. An HTML content type with an empty body is not one."""
    body = opened(answer.body)
    start = body[:1024].lower()
    labelled = "html" in answer.headers.get("content-type", "").lower() and bool(body.strip())
    return labelled or any(mark in start for mark in (b"<!doctype html", b"<html", b"<head", b"<body"))


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds to wait, 1 to 3600, from seconds or an HTTP date, or None without a usable value."""
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
