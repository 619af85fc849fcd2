"""Custom pages in the admin's frame, and the addresses of a model's pages."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from unfold.admin import ModelAdmin


class FramedPages(ModelAdmin):
    """A ModelAdmin that can show templates of ours in the admin's frame."""

    plural: ClassVar[str] = ""  # the heading of the list, where the model's verbose name does not fit

    singular: ClassVar[str] = ""  # the same for one object

    @property
    def heading(self) -> str:
        return self.plural or capfirst(str(self.opts.verbose_name_plural))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        found: HttpResponse = super().changelist_view(request, {"title": self.heading, **(extra_context or {})})
        return found

    def title_of(self, obj: Any) -> str:
        """Return what the pages of an object call it: a name or a sentence, never an ID."""
        return str(obj)

    def link_to(self, obj: Any) -> tuple[str, str]:
        """Return the address of an object's page, and its title."""
        return self.url("change", obj.pk), self.title_of(obj)

    def url(self, name: str, *args: Any) -> str:
        """Return the address of one of this model's pages: `changelist`, `change`, `panel`, `step`."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{name}", args=args)

    def page(
        self, request: HttpRequest, template: str, title: str, status: int = 200, **context: Any
    ) -> TemplateResponse:
        """Return `template` in the admin's frame."""
        request.current_app = self.admin_site.name
        base = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, "crumb": self.heading}
        return TemplateResponse(request, template, base | context, status=status)

    def not_found(self, request: HttpRequest) -> HttpResponse:
        """Return one page for both: an object that does not exist, and an object of another organization."""
        return self.page(request, "trunkline/not_found.html", "Not found", status=404)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        return self.not_found(request)
