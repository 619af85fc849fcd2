"""Which columns hold the numbers of a person, and of what kind: by the words of their names. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from campaigns.imports.header_words import plain, tokens, words

# Names that mean the number of the contact, whatever else the file has.
PHONE = frozenset(
    words(
        "phone|phone number|phonenumber|telephone|telephone number|tel|tel number|tel no|phone no|number|e164|msisdn|"
        "contact number|contact phone|customer phone|to number|to|"
        "numero de telephone|no de telephone|n de telephone|numero tel|no tel|numero|num tel|telefon|telefonnummer|"
        "rufnummer|telefono|numero de telefono|numero di telefono|telefone|numero de telefone|telefoonnummer|telefoon|"
        "nummer|puhelin|puhelinnumero|telefonszam|numer telefonu|numar de telefon|telefonnr|telefonni cislo|"
        "telefon numarasi|mobile|mobile phone|mobile number|mobile no|cell|cell phone|cellphone|cell number|portable|"
        "mob|mob no|mob number|cell no|contact no|ph no|ph number|rufnr|"
        "telephone portable|telephone mobile|gsm|mobil|mobilnummer|handy|handynummer|movil|telefono movil|celular|"
        "cellulare|telemovel|mobiel|home phone|work phone|business phone|landline|fixe|telephone fixe|"
        "telepon|nomor telepon|no telepon|nomor hp|no hp|hp|nomor|simu|namba ya simu|điện thoại|số điện thoại|sđt|"
        "broj telefona|mobitel|telefonska stevilka|telefonne cislo|telefonas|telefono numeris|talrunis|telefoninumber|"
        "simanumer|телефонен номер|номер на телефон|телефонний номер|"
        "โทรศัพท์|เบอร์โทร|फ़ोन|मोबाइल|फोन नंबर|تلفن|شماره تلفن|موبایل|جوال|رقم الجوال|"
        "телефон|номер телефона|номер|τηλεφωνο|電話|電話番号|电话|手机|手机号|전화번호|هاتف|رقم الهاتف|טלפון"
    )
)
# Names that may mean something else than a phone number: they count only if no other column does.
VAGUE = frozenset(words("number|to|numero|nummer|nomor|номер"))
PHONE_TOKENS = frozenset(
    words(
        "phone|phones|telephone|telephones|telefon|telefono|telefonos|telefone|telefoon|tel|telnr|tlf|tfno|tfn|fono|"
        "msisdn|rufnummer|telefonnummer|telefonnr|telefoonnummer|phonenumber|landline|festnetz|festnetznummer|"
        "puhelin|telefonszam|iphone|телефон|τηλεφωνο"
    )
)
# The second halves of words like `Privattelefon` and `homephone`; an English one only after a kind: no `microphone`.
ENDINGS = ("telefon", "telefonnummer", "telefonnr", "telefoon", "rufnummer")
ENGLISH_ENDINGS = ("phone", "phones", "phonenumber", "tel")
MOBILE = frozenset(
    words(
        "mobile|mobiles|mob|mobil|mobilnummer|mobilnr|mobiltelefon|mobilfunk|mobilfunknummer|cell|cellphone|cellular|"
        "celular|celulares|cellulare|portable|gsm|handy|handynummer|handynr|movil|moviles|telemovel|mobiel|smartphone|"
        "natel|matkapuhelin|komorka|komorkowy|мобильный|手机|携帯"
    )
)
HOME = frozenset(
    words(
        "home|private|privat|privattelefon|privatnummer|prive|domicile|maison|casa|hogar|particular|personal|"
        "personnel|perso|personale|personlig|thuis|residence|residential|residencial|hjem|hem|домашний"
    )
)
WORK = frozenset(
    words(
        "work|business|office|bureau|buro|buero|travail|pro|professionnel|professional|arbeit|geschaftlich|geschaft|"
        "geschaeftlich|geschaftstelefon|diensttelefon|dienst|dienstlich|beruflich|buronummer|firma|firmentelefon|"
        "trabajo|oficina|laboral|empresa|lavoro|ufficio|azienda|trabalho|werk|zakelijk|company|corporate|societe|"
        "entreprise|account|employer|job|jobb|arbete|arbeid|рабочий"
    )
)
OTHER = frozenset(
    words(
        "other|autre|autres|weiteres|weiterer|weitere|anderes|andere|sonstige|sonstiges|otro|otros|altro|outro|"
        "alternate|alternative|alternatif|alt|secondary|secondaire|secundario|additional|zusatzlich|overig|andet"
    )
)
KINDS = (("mobile", MOBILE), ("work", WORK), ("home", HOME), ("other", OTHER))
# Numbers that are no phones, and parts of their names.
MACHINES = frozenset(
    words(
        "telecopie|telecopieur|pager|beeper|bip|telex|tty|tdd|isdn|rdsi|rnis|numeris|radio|radiotelephone|"
        "radiotelefono|funktelefon|texttelefon|schreibtelefon|horbehinderte|teletipo|teletype|localizador|buscapersonas|radiomessagerie|cercapersone"
    )
)
FAX = "fax"
# Words for somebody else, or for a company's switchboard.
ELSEWHERE = frozenset(
    words(
        "asst|assistant|assistante|assistenz|assistants|assistent|assistenten|assistentin|assistententelefon|asistente|ayudante|"
        "assistente|secretary|secretaire|sekretariat|secretaria|emergency|urgence|urgences|notfall|notfallkontakt|"
        "notfallnummer|notfalltelefon|emergencia|emergenza|urgencia|ice|manager|vorgesetzter|spouse|conjoint|"
        "ehepartner|conyuge|referrer|referred|agent|caller|from|sender|switchboard|zentrale|centralita|callback|"
        "doctor|physician|kin|neighbor|neighbour"
    )
)
SWITCHBOARDS = frozenset(
    words(
        "company main phone|main company phone|company phone main|telefon firma|telefonzentrale|telephone societe|"
        "telephone de la societe|tel societe|standard|telephone standard|firmenzentrale|"
        "numero de centralita de la organizacion|telefono principal de la empresa|organization main phone"
    )
)
# What is known about a number, and not a number.
ABOUT = frozenset(
    words(
        "type|label|ext|extension|country|code|consent|opt|optin|optout|status|verified|carrier|date|app|user|device|"
        "version|platform|os|model|brand|count|calls|notes|note|comment|time|zone|timezone|prefix|vorwahl|indicatif|"
        "prefijo|operator|operateur|valid|validity|score|hash|permission|allowed|reason|result|dnc|lead|typ|kind|art|"
        "tipo|etikett|libelle|invalid|blocked|preferred|preference|sms|text|list|liste|lista|at|email|url|link|id|"
        "conversation|summary|log|plan|bill|cost|minutes|duration|interview|script|message|voicemail|answered|"
        "attempts|outcome|screen|book"
    )
)
SPELT = frozenset(words("with|incl|including|avec|mit|con"))  # "with country code"
YES_OR_NO = re.compile(r"(?:is|has)\b.*\b(?:phone|mobile|cell|tel|telephone)\b")  # Is Primary Phone
OF_SPELLING = frozenset(words("country|code|prefix|indicatif|vorwahl|prefijo"))
LABEL = frozenset(words("type|label|typ|kind|art|tipo|etikett|libelle"))
VALUE = frozenset(words("value|number|nummer|numero|wert|valeur|valor|no|nr|num"))


@dataclass(frozen=True)
class PhoneHeader:
    """A column of numbers. `kind` is a value of NumberKind, or "" if the name does not say it."""

    kind: str = ""
    exact: bool = False  # the whole name is known, not only a word of it


@lru_cache(maxsize=8_192)
def phone_header(header: str) -> PhoneHeader | None:
    """Return what kind of numbers the column has by its name; None if it has no numbers of the contact."""
    if not _is_phone(header) or other_number(header):
        return None
    parts = tokens(header)
    exact = plain(header) in PHONE or " ".join(part for part in parts if not part.isdigit()) in PHONE
    kind = next((kind for kind, known in KINDS if known & set(parts)), "")
    return PhoneHeader(kind or next(filter(None, map(_kind_before, parts)), ""), exact)


def _is_phone(header: str) -> bool:
    parts = set(tokens(header))
    if plain(header) in PHONE:
        return True
    if YES_OR_NO.match(plain(header)):
        return False
    about = parts & ABOUT
    if parts & SPELT:
        about -= OF_SPELLING
    if about:
        return False
    return bool(parts & (PHONE_TOKENS | MOBILE)) or any(part.endswith(ENDINGS) or _kind_before(part) for part in parts)


def _kind_before(part: str) -> str:
    """Return the kind that the first half of a word like `Privattelefon` says; "" if there is none."""
    for ending in (*ENDINGS, *ENGLISH_ENDINGS):
        if part.endswith(ending):
            begin = part.removesuffix(ending)
            return next((kind for kind, known in KINDS if begin in known or begin.removesuffix("s") in known), "")
    return ""


@lru_cache(maxsize=8_192)
def other_number(header: str) -> str:
    """Return why a column of numbers has none of the contact's phones, for people to read; "" otherwise."""
    parts = set(tokens(header))
    if parts & MACHINES or any(FAX in part or "pager" in part for part in parts):
        return "not a phone"
    if not _is_phone(header):
        return ""
    if parts & ELSEWHERE or plain(header) in SWITCHBOARDS:
        return "not the contact's own number"
    return ""


def number_columns(header: Sequence[str]) -> list[int]:
    """Return the indexes of all columns of numbers, the likeliest first. A vague name counts only if it is alone."""
    found = {index: known for index, column in enumerate(header) if (known := phone_header(column))}
    clear = [index for index in found if plain(header[index]) not in VAGUE]
    return sorted(clear or list(found)[:1], key=lambda index: (not found[index].exact, index))


def kind_column(header: Sequence[str], index: int) -> int | None:
    """Return the column that names the kind of the numbers in this one, like `Phone 1 - Type` before its value."""
    mine = [part for part in tokens(header[index]) if part not in VALUE]
    for other in (index - 1, index + 1):
        if 0 <= other < len(header):
            parts = tokens(header[other])
            if set(parts) & LABEL and [part for part in parts if part not in LABEL] == mine:
                return other
    return None


@lru_cache(maxsize=1_024)
def kind_of_word(word: str) -> str:
    """Return the kind that a cell or a label names, like `* Mobile`, `Work Fax` or `Privat`; "" if none is known."""
    parts = set(tokens(word))
    return next((kind for kind, known in KINDS if known & parts), "")


@lru_cache(maxsize=1_024)
def is_kind(word: str) -> bool:
    """Return whether a label says the kind of a number and nothing else."""
    parts = set(tokens(word))
    return bool(parts) and parts <= frozenset().union(PHONE_TOKENS, *(known for _, known in KINDS))


@lru_cache(maxsize=1_024)
def is_not_own(word: str) -> bool:
    """Return whether a label says that a number is a fax or pager, or somebody else's."""
    parts = set(tokens(word))
    return bool(parts & (MACHINES | ELSEWHERE)) or any(FAX in part or "pager" in part for part in parts)
