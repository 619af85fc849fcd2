"""Tags of contacts: their names and how many contacts have them; rename, merge and delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminSelectWidget

from campaigns import list_sizes, tagging
from campaigns.models import Tag
from campaigns.rules.tag_names import NotATag, read_tag, tag_key
from campaigns.wording import counted
from tenants.backoffice.bulk_pages import BulkStep
from tenants.backoffice.buttons import NotDone
from tenants.backoffice.forms import ScopedForm, text_field
from tenants.backoffice.local_time import local_time_column
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import ScopedAdmin
from tenants.policy import Action

TAG_FILTER = "tags__id__exact"  # in the address of the list of contacts
NAME_HELP = "One or a few words, without commas and semicolons. A new name shows on every contact with the tag."


def contacts_url(key: int) -> str:
    """Return the address of the list of the contacts with a tag."""
    return f"{reverse('admin:campaigns_contact_changelist')}?{TAG_FILTER}={key}"


def _contacts(count: int) -> str:
    return f"{list_sizes.written(count)} {'contact' if count == 1 else 'contacts'}"


class TagForm(ScopedForm):
    name = text_field("Name", required=True, help_text=NAME_HELP)

    class Meta:
        model = Tag
        fields = ("name",)

    def clean_name(self) -> str:
        try:
            name = read_tag(self.cleaned_data["name"])
        except NotATag as error:
            raise forms.ValidationError(str(error)) from error
        others = Tag.objects.filter(organization=self.organization_id or 0).exclude(pk=self.instance.pk)
        if others.filter(name_key=tag_key(name)).exists():
            advice = "To make one tag of two, choose both in the list and “Merge…”." if self.instance.pk else ""
            raise forms.ValidationError(f"There is a tag with this name already. {advice}".strip())
        if self.instance.pk is None and others.count() >= tagging.MOST:
            raise forms.ValidationError(tagging.NO_ROOM)
        return name


def _into(request: HttpRequest, rows: Sequence[Tag]) -> type[forms.Form]:
    class IntoForm(forms.Form):
        into = forms.ModelChoiceField(
            Tag.objects.filter(organization=rows[0].organization_id),
            label="Tag that stays",
            initial=rows[0].pk,
            widget=UnfoldAdminSelectWidget(attrs={"data-picker": ""}),
        )

    return IntoForm


def _merge(request: HttpRequest, rows: Sequence[Tag], values: Mapping[str, Any]) -> str:
    into: Tag = values["into"]
    try:
        gone = tagging.merge(rows, into, actor=reach_of(request).actor)
    except tagging.NotTagged as error:
        raise NotDone(str(error)) from error
    if not gone:
        raise NotDone("This is the only tag that you chose. Choose another one that stays.")
    return f"{counted(gone, 'tag')} {'was' if gone == 1 else 'were'} merged into “{into.name}”."


MERGE = BulkStep(
    "merge",
    "Merge…",
    Action.DELETE_TAG,
    lambda rows: [
        f"Chosen: {', '.join(row.name for row in rows[:20])}{' …' if len(rows) > 20 else ''}.",
        "Contacts with one of these tags get the tag that stays. The other tags are deleted. You cannot undo this.",
    ],
    _merge,
    form=_into,
    button="Merge the tags",
    tone="danger",
    one_organization=True,
)


@admin.register(Tag)
class TagAdmin(ScopedAdmin):
    form = TagForm
    add_action = change_action = Action.CHANGE_TAG
    delete_action = Action.DELETE_TAG
    add_title = "New tag"
    empty_words = "No tags yet. Put tags on contacts in their list, on their page, or with a column of an import."
    list_display = ("name", "size", "created")
    list_select_related = ("organization",)
    text_fields = ("name",)
    ordering = ("name_key", "pk")
    intro = "Words that your team puts on contacts. To make one tag of several, choose them and then “Merge…”."
    panel_template = "trunkline/tag.html"
    bulk_steps = (MERGE,)
    created = local_time_column("created_at", "created")

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        found = tagging.counts([row.pk for row in rows])
        for row in rows:
            row.counted = found[row.pk]

    @admin.display(description="contacts")
    def size(self, row: Any) -> str:
        shown = list_sizes.written(row.counted)
        return format_html('<a class="tl-count" href="{}">{}</a>', contacts_url(row.pk), shown)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return a sentence alone: a tag may be on more contacts than a page can name."""
        count = sum(tagging.counts([obj.pk for obj in objs]).values())
        return [f"It is taken off {_contacts(count)}. The contacts themselves stay."], {}, set(), []

    def panel_context(self, request: HttpRequest, obj: Tag) -> dict[str, Any]:
        count = tagging.counts([obj.pk])[obj.pk]
        return {"contacts": _contacts(count) if count else "", "people_url": contacts_url(obj.pk)}
