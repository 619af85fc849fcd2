"""The page for setting up two-step sign-in, for new recovery codes and for turning it off."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.debug import sensitive_post_parameters

from tenants.backoffice.roles import reach_of
from tenants.backoffice.sign_in.forms import CodeForm, must_wait
from tenants.backoffice.sign_in.sign_in_pages import frame
from tenants.models import RecoveryCode
from tenants.sign_in import second_factor, sign_in_log
from tenants.sign_in.known_browsers import remember_browser


@sensitive_post_parameters("code")
def view(request: HttpRequest) -> HttpResponse:
    """Show the state. POST confirms the app with a code, or, with a code, renews recovery codes or turns it off."""
    user_id = int(request.user.pk or 0)
    active = second_factor.has_second_factor(user_id)
    offered = "" if active else second_factor.offered_secret(request, request.user)
    form = CodeForm(request, request.user, offered=offered)
    if request.method == "POST" and form.is_valid():
        return _changed(request, user_id) if active else _confirmed(request, user_id, offered, form.step)
    context = _active(request, user_id) if active else _set_up(request, offered)
    status = 429 if form.is_bound and must_wait(form) else 200
    return _page(request, "two_step.html", "Two-step sign-in", status, form=form, active=active, **context)


def _page(request: HttpRequest, template: str, title: str, status: int = 200, **context: Any) -> HttpResponse:
    """Return a page that no cache stores: it may show secrets."""
    page = TemplateResponse(request, f"trunkline/sign_in/{template}", frame(request, title, **context), status=status)
    page["Cache-Control"] = "no-store"
    return page


def _set_up(request: HttpRequest, secret: str) -> dict[str, Any]:
    link = second_factor.otpauth(request.user.get_username(), secret)
    groups = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    required = reach_of(request).two_step_required
    return {"secret": groups, "link": link, "qr_code": second_factor.qr_code(link), "required": required}


def _active(request: HttpRequest, user_id: int) -> dict[str, Any]:
    left = RecoveryCode.objects.filter(user_id=user_id).count()
    return {"left": left, "required": reach_of(request).two_step_required}


def _confirmed(request: HttpRequest, user_id: int, secret: str, step: int) -> HttpResponse:
    request.session.cycle_key()
    with transaction.atomic():
        codes = second_factor.confirm(user_id, secret, step, request.session.session_key)
        if not codes:
            return redirect("two-step")
        sign_in_log.note(request.user, "two_step_set_up")
    second_factor.mark_verified(request, user_id)
    del request.session[second_factor.OFFERED]
    page = _page(request, "recovery_codes.html", "Recovery codes", codes=codes)
    remember_browser(request, page, request.user)  # the new app voided its cookie
    return page


def _changed(request: HttpRequest, user_id: int) -> HttpResponse:
    if "turn-off" not in request.POST:
        with transaction.atomic():
            codes = second_factor.new_recovery_codes(user_id)
            sign_in_log.note(request.user, "recovery_codes_replaced")
        return _page(request, "recovery_codes.html", "Recovery codes", codes=codes)
    if reach_of(request).two_step_required:
        messages.error(request, "Your organization requires two-step sign-in. It stays on.")
    else:
        with transaction.atomic():
            second_factor.remove(user_id)
            sign_in_log.note(request.user, "two_step_removed")
        messages.success(request, "Two-step sign-in is off. Your password alone signs you in.")
    page = redirect("two-step")
    remember_browser(request, page, request.user)  # without the app its cookie is void
    return page


two_step_page = admin.site.admin_view(view)
