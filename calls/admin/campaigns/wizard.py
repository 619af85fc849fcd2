"""The wizard for a new campaign: Contacts, Assistant, Schedule, Limits, Review. Each step saves the draft.

A step is the one-page form with fewer fields, so both validate alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from calls.actions import campaign_edits, quiescing
from calls.admin.campaigns import test_call, wizard_previews
from calls.admin.campaigns.form import PROPOSED_WINDOW, WindowInline
from calls.admin.campaigns.wizard_steps import (
    ASSISTANT,
    CONTACTS,
    LIMITS,
    REVIEW,
    STEPS,
    WizardStep,
    load_parts,
    next_step,
    stepper,
    with_links,
)
from calls.gate.selection import weighted_assistants
from calls.models import Call
from calls.reports import preflight
from campaigns.models import Campaign
from campaigns.phones import country_of, national
from providers.models import Assistant, PhoneNumber
from tenants.backoffice.buttons import NotDone, sorted_out
from tenants.backoffice.local_time import local_time
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import ScopedAdmin, page_of

S = Campaign.Status
KEPT = ("assistant_weight", "phone_numbers", "number_choice", "placeholder_values")  # when the assistant changes
TEST_NUMBER = "test_number"  # session key
UNFED = ("outcome_not_reported", "cost_not_reported")  # findings shown beside the rules that they are about


class WizardPages(ScopedAdmin):
    """The pages of the wizard, as a base class of the campaign's admin."""

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "campaigns_campaign"
        pages = [
            path(f"<int:pk>/steps/{step.name}/", view(self.wizard_view), {"step": step}, name=f"{name}_{step.name}")
            for step in STEPS
        ]
        parts = [
            path(f"<int:pk>/steps/{part}/", view(self.draft_part_view), {"part": part}, name=f"{name}_draft_{part}")
            for part in wizard_previews.PARTS
        ]
        others = [
            path("people/", view(self.contacts_view), name=f"{name}_listed"),
            path("<int:pk>/steps/fields/", view(self.fields_view), name=f"{name}_draft_fields"),
        ]
        return [*others, *pages, *parts, *super().get_urls()]

    # Pages.

    def first_view(self, request: HttpRequest) -> HttpResponse:
        """Show the first step and create the draft. Lists and segments may be preselected in the address."""
        form = self._form(request, None, CONTACTS)
        for name in ("contact_lists", "segments"):
            form.initial[name] = request.GET.getlist(name)
        if request.method == "POST" and form.is_valid():
            obj = form.save(commit=False)
            obj.drafted_through = CONTACTS.number
            with transaction.atomic():
                self.save_model(request, obj, form, change=False)
                form.save_m2m()
            _warn_of_namesake(request, obj)
            return self._after_save(request, obj, CONTACTS)
        return self._page(request, None, CONTACTS, form, [])

    def wizard_view(self, request: HttpRequest, pk: int, step: WizardStep) -> HttpResponse:
        obj = self._draft(request, pk)
        if isinstance(obj, HttpResponse):
            return obj
        submitted = request.method == "POST" and step != REVIEW
        if not submitted:
            load_parts(obj)
        form, formsets = self._form(request, obj, step), self._formsets(request, obj, step)
        if not submitted:
            return self._page(request, obj, step, form, formsets)
        if "_show" in request.POST and step == ASSISTANT:
            form, choices = self._with_new_assistants(request, obj)
            return self._page(request, obj, step, form, formsets, **choices)
        valid = [form.is_valid(), *(formset.is_valid() for formset in formsets)]
        if not all(valid):
            stored = self.get_queryset(request).get(pk=pk)  # validation has written into `obj`
            load_parts(stored)
            return self._page(request, stored, step, form, formsets)
        try:
            self._save(request, obj, step, form, formsets)
        except quiescing.IllegalTransition as error:
            messages.error(request, str(error))
            return redirect(self.url("change", pk))
        if "_test" in request.POST and step == ASSISTANT:
            return self._test(request, obj)
        return self._after_save(request, obj, step)

    def draft_part_view(self, request: HttpRequest, pk: int, part: str) -> HttpResponse:
        """Return the preview beside a step's fields, for the values in the submitted form. Saves nothing."""
        obj = self._draft(request, pk)
        if isinstance(obj, HttpResponse):
            return obj
        step, preview = wizard_previews.PARTS[part]
        context = preview(obj, self._form(request, obj, step), self._formsets(request, obj, step))
        return TemplateResponse(request, f"trunkline/wizard/{part}.html", {"campaign": obj, **context})

    def fields_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return the caller numbers and variables of the chosen assistants. The user's input stays."""
        obj = self._draft(request, pk)
        if isinstance(obj, HttpResponse):
            return obj
        form, choices = self._with_new_assistants(request, obj)
        return TemplateResponse(request, "trunkline/wizard/fields.html", {"form": form, **choices})

    def contacts_view(self, request: HttpRequest) -> HttpResponse:
        """Return how many contacts the selected lists and segments have, and how many of them may be called."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        mine = reach_of(request).organizations(self.add_action)
        return TemplateResponse(request, "trunkline/wizard/people.html", wizard_previews.contacts(request.GET, mine))

    def _draft(self, request: HttpRequest, pk: int) -> Campaign | HttpResponse:
        obj: Campaign | None = self.found(request, pk)
        if obj is None:
            return self.not_found(request)
        if not self.holds(request, self.change_action, obj):
            raise PermissionDenied
        if obj.status != S.DRAFT:
            messages.info(request, "The campaign has started. Its settings are on this page now.")
            url = self.url("change", pk)
            return HttpResponse(headers={"HX-Redirect": url}) if "HX-Request" in request.headers else redirect(url)
        return obj

    def _page(
        self,
        request: HttpRequest,
        obj: Campaign | None,
        step: WizardStep,
        form: Any,
        formsets: Sequence[Any],
        **more: Any,
    ) -> HttpResponse:
        problems = preflight.problems(obj) if obj else []
        form.formsets = formsets
        if step == ASSISTANT:
            _share_choices(form, formsets)
        context = {
            "campaign": obj,
            "step": step,
            "stepper": stepper(obj, step, problems),
            "form": form,
            "formsets": formsets,
            "media": self.media + form.media,
            "failed": bool(form.is_bound and (form.errors or any(each.total_error_count() for each in formsets))),
            "change_url": f"{self.url('change', obj.pk)}?tab=settings" if obj else self.url("changelist"),
            **self._context(request, obj, step, form, problems),
            **more,
        }
        return self.page(request, step.template, str(obj) if obj else self.add_title, **context)

    def _context(
        self, request: HttpRequest, obj: Campaign | None, step: WizardStep, form: Any, problems: Sequence[Any]
    ) -> dict[str, Any]:
        """Return the context that only this step needs."""
        if step == CONTACTS:
            return {"counts_url": reverse("admin:campaigns_contactlist_counts"), "contacts_url": self.url("listed")}
        if obj is None:
            return {}
        if step == ASSISTANT:
            initial = {"test_number": request.session.get(TEST_NUMBER, "")}
            return {"test": test_call.TestCallForm(obj, initial=initial), **self._choices(form, obj)}
        if step == LIMITS:
            return {"unfed": [{"message": each.message} for each in problems if each.code in UNFED]}
        if step == REVIEW:
            later = obj.starts_at and obj.starts_at > timezone.now()
            start = next(each for each in self.steps if each.name == "start")
            return {
                "found": sorted_out(with_links(obj, problems)),
                "may_fix": True,  # the wizard is for those who change the campaign
                "button": start,
                "summary": wizard_previews.summary(obj),
                "start": f"Start calling {local_time(obj.starts_at)}" if later else "Start calling now",
                "start_url": self.url("step", obj.pk, "start"),
            }
        return {}

    # Forms of a step.

    def _form(self, request: HttpRequest, obj: Campaign | None, step: WizardStep, **kwargs: Any) -> Any:
        """Return the one-page form, reduced to the fields and rows of one step."""
        whole = self.get_form(request, obj, change=obj is not None, fields=list(step.fields))
        others = [name for name in whole.base_fields if name not in step.fields]
        rows = {name: model for name, model in whole.rows.items() if step.inline and step.inline.model is model}
        part = type(whole.__name__, (whole,), {**dict.fromkeys(others), "rows": rows})
        data = request.POST if request.method == "POST" and "initial" not in kwargs else None
        form = part(data, instance=obj, **kwargs)
        for field in form.fields.values():
            if isinstance(field.widget, RelatedFieldWidgetWrapper):  # its links are off anyway
                field.widget = field.widget.widget
                field.widget.choices = field.choices
        return form

    def _formsets(self, request: HttpRequest, obj: Campaign, step: WizardStep) -> list[Any]:
        """Return the formsets of one step: windows, other assistants, or retry rules."""
        found = []
        for cls, inline in self.get_formsets_with_inlines(request, obj):
            if step.inline is not None and isinstance(inline, step.inline):
                formset = cls(**self.get_formset_kwargs(request, obj, inline, cls.get_default_prefix()))
                is_window = isinstance(inline, WindowInline)
                formset.extra = 0 if is_window and formset.initial_form_count() else 1  # for users without scripts
                formset.initial_extra = [PROPOSED_WINDOW] if is_window else None
                formset.blank = formset.form(prefix=formset.add_prefix("__row__"), **formset.get_form_kwargs(None))
                formset.add_fields(formset.blank, None)
                found.append(formset)
        return found

    def _save(self, request: HttpRequest, obj: Campaign, step: WizardStep, form: Any, formsets: Sequence[Any]) -> None:
        """Save only the fields of this step. Raises IllegalTransition if the campaign was started meanwhile."""
        with campaign_edits.edit(obj, actor=reach_of(request).actor) as locked:
            if locked.status != S.DRAFT:
                raise quiescing.IllegalTransition("Nothing was changed: the campaign was started meanwhile.")
            self.save_model(request, form.save(commit=False), form, change=True)
            form.save_m2m()
            for formset in formsets:
                formset.save()
            self.audit_change(request, form, formsets)
            earlier = Campaign.objects.filter(pk=obj.pk, drafted_through__gt=0, drafted_through__lt=step.number)
            earlier.update(drafted_through=step.number)

    def _after_save(self, request: HttpRequest, obj: Campaign, step: WizardStep) -> HttpResponse:
        if "_later" in request.POST:
            messages.success(request, f"“{obj.name}” is saved as a draft. It calls nobody until you start it.")
            return redirect(self.url("change", obj.pk))
        return redirect(next_step(step).url(obj))

    # The step "Assistant".

    def _choices(self, form: Any, obj: Campaign, chosen: Sequence[Assistant] | None = None) -> dict[str, Any]:
        """Return the caller numbers and variables that the chosen assistants allow."""
        if chosen is None and form.is_bound:
            chosen = _chosen(form)
        elif chosen is None:
            chosen = [assistant for assistant, _ in weighted_assistants(obj)]
        field = form.fields["phone_numbers"]
        accounts = {assistant.account_id for assistant in chosen}
        numbers = field.queryset.filter(account__in=accounts, is_active=True).select_related("account")
        several = len(accounts) > 1
        field.widget.choices = [(row.pk, _number(row, several)) for row in numbers]
        return {
            "chosen": chosen,
            "numbers": field.widget.choices,
            "declared": list({item["name"]: item for one in chosen for item in one.variables or []}.values()),
        }

    def _with_new_assistants(self, request: HttpRequest, obj: Campaign) -> tuple[Any, dict[str, Any]]:
        """Return the form and its choices for the submitted assistants. The rest of the user's input stays."""
        if request.method != "POST":
            form = self._form(request, obj, ASSISTANT)
            return form, self._choices(form, obj)
        submitted = self._form(request, obj, ASSISTANT)
        chosen = _chosen(submitted)
        rows = submitted.fields["variables"].widget.value_from_datadict(request.POST, {}, "variables")
        obj.assistant = submitted.cleaned_data.get("assistant")
        obj.variables = {row["name"]: row["value"] for row in rows if row["name"] and row["value"]}
        initial = {name: submitted[name].data for name in KEPT}
        form = self._form(request, obj, ASSISTANT, initial=initial)
        form.marks = submitted.shown
        return form, self._choices(form, obj, chosen)

    def _test(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        """Place a test call with the step just saved. The session keeps the team member's number for the next one."""
        form = test_call.TestCallForm(obj, request.POST)
        request.session[TEST_NUMBER] = request.POST.get("test_number", "")[:40]
        error_text = " ".join(str(error) for errors in form.errors.values() for error in errors)
        if not error_text:
            try:
                obj = self.get_queryset(request).get(pk=obj.pk)
                call = test_call.place(obj, form.cleaned_data["test_number"], actor=reach_of(request).actor)
            except NotDone as error:
                error_text = str(error)
            else:
                message = 'The test call is queued. <a class="tl-link" href="{}">Open the call</a>'
                messages.success(request, format_html(message, page_of(Call).url("change", call.pk)))
        if error_text:
            messages.error(request, f"The step was saved, but the test call was not placed. {error_text}")
        return redirect(ASSISTANT.url(obj))


def _number(row: PhoneNumber, with_account: bool) -> str:
    text = f"{national(row.e164)} ({country_of(row.e164)}) {row.label}".strip()
    return f"{text}, {row.account}" if with_account else text


def _share_choices(form: Any, formsets: Sequence[Any]) -> None:
    """Look up the choices of assistants once for all rows."""
    options = list(map(tuple, form.fields["assistant"].choices))  # list() alone would count the rows first
    for each in (form, *(row for formset in formsets for row in (*formset.forms, formset.blank))):
        each.fields["assistant"].widget.choices = options


def _chosen(form: Any) -> list[Assistant]:
    """Return the assistants in a submitted form and its rows."""
    form.full_clean()
    return [one for one in (form.cleaned_data.get("assistant"), *form.others()) if one]


def _warn_of_namesake(request: HttpRequest, obj: Campaign) -> None:
    """Tell the user of another campaign of this name: perhaps the same campaign was created twice."""
    others = Campaign.objects.filter(organization=obj.organization_id, name=obj.name).exclude(pk=obj.pk)
    if others.exists():
        messages.warning(request, f"There is another campaign named “{obj.name}”. Give one of them another name.")
