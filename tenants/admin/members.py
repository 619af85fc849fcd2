"""Team members on the page of an organization, and what becomes of their API keys when they are removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from tenants import key_owners, members
from tenants.backoffice.forms import choice_field, text_field
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import ScopedInline
from tenants.members import Keys
from tenants.models import Membership
from tenants.policy import Action


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]
    """A team member, entered by e-mail address. A list to choose from would show the users of other organizations."""

    username = text_field("E-mail", required=True, max_length=150)
    keys = choice_field("API keys, if removed", [])

    class Meta:
        model = Membership
        fields = ("role",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        held = getattr(self.instance, "keys_held", 0)
        words = "none" if not held else "1 key: keep" if held == 1 else f"{held} keys: keep"
        decisions = [(Keys.REVOKE.value, "Revoke"), (Keys.HAND_OVER.value, "Give to the organization")] if held else []
        # A role that was not chosen anew stays as it is stored: somebody may have changed it since the page was opened.
        self.fields["role"].show_hidden_initial = True
        keys: Any = self.fields["keys"]
        keys.choices = [("", words), *decisions]
        if self.instance.pk:
            self.fields["username"].initial = self.instance.user.get_username()
            self.fields["username"].disabled = True

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if not self.instance.pk:
            user = get_user_model().objects.filter(username=name, is_active=True, is_staff=True).first()
            if user is None:
                raise forms.ValidationError("No active user has this e-mail address. A superuser creates users.")
            self.instance.user = user
        return name


class MembershipFormset(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """All team members of an organization. A member who has API keys is removed with a decision about them."""

    decisions: dict[int, str]  # for each member that is removed, by user

    def clean(self) -> None:
        super().clean()
        gone = self.deleted_forms
        kept = [form for form in self.forms if form not in gone]
        names = [name for form in kept if (name := form.cleaned_data.get("username"))]
        if len(set(names)) != len(names):
            raise forms.ValidationError("A team member is listed twice.")
        if {form.instance.user_id for form in gone if form.instance.pk} & {form.instance.user_id for form in kept}:
            raise forms.ValidationError(
                "A team member is removed in one row and added in another. Change the role in the first row instead."
            )
        if any(form.cleaned_data.get("keys") for form in kept):
            raise forms.ValidationError("API keys are revoked or given away only with the removal of their maker.")
        self.decisions = {form.instance.user_id: form.cleaned_data.get("keys", "") for form in gone if form.instance.pk}
        for form in gone:
            held = [] if form.cleaned_data.get("keys") else list(_keys_of(form.instance))
            if held:
                raise forms.ValidationError(
                    f"{form.instance.user} has API keys here: {_words(held)}. Choose in the same row whether they are "
                    "revoked or given to the organization."
                )
        self._lock(gone, [form for form in kept if form.has_changed() and form.instance.user_id])

    def _lock(self, gone: Sequence[Any], changed: Sequence[Any]) -> None:
        """Lock what is written, in the page's transaction, and look whether it still may be."""
        given = {form.instance.user: form.cleaned_data.get("role") for form in changed}
        given |= {form.instance.user: None for form in gone if form.instance.pk}
        if not given or self.instance.pk is None:
            return
        held = members.lock_with_admins(self.instance, list(given))
        known = {form.instance.pk for form in (*gone, *changed) if form.instance.pk}
        if not known <= {row.pk for row in held}:
            raise forms.ValidationError("The team members have changed meanwhile. Reload the page.")
        if members.takes_last_admin(held, given):
            raise forms.ValidationError(
                "An organization keeps an admin who can sign in. Give another team member the role of an admin first."
            )


class MembershipInline(ScopedInline):
    model = Membership
    form = MembershipForm
    formset = MembershipFormset
    fields = ("username", "role", "keys")
    verbose_name = "team member"
    verbose_name_plural = "Team members"
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request).select_related("user")
        mine = key_owners.keys_of(OuterRef("user")).filter(organization=OuterRef("organization"))
        count = mine.order_by().values("maker").annotate(n=Count("pk")).values("n")
        counted: QuerySet[Any] = found.annotate(keys_held=Coalesce(Subquery(count), 0))
        return counted

    def _of_parent(self, request: HttpRequest, obj: Any = None) -> bool:
        return reach_of(request).may(Action.CHANGE_MEMBERS, obj.pk if obj is not None else None)

    has_view_permission = has_add_permission = has_change_permission = has_delete_permission = _of_parent


def remove(request: HttpRequest, gone: Membership, decision: str) -> None:
    """Revoke the keys of a removed member or give them to the organization, and name those that keep working."""
    known = members.remove(gone, actor=reach_of(request).actor, keys=Keys(decision or Keys.REVOKE))
    if known:
        messages.warning(
            request,
            f"{gone.user} made these keys of the organization, and they keep working: {_words(known)}. "
            f"Replace them if {gone.user} may still know them.",
        )


def _keys_of(row: Membership) -> Any:
    return key_owners.keys_of(row.user).filter(organization=row.organization_id)


def _words(keys: Any) -> str:
    return ", ".join(f"{key.name} ({key.prefix}…, {', '.join(key.scopes)})" for key in keys)
