from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from benchmarks.naive.models import Callback


def callback(request: HttpRequest, token: str) -> HttpResponse:
    """Store a callback: one INSERT."""
    Callback.objects.create(headers=dict(request.headers), body=request.body)
    return HttpResponse()


urlpatterns = [path("hooks/allomia/<str:token>", callback)]
