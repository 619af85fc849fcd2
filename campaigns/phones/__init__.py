"""Phone numbers: one parser for imports, the API and the admin, and what a number says about its owner.

Reads no database and sends nothing. `written` takes a text apart, `plans` knows numbering plans, `compiled` from the
tables of the library, and `former` those that changed, `readings` decides which number is meant, `searching` what a
search looks for. `facts` tells about a number in E.164.
"""

from campaigns.phones.facts import area_of, country_of, is_in_use, is_toll_free, may_be_mobile, national, number_kind
from campaigns.phones.faults import EXAMPLE, NotCallable, TwoReadings, example
from campaigns.phones.plans import old_forms
from campaigns.phones.readings import EVERYWHERE, Reading, at_once, column_reading, normalise, normalise_further
from campaigns.phones.searching import beginnings, e164_prefixes, lookups
from campaigns.phones.written import E164

__all__ = [
    "E164",
    "EVERYWHERE",
    "EXAMPLE",
    "NotCallable",
    "Reading",
    "TwoReadings",
    "area_of",
    "at_once",
    "beginnings",
    "column_reading",
    "country_of",
    "e164_prefixes",
    "example",
    "is_in_use",
    "is_toll_free",
    "lookups",
    "may_be_mobile",
    "national",
    "normalise",
    "normalise_further",
    "number_kind",
    "old_forms",
]
