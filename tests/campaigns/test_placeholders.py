"""Which texts nobody means to speak. The tables come from public reports and programs' own documents, not from ours.

Missing values: the list that pandas reads as missing by default (pandas `read_csv`, 2.x), and what Go's `text/template`
and `fmt`, JavaScript, C's `printf`, moment.js, Luxon and MySQL's dumps write. Errors: the lists of Excel, LibreOffice
and Google Sheets, and Excel's names for them in German, Spanish, French, Dutch. Placeholders: the merge tags of
Mailchimp, Salesforce, Mailtrain, Mautic, RapidPro, FreeScout, Mailcoach, SmartStore and Word. Damage: UTF-8 read as
Windows-1252.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.rules import placeholders
from campaigns.rules.placeholders import Kind, find, kind_of

BAD: dict[Kind, tuple[str, ...]] = {
    Kind.TEMPLATE: (
        *("{{first_name}}", "{{ contact.name }}", "{{{name}}}", "Hello {{first_name}}, good day", "{{#if a}}b{{/if}}"),
        *(
            "${name}",
            "#{name}",
            "$first_name",
            "%name%",
            "%Customer.FullName%",
            "Dear %first_name%,",
            "%%FIRST%%",
            "%s",
        ),
        *("[[x]]", "[[ first name ]]", "*|FNAME|*", "{!Contact.Name}", "{%customer.firstName%}", "<%= name %>", "{0}"),
        *("::subscriber.first_name::", "((fullname))", "[FIRST_NAME]", "[First Name]", "«Prénom»", "<<First Name>>"),
        *("{name}", "Hi {firstName}!", "__FIRST_NAME__", "##name##", "%(name)s", "<?php echo $a ?>", "$(name)"),
        *("<first name>", "@@name@@", "<Customer Name>", "[Name]", "[Vorname]", "Hi [Client],", "[FIRST]", "[Prénom]"),
        *("{contactfield=firstname}", '{contactfield=company, fallback="Your Company"}', "{name|there}", "{ name }"),
        *("{customer's name}", "{имя}", "{prénom}", "Hi {leadfield=firstname}!", "_|FNAME|_", "*|TEXT:FNAME|*"),
        *("@contact.name", "Hi @fields.first_name,", "@(upper(contact.name))", "@flow.appointment"),
    ),
    Kind.MISSING: (
        *("None", "NULL", "null", "nil", "nan", "NaN", "-nan", "-NaN", "N/A", "n/a", "NA", "<NA>", "NaT", "N.A."),
        *("1.#IND", "1.#QNAN", "-1.#IND", "undefined", "Null", "null null", "undefined undefined", "None None"),
        *("<no value>", "<nil>", "%!s(<nil>)", "%!d(string=x)", "(null)", "\\N", "Invalid date", "Invalid DateTime"),
        *("0000-00-00", "0000-00-00 00:00:00", "$NaN", "NaN%", " NULL ", "None\n", "Dear null,", "Hello undefined"),
        *("k.A.", "s/d", "(blank)", "-nan(ind)"),
    ),
    Kind.SPREADSHEET: (
        *(
            "#N/A",
            "#NA",
            "#REF!",
            "#VALUE!",
            "#NAME?",
            "#DIV/0!",
            "#NUM!",
            "#NULL!",
            "#SPILL!",
            "#CALC!",
            "#GETTING_DATA",
            "#ERROR!",
        ),
        *("#BEZUG!", "#WERT!", "#ZAHL!", "#NV", "#N/D", "#¡REF!", "#¡VALOR!", "#¿NOMBRE?", "#VALEUR!", "#WAARDE!"),
        *("Err:502", "Total #VALUE!", "=VLOOKUP(A1,B:B,2)", "=A1"),
    ),
    Kind.OBJECT: (
        *("[object Object]", "Hello [object Object]", "[object Undefined]", "<User object at 0x7f3a2c1d>", "Array"),
        *(
            "#<User:0x00007f8b>",
            "com.acme.User@1b6d3586",
            "System.Object",
            "function () { return x }",
            "Promise {<pending>}",
        ),
        *("Optional[Ann]", "Optional.empty", "System.Collections.Generic.List`1[System.String]"),
    ),
    Kind.MARKUP: (
        "&amp;",
        "Tom &amp; Ann",
        "&#39;",
        "O&#39;Brien",
        "&#x27;",
        "caf&eacute;",
        "&nbsp;",
        "<br>",
        "<b>Ann</b>",
    ),
    Kind.DAMAGED: (
        *("JosÃ©", "MÃ¼ller", "FranÃ§ois", "Itâ€™s", "â€œHiâ€\x9d", "PeÃ±a", "Ð\x98Ð²Ð°Ð½", "Å½ivko", "ZÃ¼rich & Genf"),
        *("M\ufffdller", "Jos\\u00e9", "Jos%C3%A9", "Ann%20Lee", "J=C3=B8rgen", "5 â\u201a¬"),
    ),
    Kind.FILLER: (
        "TODO",
        "todo",
        "xxx",
        "XXXX",
        "-",
        "--",
        "?",
        "??",
        ".",
        "...",
        "—",
        "tbd",
        "#####",
        "asdf",
        "lorem ipsum",
    ),
}
# A value that somebody means. Many contain what a hasty rule would look for.
GOOD = (
    *(
        "Ann",
        "Null Island",
        "Nan",
        "Na",
        "Na Li",
        "None of the above",
        "Nil",
        "Nil desperandum",
        "none",
        "no",
        "0",
        "x",
    ),
    *(
        "AT&T",
        "Tom & Ann",
        "R&D",
        "5 & 10; more",
        "AT&T;",
        "50 %",
        "100%",
        "50%-75%",
        "10% off and 20% later",
        "50%off%",
    ),
    *("João", "JOÃO", "SÃO PAULO", "IRMÃOS", "MAÇÃ", "NESTLÉ®", "CAFÉ™", "MENÜ“", "„MENÜ“", "Ünal", "Đorđe", "Łódź"),
    *(
        "İstanbul",
        "Ñandú",
        "Ægir",
        "Straße 5",
        "Иван",
        "Ελένη",
        "日本",
        "אבג",
        "O'Brien",
        "O\u2019Brien",
        "Jean-Luc",
        "D'Arcy",
    ),
    *(
        "C++",
        "C#",
        "#1",
        "# 42",
        "#42",
        "No. 5",
        "3/4",
        "9:00-17:00",
        "$50",
        "US$ 5",
        "€5",
        "<3",
        "3 < 4",
        "a > b",
        "[1]",
    ),
    *("https://example.org/a%20b?x=1&y=2", "ann@example.org", "@ann", "a_b", "(555) 010-0199"),
    *(
        '{"slot": "9:30"}',
        '{"a": {"b": true}}',
        "{1, 2}",
        "{red, green}",
        "[sic]",
        "[Berlin]",
        "contact@flow.example",
        "@contact",
        "me @ fields",
        "@trigger.",
        "Undefined behaviour",
        "null and void",
        "Infinity",
        "Array Networks",
        "Missing Link",
        "Nothing",
    ),
    *("XX", "XL", "Malcolm X", "What?", "Really? Yes", "Todo bien", "Tbilisi", "Ready.", "Nancy", "Nando", "Banana"),
    *("Not available before 9", "2026-05-12", "1970-01-01", "+33612345678", "M&M's", "Q&A", "P&O;"),
)
NAMES_BAD = (
    *(
        "none",
        "Unknown",
        "unknown",
        "NULL",
        "null",
        "nan",
        "Ann undefined",
        "Ann null",
        "null Smith",
        "Ann None",
        "M?ller",
    ),
    *("no name", "First Name", "Jennifer NULL", "undefined undefined", "Fran?ois", "Ann nan", "Unbekannt", "n/a", "-"),
)
NAMES_GOOD = (
    *(
        "Jennifer Null",
        "JENNIFER NULL",
        "Nan",
        "Nan Goldin",
        "Ann Nan",
        "Na Li",
        "Li Na",
        "Nil",
        "Nil Öztürk",
        "X Æ A-12",
    ),
    *(
        "Malcolm X",
        "Noneto Smith",
        "Nully",
        "Test",
        "Dr. No",
        "Object Smith",
        "Alan Key",
        "Mary-Ann O'Neil",
        "Nullmann",
    ),
)


def test_each_kind_is_found_and_named(subtests: pytest.Subtests) -> None:
    for kind, texts in BAD.items():
        for text in texts:
            with subtests.test(text=text):
                assert kind_of(text) is kind


def test_what_somebody_means_is_left_alone(subtests: pytest.Subtests) -> None:
    for text in ("", " ", *GOOD):
        with subtests.test(text=text):
            assert kind_of(text) is None


def test_names_have_rules_of_their_own(subtests: pytest.Subtests) -> None:
    for variable in ("customer_name", "full_name", "nombre"):
        for text in NAMES_BAD:
            with subtests.test(variable=variable, text=text):
                assert kind_of(text, variable) is not None
        for text in NAMES_GOOD:
            with subtests.test(variable=variable, text=text):
                assert kind_of(text, variable) is None


def test_null_is_a_family_name_beside_another_part_of_the_name() -> None:
    def variables(**values: str) -> list[str]:
        return [each.variable for each in find(values)]

    assert variables(first_name="Jennifer", last_name="Null") == []
    assert variables(last_name="Null") == ["last_name"]
    assert variables(first_name="", last_name="Null") == ["last_name"]
    assert variables(first_name="Null", last_name="Null") == ["first_name", "last_name"]
    assert variables(first_name="NULL", last_name="Null") == ["first_name", "last_name"]
    assert variables(first_name="Jennifer", last_name="NULL") == ["last_name"]
    assert variables(first_name="Jennifer", city="Null") == ["city"]
    assert [each.variable for each in find({"last_name": "Null"}, "Jennifer Null")] == []


def test_na_is_a_place_where_places_stand() -> None:
    found = find({"region": "NA", "country_code": "NA", "slot": "NA", "landlord": "NA"})
    assert [each.variable for each in found] == ["slot", "landlord"]


@given(
    st.text(alphabet=st.characters(codec="ascii"), max_size=12),
    st.sampled_from([text for row in BAD.values() for text in row]),
)
def test_the_short_cut_for_plain_words_loses_nothing(word: str, bad: str) -> None:
    """Most values take the short cut. It may only skip a search that would find nothing."""
    for text in (word, f"{word} {bad}", bad):
        value = text.strip()
        if value and kind_of(value) is None:
            assert placeholders.remnant(value) is None


@given(st.text(max_size=60))
def test_no_text_is_too_odd(text: str) -> None:
    kind_of(text)
    kind_of(text, "customer_name")


@given(st.from_regex(r"[A-Z][a-zà-öø-ÿ]{2,12}( [A-Z][a-zà-öø-ÿ]{2,12}){0,2}", fullmatch=True))
def test_a_name_of_latin_letters_is_a_name(name: str) -> None:
    """Except the few that are words for a missing value; each of them has a row above."""
    if name.split()[0] not in {"None", "Unknown", "Nobody", "Empty", "Blank", "Name", "Array", "Null", "Undefined"}:
        assert kind_of(name, "customer_name") in (None, Kind.MISSING if name.split()[-1] == "None" else None)
