"""The evidence about one phone number, as a CSV file."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import StreamingHttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from calls.reports import evidence_csv
from campaigns import phones
from campaigns.models.number_hash import number_hash
from tenants import audit_log
from tenants.api.access import Access
from tenants.api.views import AnyAccept
from tenants.policy import Action


class EvidenceView(APIView):
    """`GET /api/v1/calls/evidence.csv?to_number=+…`: every call to a number, with its evidence."""

    content_negotiation_class = AnyAccept
    needs: ClassVar[Any] = {"get": Action.EXPORT}

    def get(self, request: Request, *args: Any, **kwargs: Any) -> StreamingHttpResponse:
        reach: Any = request.auth
        return as_file(reach.where(Action.EXPORT), _number(request, reach), reach.actor)


def as_file(organizations: list[int], phone: str, actor: str) -> StreamingHttpResponse:
    """Return the file of a number, streamed, because the history of a number can be long.

    Writes an entry to the audit log of each organization that knows the number, or of the installation if none does. It
    has the hash of the number, as other entries about it.
    """
    hashed = number_hash(phone)
    homes: list[int | None] = [*evidence_csv.known_in(organizations, phone)]
    audit_log.record_many(
        audit_log.entry(
            home, actor=actor, action="evidence.exported", subject="evidence", detail={"phone_hash": hashed}
        )
        for home in homes or [None]
    )
    answer = StreamingHttpResponse(evidence_csv.lines(organizations, phone), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="evidence-{phone[1:]}.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


def _number(request: Request, reach: Access) -> str:
    """Return the number of the query in E.164. Raises ValidationError."""
    if unknown := sorted(set(request.query_params) - {"to_number"}):
        raise ValidationError({name: ["There is no such filter."] for name in unknown}, code="unknown_filter")
    text = request.query_params.get("to_number", "").strip()
    if not text:
        raise ValidationError({"to_number": ["Say which number, like +33123456789."]}, code="required")
    # An unescaped plus in a query string arrives as a space, which `strip` has removed.
    for candidate in (text, f"+{text}") if text.isdigit() else (text,):
        try:
            return phones.normalise(candidate, reach.home.default_region if reach.home else "", phones.EVERYWHERE)
        except phones.TwoReadings as error:
            raise ValidationError({"to_number": [str(error)]}) from error
        except phones.NotCallable as error:
            complaint = str(error)
    raise ValidationError({"to_number": [complaint]})
