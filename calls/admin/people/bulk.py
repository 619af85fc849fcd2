"""What can be done with several contacts at once, from the list of contacts, or with one from its page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import QuerySet, prefetch_related_objects
from django.http import HttpRequest

from calls.actions import barring, recipients
from calls.admin.people.buttons import INPUT, HoldForm
from campaigns import launching, list_members, tagging
from campaigns.models import Contact, ContactList, ContactListMember, Tag
from campaigns.rules.tag_names import NotATag, split_tags
from campaigns.undoable import Kind, Undoable
from campaigns.wording import contacts, counted
from tenants.backoffice.bulk_pages import BulkStep
from tenants.backoffice.buttons import Done, NotDone, ReasonForm
from tenants.backoffice.forms import LineField
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.models import Organization
from tenants.policy import Action

Rows = Sequence[Contact]
TAGS_NAMED = 20  # of the organization, in the help of a form


def _list_form(lists: QuerySet[ContactList]) -> type[forms.Form]:
    class ListForm(forms.Form):
        contact_list = forms.ModelChoiceField(
            lists.order_by("name", "pk"),
            label="List",
            empty_label="Choose a list",
            widget=forms.Select(attrs={**INPUT, "data-picker": ""}),
        )

    return ListForm


def _lists(request: HttpRequest, rows: Rows) -> QuerySet[ContactList]:
    """Return the lists of the contacts' organization."""
    return page_of(ContactList).get_queryset(request).filter(organization=rows[0].organization_id)


def _any_list(request: HttpRequest, rows: Rows) -> type[forms.Form]:
    return _list_form(_lists(request, rows))


def _their_lists(request: HttpRequest, rows: Rows) -> type[forms.Form]:
    theirs = ContactListMember.objects.filter(contact__in=rows).order_by().values("contact_list")
    return _list_form(_lists(request, rows).filter(pk__in=theirs))


def _add(request: HttpRequest, rows: Rows, values: Mapping[str, Any]) -> Done:
    chosen: ContactList = values["contact_list"]
    undoable = _undoable(request, Kind.ADD)
    with transaction.atomic():
        campaigns = launching.locked_users_of(chosen.pk)
        added = list_members.add(chosen, rows, campaigns, actor=reach_of(request).actor, undoable=undoable)
    known = len(rows) - added
    before = f" {contacts(known)} {_were(known)} on it before." if known else ""
    return Done(f"{contacts(added)} {_were(added)} added to the list “{chosen.name}”.{before}", undoable.token)


def _remove(request: HttpRequest, rows: Rows, values: Mapping[str, Any]) -> Done:
    chosen: ContactList = values["contact_list"]
    undoable = _undoable(request, Kind.REMOVE)
    with transaction.atomic():
        removed = list_members.remove(chosen, rows, actor=reach_of(request).actor, undoable=undoable)
    said = f"{contacts(removed)} {_were(removed)} removed from the list “{chosen.name}”."
    return Done(said, undoable.token)


def _undoable(request: HttpRequest, kind: Kind) -> Undoable:
    return Undoable(kind, request.user.pk or 0)


def _any_tags(request: HttpRequest, rows: Rows) -> type[forms.Form]:
    known = [tag.name for tag in Tag.objects.filter(organization=rows[0].organization_id)[:TAGS_NAMED]]
    there = f" Tags that exist: {', '.join(known)}{' …' if len(known) == TAGS_NAMED else ''}." if known else ""

    class TagsForm(forms.Form):
        tags = LineField(
            label="Tags",
            widget=forms.TextInput(attrs=INPUT),
            help_text=f"Separate several tags with commas. A tag that does not exist yet is created.{there}",
        )

        def clean_tags(self) -> tuple[str, ...]:
            try:
                return split_tags(self.cleaned_data["tags"])
            except NotATag as error:
                raise forms.ValidationError(str(error)) from error

    return TagsForm


def _their_tags(request: HttpRequest, rows: Rows) -> type[forms.Form]:
    class TheirTagsForm(forms.Form):
        tag = forms.ModelChoiceField(
            tagging.on(rows),
            label="Tag",
            empty_label="Choose a tag",
            widget=forms.Select(attrs={**INPUT, "data-picker": ""}),
        )

    return TheirTagsForm


def _add_tags(request: HttpRequest, rows: Rows, values: Mapping[str, Any]) -> str:
    try:
        with transaction.atomic():
            added = tagging.add(rows[0].organization, rows, values["tags"], actor=reach_of(request).actor)
    except tagging.NotTagged as error:
        raise NotDone(str(error)) from error
    known = len(rows) - added
    before = f" {contacts(known)} had {'it' if len(values['tags']) == 1 else 'them'} before." if known else ""
    return f"{contacts(added)} {_were(added)} tagged “{'”, “'.join(values['tags'])}”.{before}"


def _remove_tag(request: HttpRequest, rows: Rows, values: Mapping[str, Any]) -> str:
    tag: Tag = values["tag"]
    with transaction.atomic():
        removed = tagging.remove(rows[0].organization, rows, [tag], actor=reach_of(request).actor)
    return f"The tag “{tag.name}” was taken off {contacts(removed)}."


def _were(n: int) -> str:
    return "was" if n == 1 else "were"


def _by_home(rows: Rows) -> Mapping[Organization, Rows]:
    found: defaultdict[Organization, list[Contact]] = defaultdict(list)
    for row in rows:
        found[row.organization].append(row)
    return found


def _numbers(rows: Rows) -> list[str]:
    prefetch_related_objects(rows, "further_numbers")
    return [phone for row in rows for phone in row.numbers]


def _bar(request: HttpRequest, rows: Rows, values: Mapping[str, Any]) -> Done:
    actor, reason, undoable = reach_of(request).actor, values["reason"], _undoable(request, Kind.BAR)
    found = [
        barring.bar(home, _numbers(theirs), reason=reason, actor=actor, undoable=undoable)
        for home, theirs in _by_home(rows).items()
    ]
    new, known, open_calls = (sum(getattr(each, name) for each in found) for name in ("new", "known", "under_way"))
    said = f"{counted(new, 'number')} {_were(new)} put on the do-not-call list."
    if known:
        said += f" {counted(known, 'number')} {_were(known)} on it before."
    if open_calls:
        said += f" {counted(open_calls, 'call')} to these numbers {'is' if open_calls == 1 else 'are'} under way and "
        said += "will continue to the end."
    return Done(said, undoable.token)


def _hold(request: HttpRequest, rows: Rows, values: Mapping[str, Any]) -> Done:
    actor, until, undoable = reach_of(request).actor, values["until"], _undoable(request, Kind.HOLD)
    held = recipients.hold_many(rows, actor=actor, until=until, reason=values["reason"], undoable=undoable)
    longer = len(rows) - held
    before = f" {contacts(longer)} {_were(longer)} on hold for at least as long before." if longer else ""
    return Done(f"{contacts(held)} {_were(held)} put on hold.{before}", undoable.token)


ADD_TO_LIST = BulkStep(
    "add-to-list",
    "Add to list…",
    Action.CHANGE_LIST,
    lambda rows: [
        f"{contacts(len(rows))} will be on the list that you choose.",
        "Started campaigns with this list that add new contacts call them within seconds, if the rules allow it. "
        "Other started campaigns call them only after “Add new contacts”.",
    ],
    _add,
    form=_any_list,
    button="Add to the list",
    one_organization=True,
)
REMOVE_FROM_LIST = BulkStep(
    "remove-from-list",
    "Remove from list…",
    Action.CHANGE_LIST,
    lambda rows: [
        f"{contacts(len(rows))} will not be on the list that you choose. The contacts themselves stay.",
        "Campaigns that have started still call them: hold or withdraw those who must not be called.",
    ],
    _remove,
    form=_their_lists,
    button="Remove from the list",
    one_organization=True,
)
ADD_TAGS = BulkStep(
    "add-tags",
    "Add tags…",
    Action.CHANGE_TAG,
    lambda rows: [f"The tags that you write are put on {contacts(len(rows))}, beside those that are there."],
    _add_tags,
    form=_any_tags,
    button="Add the tags",
    one_organization=True,
)
REMOVE_TAGS = BulkStep(
    "remove-tag",
    "Remove tag…",
    Action.CHANGE_TAG,
    lambda rows: [f"The tag that you choose is taken off {contacts(len(rows))}. The tag itself stays."],
    _remove_tag,
    form=_their_tags,
    button="Remove the tag",
    one_organization=True,
)
BULK_STEPS = (
    ADD_TO_LIST,
    REMOVE_FROM_LIST,
    ADD_TAGS,
    REMOVE_TAGS,
    BulkStep(
        "hold",
        "Hold…",
        Action.HOLD_CONTACT,
        lambda rows: [
            f"{contacts(len(rows))} will not be called: by no campaign, no single call, no call by API.",
            "Whoever is on hold for longer stays so. A call under way continues to its end.",
        ],
        _hold,
        form=lambda request, rows: HoldForm,
        button="Put on hold",
        stops=True,
    ),
    BulkStep(
        "do-not-call",
        "Add to do-not-call list…",
        Action.BAR_NUMBER,
        lambda rows: [
            f"All numbers of {contacts(len(rows))} are put on the do-not-call list without an end: "
            f"{counted(len(set(_numbers(rows))), 'number')}. Nobody else with one of these numbers is called on it.",
            "A call under way continues to its end.",
            "You can undo this within a minute. After that, only a manager can take a number off the list again.",
        ],
        _bar,
        form=lambda request, rows: ReasonForm,
        button="Add to the do-not-call list",
        tone="danger",
        stops=True,
    ),
)
