"""Import a CSV file or a workbook of contacts from the command line."""

from __future__ import annotations

import json
import sys
import time
import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from campaigns.imports import dry_run, growing_files, job, upload
from campaigns.imports import report as import_report
from campaigns.imports.columns import OTHER_COLUMNS, VARIABLES, UnreadableFile
from campaigns.models import ContactImport, ContactList
from tenants.management.recorded import COMMAND_LINE, RecordedCommand
from tenants.models import Organization


class Command(RecordedCommand):
    help = "Import contacts from a CSV file or a workbook into a list, as the web import does."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the CSV file or workbook")
        parser.add_argument("--organization", required=True, help="the organization's ID")
        parser.add_argument("--list", required=True, dest="list_name", help="the list's name; created if there is none")
        parser.add_argument("--mapping", default="", help='JSON like {"Mobile": "phone", "City": "variables.city"}')
        parser.add_argument("--region", default="", help="two-letter country code for numbers without one, such as FR")
        parser.add_argument("--delimiter", default="", help="column separator; default: detected from the header")
        parser.add_argument("--encoding", default="", help="such as cp1252; default: detected from the file")
        parser.add_argument("--on-duplicate", choices=ContactImport.OnDuplicate.values, default="update")
        parser.add_argument(
            "--on-tags",
            choices=ContactImport.OnTags.values,
            default="add",
            help="whether the tags of a row are added to those of a contact that exists, or replace them",
        )
        parser.add_argument(
            "--other-columns",
            choices=OTHER_COLUMNS,
            default=VARIABLES,
            help="what becomes of columns that are not mapped and whose names say nothing",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what the import would do, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = _organization(options["organization"])
        chosen: dict[str, Any] = {
            "mapping": _mapping(options["mapping"]),
            "delimiter": options["delimiter"],
            "encoding": options["encoding"],
            "default_region": options["region"].upper(),
            "on_duplicate": options["on_duplicate"],
            "on_tags": options["on_tags"],
            "other_columns": options["other_columns"],
        }
        if options["dry_run"]:
            self._preview(organization, options["file"], chosen)
        else:
            self._import(organization, options["file"], options["list_name"], chosen)

    def _preview(self, organization: Organization, path: Path, chosen: dict[str, Any]) -> None:
        try:
            found = dry_run.of_path(organization, path, **chosen)
        except (UnreadableFile, OSError) as error:
            raise CommandError(_sentence(error)) from error
        for sentence in import_report.of_forecast(found):
            self.stdout.write(sentence)

    def _import(self, organization: Organization, path: Path, list_name: str, chosen: dict[str, Any]) -> None:
        contact_list, is_new = _list(organization, list_name)
        try:
            with path.open("rb") as file:
                imp = upload.start_import(contact_list, file, path.name, actor=COMMAND_LINE, **chosen)
        except (UnreadableFile, upload.FileTooLarge, OSError) as error:
            if is_new:
                contact_list.delete()
            raise CommandError(_sentence(error)) from error
        self._run(imp)
        self._report(imp)

    def _run(self, imp: ContactImport) -> None:
        with tqdm(total=imp.bytes_total, unit="B", unit_scale=True, file=sys.stderr, desc=imp.filename) as bar:
            finished = False
            while not finished:
                before = imp.bytes_read
                finished = job.run_step(imp.pk, seconds=0.5)
                imp.refresh_from_db()
                bar.update(imp.bytes_read - before)
                if not finished and imp.bytes_read == before:
                    time.sleep(0.5)  # a worker is running it

    def _report(self, imp: ContactImport) -> None:
        if imp.status != ContactImport.Status.COMPLETED:
            raise CommandError(imp.error or f"The import was {imp.status}.")
        for sentence in import_report.of_import(imp):
            self.stdout.write(sentence)
        if imp.rejected_file:
            self.stdout.write(f"Rejected rows: {growing_files.place(imp.rejected_file.name or '')}")


def _organization(given: str) -> Organization:
    try:
        return Organization.objects.get(uuid=uuid.UUID(given))
    except (ValueError, Organization.DoesNotExist) as error:
        raise CommandError(f"There is no organization {given}; create_organization prints its id.") from error


def _mapping(given: str) -> dict[str, str] | None:
    if not given:
        return None
    try:
        mapping = json.loads(given)
    except ValueError as error:
        raise CommandError('--mapping is not JSON; write it like {"Mobile": "phone"}.') from error
    if not isinstance(mapping, dict):
        raise CommandError('--mapping must be an object; write it like {"Mobile": "phone"}.')
    return mapping


def _list(organization: Organization, name: str) -> tuple[ContactList, bool]:
    found = ContactList.objects.filter(organization=organization, name=name).order_by("id").first()
    if found:
        return found, False
    if not name.strip() or len(name) > 200:
        raise CommandError("--list must name the list in 1 to 200 characters.")
    return ContactList.objects.create(organization=organization, name=name), True


def _sentence(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"There is no file {error.filename}; check the path."
    if isinstance(error, OSError):
        return f"{error.filename} cannot be read: {error.strerror}."
    return str(error)
