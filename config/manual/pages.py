"""The pages of the manual."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import mark_safe

from config.manual import contents, documents


def address_of(name: str) -> str:
    return reverse("manual-page", args=[name])


def contents_view(request: HttpRequest) -> HttpResponse:
    groups = [
        (title, [(address_of(name), _title_of(name), about) for name, about in names.items()])
        for title, names in contents.GROUPS
    ]
    return _page(request, "trunkline/manual_contents.html", "Documentation", groups=groups)


def _title_of(name: str) -> str:
    return documents.document(name, address_of).title


def page_view(request: HttpRequest, name: str) -> HttpResponse:
    """Show one document. Only documents are found, no other file."""
    if name not in documents.names():
        return _page(request, "trunkline/not_found.html", "Not found", status=404)
    found = documents.document(name, address_of)
    # Of our own files, rendered without their HTML.
    return _page(request, "trunkline/manual.html", found.title, body=mark_safe(found.html))  # noqa: S308


def _page(request: HttpRequest, template: str, title: str, status: int = 200, **more: object) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": title, "manual": True, **more}
    return TemplateResponse(request, template, context, status=status)
