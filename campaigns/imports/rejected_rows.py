"""The file of an import's rejected rows: every download of it is recorded."""

from __future__ import annotations

from django.http import FileResponse

from campaigns.imports import growing_files
from campaigns.models import ContactImport
from tenants import audit_log


def download(imp: ContactImport, actor: str, filename: str) -> FileResponse:
    """Return the file, which is there. Writes an entry to the audit log."""
    file = growing_files.opened(imp.rejected_file.name or "", imp.rejected_bytes)
    audit_log.record(
        imp.organization_id,
        actor=actor,
        action="contactimport.exported",
        subject=str(imp.uuid),
        detail={"file": "rejected rows"},
    )
    return FileResponse(file, as_attachment=True, filename=filename, content_type="text/csv; charset=utf-8")
