"""Resetting the two-step sign-in of a team member who has lost the phone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db import transaction
from django.http import HttpRequest

from tenants.backoffice.buttons import NotDone, Step
from tenants.backoffice.forms import LineField
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.models import Membership, Organization
from tenants.policy import Action
from tenants.sign_in import second_factor
from tenants.sign_in.sessions import end_sessions


class MemberForm(forms.Form):
    email = LineField(
        label="E-mail of the team member", max_length=150, widget=forms.TextInput(attrs={"class": "tl-input"})
    )


def _reset(request: HttpRequest, obj: Organization, values: Mapping[str, Any]) -> str:
    memberships = Membership.objects.filter(user__username=values["email"]).select_related("user")
    found = list(memberships)
    if not any(each.organization_id == obj.pk for each in found):
        raise NotDone("No team member of this organization has this e-mail address.")
    user, reach = found[0].user, reach_of(request)
    # The second factor guards everything that the user reaches, not just this organization.
    everywhere = all(reach.may(Action.CHANGE_MEMBERS, each.organization_id) for each in found)
    if not everywhere or (user.is_superuser and not reach.may(Action.ADMINISTER)):
        raise NotDone("This team member also works for other organizations. Ask a superuser to do it.")
    with transaction.atomic():
        if not second_factor.remove(user.pk):
            raise NotDone("Two-step sign-in of this team member is not on.")
        end_sessions(user.pk)
        page_of(Organization).audit(request, obj, "two_step_reset", {"user": user.get_username()})
    return f"Two-step sign-in of {user.get_username()} is reset, and their sessions have ended."


RESET_TWO_STEP = Step(
    "reset-two-step",
    "Reset two-step sign-in",
    Action.CHANGE_MEMBERS,
    lambda obj: [
        "For a team member who has lost the phone and the recovery codes. The password alone then signs in.",
        "All sessions of the team member end. Make sure that you know who asks you.",
    ],
    _reset,
    form=MemberForm,
    icon="phonelink_erase",
)
