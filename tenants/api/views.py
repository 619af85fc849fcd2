"""Base views: lists and objects are scoped, paged, created, changed and deleted in the same way everywhere."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from django.db import IntegrityError, models, transaction
from django.db.models import ProtectedError
from django.http import Http404
from django.shortcuts import get_object_or_404
from rest_framework import viewsets
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.schemas.inspectors import DefaultSchema

from tenants import audit_changes
from tenants.api.access import Access
from tenants.api.errors import Conflict
from tenants.api.idempotency import IdempotentPosts
from tenants.api.permissions import READS, required_action
from tenants.db.compiled import Compiled
from tenants.db.owners import of_one
from tenants.models import Organization
from tenants.policy import Action

M = TypeVar("M", bound=models.Model)
UNFILTERED = {"limit", "cursor", "ordering"}  # parameters of a list that choose no rows


class AnyAccept(BaseContentNegotiation):
    """Ignore the `Accept` header: for responses that are not JSON, and for callers whose header is unusable."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        return DefaultContentNegotiation().select_parser(request, parsers)

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class LazySchema(DefaultSchema):
    """What describes a view to the OpenAPI document. A router looks at the attributes of each class, which would load
    the generator, with a test runner, in every web process: only an object has it.
    """

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else super().__get__(instance, owner)


class ScopedViewSet(IdempotentPosts, viewsets.GenericViewSet[M], Generic[M]):
    """Objects of the caller's organizations only, each identified by its public id."""

    schema = LazySchema()
    lookup_field = "uuid"
    lookup_url_kwarg = "id"
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    organization_path: ClassVar[str] = "organization"
    needs: ClassVar[Mapping[str, Action]] = {}
    # The columns of other tables that an answer shows, as lookups. Empty: those tables are read whole.
    shown_of_others: ClassVar[tuple[str, ...]] = ()
    compiled: ClassVar[Compiled[Any] | None] = None  # from `retrieving`: reading one object asks for nothing more

    @property
    def reach(self) -> Access:
        access: Access = self.request.auth  # type: ignore[assignment]
        return access

    def get_queryset(self) -> Any:
        found = self._visible(super().get_queryset())
        return self.as_shown(found) if self.action in ("list", "retrieve") else found

    @property
    def seen_with(self) -> Action:
        """Return the action that shows these objects: for anyone else they do not exist."""
        return next((self.needs[name] for name in READS if name in self.needs), Action.SEE)

    def _visible(self, found: Any) -> Any:
        """Return the rows of the organizations in which the caller may see them."""
        homes = self.reach.where(self.seen_with)
        whole = self.action == "list" and not set(self.request.query_params) - UNFILTERED
        if whole and self.organization_path == "organization" and len(homes) == 1:
            return of_one(found, "organization", *homes)
        return self.reach.visible(found, self.organization_path, self.seen_with)

    def as_shown(self, found: Any) -> Any:
        """Return the rows for an answer, with no more of other tables than it shows: wide rows cost more than joins."""
        return shown(found, self.shown_of_others) if self.shown_of_others else found

    def get_object(self) -> M:
        """Return the object of the path. Filters do not apply: they belong to lists."""
        found: M = self._retrieved() or get_object_or_404(self.get_queryset(), uuid=public_id(self.kwargs["id"]))
        self.check_reach(found)
        return found

    def _retrieved(self) -> M | None:
        """Return the object of the path by `compiled`, or None where it has to be asked for in the general way."""
        if self.compiled is None or self.action != "retrieve":
            return None
        homes = self.reach.where(self.seen_with)
        return self.compiled.first(public_id(self.kwargs["id"]), *homes) if len(homes) == 1 else None

    def check_reach(self, found: M) -> None:
        """Raise PermissionDenied unless the caller may do the action in the object's organization."""
        self.reach.require(required_action(self.request, self), self.organization_of(found))

    def organization_of(self, found: Any) -> Organization:
        organization: Organization = found.organization
        return organization

    def locked(self, found: M) -> M:
        """Return the row read again and locked until the transaction ends."""
        return type(found)._default_manager.select_for_update(of=("self",)).get(pk=found.pk)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.setdefault("Cache-Control", "no-store")
        return response


def shown(found: Any, of_others: Sequence[str]) -> Any:
    """Return the rows with their own columns and these of other tables."""
    own = [column.name for column in found.model._meta.concrete_fields]
    others = {path.rpartition("__")[0] for path in of_others}
    return found.select_related(None).select_related(*others).only(*own, *of_others)


def retrieving(model: type[M], of_others: Sequence[str]) -> Compiled[M]:
    """Return the query of one object by its public id and its organization, with what an answer shows of others."""
    return Compiled(
        lambda uid, home: shown(model._default_manager.filter(uuid=uid, organization=home), of_others),
        uuid.UUID(int=0),
        -1,
    )


def public_id(text: str) -> uuid.UUID:
    """Return the id in a path. Raises Http404 for any other text."""
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise Http404 from error


class ReadViewSet(ScopedViewSet[M], Generic[M]):
    """List and retrieve."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_object()).data)


class CrudViewSet(ReadViewSet[M], Generic[M]):
    """List, create, retrieve, PATCH, DELETE."""

    taken: ClassVar[tuple[str, str] | None] = None  # field and message when the object exists already
    # How the audit log names these objects; by default like the model. None: the view writes its own entries.
    audited_as: ClassVar[str | None] = ""

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self._save(serializer)
        return Response(serializer.data, status=201)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(self.get_object(), data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        self._save(serializer)
        return Response(serializer.data)

    def _save(self, serializer: Any) -> None:
        if serializer.instance is not None and not serializer.validated_data:
            return  # the object was sent back as it is
        try:
            with transaction.atomic():
                self._save_audited(serializer)
        except IntegrityError as error:
            if self.taken is None:
                raise
            raise ValidationError({self.taken[0]: [ErrorDetail(self.taken[1], "unique")]}) from error

    def _save_audited(self, serializer: Any) -> None:
        """Save, and record which fields differ."""
        if self.audited_as is None:
            self.perform_save(serializer)
            return
        given, instance = list(serializer.validated_data), serializer.instance
        old = audit_changes.before(instance, given)
        self.perform_save(serializer)
        saved = serializer.instance
        names = audit_changes.audited(saved, given)
        changes = audit_changes.since(old, saved, names)
        columns = audit_changes.columns_of(saved)
        differing = [name for name in names if name not in columns or name in changes.plain or name in changes.personal]
        if instance is None or differing:
            self._audit(saved, "added" if instance is None else "changed", {"fields": differing}, changes)

    def _audit(
        self, found: M, what: str, detail: Mapping[str, Any], changes: audit_changes.Facts | None = None
    ) -> None:
        kind = self.audited_as or audit_changes.kind_of(found)
        audit_changes.record(
            self.organization_of(found),
            found,
            actor=self.reach.actor,
            action=f"{kind}.{what}",
            detail=detail,
            changes=changes,
        )

    def perform_save(self, serializer: Any) -> None:
        """Save, inside a transaction. Raises Conflict when the object's state does not allow the change."""
        serializer.save()

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        try:
            with transaction.atomic():
                found = self.get_object()
                if self.audited_as is not None:
                    self._audit(found, "deleted", {})
                self.perform_destroy(found)
        except ProtectedError as error:
            raise Conflict("Other objects refer to this one. Deactivate it instead.") from error
        return Response(status=204)

    def perform_destroy(self, instance: M) -> None:
        instance.delete()
