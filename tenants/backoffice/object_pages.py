"""The page of one object: a panel above its form, and buttons, each with a confirmation page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from tenants.backoffice.buttons import Found, NotDone, Step, say, sorted_out
from tenants.backoffice.once import took_effect
from tenants.backoffice.scoped_rows import ScopedRows


class ObjectPages(ScopedRows):
    """The page of one object of a ScopedAdmin, its panel and its buttons (`steps`)."""

    steps: ClassVar[tuple[Step, ...]] = ()
    panel_template: ClassVar[str] = ""  # shown above the form
    panel_only: ClassVar[bool] = False  # show the panel instead of the form

    change_form_template = "trunkline/change_form.html"
    delete_confirmation_template = "trunkline/delete.html"

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        ours = [
            path("<int:pk>/panel/", self.admin_site.admin_view(self.panel_view), name=f"{name}_panel"),
            path("<int:pk>/do/<slug:step>/", self.admin_site.admin_view(self.step_view), name=f"{name}_step"),
        ]
        return [*ours, *super().get_urls()]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Query the object once per page: a GET asks for it several times."""
        if request.method != "GET":
            return super().get_object(request, object_id, from_field)
        seen = request.__dict__.setdefault("_objects", {})
        key = (self.opts.label, object_id, from_field)
        if key not in seen:
            seen[key] = super().get_object(request, object_id, from_field)
        return seen[key]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        extra = {"crumb": self.heading, **(extra_context or {})}
        if object_id is not None:
            obj = self.get_object(request, object_id)
            if self.singular:
                extra.setdefault("title", self.singular)
            if obj is not None and (title := self.title_of(obj)) != str(obj):
                extra.setdefault("here", title)
            if obj is not None and self.has_view_permission(request, obj):
                extra |= {"technical_details": self.technical_details(request, obj), **self._panel(request, obj)}
        return super().changeform_view(request, object_id, form_url, extra)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context["show_save_and_add_another"] = False  # "Save" and "Save and continue" are enough
        if self.panel_only:
            context["show_save_and_continue"] = False
        return super().render_change_form(request, context, *args, **kwargs)

    def panel_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return the context of the panel's template. With `live`, the panel refreshes itself."""
        return {}

    def offered_steps(self, request: HttpRequest, obj: Any) -> list[Step]:
        """Return the steps that the state of the object allows, for its page."""
        return [step for step in self.steps if step.offered(obj)]

    def technical_details(self, request: HttpRequest, obj: Any) -> Sequence[tuple[str, Any]]:
        """Return what programs ask for and clerks do not, such as IDs. It is folded away at the end of the page."""
        return ()

    def _panel(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        offered = self.offered_steps(request, obj)
        shown = [step for step in offered if self.holds(request, step.action, obj)]
        nothing = Found()
        # Only for the step that the page waits for: whether the others are possible, their own pages say.
        found = {step.name: sorted_out(step.findings(obj)) for step in offered if step.tone == "primary"}
        return {
            "obj": obj,
            "panel_template": self.panel_template,
            "panel_only": self.panel_only,
            "panel_url": self.url("panel", obj.pk),
            "steps": [
                (step, "" if found.get(step.name, nothing).blockers else self.url("step", obj.pk, step.name))
                for step in shown
                if not step.in_menu
            ],
            "found": [(step, found[step.name]) for step in offered if step.name in found],
            "may_fix": self.has_change_permission(request, obj),
            "more": [(step, self.url("step", obj.pk, step.name)) for step in shown if step.in_menu],
            **self.panel_context(request, obj),
        }

    def panel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        obj = self.found(request, pk)
        if obj is None:
            return self.gone(request)
        return TemplateResponse(request, "trunkline/panel.html", self._panel(request, obj))

    def gone(self, request: HttpRequest) -> HttpResponse:
        """Answer for an object that was deleted or erased, perhaps while its page was open.

        A panel that refreshes itself sends the browser back to the list.
        """
        if "HX-Request" not in request.headers:
            return self.not_found(request)
        messages.warning(request, "This record was deleted or erased meanwhile.")
        return HttpResponse(headers={"HX-Redirect": self.url("changelist")})

    def step_view(self, request: HttpRequest, pk: int, step: str) -> HttpResponse:
        """Show the confirmation page of a button, and perform the step on POST."""
        obj = self.found(request, pk)
        wanted = next((each for each in self.steps if each.name == step), None)
        if obj is None or wanted is None:
            return self.not_found(request)
        if not self.holds(request, wanted.action, obj):
            raise PermissionDenied
        if not wanted.offered(obj):
            messages.error(request, f"“{wanted.label}” is not possible any more: {_present_status(obj)}")
            return redirect(self.url("change", pk))
        form = wanted.form(request.POST or None) if wanted.form else None
        if request.method == "POST" and (form is None or form.is_valid()):
            answer = self._perform(request, obj, wanted, form)
            if answer is not None:
                return answer
        return self.page(
            request,
            "trunkline/confirm.html",
            wanted.label,
            obj=obj,
            named=self.title_of(obj),
            step=wanted,
            may_fix=self.holds(request, self.change_action, obj),
            effect=wanted.effect(obj),
            found=sorted_out(wanted.findings(obj)),
            form=form,
            back=self.url("change", pk),
            part_url=self.url(wanted.part, pk) if wanted.part else "",
        )

    def _perform(self, request: HttpRequest, obj: Any, step: Step, form: forms.Form | None) -> HttpResponse | None:
        """Perform the step. Return None when it was refused and its form shows the reason."""
        try:
            answer = step.perform(request, obj, form.cleaned_data if form else {})
        except NotDone as error:
            if form is not None:
                form.add_error(None, str(error))
                return None
            messages.error(request, str(error))
        else:
            if isinstance(answer, HttpResponse):
                took_effect(request)
                return answer
            say(request, answer)
        return redirect(self.url("change", obj.pk))


def _present_status(obj: models.Model) -> str:
    """Return the status that another team member or the engine gave the object meanwhile, in a sentence."""
    status = getattr(obj, "get_status_display", None)
    return f"the status is now “{status()}”." if status else "the record has changed meanwhile."
