"""A cell as people, spreadsheets and programs write a number, taken apart into digits. Knows no country."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from campaigns.phones.faults import EXAMPLE, NotCallable, shown

LONGEST = 250  # characters; the time for a longer text would grow with the square of its length
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
EXPONENT = re.compile(r"([+-]?)(\d+)(?:[.,](\d+))?[eE]([+-]?\d{1,3})")  # how a spreadsheet writes a long number
FLOAT = re.compile(r"(\+?\d{7,15})\.0+")  # how a program writes a number as a float: exact, so it can be undone
THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3}){2,}")
EXTENSION = re.compile(r"(?i)(?:ext|extn|extension|poste|durchwahl|int|anexo|x|#|,)[.:\s]*\d+\s*$")
EMPTY_EXTENSION = re.compile(r"(?i)(?<=\d)[\s,]*(?:ext|extn|extension|poste|x)[.:\s]*$")
AREA_SLASH = re.compile(r"[+0]\D*(?:\d\D*){0,6}/[^/]+")  # 030/123456, but never two numbers in one cell
FORMULA = re.compile(r"=\s*[\"\u201c\u201d]+(.*?)[\"\u201c\u201d]+")  # the guard that keeps the zero
LABEL = re.compile(
    r"(?i)(?:p|t|m|tel|tél|phone|telephone|téléphone|telefon|telefono|teléfono|callto|sms|smsto|whatsapp|wa|mobile|"
    r"mobil|mob|cell|cel|celular|gsm|portable|handy|móvil|movil|fon)\s*[:.][\s:.]*(?://)?"
)
# Chat links have the number with its country code and without a plus.
CHAT_LINK = re.compile(
    r"(?i)(?:https?://)?(?:wa\.me/|(?:api|web)\.whatsapp\.com/send/?\?phone=|whatsapp://send/?\?phone=)(?:\+|%2b)?"
    r"(\d{7,15})(?:[/?&].*)?"
)
# The common forms: digits in groups, with at most one sign between them. No group before a dot has seven digits, so it
# is no number that a program wrote as a float; and no group in brackets is a lone zero.
GROUPS = re.compile(
    r"(?:\+[1-9]\d{0,12}|\(\d{2,6}\)|\d{1,12})(?:(?:[ -]|(?<=\))| ?\(\d{2,6}\) ?)\d{1,12}){1,6}"
    r"|\+?[1-9]?\d{1,5}(?:\.\d{1,6}){1,6}",
    re.ASCII,
)
SIGNS = dict.fromkeys(map(ord, " -.()"))
BRACKETED_ZERO = re.compile(r"[(\[]0[)\]]")
GUARDS = "'`\N{ACUTE ACCENT}\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"
QUOTES = '"\u201c\u201d'
# Characters of other categories that show nothing: those that Unicode calls ignorable (Default_Ignorable_Code_Point),
# an object left of rich text, an empty pattern of braille. And the frame of a digit of an emoji.
SHOWS_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc\u20e3\U000e0100-\U000e01ef]"
)
PLUSES = "+\N{FULLWIDTH PLUS SIGN}\N{SMALL PLUS SIGN}"


@dataclass(frozen=True)
class Written:
    """The digits of a text, and what it says about its country code."""

    digits: str
    plus: bool = False
    groups: tuple[str, ...] = ()  # how the digits were grouped
    without_zero: str = ""  # the digits without a zero in brackets, if there is one


def read(text: str) -> Written:
    """Return the digits of a cell with one number. Raises NotCallable, and never for what it can undo."""
    if E164.fullmatch(text):
        return Written(text[1:], plus=True)
    cell = _stripped(text)
    if len(cell) > LONGEST:
        raise NotCallable(f"'{shown(text)}' is too long for a phone number; write one like {EXAMPLE}.")
    cell = _unwrapped(cell)
    if any(unicodedata.category(character) == "Cc" for character in cell):
        raise NotCallable(f"'{shown(text)}' holds control characters; type the number again like {EXAMPLE}.")
    if not cell:
        raise NotCallable(f"There is no phone number; write one like {EXAMPLE}.")
    if link := CHAT_LINK.fullmatch(cell):
        return Written(link[1], plus=True)
    cell, context = _without_parameters(cell, text)
    cell = _counted_out(cell, text)
    cell = EMPTY_EXTENSION.sub("", cell)
    if EXTENSION.search(cell):
        raise NotCallable(
            f"'{shown(text)}' has an extension, which cannot be dialled; give a direct number like {EXAMPLE}."
        )
    plain, plus = _plus_of(_symbols(cell, text), text)
    if context and not plus:
        plain, plus = context + plain, True
    closed = "".join(cell.split())
    without_zero = BRACKETED_ZERO.sub("", closed, count=1)
    return Written(
        plain,
        plus,
        groups=tuple(re.findall(r"\d+", cell)),
        without_zero=_plus_of(_symbols(without_zero, text), text)[0] if without_zero != closed else "",
    )


def plain(text: str) -> str:
    """Return the digits of a number in a common form, with its plus; "" for any other text, which `read` takes apart.

    `read` has the same digits and plus for it, and no zero in brackets.
    """
    if (text.isascii() and text.isdigit()) or E164.fullmatch(text):
        return text
    return text.translate(SIGNS) if GROUPS.fullmatch(text) else ""


def _unwrapped(text: str) -> str:
    """Return the text without invisible ends, quotes, the quotes of a formula, guard apostrophes and a label."""
    cell = SHOWS_NOTHING.sub("", text)
    while True:
        before = cell
        cell = _stripped(cell)
        if formula := FORMULA.fullmatch(cell):
            cell = formula[1]
        if cell[:1] in QUOTES + GUARDS and cell[-1:] in QUOTES + GUARDS:
            cell = cell[1:-1]  # never a quote at one end alone: it was opened somewhere else
        cell = cell.lstrip(GUARDS)
        if label := LABEL.match(cell):
            cell = cell[label.end() :]
        if cell == before:
            return cell


def _stripped(cell: str) -> str:
    """Return the cell without spaces, control characters and marks of direction at its ends."""
    start, end = 0, len(cell)
    while start < end and _invisible(cell[start]):
        start += 1
    while end > start and _invisible(cell[end - 1]):
        end -= 1
    return cell[start:end]


def _invisible(character: str) -> bool:
    return character.isspace() or (not character.isprintable() and unicodedata.category(character) in {"Cc", "Cf"})


def _without_parameters(cell: str, text: str) -> tuple[str, str]:
    """Return the cell without the parameters of a `tel:` address, and the country code that they give."""
    number, *parameters = cell.split(";")
    context = ""
    for parameter in parameters:
        name, _, value = parameter.strip().lower().partition("=")
        if name == "phone-context":  # RFC 3966: a country code, or a domain that says nothing about it
            context = "".join(filter(str.isdigit, value)) if value.startswith("+") else ""
        elif name != "ext" or value:
            raise NotCallable(f"'{shown(text)}' carries parameters after ';'; give the number alone, like {EXAMPLE}.")
    return number.strip(), context


def _counted_out(cell: str, text: str) -> str:
    """Return a number that was written as a quantity in all its digits. Raises NotCallable if some are lost."""
    if found := EXPONENT.fullmatch(cell):
        sign, whole, fraction, exponent = found[1], found[2], found[3] or "", int(found[4])
        # A digit that is not shown may have been rounded away: only as many decimals as the exponent give all of them.
        if sign == "-" or not 0 <= exponent <= len(fraction) or fraction[exponent:].strip("0"):
            raise NotCallable(
                f"'{shown(text)}' was destroyed by the spreadsheet, which rounded the number; "
                "format the column as text and export it again."
            )
        return sign + whole + fraction[:exponent]
    if found := FLOAT.fullmatch(cell):
        return found[1]
    return cell.replace(",", "") if THOUSANDS.fullmatch(cell) else cell


def _plus_of(plain: str, text: str) -> tuple[str, bool]:
    """Return the digits, and whether a plus is before them: also a doubled one, or beside the 00 that it stands for."""
    digits = plain.strip("+").removeprefix("00+").lstrip("+")
    plus = "+" in plain  # at the end too: text from right to left moves it there
    if not digits or "+" in digits:
        raise NotCallable(f"'{shown(text)}' is not a phone number; write it like {EXAMPLE}.")
    if plus and digits.startswith("00"):
        digits = digits[2:]
    return digits, plus and not digits.startswith("0")  # no country code begins with 0: such a plus means nothing


def _symbols(cell: str, text: str) -> str:
    """Return the digits and pluses of a cell. Raises NotCallable if it holds anything but one number."""
    plain = "".join(_symbol(character, text) for character in cell)
    if "/" in plain and not AREA_SLASH.fullmatch(plain):
        raise NotCallable(f"'{shown(text)}' looks like several numbers; keep one, like {EXAMPLE}.")
    return plain.replace("/", "")


def _symbol(character: str, text: str) -> str:
    """Return the digit, plus or slash that a character stands for, or "" for a separator. Raises NotCallable."""
    if character.isdecimal():  # Arabic, full-width and other decimal digits
        return str(unicodedata.decimal(character))
    category = unicodedata.category(character)
    if character in PLUSES:
        return "+"
    if character in "/\N{FULLWIDTH SOLIDUS}":
        return "/"
    # Spaces, dashes, brackets, dots, and invisible marks that come with text copied from a web page or an address book.
    if (
        category in {"Zs", "Pd", "Ps", "Pe", "Cf"}
        or character in ".\N{MIDDLE DOT}\N{FULLWIDTH FULL STOP}\N{MINUS SIGN}"
    ):
        return ""
    if category.startswith("L"):
        raise NotCallable(f"'{shown(text)}' has letters in it; write the number in digits, like {EXAMPLE}.")
    raise NotCallable(f"'{shown(text)}' has '{character}' in it; write the number in digits, like {EXAMPLE}.")
