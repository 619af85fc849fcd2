"""The second factor: codes of an authenticator app (TOTP, RFC 6238) and one-time recovery codes."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from urllib.parse import quote

import segno
from django.db import transaction
from django.utils import timezone
from django_otp.oath import hotp

from tenants.models import Authenticator, RecoveryCode
from tenants.sign_in.sessions import end_sessions

VERIFIED = "_second_factor"  # in the session's data: this session has shown a code
STEP = 30  # seconds
TOLERANCE = (0, -1, 1)  # steps: clocks differ
DIGITS = 6
RECOVERY_CODES = 10


def has_second_factor(user_id: int) -> bool:
    return Authenticator.objects.filter(user_id=user_id, confirmed_at__isnull=False).exists()


def unconfirmed(user_id: int) -> Authenticator:
    """Return the user's authenticator that waits for its first code. It gets a secret when it is first asked for."""
    secret = base64.b32encode(secrets.token_bytes(20)).decode()
    return Authenticator.objects.get_or_create(user_id=user_id, defaults={"secret": secret})[0]


def otpauth(username: str, secret: str) -> str:
    """Return the address that authenticator apps read."""
    return f"otpauth://totp/Trunkline:{quote(username)}?secret={secret}&issuer=Trunkline"


def qr_code(text: str) -> str:
    """Return a QR code as the address of an SVG image. It is made here: the secret is sent nowhere."""
    return str(segno.make(text, error="m", micro=False).svg_data_uri(scale=5, border=4, light="#fff"))


def accept_code(user_id: int, text: str) -> bool:
    """Return whether the text is a code of the user's app for this moment. A code is accepted once."""
    code = "".join(text.split())
    device = Authenticator.objects.filter(user_id=user_id).first()
    if device is None or not (len(code) == DIGITS and code.isascii() and code.isdigit()):
        return False
    key, now = base64.b32decode(str(device.secret)), int(time.time()) // STEP
    for step in (now + drift for drift in TOLERANCE):
        if secrets.compare_digest(f"{hotp(key, step, DIGITS):0{DIGITS}}", code):
            newer = Authenticator.objects.filter(pk=device.pk, last_step__lt=step)
            return newer.update(last_step=step) == 1
    return False


def confirm(user_id: int, session_key: str | None) -> list[str]:
    """Ask for codes from now on, end the user's other sessions, and return the recovery codes."""
    Authenticator.objects.filter(user_id=user_id).update(confirmed_at=timezone.now())
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
