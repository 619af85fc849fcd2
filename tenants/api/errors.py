"""Errors of the API, in one shape: `{"error": "<sentence>", "details": [{"field", "message", "code"}]}`."""

from __future__ import annotations

import logging
import sys
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.views import defaults
from rest_framework import exceptions, status
from rest_framework.response import Response

from tenants.db.encrypted_fields import UndecryptableSecret
from tenants.db.outages import Outage, outage_of, words_of

logger = logging.getLogger(__name__)
AnyResponse = TypeVar("AnyResponse", bound=HttpResponseBase)

# DRF's error codes and the contract's. Other codes stay as they are.
_CODES = {
    "min_length": "too_small",
    "max_length": "too_big",
    "min_value": "too_small",
    "max_value": "too_big",
    "empty": "too_small",
    "max_string_length": "too_big",
    "max_digits": "too_big",
    "max_decimal_places": "too_big",
    "max_whole_digits": "too_big",
    "not_a_list": "invalid_type",
    "not_a_dict": "invalid_type",
    "not_a_string": "invalid_type",
    "null": "invalid_type",
    "blank": "too_small",
}


class Conflict(exceptions.APIException):
    """A 409: the object's present state does not allow the request."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "The present state does not allow this."
    default_code = "conflict"


class _WithDetails(exceptions.APIException):
    """An error about the whole request. `details` names fields at fault, each built by `detail()`."""

    def __init__(self, message: str, details: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.details = details or []


class RefusedByRule(_WithDetails):
    """A 422: the request is understood, and a rule refuses it."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "refused"


class Invalid(_WithDetails):
    """A 400 about the whole request."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "invalid"


class TooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The request body is too large."
    default_code = "too_large"


class Unavailable(exceptions.APIException):
    """A 503: what the response depends on is missing: a provider's answer, or the key of a stored secret."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"
    retry_after = 10  # seconds


def shape(message: str, details: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """Return the body of an error."""
    body: dict[str, Any] = {"error": message}
    if details:
        body["details"] = details
    return body


def detail(field: str, message: str, code: str = "invalid") -> dict[str, str]:
    """Return one entry of `details`. The names of nested fields are dotted."""
    return {"field": field, "message": message, "code": code}


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Return the response for any exception of an API view."""
    from rest_framework.views import set_rollback  # not above: importing it reads the settings, which name this module

    if isinstance(error, Http404):
        error = exceptions.NotFound(*_text(error, "Not found"))
    elif isinstance(error, DjangoPermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, RequestDataTooBig | TooManyFieldsSent | TooManyFilesSent):
        error = TooLarge()
    elif isinstance(error, UndecryptableSecret):
        logger.error("%s: %s", type(context.get("view")).__name__, error)
        error = Unavailable(str(error))
    set_rollback()
    if isinstance(error, exceptions.APIException):
        return _response(error)
    if outage := outage_of(error):
        response = Response(shape(outage.sentence), status=503, headers={"Retry-After": str(outage.retry_after)})
        return _noted(response, context["request"], error)
    logger.error("Unexpected error in %s", type(context.get("view")).__name__, exc_info=error)
    return Response(shape("Internal server error occurred"), status=500)


def _text(error: Http404, default: str) -> tuple[str]:
    # Django's sentence names the model. Ours must be the same for every object that cannot be found.
    text = str(error)
    return (default if not text or text.startswith("No ") else text,)


def _response(error: exceptions.APIException) -> Response:
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        headers = {"WWW-Authenticate": getattr(error, "auth_header", 'Bearer realm="api"')}
        return Response(shape("Invalid or missing API key"), status=401, headers=headers)
    if isinstance(error, exceptions.Throttled):
        wait = max(1, int(getattr(error, "wait", None) or 1))
        sentence = f"Too many requests. Try again in {wait} {'second' if wait == 1 else 'seconds'}."
        return Response(shape(sentence), status=429, headers={"Retry-After": str(wait)})
    if isinstance(error, exceptions.ValidationError):
        return Response(invalid(flatten(error.get_full_details())), status=400)
    details = getattr(error, "details", None)
    response = Response(shape(str(error.detail), details), status=error.status_code)
    if isinstance(error, Unavailable):
        response["Retry-After"] = str(error.retry_after)
    return response


def invalid(faults: list[dict[str, str]]) -> dict[str, Any]:
    """Return the body of a 400. Faults without a field become its sentence; `details` lists the others."""
    fields = [fault for fault in faults if fault["field"]]
    whole = [fault["message"] for fault in faults if not fault["field"]]
    return shape("Invalid request data" if fields or not whole else " ".join(whole), fields)


def flatten(found: Any, path: str = "") -> list[dict[str, str]]:
    """Return DRF's nested error details as a flat list with dotted fields."""
    if isinstance(found, list):
        if all(isinstance(item, dict) and set(item) == {"message", "code"} for item in found):
            return [flat for item in found for flat in flatten(item, path)]
        return [flat for index, item in enumerate(found) if item for flat in flatten(item, _join(path, str(index)))]
    if set(found) == {"message", "code"} and not isinstance(found["message"], dict | list):
        return [detail(path, str(found["message"]), _CODES.get(found["code"], found["code"]))]
    flat = []
    for key, value in found.items():
        flat += flatten(value, path if key == "non_field_errors" else _join(path, str(key)))
    return flat


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def is_for_programs(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/hooks/"))


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return a JSON 404 for the paths of programs, and a page for browsers."""
    if is_for_programs(request) or exception is None:
        return JsonResponse(shape("Not found"), status=404)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the answer to any error outside of API views: a 503 where the database is at fault."""
    error = sys.exc_info()[1]
    if error is not None and (outage := outage_of(error)):
        return _noted(_unavailable(request, outage), request, error)
    if is_for_programs(request):
        return JsonResponse(shape("Internal server error occurred"), status=500)
    return defaults.server_error(request)


def _unavailable(request: HttpRequest, outage: Outage) -> HttpResponse:
    """Return a 503: JSON for programs, and for browsers a page that needs neither the database nor a session."""
    headers = {"Retry-After": str(outage.retry_after), "Cache-Control": "no-store"}
    if is_for_programs(request):
        return JsonResponse(shape(outage.sentence), status=503, headers=headers)
    page = render_to_string("503.html", {"sentence": outage.sentence})
    return HttpResponse(page, status=503, headers=headers)


def _noted(response: AnyResponse, request: Any, error: BaseException) -> AnyResponse:
    """Write one line about an outage, in place of Django's, which has a traceback."""
    what = "the bucket of uploads" if isinstance(error, OSError) else "the database"
    logger.warning("503 for %s %s: %s failed (%s)", request.method, request.path, what, words_of(error))
    response._has_been_logged = True  # type: ignore[attr-defined]  # Django asks for this before it writes its own line
    return response


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if is_for_programs(request) or exception is None:
        return JsonResponse(shape("Bad request"), status=400)
    return defaults.bad_request(request, exception)
