"""Map the columns of a file to contact fields: by the names of the columns, or as the user chose. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIELDS = ("phone", "name", "external_id", "language", "timezone")
VARIABLE = re.compile(r"variables\.[A-Za-z_][A-Za-z0-9_]{0,63}")
UNNAMED = re.compile(r"\(column \d+\)")
MAX_VARIABLES = 64
REJECTED_COLUMNS = ("line", "reason")  # the last two columns of a file of rejected rows


def _words(text: str) -> list[str]:
    return text.split("|")


# The best word first: if two columns may be the phone number, the earlier word wins.
PHONE = _words(
    "phone|phone number|phonenumber|telephone|telephone number|tel|tel number|tel no|phone no|number|e164|msisdn|"
    "contact number|contact phone|customer phone|to number|to|"
    "numero de telephone|no de telephone|n de telephone|numero tel|no tel|numero|num tel|telefon|telefonnummer|"
    "rufnummer|telefono|numero de telefono|numero di telefono|telefone|numero de telefone|telefoonnummer|telefoon|"
    "nummer|puhelin|puhelinnumero|telefonszam|numer telefonu|numar de telefon|telefonnr|telefonni cislo|"
    "telefon numarasi|mobile|mobile phone|mobile number|mobile no|cell|cell phone|cellphone|cell number|portable|"
    "telephone portable|telephone mobile|gsm|mobil|mobilnummer|handy|handynummer|movil|telefono movil|celular|"
    "cellulare|telemovel|mobiel|home phone|work phone|business phone|landline|fixe|telephone fixe|"
    "телефон|номер телефона|номер|τηλεφωνο|電話|電話番号|电话|手机|手机号|전화번호|هاتف|رقم الهاتف|טלפון"
)
PHONE_WORDS = frozenset(_words("phone|telephone|telefon|telefono|telefone|mobile|cell|tel|msisdn|handy|gsm|телефон"))
NOT_PHONE_WORDS = frozenset(_words("type|label|ext|extension|country|code|consent|opt|status|verified|carrier|date"))
FULL_NAME = frozenset(
    _words(
        "full name|fullname|contact name|customer name|client name|nom complet|nombre completo|nome completo|"
        "vollstandiger name|volledige naam|name surname|patient name|nom et prenom|nom prenom|nome e cognome|"
        "nombre y apellidos|имя и фамилия|фио"
    )
)
NAME = frozenset(_words("name|nom|nombre|nome|naam|namn|navn|nimi|nev|imie|contact|customer|client|имя|名前|姓名|氏名"))
FIRST_NAME = frozenset(
    _words(
        "first name|firstname|given name|forename|first|prenom|vorname|voornaam|fornamn|fornavn|etunimi|primer nombre|"
        "primeiro nome|keresztnev"
    )
)
LAST_NAME = frozenset(
    _words(
        "last name|lastname|surname|family name|last|nom de famille|nom famille|nachname|familienname|achternaam|"
        "efternamn|efternavn|etternavn|sukunimi|apellido|apellidos|cognome|sobrenome|apelido|nazwisko|prijmeni|фамилия"
    )
)
# If there is also one of these columns, the column `name` is the last name.
PAIRED_WITH_NAME = frozenset(_words("prenom|vorname|voornaam|fornamn|fornavn|etunimi|keresztnev"))
OTHER = {
    "external_id": _words(
        "external id|externalid|id|ref|reference|your id|customer id|client id|contact id|record id|crm id|user id|"
        "identifiant|id client|reference client|kundennummer|kunden id|id cliente|referencia|riferimento|klantnummer"
    ),
    "language": _words("language|lang|locale|langue|sprache|idioma|lingua|taal|sprak|язык"),
    "timezone": _words(
        "timezone|time zone|tz|fuseau horaire|fuseau|zeitzone|zona horaria|fuso orario|fuso horario|tijdzone"
    ),
}


class UnreadableFile(ValueError):
    """The file cannot be read at all. The message says what to do."""


def _plain(header: str) -> str:
    """Return a header in lower case, without accents and punctuation."""
    spread = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header)
    letters = (c for c in unicodedata.normalize("NFKD", spread.casefold()) if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in letters).split())


def unique_header(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the column names. Empty and repeated names get a number, so that every name is unique."""
    seen: dict[str, int] = {}
    names = []
    for number, cell in enumerate(cells, 1):
        name = " ".join(cell.replace("\ufeff", "").replace("\0", "").split())[:200] or f"(column {number})"
        while name in seen:
            seen[name] += 1
            name = f"{name} ({seen[name]})"
        seen[name] = 1
        names.append(name)
    return tuple(names)


def variable_name(header: str, number: int) -> str:
    """Return a column name as an identifier. A name that is an identifier does not change."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", header) if not unicodedata.combining(c))
    name = re.sub(r"[^A-Za-z0-9_]+", "_", plain).strip("_")[:60]
    if not name:
        return f"column_{number}"
    return f"_{name}" if name[0].isdigit() else name


def guess_mapping(header: Sequence[str]) -> dict[str, str]:
    """Return the likely target of each column. If no column looks like phone numbers, none is `phone`."""
    plain = {column: _plain(column) for column in header}
    mapping: dict[str, str] = {}
    if phone := _best(plain, PHONE) or _phone_by_word(plain):
        mapping[phone] = "phone"
    mapping.update(dict.fromkeys(_name_columns(plain), "name"))
    for field, words in OTHER.items():
        column = _best({name: text for name, text in plain.items() if name not in mapping}, words)
        if column:
            mapping[column] = field
    if tuple(plain.values())[-2:] == REJECTED_COLUMNS:
        mapping.update(dict.fromkeys(tuple(header)[-2:], ""))
    return complete_mapping(header, mapping)


def _best(plain: Mapping[str, str], words: Sequence[str]) -> str:
    found = [(words.index(text), name) for name, text in plain.items() if text in words]
    return min(found, key=lambda pair: pair[0])[1] if found else ""


def _phone_by_word(plain: Mapping[str, str]) -> str:
    for name, text in plain.items():
        words = set(text.split())
        if words & PHONE_WORDS and not words & NOT_PHONE_WORDS:
            return name
    return ""


def number_columns(header: Sequence[str]) -> list[int]:
    """Return the indexes of all columns of phone numbers, by their names: the likeliest first, then the others."""
    guessed = guess_mapping(header)
    first = [index for index, column in enumerate(header) if guessed[column] == "phone"]
    words = [set(_plain(column).split()) for column in header]
    others = [index for index, each in enumerate(words) if each & PHONE_WORDS and not each & NOT_PHONE_WORDS]
    return list(dict.fromkeys([*first, *others]))


def _name_columns(plain: Mapping[str, str]) -> list[str]:
    def first_in(words: frozenset[str]) -> list[str]:
        return [name for name, text in plain.items() if text in words][:1]

    full, name, first, last = first_in(FULL_NAME), first_in(NAME), first_in(FIRST_NAME), first_in(LAST_NAME)
    if full:
        return full
    if name and first and not last and plain[first[0]] in PAIRED_WITH_NAME:
        return first + name
    if name and last and not first and plain[name[0]] != "name":
        return name + last  # nombre, apellidos
    return name or first + last


def complete_mapping(header: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """Return the mapping of every column. Unmapped columns become variables, or "" without a name."""
    full = {column: mapping[column] for column in header if column in mapping}
    taken = {target for target in full.values() if isinstance(target, str)}
    for number, column in enumerate(header, 1):
        if column in full:
            continue
        if UNNAMED.fullmatch(column):
            full[column] = ""
            continue
        name, again = variable_name(column, number), 1
        while f"variables.{name}" in taken:
            again += 1
            name = f"{variable_name(column, number)}_{again}"
        full[column] = f"variables.{name}"
        taken.add(full[column])
    return full


def chosen_mapping(header: Sequence[str], mapping: Mapping[str, str] | None) -> dict[str, str]:
    """Return the user's mapping, completed; without one, the guess. The phone column is guessed if it is not mapped."""
    if not mapping:
        return guess_mapping(header)
    by_name = {column.casefold(): column for column in reversed(header)}
    chosen = {by_name.get(str(column).strip().casefold(), column): target for column, target in mapping.items()}
    chosen |= {column: target for column, target in mapping.items() if column in header}
    if "phone" not in chosen.values():
        rest = {column: _plain(column) for column in header if column not in chosen}
        if phone := _best(rest, PHONE) or _phone_by_word(rest):
            chosen[phone] = "phone"
    unknown = {column: target for column, target in chosen.items() if column not in header}
    return complete_mapping(header, chosen) | unknown


def mapping_faults(header: Sequence[str], mapping: Mapping[str, str]) -> list[str]:
    """Return every reason why this mapping cannot be used, as sentences."""
    columns = ", ".join(f"'{column}'" for column in header[:40]) + (" …" if len(header) > 40 else "")
    faults = [f"There is no column '{column}'; the file has {columns}." for column in mapping if column not in header]
    targets = {column: target for column, target in mapping.items() if column in header}
    for column, target in targets.items():
        if not isinstance(target, str) or not (not target or target in FIELDS or VARIABLE.fullmatch(target)):
            faults.append(
                f"Column '{column}' cannot become {target!r}; choose {', '.join(FIELDS)}, variables.NAME "
                'or "" to leave it out.'
            )
    used = [target for target in targets.values() if isinstance(target, str) and target and target != "name"]
    for target in dict.fromkeys(target for target in used if used.count(target) > 1):
        faults.append(f"Two columns become {target}; keep one and map the other to something else.")
    if "phone" not in used:
        faults.append(
            f"No column holds the phone number. The file has {columns}; "
            'name the column phone, or map it like {"' + (header[0] if header else "Mobile") + '": "phone"}.'
        )
    if (count := sum(target.startswith("variables.") for target in used)) > MAX_VARIABLES:
        faults.append(f'{count} columns become variables, at most {MAX_VARIABLES} can; map the others to "".')
    return faults


def _name_order(header: str) -> int:
    """Return the sort key that puts first names before last names, whatever the order of the columns."""
    plain = _plain(header)
    return 0 if plain in FIRST_NAME else 2 if plain in LAST_NAME else 1


@dataclass(frozen=True)
class ColumnMapping:
    """The column index of each field of a contact."""

    header: tuple[str, ...]
    phone: int
    names: tuple[int, ...]
    external_id: int | None
    language: int | None
    timezone: int | None
    variables: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, header: Sequence[str], mapping: Mapping[str, str]) -> ColumnMapping:
        """Build from a complete mapping. Raises UnreadableFile with every fault of the mapping."""
        if faults := mapping_faults(header, mapping):
            raise UnreadableFile(" ".join(faults))
        by_target = {mapping.get(column, ""): index for index, column in enumerate(header)}
        names = [index for index, column in enumerate(header) if mapping.get(column) == "name"]
        return cls(
            header=tuple(header),
            phone=by_target["phone"],
            names=tuple(sorted(names, key=lambda index: _name_order(header[index]))),
            external_id=by_target.get("external_id"),
            language=by_target.get("language"),
            timezone=by_target.get("timezone"),
            variables=tuple(
                (target.removeprefix("variables."), index)
                for target, index in by_target.items()
                if target.startswith("variables.")
            ),
        )

    @property
    def fields(self) -> frozenset[str]:
        """Return the names of the model fields that this file contains."""
        single = {name for name in ("external_id", "language", "timezone") if getattr(self, name) is not None}
        return frozenset(single | ({"name"} if self.names else set()) | ({"variables"} if self.variables else set()))
