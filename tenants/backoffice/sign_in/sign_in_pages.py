"""The pages for signing in: the password, then a code of the authenticator app for those who have one."""

from __future__ import annotations

import secrets
import time
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model, login
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from tenants.backoffice.sign_in.forms import CodeForm, SignInForm, must_wait, span
from tenants.sign_in import sign_in_log
from tenants.sign_in.known_browsers import remember_browser
from tenants.sign_in.provider_users import is_linked
from tenants.sign_in.second_factor import has_second_factor, mark_verified, mark_verified_by_provider

PENDING = "_pending_sign_in"  # in the session: whose password was right, and when
PENDING_FOR = 300  # seconds
PASSWORD, PROVIDER, CODE = "password", "provider", "code"  # of the first and the second step, in the audit log


def frame(request: HttpRequest, title: str, **context: Any) -> dict[str, Any]:
    """Return what a page in the theme needs."""
    return {**admin.site.each_context(request), "title": title, **context}


@method_decorator(never_cache, name="dispatch")
class SignInView(LoginView):
    """The first step: e-mail address and password."""

    authentication_form = SignInForm
    template_name = "admin/login.html"
    next_page = "admin:index"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method == "GET" and admin.site.has_permission(request):
            return redirect("admin:index")
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        base = frame(self.request, "Sign in", app_path=self.request.get_full_path())
        shown = {**base, **self._provider(), "username": self.request.user.get_username()}
        return super().get_context_data(**shown, **kwargs)

    def _provider(self) -> dict[str, str]:
        """Return the label and the address of the button for the sign-in provider, if there is one."""
        if settings.SIGN_IN_PROVIDER is None:
            return {}
        address, to = reverse("provider-sign-in"), self.get_redirect_url()
        query = f"?{urlencode({self.redirect_field_name: to})}" if to else ""
        return {"provider": f"Sign in with {settings.SIGN_IN_PROVIDER.name}", "provider_address": address + query}

    def form_valid(self, form: Any) -> HttpResponse:
        return first_step_done(self.request, form.get_user(), self.get_success_url(), by=PASSWORD)

    def form_invalid(self, form: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=429 if must_wait(form) else 200)


def first_step_done(request: HttpRequest, user: Any, to: str, *, by: str, identity: int | None = None) -> HttpResponse:
    """Sign the user in, or ask for a code if the user has an authenticator app.

    `identity`: the key of the link to an account at the sign-in provider, without which there is no second step.
    """
    if not has_second_factor(user.pk):
        return finished(request, user, to, by=by)
    request.session[PENDING] = {
        "user": user.pk,
        "backend": user.backend,
        "password": user.get_session_auth_hash(),
        "at": time.time(),
        "next": to,
        "by": by,
        "identity": identity,
    }
    request.session.cycle_key()
    return redirect("two-step-code")


@never_cache
@sensitive_post_parameters("code")
def code_page(request: HttpRequest) -> HttpResponse:
    """The second step: a code of the authenticator app, or a recovery code."""
    pending = request.session.get(PENDING)
    user = _pending_user(pending)
    if pending is None or user is None:
        request.session.pop(PENDING, None)
        return redirect("admin:login")
    form = CodeForm(request, user)
    if request.method == "POST" and form.is_valid():
        del request.session[PENDING]
        user.backend = pending["backend"]
        return finished(request, user, pending["next"], by=pending.get("by", PASSWORD), second=CODE)
    context = frame(request, "Two-step sign-in", form=form)
    return TemplateResponse(
        request, "trunkline/sign_in/code.html", context, status=429 if form.is_bound and must_wait(form) else 200
    )


def _pending_user(pending: Any) -> Any:
    """Return the user whose first step was right a moment ago and would be now, else None."""
    if not pending or time.time() - pending["at"] > PENDING_FOR:
        return None
    user = get_user_model().objects.filter(pk=pending["user"], is_active=True).first()
    if user is None or not secrets.compare_digest(user.get_session_auth_hash(), pending["password"]):
        return None
    if pending.get("by") == PROVIDER and not is_linked(user, pending.get("identity")):
        return None
    return user


def finished(request: HttpRequest, user: Any, to: str, *, by: str, second: str = "") -> HttpResponse:
    """Sign the user in and remember the browser. `by`, `second`: what was shown in the first and the second step."""
    login(request, user)
    sign_in_log.note(user, "signed_in", by=by, second=second)
    if second == CODE:
        mark_verified(request, user.pk)
    elif second == PROVIDER:
        mark_verified_by_provider(request)
    response = redirect(to)
    remember_browser(request, response, user)
    return response


def locked_out(request: HttpRequest, *_: Any) -> HttpResponse:
    """Return the page for an address from which too many passwords of one user were wrong (django-axes calls it)."""
    return locked(request, int(settings.AXES_COOLOFF_TIME * 3600))


def locked(request: HttpRequest, seconds: int) -> HttpResponse:
    """Return the page that says how long to wait."""
    context = frame(request, "Try again later", wait=span(seconds))
    return render(request, "trunkline/sign_in/locked.html", context, status=429)
