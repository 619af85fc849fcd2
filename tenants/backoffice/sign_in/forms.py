"""Forms of the pages for signing in. Each one that checks a secret limits its tries."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import SetPasswordForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm
from unfold.widgets import BASE_INPUT_CLASSES

from tenants.sign_in import invitations, second_factor, sign_in_log, tries
from tenants.sign_in.sign_in_limits import (
    admit_code,
    admit_password,
    code_was_right,
    password_was_right,
    password_was_wrong,
)

WAIT = "wait"  # the code of the error
UNREADABLE = (
    "The secret of your authenticator app cannot be read. Sign in with a recovery code, or ask an admin to reset your "
    "two-step sign-in."
)
INPUT = " ".join(BASE_INPUT_CLASSES)


def span(seconds: int) -> str:
    """Return a time to wait in words."""
    if seconds < 120:
        return f"{seconds} seconds" if seconds > 1 else "a second"
    return f"{-(-seconds // 60)} minutes"


def refuse_for(seconds: int) -> None:
    """Raise a ValidationError that says how long to wait, unless it is 0."""
    if seconds:
        raise ValidationError(f"Too many failed attempts. Try again in {span(seconds)}.", code=WAIT)


def must_wait(form: forms.BaseForm) -> bool:
    """Return whether the form refused a try without checking it."""
    return any(form.has_error(name, WAIT) for name in form.errors)


class SignInForm(AuthenticationForm):
    """Sign in by e-mail address. The field keeps Django's name, `username`: `create_user` stores the address there."""

    error_messages: ClassVar[dict[str, Any]] = {
        "invalid_login": "No team member has this e-mail address and password. The password is case-sensitive.",
        "inactive": "This user is inactive.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "E-mail"

    def clean(self) -> Any:
        name = self.cleaned_data.get("username")
        if not name or not self.cleaned_data.get("password"):
            return super().clean()
        refuse_for(admit_password(self.request, name))
        try:
            cleaned = super().clean()
        except ValidationError:
            password_was_wrong(self.request, name)
            sign_in_log.note_failure(name, "sign_in_failed")
            raise
        password_was_right(self.request, name)
        return cleaned


class CodeForm(forms.Form):
    """A code of the authenticator app, or a recovery code; of an app that is offered for set-up, its code alone."""

    code = forms.CharField(
        max_length=40,
        widget=forms.TextInput(attrs={"class": INPUT, "autocomplete": "one-time-code", "autofocus": ""}),
    )

    step: int = 0  # of the code of the offered app

    def __init__(self, request: HttpRequest, user: Any, *, offered: str = "") -> None:
        super().__init__(request.POST if request.method == "POST" else None)
        self.request, self.user, self.offered = request, user, offered

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        refuse_for(admit_code(self.request, self.user))
        if self._is_right(code):
            code_was_right(self.request, self.user)
            return code
        sign_in_log.note(self.user, "code_refused")
        if not self.offered and not second_factor.reads_codes(self.user.pk):
            raise ValidationError(UNREADABLE, code="unreadable")
        raise ValidationError("This code is not valid. Codes change every 30 seconds and work once.", code="invalid")

    def _is_right(self, code: str) -> bool:
        if self.offered:
            self.step = second_factor.step_of(self.offered, code) or 0
            return self.step > 0
        return second_factor.accept_code(self.user.pk, code) or second_factor.use_recovery_code(self.user.pk, code)


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Change one's own password. Wrong old passwords are limited like those of signing in."""

    def clean_old_password(self) -> str:
        refuse_for(tries.admit(tries.OLD_PASSWORD, self.user.pk))
        try:
            old: str = super().clean_old_password()
        except ValidationError:
            sign_in_log.note(self.user, "old_password_refused")
            raise
        tries.succeeded(tries.OLD_PASSWORD, self.user.pk)
        return old


class ResetRequestForm(forms.Form):
    email = forms.EmailField(
        label="E-mail",
        max_length=150,
        widget=forms.EmailInput(attrs={"class": INPUT, "autocomplete": "email", "autofocus": ""}),
    )


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """Set a new password with a link from an e-mail."""

    def __init__(self, user: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = INPUT


def users_to_reset(email: str) -> list[Any]:
    """Return the active team members who have this address and sign in with a password, or were invited to."""
    users: Any = get_user_model().objects.filter(is_active=True, is_staff=True)
    found = {user.pk: user for user in [*users.filter(username__iexact=email), *users.filter(email__iexact=email)]}
    return [user for user in found.values() if invitations.may_use_link(user)]
