"""Columns with the country of a row's person, and how they decide what a number without a country code is. Pure.

`612345678` is a mobile number in France and in Spain. Beside *Country: Spain* it is not read as one of France in
silence: it is read in both countries, and refused if that makes two numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from campaigns.imports.country_names import named_country
from campaigns.imports.header_words import plain, tokens, words
from campaigns.imports.phone_headers import HOME, KINDS, MOBILE, OTHER, PHONE_TOKENS, WORK
from campaigns.phones import EVERYWHERE, NotCallable, TwoReadings
from campaigns.phones.faults import shown

COUNTRY = frozenset(
    words(
        "country|countries|pays|land|pais|paese|nation|nazione|nacion|nacao|kraj|panstwo|zeme|krajina|orszag|tara|"
        "drzava|ulke|riik|salis|valstybe|valsts|negara|nchi|wohnland|wohnsitzland|aufenthaltsland|lieferland|"
        "rechnungsland|landername|landname|countryname|countrycode|countryiso|paysiso|landercode|landescode|"
        "landcode|landkode|landskod|landerkurzel|landeskurzel|landkurzel|landerkennzeichen|"
        "landeskennzeichen|landerkennung|landeskennung|landervorwahl|laendervorwahl|landerkennzahl|landeskennzahl|"
        "landesvorwahl|landnummer|страна|країна|държава|држава|χωρα|国|國|国家|國家|国名|국가|나라|الدولة|البلد|دولة|بلد|کشور|"
        "ארץ|מדינה|देश|ประเทศ"
    )
)
# Whole names without such a word; `cc` is Mailchimp's.
NAMES = frozenset(words("quốc gia|indicatif|indicatif pays|indicatif telephonique|cc"))
CALLING = frozenset(words("dial|dialing|dialling|calling|isd"))  # these beside "code"
CODE = frozenset(words("code|codes|prefix|kod|kode|codigo|codice"))
# What else the name of such a column may say. Any other word makes it another column: country of birth, land area.
BESIDE = (
    COUNTRY
    | CODE
    | HOME
    | WORK
    | OTHER
    | MOBILE
    | PHONE_TOKENS
    | CALLING
    | frozenset(
        words(
            "region|regions|territory|territoire|regione|regiao|name|nom|nombre|nome|naam|label|iso|alpha|english|en|fr|"
            "of|the|de|du|des|del|di|da|do|dello|della|d|o|or|ou|oder|y|e|et|und|in|indicatif|"
            "residence|residency|residencia|residenza|reside|wohnsitz|wohnsitzes|living|lives|current|actuel|actual|"
            "aktuelles|permanent|address|addresses|addr|adresse|adresses|adr|direccion|indirizzo|endereco|adres|"
            "anschrift|postal|postale|post|mailing|mail|billing|facturation|facturacion|fatturazione|rechnung|shipping|"
            "delivery|livraison|envio|spedizione|lieferung|default|primary|main|principal|principale|haupt|street|"
            "customer|contact|contacts|client|clients|person|people|user|lead|member|subscriber|recipient|kunde|kunden|"
            "kontakt|cliente|clienti|clientes|contacto|contatto|klant|location|geo|ip|physical|legal|organization|"
            "organisation|combined|full|short|two|three|letter|letters|id|su|ab|uff|ship|bill|invoice"
        )
    )
)


@dataclass(frozen=True)
class CountryColumn:
    """A column with a country of the row's person, and the kind of the address whose country it is ("" if unknown)."""

    index: int
    kind: str = ""
    is_key: bool = False  # its digits are keys of a database, and no calling codes


@lru_cache(maxsize=8_192)
def country_kind(column: str) -> str | None:
    """Return the kind of address whose country a column has by its name, "" if it says none; None for other columns."""
    known = {part for part in tokens(column) if not part.isdigit()}
    if not (known & COUNTRY or plain(column) in NAMES or (known & CALLING and known & CODE)):
        return None
    if not known <= BESIDE and plain(column) not in NAMES:
        return None
    return next((kind for kind, kinds in KINDS if kinds & known), "")


def country_columns(header: Sequence[str], free: Iterable[int]) -> list[CountryColumn]:
    """Return the columns with a country of the row's person. `free`: the indexes of columns that become no field."""
    kinds = ((index, country_kind(header[index])) for index in free)
    return [CountryColumn(index, kind, "id" in tokens(header[index])) for index, kind in kinds if kind is not None]


def deciding(columns: Sequence[CountryColumn], kind: str) -> tuple[tuple[CountryColumn, ...], ...]:
    """Return the columns that decide about numbers of a kind: those of the first group that names a country."""
    groups = (tuple(column for column in columns if column.kind == wanted) for wanted in (kind, ""))
    return tuple(group for group in dict.fromkeys((*groups, tuple(columns))) if group)


def countries_of(cells: Sequence[str], groups: Iterable[Iterable[CountryColumn]]) -> tuple[str, ...]:
    """Return the countries that the deciding cells of a row name, each once."""
    for group in groups:
        named = (
            named_country(cells[column.index])
            for column in group
            if not (column.is_key and cells[column.index].isdecimal())
        )
        if found := tuple(dict.fromkeys(filter(None, named))):
            return found
    return ()


class TwoCountries(TwoReadings):
    """The text is a number in another country than its row names, and perhaps another one there."""

    def __init__(self, text: str, here: tuple[str, str], there: tuple[str, str]) -> None:
        (country, number), (other_country, other) = here, there
        super().__init__(text, number, other)
        self.numbers = tuple(filter(None, (number, other)))
        found = f"is {number} in {country}" if number else f"is no number in {country}"
        self.args = (
            f"'{shown(text)}' {found}, which its row names, and {other} in {other_country}; write the right one in "
            "full, with its plus.",
        )


def read_beside(
    text: str,
    countries: Sequence[str],
    region: str,
    allowed: Collection[str],
    read: Callable[[str, Collection[str]], str],
) -> str:
    """Return the number that a text means in a row of these countries, in E.164. Raises NotCallable.

    `region` is the country of the import's numbers. `read` reads the text in a country. Raises TwoReadings if the
    text is several numbers.
    """
    found: dict[str, str] = {}  # the country of each number
    faults: list[NotCallable] = []
    for country in (*(country for country in countries if country != region), region):
        try:
            found.setdefault(read(country, EVERYWHERE), country)
        except TwoReadings as error:
            for number in error.numbers:
                found.setdefault(number, country)
            faults.append(error)
        except NotCallable as error:
            faults.append(error)
    if not found:
        raise faults[0]
    (number, country), *others = found.items()
    for other, where in others:
        if where == country:
            raise TwoReadings(text, number, other)
        raise TwoCountries(text, (country, number), (where, other))
    if country == region and region not in countries:
        raise TwoCountries(text, (countries[0], ""), (region, number))
    return read(country, allowed)
