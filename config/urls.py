"""All URLs."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView

from calls.admin.shared import undo_page
from config import admin_pages as admin_pages
from config import operations, search, system_page
from config.manual import pages as manual
from config.openapi.pages import DocsView, SchemaView
from tenants.api.errors import page_not_found
from tenants.backoffice import my_settings, places, saved_views


def api_not_found(request: HttpRequest, *args: str) -> HttpResponse:
    return page_not_found(request)


urlpatterns = [
    path("healthz", operations.healthz, name="healthz"),
    path("readyz", operations.readyz, name="readyz"),
    path("metrics", operations.metrics, name="metrics"),
    path("", include("config.api")),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", DocsView.as_view(), name="docs"),
    # Programs get the API's 404 even while DEBUG shows Django's page.
    re_path(r"^(api|hooks)/", csrf_exempt(api_not_found), name="api-not-found"),
    path("docs/", admin.site.admin_view(manual.contents_view), name="manual"),
    path("docs/<path:name>/", admin.site.admin_view(manual.page_view), name="manual-page"),
    path("admin/search/", admin.site.admin_view(search.view), name="search"),  # replaces the theme's search
    path("admin/my-settings/", admin.site.admin_view(my_settings.view), name="my-settings"),
    path("admin/organization/", admin.site.admin_view(places.view), name="choose-organization"),
    path("admin/saved-views/", admin.site.admin_view(saved_views.view), name="saved-views"),
    path("admin/undo/<uuid:token>/", admin.site.admin_view(undo_page.view), name="undo"),
    path("admin/system/", admin.site.admin_view(system_page.view), name="system"),
    path("admin/", include("tenants.backoffice.sign_in.urls")),
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
]

handler400 = "tenants.api.errors.bad_request"
handler404 = "tenants.api.errors.page_not_found"
handler500 = "tenants.api.errors.server_error"
