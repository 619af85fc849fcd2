"""Which columns hold the name, the id, the language, the time zone and the tags of a contact: by their names. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from campaigns.imports.header_words import plain, words

FULL_NAME = frozenset(
    words(
        "full name|fullname|contact name|customer name|client name|nom complet|nombre completo|nome completo|"
        "vollstandiger name|volledige naam|name surname|patient name|nom et prenom|nom prenom|nome e cognome|"
        "nombre y apellidos|display name|vor und nachname|vorname und nachname|anzeigename|person name|"
        "имя и фамилия|фио"
    )
)
NAME = frozenset(
    words(
        "name|nom|nombre|nome|naam|namn|navn|nimi|nev|imie|nama|jina|tên|họ tên|họ và tên|ime|vardas|vards|ad soyad|"
        "contact|customer|client|имя|име|имʼя|ονομα|名前|姓名|氏名|이름|الاسم|שם|नाम|ชื่อ"
    )
)
FIRST_NAME = frozenset(
    words(
        "first name|firstname|given name|forename|first|prenom|vorname|voornaam|fornamn|fornavn|etunimi|primer nombre|"
        "primeiro nome|keresztnev|fname|person first name"
    )
)
LAST_NAME = frozenset(
    words(
        "last name|lastname|surname|family name|last|nom de famille|nom famille|nachname|familienname|achternaam|"
        "efternamn|efternavn|etternavn|sukunimi|apellido|apellidos|cognome|sobrenome|apelido|nazwisko|prijmeni|lname|"
        "person last name|фамилия"
    )
)
# If there is also one of these columns, the column `name` is the last name.
PAIRED_WITH_NAME = frozenset(words("prenom|vorname|voornaam|fornamn|fornavn|etunimi|keresztnev"))
OTHER = {
    "external_id": words(
        "external id|externalid|id|ref|reference|your id|customer id|client id|contact id|record id|lead id|person id|"
        "account id|crm id|user id|identifiant|id client|id de contact|id du contact|reference client|kundennummer|"
        "kunden id|kontakt id|datensatz id|id cliente|id de contacto|id de registro|referencia|riferimento|klantnummer"
    ),
    "language": words("language|preferred language|lang|locale|langue|sprache|idioma|lingua|taal|sprak|язык"),
    "timezone": words(
        "timezone|time zone|tz|fuseau horaire|fuseau|zeitzone|zona horaria|fuso orario|fuso horario|tijdzone"
    ),
    "tags": words(
        "tags|tag|contact tags|customer tags|tag list|etiquettes|etiquette|mots cles|schlagworte|schlagworter|"
        "schlagwort|stichworte|stichworter|etiketten|etiquetas|etiqueta|etichette|etichetta"
    ),
}


def name_columns(header: Collection[str]) -> list[str]:
    """Return the columns that make up the contact's name."""

    def first_in(known: frozenset[str]) -> list[str]:
        return [column for column in header if plain(column) in known][:1]

    full, name, first, last = first_in(FULL_NAME), first_in(NAME), first_in(FIRST_NAME), first_in(LAST_NAME)
    if full:
        return full
    if name and first and not last and plain(first[0]) in PAIRED_WITH_NAME:
        return first + name
    if name and last and not first and plain(name[0]) != "name":
        return name + last  # nombre, apellidos
    if first and last and name and plain(name[0]) in {"contact", "customer", "client"}:
        return first + last
    return name or first + last


def other_fields(header: Collection[str]) -> Mapping[str, str]:
    """Return the field of each other column that holds one: the column with the best word for it."""
    found: dict[str, str] = {}
    for field, known in OTHER.items():
        column = best([each for each in header if each not in found], known)
        if column:
            found[column] = field
    return found


def best(header: Sequence[str], known: Sequence[str]) -> str:
    """Return the column whose name is the earliest of the known words; "" if there is none."""
    ranked = [(known.index(plain(column)), column) for column in header if plain(column) in known]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else ""


def name_order(header: str) -> int:
    """Return the sort key that puts first names before last names, whatever the order of the columns."""
    text = plain(header)
    return 0 if text in FIRST_NAME else 2 if text in LAST_NAME else 1


def is_field(header: str) -> bool:
    """Return whether a name is exactly one that this module knows."""
    text = plain(header)
    names = (FULL_NAME, NAME, FIRST_NAME, LAST_NAME)
    return any(text in known for known in names) or any(text in known for known in OTHER.values())
