"""Countries that dial each other as if they were one, and which of them an organization calls together."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

# The French numbering plan (ARCEP): ten digits from 01 to 09 reach each of these from each other one. New Caledonia,
# French Polynesia, and Wallis and Futuna have plans of their own and are called as abroad.
FRENCH_OVERSEAS = frozenset({"BL", "GF", "GP", "MF", "MQ", "PM", "RE", "YT"})

# Whoever may call the first may call the others: its overseas parts that share its numbering plan and are dialled as
# at home. Where numbers do not tell a part from the whole (a mobile number of Svalbard is one of Norway), the part may
# call the whole as well. The American plan is not here: calls to the Caribbean cost as much as calls abroad.
ALLOWED_WITH: dict[str, frozenset[str]] = {
    "FR": FRENCH_OVERSEAS,
    "GP": frozenset({"BL", "MF"}),
    "BL": frozenset({"GP", "MF"}),
    "MF": frozenset({"BL", "GP"}),
    "GB": frozenset({"GG", "IM", "JE"}),
    "NO": frozenset({"SJ"}),
    "SJ": frozenset({"NO"}),
    "FI": frozenset({"AX"}),
    "AX": frozenset({"FI"}),
    "AU": frozenset({"CC", "CX"}),
    "CC": frozenset({"AU", "CX"}),
    "CX": frozenset({"AU", "CC"}),
    "IT": frozenset({"VA"}),
    "VA": frozenset({"IT"}),
    "MA": frozenset({"EH"}),
    "EH": frozenset({"MA"}),
}


def with_areas(countries: Iterable[str]) -> frozenset[str]:
    """Return the countries, and those that are called with them."""
    return _with_areas(frozenset(countries))


@lru_cache(maxsize=1024)
def _with_areas(named: frozenset[str]) -> frozenset[str]:
    """Do it once for each set of countries: the gate asks for every call."""
    return named.union(*(ALLOWED_WITH.get(country, frozenset()) for country in named))
