"""The kill switch ("Stop all calls"): stop all calls of an organization, and allow them again."""

from __future__ import annotations

from django.db import transaction

from calls.actions.quiescing import wait_for_silence
from calls.models import Call
from tenants import audit_log
from tenants.journal.notes import note
from tenants.models import Organization


def stop_all_calls(organization: Organization, *, actor: str) -> None:
    """Stop all calls. Return when no call of the organization can be placed any more."""
    _switch(organization, True, actor)
    wait_for_silence(Call.objects.filter(organization=organization))


def allow_calls(organization: Organization, *, actor: str) -> None:
    _switch(organization, False, actor)


def _switch(organization: Organization, stopped: bool, actor: str) -> None:
    with transaction.atomic():
        found = Organization.objects.filter(pk=organization.pk)
        if found.exclude(calls_stopped=stopped).update(calls_stopped=stopped):
            action = "organization.stop_calls" if stopped else "organization.allow_calls"
            detail = {"object": organization.name}
            audit_log.record(organization, actor=actor, action=action, subject=str(organization.uuid), detail=detail)
            note(organization, "calls_stopped" if stopped else "calls_allowed")
    organization.calls_stopped = stopped
