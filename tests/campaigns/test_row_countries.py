"""A file says the country of each row: its numbers are never read as those of another country, in silence."""

from __future__ import annotations

import phonenumbers
import pytest

from campaigns.imports.country_names import named_country
from tests.campaigns.reading import read
from tests.tables import cases


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Name;Country;Phone", "Zoé;Spain;612345678"),
        ("Name;Country;Phone", "Zoé;ES;612345678"),
        ("Nom;Téléphone;Pays", "Zoé;612345678;Espagne"),
        ("Name;Telefon;Ort;Land", "Zoé;612345678;Vigo;Spanien"),
        ("Nombre;País;Ciudad;Teléfono", "Zoé;España;Vigo;612345678"),
        ("First Name;Phone Number;City;Country/Region", "Zoé;612345678;Vigo;Spain"),
        ("country_code;name;phone", "34;Zoé;612345678"),
        ("Country code;Name;Phone", "ES;Zoé;612345678"),
    ],
)
def test_a_number_of_a_row_of_another_country_is_not_read_as_one_at_home(header: str, row: str) -> None:
    """612345678 is a mobile number in Spain and in France. Either it is Spain's, or the row is refused with both."""
    found = read(f"{header};x\n{row};y\n".encode())
    assert found.numbers in (["+34612345678"], [])
    if found.bad:
        assert "+34612345678" in found.bad[2]
        assert "+33612345678" in found.bad[2]


@pytest.mark.parametrize("country", ["France", "FR", "", "Frankreich"])
def test_a_number_of_a_row_at_home_is_read_as_before(country: str) -> None:
    found = read(f"Name;Country;Phone\nZoé;{country};612345678\nAda;{country};0612345679\n".encode())
    assert found.numbers == ["+33612345678", "+33612345679"]


@pytest.mark.parametrize("country", ["Spain", "ES"])
def test_a_number_that_says_its_country_is_believed_beside_another(country: str) -> None:
    found = read(f"Name;Country;Phone\nZoé;{country};+33612345678\nAda;{country};0033612345679\n".encode())
    assert found.numbers == ["+33612345678", "+33612345679"]


@cases(
    "header",
    [
        *(
            "Country",
            "country",
            "COUNTRY",
            "Country name",
            "country_code",
            "countryCode",
            "Country Code",
            "ISO country",
        ),
        *("Country/Region", "Country / Territory", "Country (ISO 2)", "country_iso3", "Country of residence"),
        *("Business Country/Region", "Home Country", "Other Country/Region", "Mailing Country", "MailingCountryCode"),
        *(
            "Address 1 - Country",
            "Default Address Country Code",
            "Billing Country",
            "Shipping country",
            "Contact country",
        ),
        *("Pays", "Code pays", "Pays de résidence", "Pays (domicile)", "Pays/Région (bureau)", "Autre pays/région"),
        *(
            "Land",
            "Land/Region geschäftlich",
            "Weiteres Land/weitere Region",
            "Ländercode",
            "Wohnsitzland",
            "Lieferland",
        ),
        *("País", "País de residencia", "País o región del trabajo", "Código de país", "Paese", "Paese di residenza"),
        *("Nazione", "Nation", "País/Região", "Landcode", "Kraj", "Země", "Ország", "Țară", "Ülke", "Страна", "Χώρα"),
        *("国", "国家", "국가", "الدولة", "Quốc gia", "Calling code", "Country calling code", "Phone country", "CC"),
    ],
)
def test_a_column_with_the_country_of_the_person_is_recognised_by_its_name(header: str) -> None:
    found = read(f"Phone;Name;{header};x\n612345678;Zoé;ES;y\n612345679;Ada;;y\n".encode())
    assert "+33612345678" not in found.numbers
    assert found.numbers[-1] == "+33612345679"


@cases(
    "header",
    [
        *("Country of birth", "Nationality", "Country manager", "Countries visited", "Land area", "Favourite country"),
        *("Pays visités", "Geburtsland", "Country music", "In country since", "Language", "State", "Code", "Landmark"),
    ],
)
def test_another_column_with_such_a_word_says_nothing_about_numbers(header: str) -> None:
    found = read(f"Phone;Name;{header};x\n612345678;Zoé;ES;y\n".encode())
    assert found.numbers == ["+33612345678"]


@cases(
    "value",
    [
        *("Spain", "SPAIN", " spain ", "España", "Espana", "Espagne", "Spanien", "Spagna", "Espanha", "Spanje"),
        *("ES", "es", "Es", "ESP", "+34", "34", "0034", "34.0", "Spain (+34)", "ES - España", "Spain (ES)", "🇪🇸"),
        *("🇪🇸 Spain", "Hiszpania", "Испания", "スペイン", "E", '="34"', "'+34"),
    ],
)
def test_a_country_is_read_from_names_and_codes(value: str) -> None:
    quoted = value.replace('"', '""')
    found = read(f'Phone;Name;Country;x\n612345678;Zoé;"{quoted}";y\n'.encode())
    assert found.numbers == []
    assert "+34612345678" in found.bad[2]
    assert "+33612345678" in found.bad[2]


# ISO 3166-1 and the names of the United Nations, of people, and of other languages.
@cases(
    ("value", "country"),
    [
        *(("GBR", "GB"), ("UK", "GB"), ("England", "GB"), ("U.S.A.", "US"), ("United States of America", "US")),
        *(("DEU", "DE"), ("CHE", "CH"), ("AUT", "AT"), ("PRT", "PT"), ("DNK", "DK"), ("SVN", "SI"), ("SVK", "SK")),
        *(("EST", "EE"), ("DZA", "DZ"), ("KHM", "KH"), ("BIH", "BA"), ("REU", "RE"), ("TCD", "TD"), ("COD", "CD")),
        *(("NER", "NE"), ("NGA", "NG"), ("PRK", "KP"), ("KOR", "KR"), ("AUS", "AU"), ("ARE", "AE"), ("ZAF", "ZA")),
        *(("GIN", "GN"), ("GNB", "GW"), ("GNQ", "GQ"), ("MAC", "MO"), ("MAF", "MF"), ("MDG", "MG"), ("MYT", "YT")),
        *(
            ("Côte d\N{RIGHT SINGLE QUOTATION MARK}Ivoire", "CI"),
            ("Ivory Coast", "CI"),
            ("The Netherlands", "NL"),
            ("Holland", "NL"),
            ("EL", "GR"),
        ),
        *(("Trinidad & Tobago", "TT"), ("St. Lucia", "LC"), ("Iran, Islamic Republic of", "IR"), ("Viet Nam", "VN")),
        *(("Russian Federation", "RU"), ("Korea, Republic of", "KR"), ("Czechia", "CZ"), ("Türkiye", "TR")),
        *(("Großbritannien", "GB"), ("Oesterreich", "AT"), ("Niger", "NE"), ("Nigeria", "NG"), ("Áo", "AT")),
        *(("Dominica", "DM"), ("Dominican Republic", "DO"), ("+1", "US"), ("+1 684", "US"), ("Canada (+1)", "CA")),
        *(("7", "RU"), ("353", "IE"), ("+44", "GB"), ("Myanmar (Burma)", "MM"), ("Kosovo", "XK")),
        # No country, or several.
        *(("", ""), ("n/a", ""), ("unknown", ""), ("Paris", ""), ("999", ""), ("012", ""), ("Spain, France", "")),
        *(("Congo", ""), ("Saint Martin", ""), ("Virgin Islands", ""), ("Antarctica", ""), ("x" * 300, "")),
    ],
)
def test_a_country_by_its_names_and_codes(value: str, country: str) -> None:
    assert named_country(value) == country


def test_a_number_of_another_country_is_never_read_as_one_at_home() -> None:
    """Every country's example numbers, as written at home, in files of several regions."""
    right = 0
    for region in ("FR", "DE", "US", "IT", "KE", "SG"):
        lines, meant = ["Phone;Name;Country"], {}
        for country in sorted(phonenumbers.SUPPORTED_REGIONS):
            for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
                if number := phonenumbers.example_number_for_type(country, kind):
                    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
                    meant[len(lines) + 1] = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
                    lines.append(f"{text};x;{country}")
        found = read("\n".join(lines).encode(), region)
        wrong = {line: row.phone for line, row in found.good.items() if row.phone != meant[line]}
        assert not wrong
        right += len(found.good)
    assert right > 1_500


def test_a_number_that_is_one_in_the_rows_country_only_is_read_there() -> None:
    found = read(b"Name;Country;Phone\nBob;United Kingdom;07400 123456\nMia;Germany;01512 3456789\n")
    assert found.numbers == ["+447400123456", "+4915123456789"]


def test_a_country_that_may_not_be_called_is_not_avoided_by_another_reading() -> None:
    found = read(b"Name;Country;Phone\nBob;United Kingdom;07400 123456\n", allowed={"FR"})
    assert found.numbers == []
    assert "is a number in GB, which may not be called" in found.bad[2]


def test_a_number_that_is_one_at_home_only_is_refused_in_a_row_of_another_country() -> None:
    found = read("Name;Country;Phone\nZoé;Spain;0142345678\n".encode())
    assert found.numbers == []
    assert "ES" in found.bad[2]
    assert "+33142345678 in FR" in found.bad[2]


def test_a_number_that_is_none_names_the_country_of_its_row() -> None:
    found = read("Name;Country;Phone\nZoé;Spain;61234567\n".encode())
    assert "is not a phone number in ES" in found.bad[2]


def test_countries_of_one_plan_agree() -> None:
    found = read(b"Country;Phone\nCanada;(416) 555-0123\nBahamas;242 365 1234\n", "US")
    assert found.numbers == ["+14165550123", "+12423651234"]
    found = read("Pays;Téléphone\nRéunion;0692 12 34 56\nFrance;0692 12 34 57\nMartinique;0612345678\n".encode())
    assert found.numbers == ["+262692123456", "+262692123457", "+33612345678"]


@cases(
    ("header", "row", "right"),
    [
        # The country of the number's kind decides.
        ("Home Phone;Home Country;Business Country", "612345678;France;Spain", ["+33612345678"]),
        ("Business Phone;Home Country;Business Country", "612345678;Spain;France", ["+33612345678"]),
        ("Business Phone;Home Country;Business Country", "612345678;France;Spain", []),
        ("Mobile;Country;Company country", "612345678;France;Spain", ["+33612345678"]),
        ("Mobile;Country;Company country", "612345678;Spain;France", []),
        # If its cell says nothing, another one does.
        ("Business Phone;Home Country;Business Country", "612345678;Spain;", []),
        ("Business Phone;Home Country;Business Country", "612345678;;-", ["+33612345678"]),
        # Those that disagree decide only what is one number in all.
        ("Mobile;Home Country;Business Country", "612345678;Spain;France", []),
        ("Mobile;Home Country;Business Country", "07400123456;United Kingdom;France", ["+447400123456"]),
        ("Mobile;Home Country;Business Country", "0142345678;Spain;France", ["+33142345678"]),
        ("Mobile;Home Country;Business Country", "612345678;France;FR", ["+33612345678"]),
        ("Billing country code;Phone", "ES;612345678", []),
        # A code whose own number is not in the file.
        ("Home phone country code;Mobile", "34;612345678", []),
        ("Dial code;Name;Home phone;x;Mobile", "34;Zoé;0142345678;y;612345679", []),
        # A key of a database is no calling code.
        ("country_id;Name;Phone", "34;Zoé;612345678", ["+33612345678"]),
        ("country_id;Name;Phone", "ES;Zoé;612345678", []),
        # The code beside the number decides alone.
        ("Country;Name;Country code;Phone", "France;Zoé;34;612345678", ["+34612345678"]),
        ("Country;Name;Country code;Phone", "Spain;Zoé;;612345678", []),
    ],
)
def test_of_several_countries_the_one_of_the_number_decides(header: str, row: str, right: list[str]) -> None:
    found = read(f"{header};z\n{row};y\n{';' * header.count(';')};\n".encode())
    assert found.numbers == right


def test_a_further_number_of_two_countries_is_left_out_with_its_reason() -> None:
    found = read(b"Country;Mobile;Home phone\nSpain;+34612345678;612345679\n")
    assert found.all_numbers == [["+34612345678"]]
    assert "+33612345679" in found.good[2].unusable[0]


def test_a_number_of_another_country_is_not_taken_apart() -> None:
    """882198 alone is a number of Luxembourg."""
    found = read(b"Country;Phone\nLuxembourg;180 - 882198\n")
    assert found.numbers == []
    assert "+33180882198" in found.bad[2]


def test_the_column_stays_a_variable() -> None:
    found = read(b"Country;Phone\nFrance;0612345678\n")
    assert found.mapping == {"Country": "variables.Country", "Phone": "phone"}
    assert found.good[2].variables == {"Country": "France"}


def test_a_column_of_another_field_is_no_country() -> None:
    found = read(b"Land;Phone\nES;612345678\n", mapping={"Land": "name"})
    assert found.numbers == ["+33612345678"]


def test_a_column_that_is_left_out_still_says_the_country() -> None:
    found = read(b"Land;Phone\nES;612345678\n", mapping={"Land": ""})
    assert found.numbers == []


@pytest.mark.parametrize("value", ["Spain", "España", "ESP", "ES", "+34", "0034", "034", "34", "Balearics (+34)"])
def test_a_country_code_beside_the_number_decides_alone(value: str) -> None:
    found = read(f"Name;Phone country;Phone;x\nZoé;{value};612345678;y\n".encode())
    assert found.numbers == ["+34612345678"]


@pytest.mark.parametrize("value", ["999", "Spain, France", "x"])
def test_a_country_code_beside_the_number_that_is_none_refuses_the_row(value: str) -> None:
    found = read(f"Name;Phone country;Phone;x\nZoé;{value};612345678;y\n".encode())
    assert "write it like +34 or ES" in found.bad[2]
