"""Team members on the page of an organization, and what becomes of their API keys when they are removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from tenants import key_owners, members
from tenants.backoffice.forms import choice_field, text_field
from tenants.backoffice.languages.reader import language_of
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import ScopedInline
from tenants.backoffice.sign_in import password_links
from tenants.members import Keys
from tenants.models import Membership
from tenants.policy import Action
from tenants.sign_in import invitations, tries


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
            user = invitations.find(name)
            if user is not None and not (user.is_active and user.is_staff):
                raise forms.ValidationError("The user with this e-mail address is deactivated. Ask a superuser.")
            self.instance.user = user or self._invited(name)
        return str(self.instance.user.get_username())

    def _invited(self, name: str) -> Any:
        if not settings.EMAIL_CONFIGURED:
            raise forms.ValidationError(
                "No user has this e-mail address yet, and this installation sends no e-mail to invite one. Set "
                "EMAIL_URL, or create the user with manage.py create_user."
            )
        return invitations.new_user(name)

    def save(self, commit: bool = True) -> Any:
        if self.instance.user.pk is None:
            self.instance.user = invitations.saved(self.instance.user)
        return super().save(commit)


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
    fields = ("username", "role", "keys", "status")
    readonly_fields = ("status",)
    verbose_name = "team member"
    verbose_name_plural = "Team members"
    hide_title = True

    @admin.display(description="Status")
    def status(self, row: Membership) -> str:
        if row.pk is None:
            return "New"
        if not (row.user.is_active and row.user.is_staff):
            return "Deactivated"
        return "Invited" if invitations.awaits_password(row.user) else "Active"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request).select_related("user")
        found = found.prefetch_related("user__provider_identities")
        mine = key_owners.keys_of(OuterRef("user")).filter(organization=OuterRef("organization"))
        count = mine.order_by().values("maker").annotate(n=Count("pk")).values("n")
        counted: QuerySet[Any] = found.annotate(keys_held=Coalesce(Subquery(count), 0))
        return counted

    def _of_parent(self, request: HttpRequest, obj: Any = None) -> bool:
        return reach_of(request).may(Action.CHANGE_MEMBERS, obj.pk if obj is not None else None)

    has_view_permission = has_add_permission = has_change_permission = has_delete_permission = _of_parent


def invite(request: HttpRequest, added: Sequence[Membership]) -> None:
    """Send an invitation to each new member who cannot sign in yet, when the page's changes are committed."""
    base, inviter = password_links.base_of(request), str(request.user)
    language = language_of(request)
    made: list[EmailMessage] = []
    for row in added:
        if not invitations.awaits_password(row.user):
            continue
        address = row.user.get_username().lower()
        if tries.admit(tries.INVITATION, row.organization_id) or tries.admit(tries.RESET_BY_EMAIL, address):
            messages.warning(
                request,
                f"{row.user} got no e-mail, because many were sent just now. “Forgot your password?” sends one later.",
            )
            continue
        made.append(password_links.for_invitation(base, row.user, row.organization, inviter, language))
        messages.success(request, f"{row.user} is invited by e-mail.")
    if made:
        transaction.on_commit(lambda: password_links.send_in_a_thread(lambda: made))


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
