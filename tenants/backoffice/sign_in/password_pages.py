"""The pages for changing one's password, and for setting a new one with a link sent by e-mail."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.views import PasswordChangeView, PasswordResetConfirmView
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache

from tenants.backoffice.languages.reader import language_of
from tenants.backoffice.sign_in import password_links
from tenants.backoffice.sign_in.forms import (
    NewPasswordForm,
    OwnPasswordForm,
    ResetRequestForm,
    must_wait,
    refuse_for,
    users_to_reset,
)
from tenants.backoffice.sign_in.sign_in_pages import frame, locked
from tenants.client_address import client_network
from tenants.sign_in import invitations, sign_in_log, tries
from tenants.sign_in.known_browsers import remember_browser
from tenants.sign_in.passwords import reset_tokens
from tenants.sign_in.sessions import end_sessions


class OwnPasswordView(PasswordChangeView):
    """Change one's own password. All other sessions end."""

    form_class = OwnPasswordForm
    success_url = reverse_lazy("admin:password_change_done")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**frame(self.request, "Change password"), **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            response = super().form_valid(form)
            sign_in_log.note(form.user, "password_changed")
        end_sessions(form.user.pk, but=self.request.session.session_key)
        remember_browser(self.request, response, form.user)  # the new password voided its cookie
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=429 if must_wait(form) else 200)


own_password = admin.site.admin_view(OwnPasswordView.as_view())


@never_cache
def reset_request(request: HttpRequest) -> HttpResponse:
    """Ask for the address, send a link to it, and answer alike whether a team member has it or not."""
    form = ResetRequestForm(request.POST or None)
    if settings.EMAIL_CONFIGURED and request.method == "POST" and form.is_valid():
        try:
            refuse_for(tries.admit(tries.RESET_BY_ADDRESS, client_network(request)))
        except ValidationError as refused:
            form.add_error(None, refused)
        else:
            _start_sending(request, form.cleaned_data["email"])
            return redirect("password-reset-sent")
    context = frame(request, "Reset password", form=form, configured=settings.EMAIL_CONFIGURED)
    status = 429 if form.is_bound and must_wait(form) else 200
    return TemplateResponse(request, "trunkline/sign_in/reset.html", context, status=status)


def _start_sending(request: HttpRequest, email: str) -> None:
    """Look for users of the address in a thread: the time of the answer must not tell whether one exists."""
    if tries.admit(tries.RESET_BY_EMAIL, email.lower()):
        return  # nobody's mailbox is flooded; the answer is the same
    base, language = password_links.base_of(request), language_of(request)
    password_links.send_in_a_thread(
        lambda: [password_links.for_reset(base, user, language) for user in users_to_reset(email)]
    )


def reset_sent(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(
        request,
        "trunkline/sign_in/reset_sent.html",
        frame(request, "E-mail sent", valid_for=password_links.valid_for()),
    )


class NewPasswordView(PasswordResetConfirmView):
    """Set a new password with the link of the e-mail. All sessions of the user end."""

    form_class = NewPasswordForm
    template_name = "trunkline/sign_in/reset_new.html"
    token_generator = reset_tokens
    success_url = reverse_lazy("admin:login")

    def get_user(self, uidb64: str) -> Any:
        """Return the user of the link, unless no link may set a password any more."""
        user: Any = super().get_user(uidb64)
        return user if user is not None and invitations.may_use_link(user) else None

    def dispatch(self, *args: Any, **kwargs: Any) -> Any:
        """Answer a right link, however many wrong ones others at this address have tried: nobody guesses one."""
        response = super().dispatch(*args, **kwargs)
        if self.validlink or response.status_code == 302:
            return response
        wait = tries.admit(tries.RESET_TOKEN, client_network(self.request))
        return locked(self.request, wait) if wait else response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **frame(self.request, "Set a new password", valid_for=password_links.valid_for()), **kwargs
        )

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            response = super().form_valid(form)
            sign_in_log.note(form.user, "password_reset")
        end_sessions(form.user.pk)
        messages.success(self.request, f"The new password of {form.user} is set. {self._next_step(form.user)}")
        return response

    def _next_step(self, user: Any) -> str:
        """Return what to do now. The browser may belong to somebody else, whose session goes on."""
        other = self.request.user
        if not other.is_authenticated or other == user:
            return "Sign in with it."
        return f"You are signed in as {other}: sign out, then sign in with it."
