"""Add and change forms of rows that belong to organizations, and the audit entries of what they save."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from tenants import audit_changes
from tenants.backoffice.buttons import Option
from tenants.backoffice.forms import LineField, LinesField, PlainDecimalField
from tenants.backoffice.pickers import picker_of
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_rows import ScopedRows
from tenants.backoffice.typed_times import LocalTimeField, SplitLocalTimeInput


class PlainDecimals:
    """Forms, or rows in a form, whose decimals have no zeros at their end."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, models.DecimalField):
            kwargs.setdefault("form_class", PlainDecimalField)
        return super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]  # of Django's admin


class ScopedForms(PlainDecimals, ScopedRows):
    """The forms of a ScopedAdmin. The organization is known before a form is shown, and its choices depend on it."""

    add_title: ClassVar[str] = ""
    labels: ClassVar[Mapping[str, str]] = {}  # of form fields, where the model's verbose names do not fit

    def choices_before_add(self, request: HttpRequest) -> Iterable[tuple[str, str, Sequence[Option]]]:
        """Yield what the user must choose before the add form: query parameter, question, options."""
        if self.organization_path == "organization":
            rows = reach_of(request).organizations(self.add_action)
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
            elif len(values) == 1 and not given:  # never another than the address says
                chosen[name] = values[0]
            else:
                links = [(urlencode({**chosen, name: option.value}), option) for option in options]
                return self.page(
                    request, "trunkline/choose.html", title, question=question, links=links, parameter=name
                )
        found: HttpResponse = super().add_view(request, form_url, {"title": title, **(extra_context or {})})
        return found

    def chosen(self, request: HttpRequest, name: str) -> str:
        """Return the choice made before the add form, or an empty string."""
        found: dict[str, str] = getattr(request, "_chosen", {})
        return found.get(name, "")

    def organization_for(self, request: HttpRequest, obj: Any) -> int | None:
        """Return the key of the organization whose row the form changes or adds, if it is known."""
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
        if not isinstance(related, ScopedRows):
            unscoped: QuerySet[Any] | None = super().get_field_queryset(db, db_field, request)
            return unscoped
        rows = related.get_queryset(request)
        organization_id = getattr(request, "_organization_id", None)
        if organization_id is not None and related.organization_path == "organization":
            rows = rows.filter(organization=organization_id)
        return rows

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, models.DateTimeField):
            label = self.labels.get(db_field.name, str(db_field.verbose_name).capitalize())
            kwargs |= {"form_class": LocalTimeField, "widget": SplitLocalTimeInput, "label": label}
        elif isinstance(db_field, models.CharField | models.TextField):
            kwargs.setdefault("form_class", LineField if isinstance(db_field, models.CharField) else LinesField)
            if picker := picker_of(db_field):
                kwargs["widget"] = picker
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(db_field, models.DateTimeField):
            return field
        if field is not None and db_field.name in self.labels:
            field.label = self.labels[db_field.name]
        for name in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if field is not None and hasattr(field.widget, name):
                setattr(field.widget, name, False)  # a pop-up form would skip `choices_before_add`
        return field

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change and not form.changed_data:
            return
        names = audit_changes.audited(obj, form.changed_data)
        save = partial(super().save_model, request, obj, form, change)
        self.audit_save(request, obj, names, change, save)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return super().log_change(request, obj, message) if message else None

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.audit(request, obj, "deleted")
        super().delete_model(request, obj)
