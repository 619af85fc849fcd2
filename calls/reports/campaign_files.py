"""The files of a campaign: how one is sent, and how it writes structured values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.http import StreamingHttpResponse

from campaigns.models import Campaign
from tenants import audit_log
from tenants.spreadsheets import time_cell

AS_OF = "X-Rows-As-Of"  # header of a file whose rows are late


def streamed(
    campaign: Campaign, name: str, pieces: Iterable[str], actor: str, as_of: datetime | None = None
) -> StreamingHttpResponse:
    """Return the pieces as a streamed file `name`, which tells the moment of rows that are late.

    Writes an entry to the audit log.
    """
    audit_log.record(
        campaign.organization_id,
        actor=actor,
        action="campaign.exported",
        subject=str(campaign.uuid),
        detail={"file": name},
    )
    late = f"as-of-{as_of.astimezone(UTC):%Y-%m-%dT%H-%M-%SZ}-" if as_of else ""
    return StreamingHttpResponse(
        pieces,
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="campaign-{campaign.uuid}-{late}{name}"',
            "Cache-Control": "no-store",
            **({AS_OF: time_cell(as_of)} if as_of else {}),
        },
    )


def as_json(value: Any) -> str:
    """Return a structured value as one cell. Nothing is an empty cell."""
    return json.dumps(value, ensure_ascii=False) if value else ""
