"""The API of contact lists and their members."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import IntegerField, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.http import Http404
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import launching, list_members, tagging
from campaigns.api import ContactSerializer
from campaigns.contact_locks import lock_numbers
from campaigns.import_api import ImportActions
from campaigns.models import Campaign, Contact, ContactList, MemberCount
from tenants.api.access import Access
from tenants.api.errors import Conflict
from tenants.api.fields import PublicIdField
from tenants.api.permissions import crud
from tenants.api.serializers import OrganizationField, OrganizedSerializer, StrictSerializer
from tenants.api.views import CrudViewSet, public_id
from tenants.policy import Action


class LeadSerializer(ContactSerializer):
    """A contact for a list. It belongs to the list's organization, whatever the body says."""

    organization = OrganizationField(read_only=True, queryset=None)

    def home(self, data: Any = None) -> Any:
        return self.context["list"].organization

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return super().validate({**attrs, "organization": self.context["list"].organization})


class MembersSerializer(StrictSerializer):
    """Contacts of the list's organization."""

    contacts = serializers.ListField(child=serializers.UUIDField(), allow_empty=False, max_length=list_members.AT_ONCE)


class MemberActions:
    """The addresses of a list that add and remove its contacts."""

    reach: Access
    get_object: Any
    get_serializer_context: Any
    _save_audited: Any

    @action(detail=True, methods=["post"])
    def contacts(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Add one contact to the list. A contact with this number is changed as by PATCH, else it is created.

        Ongoing campaigns with this list call a new member within seconds, if the rules allow it.
        """
        contact_list: ContactList = self.get_object()
        context = {**self.get_serializer_context(), "list": contact_list}
        serializer: Any = LeadSerializer(data=request.data, context=context)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        with transaction.atomic():
            campaigns = launching.locked_users_of(contact_list.pk)
            further = [number for number, _ in given.get("further_numbers", ())]
            lock_numbers(contact_list.organization_id, [given["phone"], *further])
            tagging.named(contact_list.organization_id, given.get("tags", ()))  # before contacts
            same = Contact.objects.filter(organization=contact_list.organization, phone=given["phone"])
            known = same.select_for_update(no_key=True).first()
            if known:
                serializer = LeadSerializer(known, data=request.data, partial=True, context=context)
                serializer.is_valid(raise_exception=True)
            self._save_audited(serializer)
            list_members.add(contact_list, [serializer.instance], campaigns, actor=self.reach.actor)
        return Response(serializer.data, status=200 if known else 201)

    @action(detail=True, methods=["delete"], url_path=r"contacts/(?P<contact>[^/.]+)")
    def remove_contact(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove a contact from the list. The contact itself stays, and so do recipients of started campaigns."""
        contact_list: ContactList = self.get_object()
        with transaction.atomic():
            found = contact_list.contacts.filter(uuid=public_id(kwargs["contact"]))
            if not list_members.remove(contact_list, found, actor=self.reach.actor):
                raise Http404
        return Response(status=204)

    @action(detail=True, methods=["post"])
    def add(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Add up to 1000 contacts that exist. The answer counts those that were not on the list before."""
        contact_list: ContactList = self.get_object()
        with transaction.atomic():
            campaigns = launching.locked_users_of(contact_list.pk)
            found = self._named(contact_list, request.data)
            return Response({"contacts": list_members.add(contact_list, found, campaigns, actor=self.reach.actor)})

    @action(detail=True, methods=["post"])
    def remove(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove up to 1000 contacts from the list. The answer counts those that were on it."""
        contact_list: ContactList = self.get_object()
        with transaction.atomic():
            found = self._named(contact_list, request.data)
            return Response({"contacts": list_members.remove(contact_list, found, actor=self.reach.actor)})

    def _named(self, contact_list: ContactList, data: Any) -> list[Contact]:
        """Return the contacts of the body. Raises ValidationError with the position of each unknown one."""
        form = MembersSerializer(data=data, context=self.get_serializer_context())
        form.is_valid(raise_exception=True)
        ids = form.validated_data["contacts"]
        rows = Contact.objects.filter(organization=contact_list.organization, erased_at=None, uuid__in=ids)
        by_id = {row.uuid: row for row in rows}
        unknown = [place for place, each in enumerate(ids) if each not in by_id]
        if unknown:
            message = ErrorDetail("There is no contact with this id in the list's organization.", "does_not_exist")
            raise ValidationError({f"contacts.{place}": [message] for place in unknown})
        return list(by_id.values())


def counted(queryset: QuerySet[ContactList]) -> QuerySet[ContactList]:
    """Add `contacts_count` in the same query."""
    kept = MemberCount.objects.filter(contact_list=OuterRef("pk")).order_by().values("contact_list")
    counts = Subquery(kept.annotate(n=Sum("members")).values("n"), output_field=IntegerField())
    return queryset.annotate(contacts_count=Coalesce(counts, Value(0)))


class ContactListSerializer(OrganizedSerializer[ContactList]):
    id = PublicIdField()
    organization = OrganizationField()
    contacts_count = serializers.SerializerMethodField()

    class Meta:
        model = ContactList
        fields: ClassVar[Any] = ["id", "organization", "name", "contacts_count"]

    def get_contacts_count(self, found: ContactList) -> int:
        return int(getattr(found, "contacts_count", 0))  # a new list has no contacts


class ContactListViewSet(MemberActions, ImportActions, CrudViewSet[ContactList]):
    queryset = counted(ContactList.objects.select_related("organization"))
    shown_of_others = ("organization__uuid",)
    serializer_class = ContactListSerializer
    needs: ClassVar[Any] = {
        **crud(Action.SEE, Action.CHANGE_LIST),
        "destroy": Action.DELETE_LIST,
        **dict.fromkeys(("imports", "preview_import", "contacts"), Action.IMPORT),
        **dict.fromkeys(("add", "remove", "remove_contact"), Action.CHANGE_LIST),
    }

    def perform_destroy(self, instance: ContactList) -> None:
        unfinished = [Campaign.Status.SCHEDULED, *Campaign.STARTED]
        if instance.campaigns.filter(status__in=unfinished).exists():
            raise Conflict("A campaign that is not over uses this list.")
        instance.delete()
