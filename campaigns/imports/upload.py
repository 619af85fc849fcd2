"""Accept an upload: store the file, check that it can be read, and create the import for the job."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction

from campaigns.imports.columns import UnreadableFile
from campaigns.imports.file_format import SAMPLE_BYTES, FileFormat, format_of, sniff
from campaigns.imports.options import Options
from campaigns.imports.rows import BLANK_ROWS, read_rows
from campaigns.imports.stored_files import as_binary
from campaigns.imports.workbooks.reading import is_workbook, rows_of
from campaigns.models import ContactImport, ContactList
from campaigns.models.contact_import import upload_path
from tenants import audit_log

PIECE = 256 * 1024


class FileTooLarge(ValueError):
    """The file has more bytes than an import may have. The message says what to do."""


class Readable(Protocol):
    """An open file or an upload."""

    def read(self, size: int = ..., /) -> bytes: ...


def start_import(
    contact_list: ContactList, file: Readable, filename: str, *, actor: str = "", **chosen: Any
) -> ContactImport:
    """Store the file and create the import for the job to run. Return the import. `chosen`: the fields of Options.

    Raises UnreadableFile and FileTooLarge. Then neither the file nor the import is kept.
    """
    options = Options(**chosen)
    options.check()
    upload = _Upload(file)
    if is_workbook(upload.head):  # its rows are stored, and the job reads them from any row on
        upload = _Upload(rows_of(upload.chunks()))
    form = _format_of_text(upload, filename, options)
    row = ContactImport(
        organization_id=contact_list.organization_id,
        contact_list=contact_list,
        filename=_printable_name(filename),
        # Now and not when rows are read: a change in between would make other numbers of the rows that are left.
        default_region=options.default_region or contact_list.organization.default_region,
        on_duplicate=options.on_duplicate,
        on_tags=options.on_tags,
    )
    name = upload_path(row, filename)
    try:
        row.file.name = default_storage.save(name, upload)
        if form is None:
            form = _format_of_workbook(row, options)
        elif not options.encoding:
            form = _with_late_encoding(form, upload, filename)
        _check_has_rows(row, form)
        row.encoding, row.delimiter = form.encoding, form.delimiter
        row.mapping = options.mapping_of(form)
        row.sha256, row.bytes_total = upload.sha256.hexdigest(), form.size or upload.total
        row.note = f"{form.note} {_same_file_note(row)}".strip()
        with transaction.atomic():
            row.save(force_insert=True)
            _record_start(row, actor)
    except BaseException:
        default_storage.delete(row.file.name or name)
        raise
    return row


def _record_start(imp: ContactImport, actor: str) -> None:
    """Record that somebody started an import: one entry, however many contacts it has."""
    if not actor:
        return
    audit_log.record(
        imp.organization_id,
        actor=actor,
        action="contactlist.import_started",
        subject=str(imp.contact_list.uuid),
        detail={"object": imp.contact_list.name, "file": imp.filename, "import": str(imp.uuid)},
    )


def _format_of_text(upload: _Upload, filename: str, options: Options) -> FileFormat | None:
    """Return the format of a text file, from its first bytes; None for a workbook, which is readable only as a whole.

    Raises UnreadableFile, also if the mapping does not fit.
    """
    if is_workbook(upload.head):
        return None
    form = sniff(upload.head, filename, delimiter=options.delimiter, encoding=options.encoding)
    options.columns_of(form)
    return form


def _format_of_workbook(row: ContactImport, options: Options) -> FileFormat:
    """Return the format of a stored workbook. Raises UnreadableFile, also if the mapping does not fit."""
    with default_storage.open(row.file.name or "") as stored:
        form = format_of(as_binary(stored))
    options.columns_of(form)
    return form


def _with_late_encoding(form: FileFormat, upload: _Upload, filename: str) -> FileFormat:
    """Guess the encoding again if the first character that is not ASCII comes after the bytes that were sniffed."""
    if not upload.bad_utf_8 or form.encoding != "utf-8" or not upload.head.isascii():
        return form
    sample = upload.head + b"\n" + upload.bad_utf_8
    return replace(form, encoding=sniff(sample, filename, delimiter=form.delimiter).encoding, confident=False)


class _Upload(File):  # type: ignore[type-arg]
    """The file as the storage reads it: counts, hashes and checks the bytes on the way."""

    def __init__(self, source: Readable) -> None:
        super().__init__(None, name="upload")
        self._source = source
        self.head = b""
        while len(self.head) < SAMPLE_BYTES and (piece := source.read(SAMPLE_BYTES - len(self.head))):
            self.head += piece
        self.sha256 = hashlib.sha256()
        self.total = 0
        self.bad_utf_8 = b""  # the bytes around the first that are not UTF-8
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        piece = self.head
        while piece:
            self.total += len(piece)
            if self.total > settings.IMPORT_MAX_BYTES:
                limit = settings.IMPORT_MAX_BYTES // (1024 * 1024)
                raise FileTooLarge(f"The file is larger than {limit} MB; split it and import the parts one by one.")
            self.sha256.update(piece)
            self._check_utf_8(piece)
            yield piece
            piece = self._source.read(PIECE)

    def _check_utf_8(self, piece: bytes) -> None:
        if self.bad_utf_8:
            return
        try:
            self._decoder.decode(piece)
        except UnicodeDecodeError as error:
            self.bad_utf_8 = piece[max(0, error.start - 2000) : error.start + 30_000]


def _printable_name(filename: str) -> str:
    name = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in name if character.isprintable())[-255:] or "upload.csv"


def _check_has_rows(row: ContactImport, form: FileFormat) -> None:
    with default_storage.open(row.file.name or "") as stored:
        for number, each in enumerate(read_rows(as_binary(stored), form), 1):
            if not each.blank:
                return
            if number >= BLANK_ROWS:  # a request must not take as long as an import
                raise UnreadableFile(f"The first {number:,} rows below the header are empty; remove the empty rows.")
    raise UnreadableFile("The file has a header and no rows; add one line for each contact.")


def _same_file_note(row: ContactImport) -> str:
    before = (
        ContactImport.objects.filter(
            contact_list_id=row.contact_list_id, sha256=row.sha256, status=ContactImport.Status.COMPLETED
        )
        .order_by("-id")
        .first()
    )
    if before is None:
        return ""
    at = before.finished_at or before.created_at
    return f"The same file was imported into this list before, on {at.day} {at:%B %Y at %H:%M} UTC."
