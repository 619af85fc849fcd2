"""What an import would do to the contacts of an organization. Reads the database and writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from django.utils import timezone

from campaigns import tagging
from campaigns.do_not_call import entries
from campaigns.imports import persons, preview, readings
from campaigns.imports.columns import explain
from campaigns.imports.file_format import FileFormat, format_of
from campaigns.imports.merging import NUMBER, TAG, Held, Person, asked, difference, match, phones_of
from campaigns.imports.options import OnDuplicate, OnTags, Options
from campaigns.imports.readings import Opener, Readings
from campaigns.imports.rows import ContactRow, RejectedRow
from campaigns.imports.stored_files import opened_again
from campaigns.imports.workbooks.reading import RowsFile, readable
from campaigns.models import Contact
from campaigns.rules.tag_names import tag_key
from tenants.models import Organization

EXAMPLES = 10
SENT_ROWS = 20_000
SENT_BYTES = 32 * 1024 * 1024
WHOLE_COLUMN = 2 * 1024 * 1024  # of a larger file only the previewed rows decide how a column writes its numbers


@dataclass(frozen=True)
class Overwritten:
    """A value that an existing contact has, and the one that the file gives it. None: it has none."""

    line: int
    phone: str
    key: str
    before: Any
    after: Any


@dataclass
class Forecast:
    """What an import would do with the rows of `survey`. `changes` counts changed contacts by what changes in them."""

    columns: list[tuple[str, str, str]]  # name, what it becomes, and why
    survey: preview.Survey = field(default_factory=preview.Survey)
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    repeated: int = 0  # rows about a contact of an earlier row; they are updated, unchanged or skipped as well
    changes: Counter[str] = field(default_factory=Counter)
    examples: list[Overwritten] = field(default_factory=list)
    on_do_not_call: int = 0  # rows of contacts that are not called, because one of their numbers is listed already
    listed: int = 0  # numbers that the file puts on the do-not-call list
    left_out: int = 0  # further numbers that are not kept
    readings: dict[str, str] = field(default_factory=dict)
    part_read: bool = False  # only the first rows decided how a column is read
    region: str = ""

    @property
    def sentences(self) -> list[str]:
        """Return how columns with digits of two readings are read, and why."""
        found = readings.sentences(self.readings, self.region)
        if found and self.part_read:
            found.append("Only the first rows of this large file decided. The import decides by the whole column.")
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the document of the API. Counts have the names that they have in an import."""
        survey = self.survey
        return {
            "whole_file": survey.whole,
            "rows_read": survey.read,
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "skipped": self.skipped,
            "repeated": self.repeated,
            "rejected": survey.refused,
            "reasons": [
                {"reason": each.example, "line": each.line, "rows": each.rows} for each in survey.most_frequent()
            ],
            "columns": [dict(zip(("column", "target", "reason"), each, strict=True)) for each in self.columns],
            "changes": dict(self.changes),
            "examples": [
                {"line": each.line, "phone": each.phone, "field": each.key, "before": each.before, "after": each.after}
                for each in self.examples
            ],
            "listed": self.listed,
            "on_do_not_call": self.on_do_not_call,
            "numbers_left_out": self.left_out,
            "phone_readings": self.readings,
            "zones_contradicting": survey.zones.contradicting,
            "zones_interpreted": survey.zones.interpreted,
            "zone_examples": survey.zones.examples,
            "placeholder_values": survey.values.as_json(),
            "notes": self.sentences,
        }


def forecast(
    organization: Organization,
    file: BinaryIO,
    form: FileFormat,
    options: Options,
    opened: Opener,
    *,
    rows: int = preview.ROWS,
    size: int = preview.BYTES,
) -> Forecast:
    """Return what an import of the first rows would do. `opened` opens the file once more.

    Raises UnreadableFile if the mapping cannot be used.
    """
    region = options.default_region or organization.default_region
    large = file.seek(0, 2) > WHOLE_COLUMN
    reading_of = Readings(form, region, opened, rows=rows if large else None)
    found = Forecast(columns_of(form, options), region=region)
    run = _Run(organization.pk, options, bool(options.columns_of(form).tags), found)
    found.survey = preview.survey(
        file,
        form,
        options.mapping_of(form),
        region=region,
        allowed=organization.callable_countries,
        reading_of=reading_of,
        rows=rows,
        size=size,
        each=run.take,
    )
    for row in run.refused:
        found.survey.refuse(row)
    found.left_out = found.survey.left_out + sum(person.left_out for person in run.persons.values())
    asking = [*run.asking, *({phone} for phone in found.survey.listed)]
    if marked := persons.to_list(organization.pk, asking, options.columns_of(form)):
        found.listed = len(marked - entries.listed(organization.pk, marked, timezone.now()))
    found.readings, found.part_read = reading_of.answers, large
    return found


def of_upload(organization: Organization, upload: Any, filename: str, **chosen: Any) -> Forecast:
    """Return what an import of a file that was sent would do. `chosen`: the fields of Options.

    Reads at most SENT_ROWS rows. Raises UnreadableFile.
    """
    return _of(organization, partial(opened_again, upload), filename, Options(**chosen))


def of_path(organization: Organization, path: Path, **chosen: Any) -> Forecast:
    """Return what an import of a file would do, like `of_upload`. Raises OSError as well."""
    return _of(organization, lambda: path.open("rb"), path.name, Options(**chosen))


def _of(organization: Organization, opened: Opener, filename: str, options: Options) -> Forecast:
    options.check()
    with opened() as file:
        content = readable(file)  # a workbook is read once, not each time that it is opened
        again = content.again if isinstance(content, RowsFile) else opened
        form = format_of(content, filename, delimiter=options.delimiter, encoding=options.encoding)
        return forecast(organization, content, form, options, again, rows=SENT_ROWS, size=SENT_BYTES)


def columns_of(form: FileFormat, options: Options) -> list[tuple[str, str, str]]:
    """Return for each column its name, what it becomes and why."""
    mapping = options.mapping_of(form)
    reasons = explain(form.header, mapping, form.empty, options.other_columns)
    return [(column, mapping.get(column, ""), reasons[column]) for column in form.header]


def _kind(key: str) -> str:
    """Return what changes: numbers and tags are each of one kind."""
    kind = key.partition(".")[0]
    return kind if kind in {NUMBER, TAG} else key


class _Run:
    """The contacts of the rows so far, as the import would leave them."""

    def __init__(self, organization_id: int, options: Options, tagging_rows: bool, found: Forecast) -> None:
        self.organization_id, self.found = organization_id, found
        self.updating = options.on_duplicate != OnDuplicate.SKIP
        self.replacing_tags = options.on_tags == OnTags.REPLACE
        # By key; those of the rows join them. None: no column has tags.
        self.tags = tagging.names_of(organization_id) if tagging_rows else None
        self.persons: dict[str, Person] = {}  # by first number
        self.seen: set[str] = set()
        self.refused: list[RejectedRow] = []
        self.asking: list[set[str]] = []  # the numbers of each row that asks not to be called
        self.listed: set[str] = set()  # on the do-not-call list now

    def take(self, batch: list[ContactRow]) -> None:
        phones = phones_of(batch)
        self._load(phones - self.persons.keys())
        here = [self.persons[phone].contact for phone in phones if phone in self.persons]
        targets = match(batch, here)
        numbers = {phone for target in targets if target in self.persons for phone in self.persons[target].numbers}
        self.listed |= entries.listed(self.organization_id, phones | numbers | set(targets), timezone.now())
        for row, target in zip(batch, targets, strict=True):
            self._take(row, target)

    def _load(self, phones: Iterable[str]) -> None:
        contacts = Contact.objects.filter(organization=self.organization_id, phone__in=list(phones))
        known = {contact.pk: contact for contact in contacts.order_by()}
        numbers = persons.further_numbers(known) if known else {}
        tags = tagging.of(known) if known and self.tags is not None else {}
        for key, contact in known.items():
            names = tags.get(key, ())
            had = dict(zip(names, names, strict=True))
            self.persons[contact.phone] = Person(contact, numbers.get(key, {}), had, self.replacing_tags)

    def _take(self, row: ContactRow, target: str) -> None:
        found = self.found
        tags = self._known_tags(row)
        if tags is None:
            self.refused.append(RejectedRow(row.line, (), tagging.NO_ROOM))
            return
        row = row._replace(tags=tags)
        if target not in self.persons:
            person = self.persons[target] = Person(Held.of(row), replacing_tags=self.replacing_tags, new=True)
            person.begin(row)
            found.created += 1
        elif not self.updating:
            person = self.persons[target]
            found.skipped += 1
        else:
            person = self.persons[target]
            self._update(row, person)
        found.repeated += target in self.seen
        self.seen.add(target)
        if row.do_not_call:
            self.asking.append(asked(row))
        found.on_do_not_call += not self.listed.isdisjoint({row.phone, target, *person.numbers})

    def _known_tags(self, row: ContactRow) -> tuple[str, ...] | None:
        """Return the tags of the row, as they are written where they exist; None if there is no room for them."""
        if self.tags is None:
            return ()
        new = {tag_key(name): name for name in row.tags if tag_key(name) not in self.tags}
        if new and len(self.tags) + len(new) > tagging.MOST:
            return None
        self.tags |= new
        return tuple(self.tags[tag_key(name)] for name in row.tags)

    def _update(self, row: ContactRow, person: Person) -> None:
        found, was = self.found, person.state()
        if reason := person.take(row):
            self.refused.append(RejectedRow(row.line, (), reason))
            return
        before, after = difference(was, person.state())
        found.updated += bool(after)
        found.unchanged += not after
        if person.new:
            return
        found.changes.update(_kind(key) for key in after)
        found.examples += [
            Overwritten(row.line, person.contact.phone, key, before[key], value) for key, value in after.items()
        ][: EXAMPLES - len(found.examples)]
