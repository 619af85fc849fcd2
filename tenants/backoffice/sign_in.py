"""The form of the sign-in page."""

from __future__ import annotations

from typing import Any, ClassVar

from unfold.forms import AuthenticationForm


class SignInForm(AuthenticationForm):
    """Sign in by e-mail address. The field keeps Django's name, `username`: `create_user` stores the address there."""

    error_messages: ClassVar[dict[str, Any]] = {
        "invalid_login": "No team member has this e-mail address and password. The password is case-sensitive.",
        "inactive": "This user is inactive.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "E-mail"
