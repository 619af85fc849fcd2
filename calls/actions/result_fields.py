"""Choose how the results of a campaign are shown. It changes no rule: a finished campaign takes it too."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from campaigns import versions
from campaigns.models import Campaign
from campaigns.rules.result_fields import Field, faults, stored
from tenants import audit_log


class NotChosen(Exception):
    """These fields cannot be shown together. The message says why."""


def choose(campaign: Campaign, fields: Sequence[Field], as_shown: Sequence[Field], *, actor: str) -> None:
    """Store the fields with the campaign, instead of those before. None: show what is found. Raises NotChosen.

    `as_shown`: the fields as they are shown now. The same ones change nothing, also where nobody had chosen them.
    """
    if list(fields) == list(as_shown):
        return
    if found := faults(fields):
        raise NotChosen(" ".join(found))
    after = stored(fields) or None
    with transaction.atomic():
        held = versions.locked(campaign.pk)
        Campaign.objects.filter(pk=held.pk).update(result_fields=after)
        audit_log.record(
            held.organization_id,
            actor=actor,
            action="campaign.result_fields",
            subject=str(held.uuid),
            detail={"object": held.name, "fields": [field.heading for field in fields if field.shown]},
        )
    campaign.result_fields = after
