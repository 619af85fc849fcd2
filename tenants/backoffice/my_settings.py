"""The page of a team member's own settings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from tenants import audit_changes, audit_log
from tenants.backoffice.local_time import default_zone_of, local_time
from tenants.backoffice.pickers import Picker, zone_choices
from tenants.models import StaffSettings, check_timezone
from tenants.models.members import LANGUAGES


class SettingsForm(forms.ModelForm):  # type: ignore[type-arg]
    timezone = forms.CharField(
        label="Your time zone",
        required=False,
        max_length=64,
        validators=[check_timezone],
        widget=Picker(zone_choices(), blank=True),
    )

    class Meta:
        model = StaffSettings
        fields = ("language", "timezone")

    def __init__(self, *args: Any, default: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        language: Any = self.fields["language"]
        language.choices = [("", "The language of the browser"), *LANGUAGES]
        field = self.fields["timezone"]
        field.help_text = f"If none is chosen: {default}, the zone of your organization."

    def clean_timezone(self) -> str:
        return str(self.cleaned_data["timezone"]).strip()


@transaction.atomic
def _save(form: SettingsForm, user: User) -> None:
    old = audit_changes.before(form.instance, form.changed_data)
    if changes := audit_changes.since(old, form.save(), form.changed_data).plain:
        name = user.get_username()
        audit_log.record(None, actor=name, action="user.settings_changed", subject=name, detail={"changes": changes})


def view(request: HttpRequest) -> HttpResponse:
    user = User.objects.get(username=request.user.get_username())
    settings = StaffSettings.objects.filter(user=user).first() or StaffSettings(user=user)
    form = SettingsForm(request.POST or None, instance=settings, default=default_zone_of(user))
    if request.method == "POST" and form.is_valid():
        _save(form, user)
        messages.success(request, "Your settings are saved.")
        return redirect("my-settings")
    context = {
        **admin.site.each_context(request),
        "title": "My settings",
        "form": form,
        "now": local_time(timezone.now()),
    }
    return TemplateResponse(request, "trunkline/my_settings.html", context)
