"""Exports that are recognised by their columns, and what those columns become. Pure.

An entry knows a program's columns that words alone would read wrongly. All other columns are read by their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from campaigns.imports.header_words import plain, words


@dataclass(frozen=True)
class KnownExport:
    """Files of one program. `needs`: plain names that every such file has. `targets`: what columns become, by name.

    A target of None leaves the column to the general rules.
    """

    name: str
    needs: frozenset[str]
    targets: Mapping[str, str | None] = field(default_factory=dict)


def _export(program: str, needs: str, /, **targets: str) -> KnownExport:
    """Build an entry. Each keyword is a target with `__` for its dot, and holds the names of its columns."""
    return KnownExport(
        program,
        frozenset(words(needs)),
        {
            column: "" if target == "left_out" else target.replace("__", ".")
            for target, columns in targets.items()
            for column in words(columns)
        },
    )


# Left out are columns about e-mail that look like consent to calls.
EXPORTS: tuple[KnownExport, ...] = (
    _export("Google Contacts", "phone 1 label|phone 1 value"),
    _export("Google Contacts", "phone 1 type|phone 1 value"),  # until 2024
    _export("Outlook", "business phone|home phone|mobile phone|e mail address", phone__other="car phone"),
    _export("Outlook", "telefon geschaftlich|telefon privat|mobiltelefon", phone__other="autotelefon"),
    _export("Outlook", "telephone bureau|telephone domicile|tel mobile", phone__other="telephone voiture"),
    _export(
        "Outlook",
        "telefono del trabajo|particular",
        phone__home="particular|particular 2",
        phone__other="telefono del automovil",
    ),
    _export("HubSpot", "record id|first name|last name|phone number"),
    _export("Salesforce", "contact id|last name|phone", external_id="contact id"),
    _export("Salesforce", "lead id|last name|phone", external_id="lead id"),
    _export("Salesforce", "id|last name|do not call", external_id="id"),
    _export("SuiteCRM", "office phone|mobile|home|other phone", phone__home="home"),
    _export("Twenty", "name first name|name last name", name="name first name|name last name"),
    _export("Meta lead", "form id|is organic|platform", external_id="id|lead id"),
    _export("LinkedIn lead", "lead id|form name|submitted at", external_id="lead id"),
    _export("Mailchimp", "email address|member rating|optin time", left_out="optin time|optin ip"),
    _export("Pipedrive", "person name|person id", name="person name", external_id="person id"),
    _export(
        "Zoho",
        "record id|email opt out|unsubscribed mode",
        external_id="record id",
        left_out="unsubscribed mode|unsubscribed time",
    ),
)


def known_export(header: Sequence[str]) -> KnownExport | None:
    """Return the program that wrote a file with these columns; None if it is not known."""
    present = {plain(column) for column in header}
    fitting = [each for each in EXPORTS if each.needs <= present]
    return max(fitting, key=lambda each: len(each.needs), default=None)
