"""The files of a campaign: how one is sent, and how it writes structured values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.http import StreamingHttpResponse

from campaigns.models import Campaign
from tenants import audit_log


def streamed(campaign: Campaign, name: str, pieces: Iterable[str], actor: str) -> StreamingHttpResponse:
    """Return the pieces as a streamed file `name`. Writes an entry to the audit log."""
    audit_log.record(
        campaign.organization_id,
        actor=actor,
        action="campaign.exported",
        subject=str(campaign.uuid),
        detail={"file": name},
    )
    return StreamingHttpResponse(
        pieces,
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="campaign-{campaign.uuid}-{name}"',
            "Cache-Control": "no-store",
        },
    )


def as_json(value: Any) -> str:
    """Return a structured value as one cell. Nothing is an empty cell."""
    return json.dumps(value, ensure_ascii=False) if value else ""
