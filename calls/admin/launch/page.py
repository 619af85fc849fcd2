"""The page "Launch a call": find a contact or enter a phone number, see whether calling is allowed, and call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from calls.actions import single_calls
from calls.admin.launch import people
from calls.admin.launch.form import CHOICES, VARIABLE, LaunchForm, initial_of
from calls.admin.shared import labels
from calls.gate.decision import Decision
from calls.models import Call
from campaigns.models import Contact
from campaigns.rules.spoken import sentence
from providers.models import Assistant
from tenants.backoffice.buttons import NotDone
from tenants.backoffice.local_time import local_time
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.policy import Action


def _assistants(request: HttpRequest, contact: Contact | None) -> QuerySet[Assistant]:
    """Return the active assistants that may call the contact: those of its organization."""
    mine = reach_of(request).organizations(Action.LAUNCH_CALL)
    found = Assistant.objects.filter(organization__in=mine, is_active=True, account__is_active=True)
    if contact is not None:
        found = found.filter(organization=contact.organization_id)
    return found.select_related("account", "organization").order_by("organization_id", "name")[:CHOICES]


def _form(request: HttpRequest, data: Any, initial: Mapping[str, Any], contact: Contact | None) -> LaunchForm:
    assistants = _assistants(request, contact)
    key = (data or initial).get("assistant", "")
    chosen = next((row for row in assistants if str(row.pk) == key), None)
    if chosen is None and not key and len(assistants) == 1:
        chosen = assistants[0]
    return LaunchForm(assistants, chosen, data, initial)


def _unvalidated(request: HttpRequest, sent: Mapping[str, Any]) -> LaunchForm:
    """Return the form with the input so far, not validated. The contact's values fill empty fields."""
    contact = people.chosen(request, sent)
    known = initial_of(contact)
    return _form(request, None, {**known, **{name: value for name, value in sent.items() if value}}, contact)


def fields_view(request: HttpRequest) -> HttpResponse:
    """Return the fields of the chosen assistant. The user's input stays."""
    form = _unvalidated(request, _sent(request))
    return TemplateResponse(request, "trunkline/launch_fields.html", {"form": form})


def contacts_view(request: HttpRequest) -> HttpResponse:
    """Return the contacts that a search finds."""
    sent = _sent(request)
    return TemplateResponse(request, "trunkline/launch_people.html", people.found(request, sent))


def contact_view(request: HttpRequest) -> HttpResponse:
    """Return whose number it is, what time it is there, and whether a call is allowed now."""
    sent = _sent(request)
    form = _form(request, None, sent, None) if sent.get("to_number") else _unvalidated(request, sent)
    return TemplateResponse(request, "trunkline/launch_person.html", _contact(request, form))


def _sent(request: HttpRequest) -> dict[str, Any]:
    if not reach_of(request).may(Action.LAUNCH_CALL):
        raise PermissionDenied
    return request.POST.dict() if request.method == "POST" else request.GET.dict()


def _contact(request: HttpRequest, form: LaunchForm) -> dict[str, Any]:
    value = (form.data if form.is_bound else form.initial).get
    found = people.number_info(request, form.assistant, str(value("to_number") or ""))
    number = form.numbers.get(str(value("phone_number") or "")) or next(iter(form.numbers.values()), None)
    phone = found.get("phone")
    if phone and form.assistant and number:
        order = single_calls.Order(form.assistant.organization, form.assistant, number, phone)
        found["decision"] = _shown(single_calls.preview(order, found["known"]))
    return found


def view(request: HttpRequest) -> HttpResponse:
    """Launch one call, or check whether calling is allowed."""
    sent = _sent(request)
    page = page_of(Call)
    decision, refusal, info, doubt = None, "", None, ""
    if request.method == "POST" and "_fields" not in sent:
        form = _form(request, request.POST, {}, people.chosen(request, sent))
        if form.is_valid() and form.assistant is not None:
            order = form.order(reach_of(request).actor)
            doubt = sentence(found) if (found := single_calls.placeholders(order)) else ""
            if "_check" in request.POST:
                decision = single_calls.preview(order)
                info = people.number_info(request, form.assistant, order.to_number)
            elif not doubt or doubt.split() == sent.get("as_is", "").split():
                try:
                    call = placed(order)
                except NotDone as error:
                    refusal = str(error)
                except single_calls.MissingVariables as error:
                    for name in error.names:
                        form.add_error(f"{VARIABLE}{name}", "The assistant needs this value.")
                else:
                    messages.success(request, "The call is queued. This page shows its progress.")
                    return redirect(page.url("change", call.pk))
    else:
        form = _unvalidated(request, sent)
    return page.page(
        request,
        "trunkline/launch.html",
        "Launch a call",
        form=form,
        contact=(form.data if form.is_bound else form.initial).get("contact", ""),
        refusal=refusal,
        doubt=doubt,
        checked=_shown(decision) if decision else None,
        **(info or {}),
        **people.found(request, sent),
        no_assistant=not form.has_choice,
        media=form.media,
        calls_url=page.url("changelist"),
    )


def placed(order: single_calls.Order) -> Call:
    """Queue the call and return it. Raises NotDone with the reason in words, and MissingVariables."""
    if not order.organization.is_active:
        raise NotDone("The organization is inactive. It places no calls.")
    try:
        return single_calls.place_single(order)
    except single_calls.Refused as error:
        raise NotDone(
            f"{error} It is allowed from {local_time(error.until)}." if error.until else str(error)
        ) from error
    except single_calls.AlreadyOpen as error:
        raise NotDone(
            "A call to this number is already open. Wait for its end, or open it in the list of calls."
        ) from error


def _shown(decision: Decision) -> dict[str, Any]:
    verdict = {
        "allow": ("The call would be placed at once.", "success"),
        "defer": (f"The call would wait: {decision.detail}", "warning"),
        "skip": (f"The call would not be placed: {decision.detail}", "danger"),
    }[decision.verdict]
    checks = [
        {
            "name": labels.check_name(check.name),
            "ok": check.result == "allow",
            "detail": check.detail,
        }
        for check in decision.checks
    ]
    failed = [check for check in checks if not check["ok"] and check["detail"] != decision.detail]
    return {"text": verdict[0], "colour": verdict[1], "checks": checks, "failed": failed}
