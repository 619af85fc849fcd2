"""Columns that say who must not be called, and their values. Pure.

Three kinds of names: those that say it (`Do Not Call`), those that may say it (`DNC date`, `OK to call`), for which
somebody has to decide, and those about another channel (`Has Opted Out Of Email`), which say nothing about calls.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache

from campaigns.imports.header_words import plain, tokens, words
from campaigns.imports.phone_headers import phone_header

KNOWN = frozenset(
    words(
        "do not call|donotcall|do not contact|donotcontact|do not phone|donotphone|do not telephone|dont call|"
        "don t call|don t contact|dont contact|never call|never contact|no call|no calls|no contact|not to be called|"
        "do not call flag|do not call list|do not call status|do not allow phone calls|do not allow calls|"
        "opted out|opt out|optout|optedout|has opted out|opted out of calls|has opted out of calls|"
        "has opted out of phone|has opted out of call|unsubscribed|is unsubscribed|unsubscribed from calls|"
        "dnc|dnc flag|is dnc|on dnc|on dnc list|do not call me|is do not call|"
        "ne pas appeler|ne pas contacter|ne plus appeler|ne plus contacter|ne pas telephoner|ne pas joindre|"
        "pas d appel|pas d appels|desinscrit|desabonne|oppose aux appels|opposition aux appels|"
        "opposition au demarchage|opposition telephonique|opposition demarchage telephonique|bloctel|"
        "inscrit bloctel|inscrit sur bloctel|sur bloctel|"
        "nicht anrufen|nicht kontaktieren|bitte nicht anrufen|nicht mehr anrufen|nicht mehr kontaktieren|"
        "keine anrufe|kein anruf|keine anrufe erlaubt|keine werbeanrufe|anrufsperre|kontaktsperre|telefonsperre|"
        "werbesperre telefon|werbesperre|abgemeldet|robinson|robinsonliste|robinson liste|auf robinsonliste|"
        "no llamar|no contactar|no llame|no llamar mas|no quiere llamadas|no desea llamadas|no telefonear|"
        "lista robinson|dado de baja|excluir de llamadas|no molestar|"
        "non chiamare|non contattare|niet bellen|nao ligar|nao contactar"
    )
)
KNOWN_JOINED = frozenset(name.replace(" ", "") for name in KNOWN)  # donotContact, do_notcall, NOCALL
# One of these is enough to ask, wherever words begin and end.
WITHIN = re.compile(
    r"donot(?:call|contact|phone)|dont(?:call|contact)|opt(?:ed)?out|unsubscri|"
    r"ne(?:pas|plus)(?:appel|contact)|nicht(?:anruf|kontakt)|oktocall|calls?allowed"
)
# Parts of names that deny or allow, and parts about calls: a name with both may say who must not be called.
DENIES = frozenset(
    words(
        "not|never|dont|don|ne|pas|nicht|kein|keine|niet|nao|stop|stopped|exclu|refus|revoked|withdrawn|gesperrt|sperre|"
        "oppose|ban|banned|remove|removed|litigator|cannot|cant|wont|interdit|interdite|verboten|prohibido|anti"
    )
)
DENYING = (
    *("block", "blacklist", "suppress", "exclud", "excluid", "refuse", "reject", "widerruf", "widerspr", "opposi"),
    "verbot",
)
ALLOWS = frozenset(words("ok|okay|may|can|wants|want|willing|darf|durfen|accord|peut"))
ALLOWING = (
    *("allow", "permit", "permis", "authori", "autoris", "autoriz", "agree", "accept", "accett", "acept", "erlaub"),
    *("zustimm", "toestemm", "consent", "einwillig", "eingewillig", "consens"),
)
CALLS = frozenset(
    words(
        "call|calls|called|calling|contact|contacts|contacted|contactable|callable|phone|phones|telephone|telephoned|"
        "voice|dial|dialed|dialled|ring|solicit|solicitation|telemarketing|marketing|tel|appel|appels|appeler|"
        "appelable|appele|appelee|appeles|appelees|rappel|rappels|rappeler|rappelez|recontacter|contacter|contactez|contacte|contactee|"
        "telephoner|demarchage|prospection|anruf|anrufe|anrufen|angerufen|kontakt|"
        "kontaktiert|kontaktieren|kontaktaufnahme|telefon|telefonisch|werbung|werbeanrufe|werbeanruf|llamar|llamada|"
        "llamadas|contactar|contacto|telefono|telefonica|chiamare|chiamate|contattare|bellen|ligar"
    )
)
# One of these alone is enough to ask.
SUSPICIOUS = frozenset(
    words(
        "dnc|dncr|ndnc|dnd|tps|ctps|donotcall|bloctel|robinson|robinsonliste|robinsonlist|denylist|abgemeldet|"
        "abmeldung|werbesperre|anrufsperre|kontaktsperre|telefonsperre|tcpa|permission|opposition|callable|contactable|"
        "litigator|opt|anrufverbot|kontaktverbot|telefonverbot|werbeverbot"
    )
)
# The whole name of a column. As a part of one they say nothing.
SUSPICIOUS_ALONE = frozenset(
    words(
        "blocked|blocking|banned|excluded|exclude|exclusion|stop|stopped|refused|refusal|denied|deny|forbidden|"
        "bloque|bloquee|exclu|exclus|exclue|refus|refuse|interdit|interdite|gesperrt|sperre|gesperrte|sperrvermerk|"
        "sperrkennzeichen|ausgeschlossen|verboten|bloqueado|bloqueada|excluido|excluida|excluir|rechazado|prohibido|"
        "bloccato|escluso|geblokkeerd|bloqueio"
    )
)
SUSPECT = (
    *("optout", "optin", "optedout", "optedin", "unsub", "suppress", "blacklist", "blocklist", "desinscr", "desabonn"),
    *("consent", "consens", "einwillig", "eingewillig", "toestemm", "werbewiderspr", "widerspr", "dnc"),
)
PHRASES = re.compile(
    r"\b(?:opt(?:ed|s)? ?(?:out|in)|liste (?:rouge|noire|d exclusion)|lista (?:roja|negra|de exclusion|nera)|"
    r"black list|block list|deny list|schwarze liste|dar de baja|dado de baja|fecha de baja|right to object|"
    r"gdpr|dsgvo|rgpd|lopd|lgpd|do not disturb|non appeler|no (?:volver|quiere|desea|acepta|autoriza|permite))\b"
    r"|^(?:no phone|stop|baja)$"
    # "No" before what it denies: elsewhere it means a number, as in `Phone No`.
    r"|\b(?:no|non) (?:more )?(?:phone )?(?:calls?|calling|called|contact|contacting|marketing|solicitation|"
    r"telemarketing|llamar|llamadas?|contactar|molestar|chiamare|contattare)\b"
    r"|\bno (?:\w+ ){1,4}(?:llamar|llamen|contactar|contacten|llamadas?)\b"
)
# Words that turn a permission into its opposite, as in `Can't call` and `Without consent`.
NEGATES = re.compile(
    r"\b(?:can ?not|can ?t|won ?t|shouldn ?t|mustn ?t|no|non|without|sans|ohne|sin|senza|zonder|lacks|missing|denied)\b"
    r"|\bun(?:authori|contact|call|consent)"
)
OTHER_CHANNELS = frozenset(
    words(
        "email|emails|mail|mails|mailing|mailings|newsletter|newsletters|sms|text|texts|texto|fax|post|postal|letter|"
        "letters|brief|briefe|briefpost|courriel|courriels|courrier|correo|carta|whatsapp|push|cookie|cookies|web|"
        "chat|messenger|print|bulk"
    )
)
FORBIDS = re.compile(
    r"\b(?:do ?n.?t (?:call|contact|phone|ring)|do not (?:call|contact|phone|ring)|never (?:call|contact)|"
    r"dnc|opt(?:ed)?.?out|no calls?|ne (?:pas|plus) (?:appeler|contacter|telephoner)|pas d.?appels?|liste rouge|"
    r"nicht (?:mehr )?(?:anrufen|kontaktieren)|keine? anrufe?|no llamar|no contactar|non chiamare|niet bellen)\b"
)
# A whole cell of any column, like a status, or a part of one, as in `DO NOT CALL - Ann` and `vip, dnc`.
LONGEST_WISH = 200  # characters
WISH_PARTS = re.compile(r"\s[-\u2013\u2014]+\s|[:;,|/()\[\]*!\n]")
WISH_HINTS = ("call", "dnc", "contact", "phone", "appel", "anruf", "kontakt", "llamar")  # quick: each wish has one
ASKING_CELL = re.compile(
    r"\W*(?:(?:please|bitte|merci de|por favor)\W+)?"
    r"(?:(?:on )?(?:the )?(?:do[ _-]?n.?t|do[ _-]?not|never)[ _-]?(?:call|contact|phone)(?:[ _-]list)?|"
    r"(?:on )?(?:the )?dnc[lc]?(?:[ _-]list)?|no calls|opted[ _-]?out of (?:phone )?calls|"
    r"ne (?:pas|plus) (?:r?appeler|(?:re)?contacter)|nicht (?:mehr |wieder )?(?:anrufen|kontaktieren)|keine anrufe|"
    r"no (?:volver a )?(?:llamar|contactar))"
    r"(?:\W+(?:again|any ?more|please|svp|bitte|mehr|por favor))?\W*",
    re.IGNORECASE,
)

YES = frozenset(
    words(
        "yes|y|true|t|x|xx|on|checked|set|oui|o|vrai|ja|j|wahr|si|s|verdadero|cierto|vero|sim|verdadeiro|da|"
        "opted out|opt out|optout|optedout|opted out of calls|do not call|donotcall|dont call|don t call|"
        "do not contact|do not phone|do not allow|not allowed|dnc|no call|no calls|never|never call|unsubscribed|"
        "unsubscribe|blocked|"
        "ne pas appeler|ne pas contacter|ne plus appeler|desinscrit|desabonne|oppose|opposition|refus|bloctel|"
        "nicht anrufen|nicht kontaktieren|keine anrufe|kein anruf|gesperrt|abgemeldet|widerspruch|widersprochen|"
        "no llamar|no contactar|baja|dado de baja|robinson"
    )
)
YES_MARKS = frozenset("✓✔☑✅☒\N{MULTIPLICATION SIGN}")
NO = frozenset(
    words(
        "no|n|false|f|off|unchecked|none|null|nil|nan|na|n a|non|faux|nein|falsch|falso|nao|nee|nej|"
        "not opted out|opted in|opt in|optin|subscribed|may be called|allow|allowed|"
        "pas d opposition|aucune|aucun|keine|kein|ninguno|ninguna"
    )
)
NO_MARKS = frozenset("-\N{EN DASH}\N{EM DASH}☐□[]() ")  # brackets of a box that is not ticked
ALLOWED_YES = frozenset(
    words(
        "yes|y|true|t|x|on|checked|oui|o|vrai|ja|j|wahr|si|s|verdadero|vero|sim|ok|okay|allow|allowed|granted|given|"
        "accepted|agreed|opted in|opt in|optin|consented|subscribed|autorise|accorde|accepte|erlaubt|erteilt|"
        "autorizado|permitido|aceptado"
    )
)
ALLOWED_NO = frozenset(
    words(
        "do not allow|not allowed|no|n|false|f|off|unchecked|never|"
        "non|faux|nein|falsch|falso|nao|opted out|opt out|optout|do not call|"
        "dnc|denied|refused|revoked|withdrawn|declined|unsubscribed|refuse|nicht erlaubt|verweigert|widerrufen|"
        "no autorizado|rechazado|ne pas appeler|nicht anrufen|no llamar"
    )
)
ONE_OR_ZERO = re.compile(r"[-+]?0*([01])(?:[.,]0*)?")  # -1 is true in some programs
DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ].{0,32})?|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})(?:[ ,].{0,32})?"
)
OTHER_CHANNEL_JOINED = re.compile(
    r"(?:has|is)?(?:e?mail|sms|text|fax|newsletter|whatsapp|push)(?:opt(?:ed)?out|unsubscribed?)"
)


class OptOut(StrEnum):
    """What the name of a column says about calls."""

    KNOWN = "known"  # yes means: do not call
    ASKS = "asks"  # it may say who must not be called: somebody has to decide
    INVERSE = "inverse"  # as ASKS; yes seems to mean that calls are allowed
    OTHER_CHANNEL = "other_channel"  # about e-mail, SMS or letters


class NotYesOrNo(ValueError):
    """A cell does not say whether the contact may be called. The message says what to write."""


@lru_cache(maxsize=8_192)
def opt_out_header(header: str) -> OptOut | None:
    """Return what the name of a column says about calls; None if nothing."""
    text, parts = plain(header), set(tokens(header))
    joined = text.replace(" ", "")
    if joined in KNOWN_JOINED:
        return OptOut.KNOWN
    if (what := phone_header(header)) is not None and what.exact:
        return None
    about_calls = bool(parts & CALLS)
    suspicious = text in SUSPICIOUS_ALONE or _has(parts, SUSPICIOUS, SUSPECT)
    suspicious = suspicious or bool(PHRASES.search(text) or WITHIN.search(joined))
    denies = about_calls and _has(parts, DENIES, DENYING)
    allows = about_calls and _has(parts, ALLOWS, ALLOWING)
    if not (suspicious or denies or allows):
        return None
    if parts & OTHER_CHANNELS and not parts & (CALLS - {"contact", "contacts", "kontakt", "contacto", "marketing"}):
        return OptOut.OTHER_CHANNEL
    if OTHER_CHANNEL_JOINED.fullmatch(joined):
        return OptOut.OTHER_CHANNEL
    return OptOut.INVERSE if _allows(text, parts) else OptOut.ASKS


def _has(parts: set[str], known: frozenset[str], stems: tuple[str, ...]) -> bool:
    return bool(parts & known) or any(part.startswith(stems) for part in parts)


def _allows(text: str, parts: set[str]) -> bool:
    """Return whether yes in such a column seems to mean that calls are allowed."""
    if (
        _has(parts, DENIES, DENYING)
        or NEGATES.search(text)
        or re.search(r"\bopt(?:ed|s)? ?out\b|\bunsub|\bdnc|sperre|\bliste?\b", text)
    ):
        return False
    positive = ("optin", "optedin", "callable", "contactable", *ALLOWING)
    return _has(parts, ALLOWS, positive) or re.search(r"\bopt(?:ed|s)? ?in\b", text) is not None


def forbids(text: str) -> bool:
    """Return whether a remark asks not to call."""
    return FORBIDS.search(plain(text)) is not None


def is_wish(cell: str) -> bool:
    """Return whether a cell asks not to call, or a part of it, as `Do not call` in a column of statuses."""
    if len(cell) > LONGEST_WISH or not hints_at_a_wish(cell):
        return False
    text = cell.casefold()
    return any(ASKING_CELL.fullmatch(part) for part in (text, *WISH_PARTS.split(text)))


def hints_at_a_wish(text: str) -> bool:
    """Return whether a text, of one cell or of several, may hold a wish: only then its cells are looked at."""
    folded = text.casefold()
    for hint in WISH_HINTS:  # noqa: SIM110 - every cell of a file is asked: `any` takes twice as long
        if hint in folded:
            return True
    return False


def marked(cell: str, column: str) -> bool:
    """Return whether a cell of an opt-out column asks not to call. Raises NotYesOrNo."""
    text = _bare(cell)
    answer = False if not text else _answer(text, YES, NO)
    if answer is None:
        raise NotYesOrNo(
            f"'{cell[:40]}' in column '{column[:60]}' is neither yes nor no; write yes if the contact must not be "
            "called, or no."
        )
    return answer


def refused(cell: str, column: str) -> bool:
    """Return whether a cell of a column of permissions refuses calls. Raises NotYesOrNo, also for an empty cell."""
    text = _bare(cell)
    answer = _answer(text, ALLOWED_YES, ALLOWED_NO) if text else None
    if answer is None:
        shown = f"'{cell[:40]}'" if text else "The empty cell"
        raise NotYesOrNo(
            f"{shown} in column '{column[:60]}' is neither yes nor no; write yes if the contact may be called, or no."
        )
    return not answer


def _bare(cell: str) -> str:
    """Return a cell without invisible marks, like those after an emoji."""
    return "".join(c for c in cell if unicodedata.category(c) not in {"Cf", "Mn"}).strip()


def _answer(text: str, yes: frozenset[str], no: frozenset[str]) -> bool | None:
    """Return whether a text that is not empty means yes; None if it says neither."""
    word = plain(text)
    if number := ONE_OR_ZERO.fullmatch(text.strip("='\"()")):
        return number[1] == "1"
    if word in yes or set(text) <= YES_MARKS or DATE.fullmatch(text):
        return True
    return False if word in no or set(text) <= NO_MARKS else None
