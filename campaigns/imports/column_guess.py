"""What each column of a file is likely to become, and why: by known exports, then by the names of the columns. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from campaigns.imports.consent import consent_field
from campaigns.imports.field_headers import name_columns, other_fields
from campaigns.imports.header_words import plain
from campaigns.imports.known_exports import known_export
from campaigns.imports.opt_out import OptOut, opt_out_header
from campaigns.imports.own_files import own_file, own_targets
from campaigns.imports.phone_headers import kind_column, number_columns, other_number, phone_header

ITS_NAME = "its name"


@dataclass(frozen=True)
class Guess:
    """What a column becomes, and why. A target of None: somebody has to decide."""

    target: str | None
    reason: str


def guesses(header: Sequence[str]) -> dict[str, Guess]:
    """Return what the columns become that are understood. The others are free: variables, or left out."""
    found = _exported(header) | _ours(header)
    found = _consents(header) | found
    found = _phones(header, found) | found
    rest = [column for column in header if column not in found]
    found |= {column: Guess("name", ITS_NAME) for column in name_columns(rest) if not _has(found, "name")}
    taken = {each.target for each in found.values()}
    others = other_fields([column for column in header if column not in found])
    found |= {column: Guess(field, ITS_NAME) for column, field in others.items() if field not in taken}
    export = known_export(header)
    if export is None:
        return found
    return {
        column: replace(each, reason=f"{export.name} export") if each.reason == ITS_NAME else each
        for column, each in found.items()
    }


def asked_by_itself(header: Sequence[str]) -> dict[str, Guess]:
    """Return what columns become although somebody mapped other columns only: opt-outs, consents, and our own."""
    exported = _exported(header)
    asked = {column: exported.get(column, each) for column, each in _consents(header).items()}
    return asked | _ours(header)


def _ours(header: Sequence[str]) -> dict[str, Guess]:
    """Return what the columns of a file that Trunkline wrote become."""
    own = own_file(header)
    why = own.name if own else "the file of rejected rows"
    return {column: Guess(target, why) for column, target in own_targets(header).items()}


def _has(found: Mapping[str, Guess], target: str) -> bool:
    return any(each.target == target for each in found.values())


def _exported(header: Sequence[str]) -> dict[str, Guess]:
    export = known_export(header)
    if export is None:
        return {}
    targets = {column: export.targets.get(plain(column)) for column in header}
    return {column: Guess(target, f"{export.name} export") for column, target in targets.items() if target is not None}


def _consents(header: Collection[str]) -> dict[str, Guess]:
    """Return the columns about consent and opt-outs. Of two for the same part of a consent, the first counts."""
    found: dict[str, Guess] = {}
    for column in header:
        says = opt_out_header(column)
        if field := consent_field(column):
            if not _has(found, field):
                found[column] = Guess(field, ITS_NAME)
        elif says is OptOut.KNOWN:
            found[column] = Guess("do_not_call", ITS_NAME)
        elif says is OptOut.INVERSE:
            found[column] = Guess(None, "it only looks like permission to call")
        elif says is OptOut.ASKS:
            found[column] = Guess(None, "it only looks like do-not-call or consent")
    return found


def _phones(header: Sequence[str], known: Collection[str]) -> dict[str, Guess]:
    """Return the columns of numbers, of words for their kinds, and of numbers that are left out."""
    found: dict[str, Guess] = {}
    for index in number_columns(header):
        column = header[index]
        if column in known:
            continue
        what = phone_header(column)
        label = kind_column(header, index)
        if label is not None and header[label] not in known:
            found[header[label]] = Guess("phone_kind", f"it names the kind of '{column}'")
        found[column] = Guess(f"phone.{what.kind}" if what and what.kind else "phone", ITS_NAME)
    for column in header:
        if column in known or column in found or opt_out_header(column):
            continue
        if why := other_number(column):
            found[column] = Guess("", why)
    return found
