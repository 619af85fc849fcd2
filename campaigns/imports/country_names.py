"""The country that a cell means: by its name in many languages, its ISO 3166 codes, or its calling code. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache

import phonenumbers

from campaigns.imports.header_words import plain, words
from campaigns.phones import EVERYWHERE
from tenants.country_names import names_in_languages

# ISO 3166-1, alpha-3 beside alpha-2, of the countries with a numbering plan.
ALPHA_3 = """
    AD:AND AE:ARE AF:AFG AG:ATG AI:AIA AL:ALB AM:ARM AO:AGO AR:ARG AS:ASM AT:AUT AU:AUS AW:ABW AX:ALA AZ:AZE BA:BIH
    BB:BRB BD:BGD BE:BEL BF:BFA BG:BGR BH:BHR BI:BDI BJ:BEN BL:BLM BM:BMU BN:BRN BO:BOL BQ:BES BR:BRA BS:BHS BT:BTN
    BW:BWA BY:BLR BZ:BLZ CA:CAN CC:CCK CD:COD CF:CAF CG:COG CH:CHE CI:CIV CK:COK CL:CHL CM:CMR CN:CHN CO:COL CR:CRI
    CU:CUB CV:CPV CW:CUW CX:CXR CY:CYP CZ:CZE DE:DEU DJ:DJI DK:DNK DM:DMA DO:DOM DZ:DZA EC:ECU EE:EST EG:EGY EH:ESH
    ER:ERI ES:ESP ET:ETH FI:FIN FJ:FJI FK:FLK FM:FSM FO:FRO FR:FRA GA:GAB GB:GBR GD:GRD GE:GEO GF:GUF GG:GGY GH:GHA
    GI:GIB GL:GRL GM:GMB GN:GIN GP:GLP GQ:GNQ GR:GRC GT:GTM GU:GUM GW:GNB GY:GUY HK:HKG HN:HND HR:HRV HT:HTI HU:HUN
    ID:IDN IE:IRL IL:ISR IM:IMN IN:IND IO:IOT IQ:IRQ IR:IRN IS:ISL IT:ITA JE:JEY JM:JAM JO:JOR JP:JPN KE:KEN KG:KGZ
    KH:KHM KI:KIR KM:COM KN:KNA KP:PRK KR:KOR KW:KWT KY:CYM KZ:KAZ LA:LAO LB:LBN LC:LCA LI:LIE LK:LKA LR:LBR LS:LSO
    LT:LTU LU:LUX LV:LVA LY:LBY MA:MAR MC:MCO MD:MDA ME:MNE MF:MAF MG:MDG MH:MHL MK:MKD ML:MLI MM:MMR MN:MNG MO:MAC
    MP:MNP MQ:MTQ MR:MRT MS:MSR MT:MLT MU:MUS MV:MDV MW:MWI MX:MEX MY:MYS MZ:MOZ NA:NAM NC:NCL NE:NER NF:NFK NG:NGA
    NI:NIC NL:NLD NO:NOR NP:NPL NR:NRU NU:NIU NZ:NZL OM:OMN PA:PAN PE:PER PF:PYF PG:PNG PH:PHL PK:PAK PL:POL PM:SPM
    PR:PRI PS:PSE PT:PRT PW:PLW PY:PRY QA:QAT RE:REU RO:ROU RS:SRB RU:RUS RW:RWA SA:SAU SB:SLB SC:SYC SD:SDN SE:SWE
    SG:SGP SH:SHN SI:SVN SJ:SJM SK:SVK SL:SLE SM:SMR SN:SEN SO:SOM SR:SUR SS:SSD ST:STP SV:SLV SX:SXM SY:SYR SZ:SWZ
    TC:TCA TD:TCD TG:TGO TH:THA TJ:TJK TK:TKL TL:TLS TM:TKM TN:TUN TO:TON TR:TUR TT:TTO TV:TUV TW:TWN TZ:TZA UA:UKR
    UG:UGA US:USA UY:URY UZ:UZB VA:VAT VC:VCT VE:VEN VG:VGB VI:VIR VN:VNM VU:VUT WF:WLF WS:WSM YE:YEM YT:MYT ZA:ZAF
    ZM:ZMB ZW:ZWE
"""
# The signs that German address books put before a postal code (UN convention on road traffic): D-10115 Berlin.
SIGNS = "AT:A BE:B DE:D ES:E FR:F HU:H IT:I LU:L NL:N|NL PT:P SE:S"
# Names and abbreviations that the locales of `phonenumbers` do not have.
OTHER_NAMES = {
    "AE": "uae|vae|eau|emirates|emirats|emirate",
    "AT": "republik osterreich|oesterreich|osterreich",
    "BA": "bosnia|bosnie|bosnien|bosna i hercegovina|bih",
    "BE": "belgie|belgique belgie",
    "BG": "balgariya|българия",
    "BN": "brunei darussalam|brunei",
    "BO": "bolivia plurinational state|plurinational state bolivia",
    "BY": "беларусь|weissrussland|bielorussie|bielorrusia",
    "CD": "drc|rdc|dr congo|rd congo|dr kongo|congo kinshasa|congo democratic republic|republic democratic congo",
    "CG": "congo brazzaville|republic congo|republique congo",
    "CH": "schweizerische eidgenossenschaft|svizra|confederation suisse",
    "CI": "ivory coast|cote ivoire",
    "CV": "cabo verde",
    "CZ": "czechia|cesko|tschechien|tchequie|republica checa|cechia|czechy|chequia",
    "DE": "brd|bundesrepublik deutschland|federal republic germany|germany deutschland",
    "DK": "danmark|kongeriget danmark",
    "EE": "eesti",
    "ES": "reino espana|espana peninsula|kingdom spain",
    "FI": "suomi finland",
    "FM": "micronesia federated states|federated states micronesia",
    "FR": "republique francaise|france metropolitaine|metropolitan france|french republic",
    "GB": "u k|great britain|gb uk|england|scotland|wales|northern ireland|britain|grande bretagne|angleterre|"
    "ecosse|pays galles|irlande nord|grossbritannien|england uk|schottland|nordirland|gran bretana|inglaterra|"
    "escocia|irlanda norte|gran bretagna|inghilterra|groot brittannie|engeland|anglia|gra bretanha|"
    "united kingdom great britain northern ireland",
    "GR": "hellas|hellenic republic|ellada",
    "HK": "hong kong sar|hong kong sar china",
    "HR": "hrvatska",
    "IE": "republic ireland|eire|republique irlande|republik irland",
    "IR": "islamic republic iran|iran islamic republic",
    "IT": "repubblica italiana",
    "KP": "north korea|korea democratic people s republic|democratic people s republic korea",
    "KR": "republic korea|korea republic|korea south|rok",
    "LA": "lao|lao people s democratic republic",
    "LT": "lietuva",
    "LU": "letzebuerg|grand duche luxembourg",
    "LV": "latvija",
    "MA": "royaume maroc|kingdom morocco",
    "MD": "moldova|republic moldova|moldova republic",
    "ME": "crna gora",
    "MK": "north macedonia|macedoine nord|nordmazedonien|macedonia norte|macedonia nord|severna makedonija",
    "MO": "macau",
    "MM": "burma|birmanie|birma|birmania",
    "NL": "holland|hollande|nederlanden|paises bajos|kingdom netherlands",
    "NO": "norge|noreg",
    "PS": "state palestine|palestinian territories|palestine state",
    "RO": "romania",
    "RS": "srbija|republic serbia",
    "RU": "russian federation|russia federation|federation russie|rossiya|российская федерация",
    "SA": "ksa|kingdom saudi arabia",
    "SE": "sverige",
    "SI": "slovenija",
    "SK": "slovensko|slovak republic|slowakische republik|republique slovaque",
    "SY": "syrian arab republic",
    "SZ": "eswatini",
    "TL": "timor leste|east timor",
    "TR": "turkiye|turkiye cumhuriyeti",
    "TW": "taiwan|taiwan province china",
    "TZ": "united republic tanzania|tanzania united republic",
    "UA": "україна|ukrayina",
    "US": "u s|u s a|united states america|etats unis amerique|vereinigte staaten|estados unidos america|eeuu|"
    "ee uu|eua|stati uniti america|verenigde staten amerika|stany zjednoczone|сша",
    "VA": "vatican|vatican city|holy see|vatikan|vaticano",
    "VC": "saint vincent",
    "VE": "bolivarian republic venezuela|venezuela bolivarian republic",
    "VG": "virgin islands british|british virgin islands",
    "VI": "virgin islands u s|u s virgin islands|us virgin islands|united states virgin islands",
    "VN": "viet nam",
    "XK": "kosovo|kosova|косово",
}
# Words that names have or leave out: The Netherlands, Trinidad & Tobago, République de Moldavie.
SMALL = frozenset(
    words(
        "the|le|la|les|l|los|las|el|il|lo|gli|die|der|das|het|o|os|as|and|et|und|y|e|ed|en|och|i|of|de|d|du|des|del|"
        "della|di|da|do|dos|dan"
    )
)
CODE = re.compile(r"(?:\+|00)?\s*(?P<code>1[ -]?\d{3}|[1-9]\d{0,2})(?:\.0)?")
BETWEEN = re.compile(r"[-\N{EN DASH}\N{EM DASH}/|,;:()\[\]]+")
FLAG = re.compile("[\U0001f1e6-\U0001f1ff]{2}")  # two letters of a code
LONGEST = 100  # characters of a cell that may be a country


@lru_cache(maxsize=4_096)
def named_country(cell: str) -> str:
    """Return the two-letter country that a cell means; "" if it names none, or two."""
    text = FLAG.sub(_letters, cell[: LONGEST + 1]).strip("'=\"| \t\r\n\N{NO-BREAK SPACE}")
    if not text or len(text) > LONGEST:
        return ""
    if found := _countries(text):
        return found[0]
    pieces = [piece for part in BETWEEN.split(text) if (piece := part.strip())]  # Spain (+34), ES - España
    if len(pieces) < 2:
        return ""
    first, *others = map(_countries, pieces)
    common = [country for country in first if all(country in other for other in others)]
    return common[0] if common else ""


def _countries(text: str) -> tuple[str, ...]:
    """Return the countries that a text means, the likeliest first. Only a calling code means several."""
    if found := CODE.fullmatch(text):
        digits = found["code"]
        code = 1 if len(digits) > 3 else int(digits)  # +1 684: the area of a country of North America's code
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ())
        return tuple(region for region in regions if region in EVERYWHERE)
    codes, low = _codes(), text.casefold()
    country = codes.get(low) if text in {low, text.upper()} else ""  # NGA is Nigeria; Nga is Russia in Vietnamese
    country = country or _names().get(_key(plain(text))) or codes.get(low)
    return (country,) if country else ()


def _letters(flag: re.Match[str]) -> str:
    return f"|{''.join(chr(ord(letter) - 0x1F1E6 + ord('A')) for letter in flag[0])}|"


@lru_cache(maxsize=1)
def _codes() -> dict[str, str]:
    pairs = [pair.split(":") for pair in f"{SIGNS} {ALPHA_3}".split()]
    found = {code.casefold(): country for country, codes in pairs for code in codes.split("|")}
    return found | {country.casefold(): country for country in EVERYWHERE} | {"uk": "GB", "el": "GR"}


def _key(name: str) -> str:
    """Return a plain name without the words that people leave out."""
    kept = [word for word in name.split() if word not in SMALL]
    return " ".join(["saint" if word == "st" else word for word in kept]) if " " in name and kept else name


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Return the country of each name, by its key. Names of two countries are left out."""
    found: dict[str, set[str]] = defaultdict(set)
    for country, name in _locales():
        found[_key(plain(name))].add(country)
        found[_key(plain(re.sub(r"[(\[].*", "", name)))].add(country)  # Myanmar (Burma)
    names = {name: countries.pop() for name, countries in found.items() if len(countries) == 1}
    for country, others in OTHER_NAMES.items():
        names |= {_key(name): country for name in words(others)}
    # Those who live in either Congo call it so.
    return {name: country for name, country in names.items() if name and not (country == "CG" and " " not in name)}


def _locales() -> Iterator[tuple[str, str]]:
    """Yield the countries with a numbering plan and their names in many languages."""
    for country, names in names_in_languages().items():
        if country in EVERYWHERE:
            for name in set(names.values()):
                if not name.startswith("*"):  # the same as in another language
                    yield country, name
