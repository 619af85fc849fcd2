"""Signing in through an OpenID Connect provider: the way there, and the way back with a code.

What belongs to one attempt is in a signed cookie of the browser that began it, not in a session: strangers who begin
attempts store nothing here. Nobody is told why a sign-in was refused. The audit log and the log have the reason.
"""

from __future__ import annotations

import logging
import secrets
import threading
from dataclasses import astuple
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tenants.backoffice.sign_in.sign_in_pages import PROVIDER, finished, first_step_done, frame, locked
from tenants.client_address import client_network
from tenants.egress.documents import NoDocument
from tenants.models import ProviderIdentity
from tenants.public_address import absolute
from tenants.sign_in import provider_users, sign_in_log, tries
from tenants.sign_in.id_tokens import Claims, Refused
from tenants.sign_in.provider import Attempt, Provider, provider

logger = logging.getLogger(__name__)

SALT = "tenants.provider_sign_in"
VALID_FOR = 600  # seconds at the provider
LONGEST_CODE = 4096
BACKEND = "django.contrib.auth.backends.ModelBackend"  # which knows the user on later requests
DENIED = "access_denied"  # also what Cancel means (RFC 6749, section 4.1.2.1)
NOT_GUESSED = {DENIED, "server_error", "temporarily_unavailable"}
_at_once = threading.BoundedSemaphore(4)  # a silent provider holds up no more than half of the threads

EXPIRED = "This sign-in is no longer valid. Start again."
CANCELED = "You did not sign in there. Start again, or sign in with your password."
UNKNOWN = "No team member belongs to this account. Ask an administrator of Trunkline to link it."
FAILED = "This sign-in did not work. Start again, or ask an administrator of Trunkline."
SILENT = "The sign-in service does not work now. Try again in a moment, or sign in with your password."


@never_cache
@require_GET
def start(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider."""
    found, to = _provider(), request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(to, {request.get_host()}, require_https=request.is_secure()):
        to = reverse(settings.LOGIN_REDIRECT_URL)
    attempt = Attempt.new(_way_back(request), to)
    try:
        with _Turn():
            response = HttpResponseRedirect(found.address_for(attempt))
    except NoDocument as error:
        return _silent(request, error)
    response.set_cookie(
        settings.SIGN_IN_COOKIE_NAME,
        signing.dumps(astuple(attempt), salt=SALT),
        max_age=VALID_FOR,
        path=reverse("provider-sign-in"),
        httponly=True,
        secure=bool(settings.SESSION_COOKIE_SECURE),
        samesite="Lax",  # the provider sends the browser back from another site
    )
    return response


@never_cache
@require_GET
def done(request: HttpRequest) -> HttpResponse:
    """Sign in whoever comes back from the provider. An attempt ends here, whatever comes of it."""
    response = _done(request, _provider())
    response.delete_cookie(settings.SIGN_IN_COOKIE_NAME, path=reverse("provider-sign-in"), samesite="Lax")
    return response


def _done(request: HttpRequest, found: Provider) -> HttpResponse:
    attempt = _attempt(request)
    given = request.GET
    if attempt is None or not secrets.compare_digest(given.get("state", "").encode(), attempt.state.encode()):
        return _refused(request, EXPIRED)
    place = client_network(request)
    if given.get("error") in NOT_GUESSED:
        return _ended_there(request, given["error"])
    if wait := tries.admit(tries.PROVIDER, place):
        return locked(request, wait)
    if given.get("iss", found.settings.issuer) != found.settings.issuer:  # RFC 9207: of another provider
        return _failed(request, "issuer of the answer")
    if "error" in given:
        return _failed(request, "error")
    if not 0 < len(given.get("code", "")) <= LONGEST_CODE:
        return _failed(request, "code")
    try:
        with _Turn():
            claims = found.claims_for(given["code"], attempt)
        identity = provider_users.identity_for(found.settings, claims)
    except NoDocument as error:
        tries.withdraw(tries.PROVIDER, place)
        return _silent(request, error)
    except provider_users.NotLinked as error:
        return _failed(request, str(error), UNKNOWN, **error.detail)
    except Refused as error:
        return _failed(request, str(error))
    tries.succeeded(tries.PROVIDER, place)
    return _signed_in(request, found, claims, identity, attempt.to)


def _ended_there(request: HttpRequest, error: str) -> HttpResponse:
    """Answer somebody whom the provider sends back without a code, for no fault of theirs: this is no refused try."""
    return _refused(request, CANCELED) if error == DENIED else _silent(request, NoDocument(f"It says {error}."))


def _signed_in(
    request: HttpRequest, found: Provider, claims: Claims, identity: ProviderIdentity, to: str
) -> HttpResponse:
    user: Any = identity.user
    user.backend = BACKEND
    if found.settings.is_two_step(claims):
        return finished(request, user, to, by=PROVIDER, second=PROVIDER)
    return first_step_done(request, user, to, by=PROVIDER, identity=identity.pk)


def _way_back(request: HttpRequest) -> str:
    """Return where the provider sends the browser: to the host that it came from, which has the cookie."""
    return absolute(request, reverse("provider-sign-in-done"))


class _Turn:
    """One of the few requests that may wait for the provider at once. Raises NoDocument when there are more."""

    def __enter__(self) -> None:
        if not _at_once.acquire(blocking=False):
            raise NoDocument("Too many requests wait for it.")

    def __exit__(self, *_: object) -> None:
        _at_once.release()


def _provider() -> Provider:
    found = provider()
    if found is None:
        raise Http404
    return found


def _attempt(request: HttpRequest) -> Attempt | None:
    try:
        found = request.COOKIES.get(settings.SIGN_IN_COOKIE_NAME, "")
        return Attempt(*signing.loads(found, salt=SALT, max_age=VALID_FOR))
    except (signing.BadSignature, TypeError, ValueError):
        return None


def _failed(request: HttpRequest, reason: str, sentence: str = FAILED, **detail: str) -> HttpResponse:
    logger.warning("A sign-in through the provider was refused: %s", reason)
    sign_in_log.note_failure("", "provider_sign_in_failed", reason=reason, **detail)
    return _refused(request, sentence)


def _silent(request: HttpRequest, error: NoDocument) -> HttpResponse:
    logger.warning("The sign-in provider is of no use: %s", error)
    response = _refused(request, SILENT, 503)
    response["Retry-After"] = "10"
    return response


def _refused(request: HttpRequest, sentence: str, status: int = 403) -> HttpResponse:
    context = frame(request, "Sign in", sentence=sentence)
    return render(request, "trunkline/sign_in/provider.html", context, status=status)
