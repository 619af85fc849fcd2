"""Files that Trunkline wrote itself: what their columns become, and how their cells are read back. Pure.

Such a file holds contacts as they are stored, so an import of it must change nothing. Its texts are taken as they are,
its numbers in their order. The list of contacts brings all that is known about a contact. All other files bring the
number alone, or what a contact has; their other columns are about calls, campaigns or settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import phonenumbers

from campaigns.imports.header_words import plain
from tenants.spreadsheets import as_written

NUMBER, SHOWN, OUR_ID = "Number (E.164)", "Phone number", "Id"  # columns of files of the back office
REJECTED_COLUMNS = ("line", "reason")  # the last two columns of a file of rejected rows
FURTHER = re.compile(r"Number \d \(E\.164\)")
KIND = re.compile(r"Kind( \d)?")
VARIABLE = re.compile(r"variables\.[A-Za-z_][A-Za-z0-9_]{0,63}")
OF_THE_NUMBER = "from the number"  # the list's words for a contact without a time zone of its own
MOST_OF_A_NUMBER = 6  # digits
FAULTY_ZONE = re.compile(r".* \([^()]*\)")


@dataclass(frozen=True)
class OwnFile:
    """A kind of file. `needs`: columns that every such file has. `targets`: what columns become.

    Other columns are left out, or follow the general rules if the file is `open`: somebody may have added them.
    """

    name: str
    needs: frozenset[str]
    targets: Mapping[str, str] = field(default_factory=dict)
    open: bool = False

    def target(self, column: str) -> str | None:
        """Return what a column becomes; None if the general rules decide."""
        if column in self.targets:
            return self.targets[column]
        if self.open:
            if FURTHER.fullmatch(column):
                return "phone"
            if KIND.fullmatch(column):
                return "phone_kind"
            return column if VARIABLE.fullmatch(column) else None
        return ""


CONTACTS = OwnFile(
    "Trunkline's contacts",
    frozenset({NUMBER, SHOWN, "May be called", OUR_ID}),
    {
        NUMBER: "phone",
        "Name": "name",
        "May be called": "may_call",
        "External ID": "external_id",
        "Language": "language",
        "Time zone": "timezone",
        "Tags": "tags",
        "Consent basis": "consent_basis",
        "Consent at (UTC)": "consent_at",
        "Consent evidence": "consent_evidence",
        SHOWN: "",
        OUR_ID: "",
    },
    open=True,
)
OWN_FILES = (
    CONTACTS,
    OwnFile("Trunkline's caller numbers", frozenset({NUMBER, OUR_ID, "Provider account", "Rests until"})),
    OwnFile("Trunkline's list", frozenset({NUMBER, OUR_ID}), {NUMBER: "phone"}),
    OwnFile(
        "Trunkline's results",
        frozenset({"recipient", "contact", "phone", "call_status", "answered_by", "variables"}),
        {"phone": "phone", "name": "name", "external_id": "external_id"},
    ),
    OwnFile(
        "Trunkline's evidence",
        frozenset({"record", "to_number", "from_number", "ordered_at_utc", "campaign_version"}),
        {"to_number": "phone"},
    ),
)


def own_file(header: Sequence[str]) -> OwnFile | None:
    """Return which of our files has these columns; None if it is somebody else's."""
    present = set(header)
    fitting = [each for each in OWN_FILES if each.needs <= present]
    return max(fitting, key=lambda each: len(each.needs), default=None)


def is_rejected_file(header: Sequence[str]) -> bool:
    """Return whether this is a file of rejected rows."""
    return tuple(plain(column) for column in header)[-2:] == REJECTED_COLUMNS


def own_targets(header: Sequence[str]) -> dict[str, str]:
    """Return what the columns of our own files become, as far as the kind of file decides it."""
    found: dict[str, str] = {}
    if own := own_file(header):
        found = {column: target for column in header if (target := own.target(column)) is not None}
    return found | (dict.fromkeys(header[-2:], "") if is_rejected_file(header) else {})


def guards(header: Sequence[str]) -> int:
    """Return how many apostrophes may guard a cell. A row of our own file that was rejected has been guarded twice."""
    return is_rejected_file(header) + (own_file(header) is not None)


def kind_column(header: Sequence[str], number: str) -> int | None:
    """Return the column with the kind of the numbers in this one: `Kind 2` for `Number 2 (E.164)`."""
    kind = number.replace("Number", "Kind").removesuffix(" (E.164)")
    return header.index(kind) if kind in header else None


def shown_number(header: Sequence[str]) -> int | None:
    """Return the column of the list of contacts that shows the number as its country writes it."""
    return header.index(SHOWN) if own_file(header) is CONTACTS else None


def unguarded(cells: Sequence[str], times: int) -> list[str]:
    """Return the texts without the apostrophes that guard them in a spreadsheet."""
    found = list(cells)
    for _ in range(times):
        found = [as_written(cell) for cell in found]
    return found


def zone_of(cell: str) -> str:
    """Return the time zone of a cell of our file; "" if the contact has none, or one that is marked as wrong."""
    text = cell.strip()
    return "" if text == OF_THE_NUMBER or FAULTY_ZONE.fullmatch(text) else text


def contradiction(shown: str, phone: str) -> str:
    """Return why the number of a row is not certain: one of the two columns that show it was changed. "" if it is."""
    digits = "".join(character for character in shown if character.isdecimal())
    if not digits or (len(digits) > MOST_OF_A_NUMBER and phone.endswith(digits)):
        return ""
    number = phonenumbers.parse(phone, None)
    try:
        if phonenumbers.parse(shown, phonenumbers.region_code_for_number(number)) == number:
            return ""
    except phonenumbers.NumberParseException:
        pass
    return (
        f"The columns '{SHOWN}' and '{NUMBER}' hold two numbers, {shown.strip()[:40]} and {phone}; write the right one "
        f"into '{NUMBER}' and empty '{SHOWN}'."
    )
