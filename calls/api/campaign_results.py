"""What came of campaigns: the fields of their results, their figures, and two campaigns compared."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from calls.actions import result_fields
from calls.reports.campaign_comparison import as_json
from calls.reports.campaign_comparison import compare as compare_campaigns
from calls.reports.figures.results import results_of
from calls.reports.results_summary import fields_as_json, summary_as_json
from campaigns.models import Campaign
from campaigns.rules.result_fields import LONGEST_NAME, LONGEST_TITLE, Field, Kind
from tenants.api.fields import FlagField, TextField, WholeField, WordField
from tenants.api.serializers import StrictSerializer
from tenants.api.views import CrudViewSet
from tenants.policy import Action

KINDS = [(kind.value, kind.value) for kind in Kind]


class ResultFieldSerializer(StrictSerializer):
    """A field as a team member chooses it, and what was found about it."""

    name = WordField(max_length=LONGEST_NAME)
    title = TextField(max_length=LONGEST_TITLE, allow_blank=True, default="")
    kind = serializers.ChoiceField(choices=KINDS, allow_blank=True, default="")
    shown = FlagField(default=True)
    column = FlagField(default=False)
    found_kind = serializers.ChoiceField(choices=KINDS, allow_blank=True, read_only=True)
    values = WholeField(min_value=0, read_only=True)

    def validate(self, attrs: dict[str, Any]) -> Field:
        return Field(**attrs)


class ResultFieldsSerializer(StrictSerializer):
    """The fields of a campaign's results, in the order in which they are shown. Others follow as they are found."""

    fields = ResultFieldSerializer(many=True)  # type: ignore[assignment]


class CampaignResults(CrudViewSet[Campaign]):
    """The part of the campaigns' view that shows results."""

    result_needs: ClassVar[Any] = {
        **dict.fromkeys(("result_fields", "results_summary", "compare"), Action.SEE),
        "choose_result_fields": Action.CHANGE_CAMPAIGN,
    }

    @action(detail=True, methods=["get"], url_path="result-fields")
    def result_fields(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the fields of the campaign's results, in the order in which they are shown."""
        return self._fields(self.get_object())

    @result_fields.mapping.patch
    def choose_result_fields(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Choose how the fields are shown. The list replaces the one before; an empty one shows what is found."""
        campaign = self.get_object()
        form = ResultFieldsSerializer(data=request.data, context=self.get_serializer_context())
        form.is_valid(raise_exception=True)
        as_shown = [each.field for each in results_of(campaign).fields]
        try:
            result_fields.choose(campaign, form.validated_data["fields"], as_shown, actor=self.reach.actor)
        except result_fields.NotChosen as error:
            raise ValidationError({"fields": [str(error)]}) from error
        return self._fields(campaign)

    def _fields(self, campaign: Campaign) -> Response:
        return Response({"fields": fields_as_json(results_of(campaign))})

    @action(detail=True, methods=["get"], url_path="results-summary")
    def results_summary(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return what the results say, field by field."""
        return Response(summary_as_json(results_of(self.get_object())))

    @action(detail=False, methods=["get"])
    def compare(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Compare two campaigns of one organization: `b` with `a`."""
        if unknown := sorted(set(request.query_params) - {"a", "b"}):
            raise ValidationError({name: ["There is no such filter."] for name in unknown}, code="unknown_filter")
        a, b = (self._named(name) for name in ("a", "b"))
        if a == b:
            raise ValidationError({"b": "Name another campaign than “a”."})
        if a.organization_id != b.organization_id:
            raise ValidationError({"b": "This campaign belongs to another organization than “a”."})
        return Response(as_json(compare_campaigns(a, b)))

    def _named(self, name: str) -> Campaign:
        """Return the campaign that a parameter names. Raises ValidationError, Http404."""
        try:
            wanted = uuid.UUID(self.request.query_params.get(name, ""))
        except ValueError as error:
            raise ValidationError({name: f"Name a campaign: ?{name}=<id>."}) from error
        found: Campaign = get_object_or_404(self.get_queryset(), uuid=wanted)
        self.check_reach(found)
        return found
