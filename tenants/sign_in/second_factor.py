"""The second factor: codes of an authenticator app (TOTP, RFC 6238) and one-time recovery codes."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from typing import Any
from urllib.parse import quote

from cryptography.fernet import InvalidToken
from django.db import transaction
from django.http import HttpRequest
from django_otp.oath import hotp

from tenants.db.encrypted_fields import fernet, is_readable
from tenants.models import Authenticator, RecoveryCode
from tenants.sign_in.sessions import end_sessions

VERIFIED = "_second_factor"  # in the session's data: of which authenticator this session has shown a code
BY_PROVIDER = "provider"  # there: the sign-in provider has asked for a second factor of its own
OFFERED = "_offered_secret"  # in the session's data: the secret that this session may turn on, encrypted
STEP = 30  # seconds
TOLERANCE = (0, -1, 1)  # steps: clocks differ
DIGITS = 6
RECOVERY_CODES = 10


def has_second_factor(user_id: int) -> bool:
    return Authenticator.objects.filter(user_id=user_id).exists()


def reads_codes(user_id: int) -> bool:
    """Return whether codes of the user's app can be checked: the app's secret is there and can be read."""
    device = Authenticator.objects.filter(user_id=user_id).first()
    return device is not None and is_readable(device, "secret")


def mark_verified(request: HttpRequest, user_id: int) -> None:
    """Note in the session that it has shown a code of the authenticator that the user has now."""
    request.session[VERIFIED] = _mark(user_id)


def mark_verified_by_provider(request: HttpRequest) -> None:
    """Note in the session that the sign-in provider has asked for a second factor."""
    request.session[VERIFIED] = BY_PROVIDER


def is_verified(request: HttpRequest) -> bool:
    """Return whether this session has shown a second factor: to the provider, or a code of the user's authenticator.

    The authenticator must be the one that the user has now.
    """
    shown = request.session.get(VERIFIED)
    return bool(shown) and (shown == BY_PROVIDER or shown == _mark(int(request.user.pk or 0)))


def _mark(user_id: int) -> str:
    return str(Authenticator.objects.filter(user_id=user_id).values_list("pk", flat=True).first() or "")


def offered_secret(request: HttpRequest, user: Any) -> str:
    """Return the secret that this session may turn on. Other sessions, and later passwords, are offered others.

    Whoever has seen a secret in a session that has ended does not have the second factor that the owner sets up.
    """
    password = user.get_session_auth_hash()
    try:
        found = json.loads(fernet().decrypt(request.session.get(OFFERED, "").encode()))
    except InvalidToken:
        found = {}
    if found.get("password") != password:
        found = {"password": password, "secret": base64.b32encode(secrets.token_bytes(20)).decode()}
        request.session[OFFERED] = fernet().encrypt(json.dumps(found).encode()).decode()
    return str(found["secret"])


def otpauth(username: str, secret: str) -> str:
    """Return the address that authenticator apps read."""
    return f"otpauth://totp/Trunkline:{quote(username)}?secret={secret}&issuer=Trunkline"


def qr_code(text: str) -> str:
    """Return a QR code as the address of an SVG image. It is made here: the secret is sent nowhere."""
    import segno  # not above: few processes make one

    return str(segno.make(text, error="m", micro=False).svg_data_uri(scale=5, border=4, light="#fff"))


def accept_code(user_id: int, text: str) -> bool:
    """Return whether the text is a code of the user's app for this moment. A code is accepted once.

    While the app's secret cannot be read, only recovery codes are accepted.
    """
    device = Authenticator.objects.filter(user_id=user_id).first()
    step = step_of(str(device.secret), text) if device and is_readable(device, "secret") else None
    if device is None or step is None:
        return False
    return Authenticator.objects.filter(pk=device.pk, last_step__lt=step).update(last_step=step) == 1


def step_of(secret: str, text: str) -> int | None:
    """Return the step in time that the text is the secret's code of. None: it is not one of this moment."""
    code = "".join(text.split())
    if not (len(code) == DIGITS and code.isascii() and code.isdigit()):
        return None
    key, now = base64.b32decode(secret), int(time.time()) // STEP
    steps = (now + drift for drift in TOLERANCE)
    return next((step for step in steps if secrets.compare_digest(f"{hotp(key, step, DIGITS):0{DIGITS}}", code)), None)


def confirm(user_id: int, secret: str, step: int, session_key: str | None) -> list[str]:
    """Ask for codes of the secret from now on, end the user's other sessions, and return the recovery codes.

    Return no codes when another session of the user has just turned on its own secret: that one stays.
    """
    used = {"secret": secret, "last_step": step}
    if not Authenticator.objects.get_or_create(user_id=user_id, defaults=used)[1]:
        return []
    end_sessions(user_id, but=session_key)
    return new_recovery_codes(user_id)


def new_recovery_codes(user_id: int) -> list[str]:
    """Replace the user's recovery codes and return the new ones. They are not stored and can only be shown now."""
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        RecoveryCode.objects.filter(user_id=user_id).delete()
        RecoveryCode.objects.bulk_create(RecoveryCode(user_id=user_id, digest=_digest(code)) for code in codes)
    return codes


def use_recovery_code(user_id: int, text: str) -> bool:
    """Return whether the text is a recovery code of the user, and delete the code."""
    return RecoveryCode.objects.filter(user_id=user_id, digest=_digest(text)).delete()[0] == 1


def remove(user_id: int) -> bool:
    """Remove the user's second factor. Return whether there was one."""
    with transaction.atomic():
        RecoveryCode.objects.filter(user_id=user_id).delete()
        return bool(Authenticator.objects.filter(user_id=user_id).delete()[0])


def _recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _digest(code: str) -> str:
    return hashlib.sha256("".join(code.lower().replace("-", "").split()).encode()).hexdigest()
