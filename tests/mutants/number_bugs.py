"""Deliberate bugs about reading numbers: somebody else's number is taken for the contact's."""

from __future__ import annotations

from tests.mutants.planting import Bug, Edit

READINGS = "tests/campaigns/test_number_readings.py::"
PLANS, DECIDING = "campaigns/phones/plans.py", "campaigns/phones/readings.py"

NUMBER_BUGS: tuple[Bug, ...] = (
    Bug(
        "a number that is read at once is not looked at as one that lost its plus",
        "A spreadsheet dropped the plus of a German mobile number, and a stranger in Leer is called.",
        (Edit(DECIDING, "            if plus_lost and plus_lost.e164 != found.e164:\n", "            if False:\n"),),
        (READINGS + "test_digits_that_fit_two_numbers_are_refused_naming_both",),
    ),
    Bug(
        "a second reading is not looked for",
        "A spreadsheet dropped the plus of a German mobile number, and a stranger in Leer is called.",
        (Edit(DECIDING, "    if dialled and plus_lost and dialled.e164 != plus_lost.e164:\n", "    if False:\n"),),
        (READINGS + "test_digits_that_fit_two_numbers_are_refused_naming_both",),
    ),
    Bug(
        "a column with both ways of writing is decided",
        "One person of a team dropped the pluses and another did not: half of the numbers are strangers'.",
        (Edit(DECIDING, "        if only_national and only_abroad:\n", "        if False:\n"),),
        (READINGS + "test_a_column_that_does_not_decide_leaves_the_cells_undecided",),
    ),
    Bug(
        "one number decides a column",
        "A column of two numbers is read by the one that happens to be clear.",
        (Edit(DECIDING, "ENOUGH = 3  #", "ENOUGH = 1  #"),),
        (READINGS + "test_a_column_that_does_not_decide_leaves_the_cells_undecided",),
    ),
    Bug(
        "numbers overseas are read as metropolitan ones",
        "A number of Martinique is called by the clock of Paris, in the middle of its night.",
        (Edit(PLANS, "    if OVERSEAS_BLOCK.match(bare):\n        return _overseas(bare)\n", ""),),
        (READINGS + "test_a_number_overseas_is_never_one_of_metropolitan_france",),
    ),
    Bug(
        "the digits of a carrier stand before the own country code",
        "00 66 … in Thailand is read as 006 and a number of another country.",
        (
            Edit(PLANS, '    rests = [digits[2:]] if digits.startswith("00") else []\n', "    rests = []\n"),
            Edit(PLANS, "    if (prefix := _abroad(region)) and", "    if (prefix := _abroad(region or 'FR')) and"),
        ),
        ("tests/campaigns/test_number_table.py::test_no_wound_makes_a_number_somebody_elses",),
    ),
    Bug(
        "a rounded number is filled with zeros",
        "4,91512E+12 has lost seven digits, and whoever has the number that ends in zeros is called.",
        (
            Edit(
                "campaigns/phones/written.py",
                '        if sign == "-" or not 0 <= exponent <= len(fraction) or fraction[exponent:].strip("0"):\n',
                '        fraction = fraction.ljust(exponent, "0")\n        if sign == "-":\n',
            ),
        ),
        (READINGS + "test_what_cannot_be_undone_is_refused",),
    ),
    Bug(
        "a number in a common form is not looked for behind a prefix of calls abroad",
        "015 and a Belgian number is dialled in Israel as a local one.",
        (Edit(DECIDING, " or plans.leads_abroad(digits, region):", ":"),),
        (
            "tests/campaigns/test_compiled_numbers.py::"
            "test_digits_that_begin_with_a_prefix_of_calls_abroad_are_not_read_at_once",
        ),
    ),
    Bug(
        "digits without a plus are believed at once",
        "A number that lost its plus is called as the local number with the same digits.",
        (Edit(DECIDING, " and _may_lack_something(found, digits, region):", " and False:"),),
        (READINGS + "test_digits_that_fit_two_numbers_are_refused_naming_both",),
    ),
)
