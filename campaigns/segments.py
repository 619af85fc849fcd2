"""Which contacts a segment has now: its conditions as a condition of the database.

The one place that does it: launching, the forecast, the preflight and the API ask here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet, Subquery, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, IContains, In
from django.utils import timezone

from campaigns.models import Campaign, Contact, ContactList, ContactListMember, ContactTag, Segment, Tag
from campaigns.rules import conditions
from campaigns.rules.conditions import Condition, NotACondition
from campaigns.rules.tag_names import tag_key

OF_NOBODY = Q(pk__in=[])
MODELS: Mapping[str, type[Model]] = {"tags": Tag, "lists": ContactList}  # of the fields whose values are public ids
UNKNOWN = {"tags": "There is no such tag.", "lists": "There is no such list."}
COUNTED = 10_000  # a page says of a larger segment that it has more


def contacts_of(segment: Segment) -> QuerySet[Contact]:
    """Return the contacts that meet the conditions now."""
    return Contact.objects.filter(matching([segment]))


def matching(segments: Iterable[Segment]) -> Q:
    """Return the condition that a contact is in one of the segments. Each has contacts of its organization alone."""
    found, chosen = OF_NOBODY, list(segments)
    for segment in chosen:
        met = Q(organization=segment.organization_id, erased_at=None)
        for condition in segment.conditions:
            met &= TESTS[conditions.kind_of(condition)](condition)
        found |= met
    return found & Q(organization__in={each.organization_id for each in chosen})  # the index of the organization's


def audience(organization_id: int, lists: Any, chosen: Collection[Segment]) -> QuerySet[Contact]:
    """Return the contacts of an organization that are on one of the lists or in one of the segments, each once."""
    members = ContactListMember.objects.filter(contact_list__in=lists).order_by().values("contact")
    if not chosen:
        return Contact.objects.filter(pk__in=members)
    return Contact.objects.filter(Q(pk__in=members) | matching(chosen), organization=organization_id)


def of_campaign(campaign: Campaign) -> Q:
    """Return the condition that a contact is in one of the campaign's segments. A query, unless they are prefetched."""
    return matching(each for each in campaign.segments.all() if each.organization_id == campaign.organization_id)


def names_in(stored: Iterable[Iterable[Condition]]) -> dict[str, str]:
    """Return the names of the tags and lists in the conditions of segments, by public id. Deleted ones are missing."""
    named = [conditions.named_ids(each) for each in stored]
    names: dict[str, str] = {}
    for field, model in MODELS.items():
        if ids := set().union(*(each[field] for each in named)):
            rows = model._default_manager.filter(uuid__in=ids).values_list("uuid", "name")
            names |= {str(uid): name for uid, name in rows}
    return names


def tag_ids(organization_id: int, names: Iterable[str]) -> list[str]:
    """Return the public ids of tags by name. Raises NotACondition."""
    wanted = {tag_key(name): name for name in names}
    rows = Tag.objects.filter(organization=organization_id, name_key__in=wanted).values_list("name_key", "uuid")
    known = {key: str(uid) for key, uid in rows}
    if missing := [name for key, name in wanted.items() if key not in known]:
        raise NotACondition(f"There is no tag '{missing[0][:80]}'. Choose a tag that exists.")
    return [known[key] for key in wanted]


def list_ids(organization_id: int, names: Sequence[str]) -> list[str]:
    """Return the public ids of lists by name. Raises NotACondition, also for a name that several lists have."""
    rows = ContactList.objects.filter(organization=organization_id, name__in=names).values_list("name", "uuid")
    found = Counter(name for name, _ in rows)
    for name in names:
        if not found[name]:
            raise NotACondition(f"There is no list '{name[:80]}'. Choose a list that exists.")
        if found[name] > 1:
            raise NotACondition(f"There are several lists '{name[:80]}'. Rename one of them first.")
    return [str(uid) for _, uid in rows]


def names_of(organization_id: int, field: str, *, also: Collection[str] = (), most: int) -> list[tuple[str, str]]:
    """Return public id and name of the organization's tags or lists: the first by name, and those named besides."""
    rows = MODELS[field]._default_manager.filter(organization=organization_id).order_by("name")
    found = {str(uid): name for uid, name in rows.values_list("uuid", "name")[:most]}
    if missing := set(also) - set(found):
        found |= {str(uid): name for uid, name in rows.filter(uuid__in=missing).values_list("uuid", "name")}
    return list(found.items())


def require(organization_id: int, condition: Condition, but: Mapping[str, Collection[str]] | None = None) -> None:
    """Raises NotACondition for a tag or list that the organization does not have, `but` for these."""
    model = MODELS.get(condition["field"])
    if model is None:
        return
    asked = set(condition["value"]) - set((but or {}).get(condition["field"], ()))
    if model._default_manager.filter(organization=organization_id, uuid__in=asked).count() != len(asked):
        raise NotACondition(UNKNOWN[condition["field"]])


def unfinished_of(segment: Segment) -> QuerySet[Campaign]:
    """Return the campaigns that call the segment's contacts and are not over. It cannot be deleted before them."""
    return segment.campaigns.filter(status__in=[Campaign.Status.SCHEDULED, *Campaign.STARTED])


def size(segment: Segment) -> int:
    """Return how many contacts the segment has now, counted a little beyond COUNTED."""
    return contacts_of(segment).order_by().values("pk")[: COUNTED + 1].count()


def sentence_of(segment: Segment, moment: Callable[[str], str] = str) -> str:
    """Return the conditions as a sentence. `moment` shows a stored moment."""
    return conditions.sentence(segment.conditions, names_in([segment.conditions]), moment)


def replace_tag(organization_id: int, gone: str, into: str) -> None:
    """Name another tag in the conditions of all segments."""
    for segment in Segment.objects.select_for_update(no_key=True).filter(organization=organization_id).order_by("pk"):
        if gone in conditions.named_ids(segment.conditions)["tags"]:
            for condition in segment.conditions:
                if condition["field"] == "tags":
                    ids = (into if each == gone else each for each in condition["value"])
                    condition["value"] = list(dict.fromkeys(ids))
            segment.save(update_fields=["conditions"])


# Correlated, so that a step of a launch asks about its own contacts alone, whichever condition stands beside it.
def _tagged(condition: Condition) -> Q:
    return Q(Exists(ContactTag.objects.filter(contact=OuterRef("pk"), tag__uuid__in=condition["value"])))


def _all_tagged(condition: Condition) -> Q:
    found = Q()
    for each in condition["value"]:
        found &= _tagged({"value": [each]})
    return found


def _not_tagged(condition: Condition) -> Q:
    return ~_tagged(condition) & _still_there(Tag, condition)


def _listed(condition: Condition) -> Q:
    members = ContactListMember.objects.filter(contact=OuterRef("pk"), contact_list__uuid__in=condition["value"])
    return Q(Exists(members))


def _not_listed(condition: Condition) -> Q:
    return ~_listed(condition) & _still_there(ContactList, condition)


def _still_there(model: type[Model], condition: Condition) -> Q:
    """Return a condition that nobody meets once one of the named tags or lists is deleted.

    Else everybody whom it kept from being called would be called.
    """
    found = Q()
    for each in condition["value"]:
        found &= Q(Exists(model._default_manager.filter(uuid=each)))
    return found


def _calls() -> QuerySet[Model]:
    """Return the calls to the outer contact. `calls` is a room above, whose model the contact knows by its relation."""
    related: Any = Contact._meta.get_field("calls").related_model
    found: QuerySet[Model] = related.objects.filter(contact=OuterRef("pk"))
    return found


def _called_within(condition: Condition) -> Q:
    since = timezone.now() - timedelta(days=condition["value"])
    return Q(Exists(_calls().filter(dialed_at__gte=since)))


def _not_called_within(condition: Condition) -> Q:
    return ~_called_within(condition)


def _never_called(condition: Condition) -> Q:
    return ~Q(Exists(_calls().exclude(dialed_at=None)))


def _ended_as(condition: Condition) -> Q:
    last = _calls().exclude(dialed_at=None).order_by("-pk").values("status")[:1]
    return Q(In(Subquery(last), condition["value"]))


def _variable(condition: Condition) -> KeyTextTransform:
    return KeyTextTransform(conditions.variable_of(condition), F("variables"))


HAS_CONSENT = ~Q(consent_basis="") | Q(consent_at__isnull=False) | ~Q(consent_evidence="")
TESTS: Mapping[tuple[str, str], Callable[[Condition], Q]] = {
    ("tags", "any"): _tagged,
    ("tags", "all"): _all_tagged,
    ("tags", "none"): _not_tagged,
    ("lists", "in"): _listed,
    ("lists", "not_in"): _not_listed,
    ("number", "begins"): lambda condition: Q(phone__startswith=condition["value"]),
    ("created_at", "from"): lambda condition: Q(created_at__gte=condition["value"]),
    ("created_at", "before"): lambda condition: Q(created_at__lt=condition["value"]),
    ("last_call", "never"): _never_called,
    ("last_call", "within_days"): _called_within,
    ("last_call", "not_within_days"): _not_called_within,
    ("last_outcome", "in"): _ended_as,
    ("consent", "given"): lambda condition: HAS_CONSENT,
    ("consent", "missing"): lambda condition: ~HAS_CONSENT,
    ("variables", "equals"): lambda condition: Q(Exact(_variable(condition), condition["value"])),
    ("variables", "contains"): lambda condition: Q(IContains(_variable(condition), condition["value"])),
    ("variables", "empty"): lambda condition: Q(
        Exact(Coalesce(_variable(condition), Value(""), output_field=TextField()), Value(""))
    ),
}
