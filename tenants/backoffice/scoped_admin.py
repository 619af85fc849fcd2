"""The floor every admin page stands on: staff see their organizations and nothing else, and act by their role.

Django's model permissions are not used: every `has_*_permission` is derived from memberships.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Q, QuerySet
from django.forms.utils import pretty_name
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.admin import TabularInline

from tenants import audit_log
from tenants.backoffice.buttons import NotDone, Option, Step
from tenants.backoffice.exports import ExportedList
from tenants.backoffice.lists import CappedPaginator, first_keys
from tenants.backoffice.local_time import with_zone
from tenants.backoffice.roles import Level, reach_of


class ScopedAdmin(ExportedList):
    """A ModelAdmin of rows that belong to organizations, found over `organization_path`."""

    organization_path: ClassVar[str] = "organization"
    view_level: ClassVar[Level] = Level.VIEWER
    add_level: ClassVar[Level] = Level.MANAGER
    change_level: ClassVar[Level] = Level.MANAGER
    delete_level: ClassVar[Level] = Level.MANAGER
    number_fields: ClassVar[tuple[str, ...]] = ()  # searched as telephone numbers, by prefix
    text_fields: ClassVar[tuple[str, ...]] = ()  # searched by their beginning
    exact_fields: ClassVar[tuple[str, ...]] = ()
    list_lookups: ClassVar[tuple[str, ...]] = ()  # may stand in a list's address, besides the filters
    steps: ClassVar[tuple[Step, ...]] = ()
    panel_template: ClassVar[str] = ""  # stands above the form
    panel_only: ClassVar[bool] = False  # and in its place
    add_title: ClassVar[str] = ""
    empty_words: ClassVar[str] = "There is nothing here yet."
    intro: ClassVar[str] = ""  # one line above the list
    plural: ClassVar[str] = ""  # what the list is called, where the model's name would not do
    counted_as: ClassVar[tuple[str, ...]] = ()  # one row and several of them, likewise
    labels: ClassVar[Mapping[str, str]] = {}  # of the form, where the model's are not words for people

    actions = None
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    list_per_page = 50
    sortable_by: ClassVar[Sequence[str]] = ()
    change_form_template = "trunkline/change_form.html"
    delete_confirmation_template = "trunkline/delete.html"

    # Who sees and does what.

    def organization_id_of(self, obj: Any) -> int | None:
        *names, last = self.organization_path.split("__")
        for name in names:
            obj = getattr(obj, name)
        found: int | None = obj.pk if last == "pk" else getattr(obj, f"{last}_id")
        return found

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        reach = reach_of(request)
        return rows if reach.superuser else rows.filter(**{f"{self.organization_path}__in": list(reach.levels)})

    def holds(self, request: HttpRequest, level: Level, obj: Any = None) -> bool:
        """Whether the user has the level for this object, or anywhere where none is named."""
        if obj is None:
            return reach_of(request).has(level)
        organization_id = self.organization_id_of(obj)
        if organization_id is None:
            return reach_of(request).superuser and level != Level.NOBODY
        return reach_of(request).has(level, organization_id)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.holds(request, self.view_level)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.holds(request, self.view_level, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.holds(request, self.add_level)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.holds(request, self.change_level, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.holds(request, self.delete_level, obj)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """The declared filters alone: any other column could be guessed letter by letter."""
        names = [
            entry if isinstance(entry, str) else entry[0] for entry in self.list_filter if not isinstance(entry, type)
        ]
        plain = {"exact", "id", "pk", "isnull"}
        for name in (*names, *self.list_lookups):
            if lookup == name or (lookup.startswith(f"{name}__") and set(lookup[len(name) + 2 :].split("__")) <= plain):
                return True
        return False

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        return self.not_found(request)

    def not_found(self, request: HttpRequest) -> HttpResponse:
        """The same page for what never was and for what belongs to others."""
        return self.page(request, "trunkline/not_found.html", "Not found", status=404)

    def page(
        self, request: HttpRequest, template: str, title: str, status: int = 200, **context: Any
    ) -> TemplateResponse:
        """A page of our own in the admin's frame."""
        request.current_app = self.admin_site.name
        base = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, "crumb": self.heading}
        return TemplateResponse(request, template, base | context, status=status)

    @property
    def heading(self) -> str:
        plural = str(self.opts.verbose_name_plural)
        return self.plural or plural[:1].upper() + plural[1:]

    # Lists.

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        shown = list(super().get_list_display(request))
        if self.organization_path == "organization" and len(reach_of(request).levels) > 1:
            shown.append("organization")
        return shown

    def get_search_fields(self, request: HttpRequest) -> Sequence[str]:
        return (*self.number_fields, *self.text_fields, *self.exact_fields)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = Q(pk__in=[])
        for name in self.text_fields:
            found |= Q(**{f"{name}__istartswith": term})
        for name in self.exact_fields:
            found |= self.exactly(request, name, term)
        for prefix in self.number_prefixes(request, term) if self.number_fields else ():
            for name in self.number_fields:
                found |= Q(**{f"{name}__startswith": prefix})
        return queryset.filter(pk__in=self.keys_of_search(request, queryset.filter(found))), False

    def keys_of_search(self, request: HttpRequest, rows: QuerySet[Any]) -> Any:
        """What a search found: for a page the first of them, for a file all."""
        return rows.order_by().values("pk") if self.exporting(request) else first_keys(rows)

    def exactly(self, request: HttpRequest, name: str, term: str) -> Q:
        """Rows whose column is the term."""
        return Q(**{name: term})

    def number_prefixes(self, request: HttpRequest, term: str) -> Iterable[str]:
        """E.164 beginnings that a written number may mean in the user's organizations."""
        return [term] if term.startswith("+") else []

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        found.result_list = list(found.result_list) if found.result_count else []  # nobody is looked for twice
        found.empty_words = self.words_for_nothing(request)
        found.full_result_count = found.result_count  # unknown: nothing is said of a total
        self.prepare_rows(request, found.result_list)
        return found

    def words_for_nothing(self, request: HttpRequest) -> str:
        """What an empty list says; empty while filters are on, which says that nothing matches."""
        return "" if request.GET else self.empty_words

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        extra = {"title": self.heading, "intro": self.intro, **(extra_context or {})}
        found: HttpResponse = super().changelist_view(request, extra)
        return found

    # Forms.

    def choices_before_add(self, request: HttpRequest) -> Iterable[tuple[str, str, Sequence[Option]]]:
        """What must be known before a form can be shown: parameter, question, options."""
        if self.organization_path == "organization":
            rows = reach_of(request).organizations(self.add_level)
            yield "organization", "For which organization?", [Option(str(row.pk), row.name) for row in rows]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        chosen: dict[str, str] = {}
        request._chosen = chosen  # type: ignore[attr-defined]
        title = self.add_title or f"Add {self.opts.verbose_name}"
        for name, question, options in self.choices_before_add(request):
            given = request.GET.get(name, "")
            values = [option.value for option in options]
            if given in values:
                chosen[name] = given
            elif len(values) == 1:
                chosen[name] = values[0]
            else:
                links = [(urlencode({**chosen, name: option.value}), option) for option in options]
                return self.page(
                    request, "trunkline/choose.html", title, question=question, links=links, parameter=name
                )
        found: HttpResponse = super().add_view(request, form_url, {"title": title, **(extra_context or {})})
        return found

    def chosen(self, request: HttpRequest, name: str) -> str:
        found: dict[str, str] = getattr(request, "_chosen", {})
        return found.get(name, "")

    def organization_for(self, request: HttpRequest, obj: Any) -> int | None:
        """Whose form this is."""
        if obj is not None:
            return self.organization_id_of(obj)
        given = self.chosen(request, "organization")
        return int(given) if given else None

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*(super().get_exclude(request, obj) or []), "organization"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        organization_id = self.organization_for(request, obj)
        request._organization_id = organization_id  # type: ignore[attr-defined]
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"organization_id": organization_id})

    def get_field_queryset(self, db: Any, db_field: Any, request: HttpRequest) -> QuerySet[Any] | None:
        related = self.admin_site._registry.get(db_field.remote_field.model)
        if not isinstance(related, ScopedAdmin):
            unscoped: QuerySet[Any] | None = super().get_field_queryset(db, db_field, request)
            return unscoped
        rows = related.get_queryset(request)
        organization_id = getattr(request, "_organization_id", None)
        if organization_id is not None and related.organization_path == "organization":
            rows = rows.filter(organization=organization_id)
        return rows

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(db_field, models.DateTimeField):
            field.label = with_zone(self.labels.get(db_field.name, str(field.label).capitalize()))
        elif field is not None and db_field.name in self.labels:
            field.label = self.labels[db_field.name]
        for name in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if field is not None and hasattr(field.widget, name):
                setattr(field.widget, name, False)  # a pop-up form would skip the choices that come before it
        return field

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        self.audit(request, obj, "changed" if change else "added", {"fields": form.changed_data})

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.audit(request, obj, "deleted", {"name": str(obj)[:200]})
        super().delete_model(request, obj)

    def audit(self, request: HttpRequest, obj: Any, action: str, detail: Mapping[str, Any] | None = None) -> None:
        """Names of fields, never values: they may be secret."""
        audit_log.record(
            self.organization_id_of(obj),
            actor=reach_of(request).actor,
            action=f"{self.opts.model_name}.{action}",
            subject=str(getattr(obj, "uuid", obj.pk)),
            detail=dict(detail or {}),
        )

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        # Few buttons: one of several ways to save is enough.
        context["show_save_and_add_another"] = False
        if self.panel_only:
            context["show_save_and_continue"] = False
        return super().render_change_form(request, context, *args, **kwargs)

    # The page of one object.

    def panel_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """What the panel shows. `live`: it refreshes itself."""
        return {}

    def _panel(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        shown = [step for step in self.steps if step.offered(obj) and self.holds(request, step.level, obj)]
        return {
            "obj": obj,
            "panel_template": self.panel_template,
            "panel_only": self.panel_only,
            "panel_url": self.url("panel", obj.pk),
            "steps": [(step, self.url("step", obj.pk, step.name)) for step in shown],
            **self.panel_context(request, obj),
        }

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Looked up once for a page that shows it."""
        if request.method != "GET":
            return super().get_object(request, object_id, from_field)
        seen = request.__dict__.setdefault("_objects", {})
        key = (self.opts.label, object_id, from_field)
        if key not in seen:
            seen[key] = super().get_object(request, object_id, from_field)
        return seen[key]

    def url(self, name: str, *args: Any) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{name}", args=args)

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
            if obj is not None and self.has_view_permission(request, obj):
                extra |= self._panel(request, obj)
        return super().changeform_view(request, object_id, form_url, extra)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        ours = [
            path("<int:pk>/panel/", self.admin_site.admin_view(self.panel_view), name=f"{name}_panel"),
            path("<int:pk>/do/<slug:step>/", self.admin_site.admin_view(self.step_view), name=f"{name}_step"),
        ]
        return [*ours, *super().get_urls()]

    def found(self, request: HttpRequest, pk: int) -> Any:
        """The visible object, or None."""
        obj = self.get_queryset(request).filter(pk=pk).first() if 0 < pk < 2**63 else None
        return obj if obj is not None and self.has_view_permission(request, obj) else None

    def panel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        obj = self.found(request, pk)
        if obj is None:
            return self.gone(request)
        return TemplateResponse(request, "trunkline/panel.html", self._panel(request, obj))

    def gone(self, request: HttpRequest) -> HttpResponse:
        """Deleted or erased, perhaps while its page was open: a page that refreshes itself is left."""
        if "HX-Request" not in request.headers:
            return self.not_found(request)
        messages.warning(request, "What you were looking at was deleted or erased meanwhile.")
        return HttpResponse(headers={"HX-Redirect": self.url("changelist")})

    def step_view(self, request: HttpRequest, pk: int, step: str) -> HttpResponse:
        obj = self.found(request, pk)
        wanted = next((each for each in self.steps if each.name == step), None)
        if obj is None or wanted is None:
            return self.not_found(request)
        if not self.holds(request, wanted.level, obj):
            raise PermissionDenied
        back = self.url("change", pk)
        if not wanted.offered(obj):
            messages.warning(request, f"“{wanted.label}” is not possible any more: {_moved_on(obj)}")
            return redirect(back)
        form = wanted.form(request.POST or None) if wanted.form else None
        if request.method == "POST" and (form is None or form.is_valid()):
            try:
                answer = wanted.perform(request, obj, form.cleaned_data if form else {})
            except NotDone as error:
                if form is None:
                    messages.error(request, str(error))
                    return redirect(back)
                form.add_error(None, str(error))
            else:
                if isinstance(answer, HttpResponse):
                    return answer
                messages.success(request, answer)
                return redirect(back)
        return self.page(
            request,
            "trunkline/confirm.html",
            wanted.label,
            obj=obj,
            step=wanted,
            effect=wanted.effect(obj),
            form=form,
            back=back,
            part_url=self.url(wanted.part, pk) if wanted.part else "",
        )


def _moved_on(obj: models.Model) -> str:
    """What somebody else, or the engine, made of it meanwhile."""
    told = getattr(obj, "get_status_display", None)
    return f"it is “{told()}” by now." if told else "things have moved on."


class ReadOnlyAdmin(ScopedAdmin):
    """What machines write, people only read."""

    add_level = Level.NOBODY
    change_level = Level.NOBODY
    delete_level = Level.NOBODY


class ScopedInline(TabularInline):
    """Rows of a parent's form: whoever may change the parent may change them."""

    extra = 0

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """A table's heading is no label: each field says its own to those who hear the page."""
        formset = super().get_formset(request, obj, **kwargs)
        for name, field in formset.form.base_fields.items():
            if not isinstance(field.widget, forms.CheckboxSelectMultiple):
                field.widget.attrs.setdefault("aria-label", field.label or pretty_name(name))
        return formset

    def _of_parent(self, request: HttpRequest, obj: Any = None) -> bool:
        parent = page_of(self.parent_model)
        return parent.has_add_permission(request) if obj is None else parent.has_change_permission(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return page_of(self.parent_model).has_view_permission(request, obj)

    has_add_permission = has_change_permission = has_delete_permission = _of_parent


def page_of(model: type[models.Model]) -> ScopedAdmin:
    """The registered pages of a model of ours."""
    found = admin.site._registry[model]
    assert isinstance(found, ScopedAdmin)  # noqa: S101 (ours all are)
    return found
