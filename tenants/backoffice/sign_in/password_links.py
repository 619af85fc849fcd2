"""E-mails with a link that sets a password: for a forgotten one, and for somebody who is invited."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import DatabaseError, connection
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from tenants.backoffice.languages.catalog import speaker
from tenants.backoffice.languages.markup import paragraphs
from tenants.backoffice.languages.reader import language_of_user
from tenants.backoffice.sign_in.forms import span
from tenants.bidi import isolated
from tenants.models import Organization
from tenants.sign_in.passwords import reset_tokens

logger = logging.getLogger(__name__)


def base_of(request: HttpRequest) -> str:
    """Return the address of this installation, which links begin with."""
    return settings.PUBLIC_BASE_URL or request.build_absolute_uri("/")


def valid_for() -> str:
    """Return for how long a link holds, in words."""
    return span(settings.PASSWORD_RESET_TIMEOUT)


def for_reset(base: str, user: Any, language: str) -> EmailMessage:
    """Return the message in the language of the user, else in the given one: that of the page that asked for it."""
    return _message("Set a new Trunkline password", "reset", user, language, {"link": _link(base, user)})


def for_invitation(base: str, user: Any, organization: Organization, inviter: str, language: str) -> EmailMessage:
    """Return the message in the language of the user, else in the given one: that of the inviter's page."""
    words = {
        "link": _link(base, user),
        "organization": _in_a_sentence(organization),
        "inviter": _in_a_sentence(inviter),
        "again": urljoin(base, reverse("password-reset")),
    }
    return _message("You are invited to Trunkline", "invitation", user, language, words)


def send_in_a_thread(made: Callable[[], Sequence[EmailMessage]]) -> None:
    """Make and send messages beside the request. What fails is logged without addresses."""
    threading.Thread(target=_send, args=[made], name="password-links", daemon=True).start()


def _send(made: Callable[[], Sequence[EmailMessage]]) -> None:
    try:
        for message in made():
            try:
                message.send()
            except (OSError, ValueError) as error:  # smtplib's errors are OSErrors
                logger.error("An e-mail with a link for a password was not sent: %s", type(error).__name__)
    except DatabaseError as error:
        logger.error("A password reset was not looked up: %s", type(error).__name__)
    finally:
        connection.close()  # the thread's own


def _message(subject: str, kind: str, user: Any, language: str, words: dict[str, Any]) -> EmailMessage:
    words |= {"valid_for": valid_for(), "user": user}
    say = speaker(language_of_user(user) or language)
    return EmailMessage(
        subject=say(subject),
        body=paragraphs(render_to_string(f"trunkline/sign_in/{kind}_mail.txt", words), say),
        to=[user.email or user.get_username()],
    )


def _in_a_sentence(name: object) -> str:
    """Return a name on one line, and so that it turns no text around it: the reader must know what Trunkline says."""
    return isolated(" ".join(str(name).split()))


def _link(base: str, user: Any) -> str:
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return urljoin(base, reverse("password-reset-new", args=[uid, reset_tokens.make_token(user)]))
