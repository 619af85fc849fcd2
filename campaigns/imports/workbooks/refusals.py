"""Why a workbook is refused, and the sentence for each reason. Known to the child process and to its parent."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from xml.parsers import expat


class Reason(IntEnum):
    """The reason of a refusal. Its value is the exit status of the child process."""

    DAMAGED = 10
    BOMB = 11
    LOCKED = 12
    NO_SHEET = 13
    WORDS = 14
    NOT_A_WORKBOOK = 15
    OLD = 16
    TOO_LARGE = 17


SENTENCES = {
    Reason.DAMAGED: "This workbook is damaged; open it in your spreadsheet program and save it as .xlsx again, or save "
    "the sheet as 'CSV UTF-8'.",
    Reason.BOMB: "This workbook unpacks to far more than a sheet of contacts; split it, or save the sheet as "
    "'CSV UTF-8'.",
    Reason.LOCKED: "This workbook is protected by a password; save it without one, or save the sheet as 'CSV UTF-8'.",
    Reason.NO_SHEET: "This workbook has no sheet that can be read; put the contacts on a sheet of cells.",
    Reason.WORDS: "This is a text document or a presentation; save the table as .xlsx or as 'CSV UTF-8'.",
    Reason.NOT_A_WORKBOOK: "This is a zip file, not a workbook; unpack it and import the CSV file or workbook inside.",
    Reason.OLD: "This is not a workbook that can be read: an old document, or one with a password; save the sheet as "
    ".xlsx without a password, or as 'CSV UTF-8'.",
    Reason.TOO_LARGE: "This workbook takes more memory or time to read than an import may; save the sheet as "
    "'CSV UTF-8', or split it.",
}


class Refused(Exception):
    """The workbook cannot be read."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(SENTENCES[reason])
        self.reason = reason


@contextmanager
def reporting_damage() -> Iterator[None]:
    """Turn the errors of a damaged workbook into Refused."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, NotImplementedError, RuntimeError) as error:
        raise Refused(Reason.DAMAGED) from error
    except (ValueError, OverflowError, LookupError, struct.error) as error:
        raise Refused(Reason.DAMAGED) from error
