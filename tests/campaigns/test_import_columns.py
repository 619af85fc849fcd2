"""What columns become by their names: numbers, exports of programs, consent, and columns that nobody mapped."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta, timezone

import pytest

from campaigns.imports.columns import (
    IGNORE,
    ColumnMapping,
    chosen_mapping,
    explain,
    guess_mapping,
    mapping_faults,
    unique_header,
)
from campaigns.imports.consent import NotAMoment, read_moment
from campaigns.imports.rows import RejectedRow, contact_of, read_rows, sniff
from campaigns.models.contact import MAX_VARIABLES
from tests.campaigns.reading import read
from tests.tables import cases

A, B, C, D, E, F = (f"+3361234567{n}" for n in range(6))
FIXED = "+33142345678"


@cases(
    ("names", "target"),
    [
        (
            "Phone|Phone Number|Telephone|Tel.|Tél|Téléphone|Numéro de téléphone|Telefon|Telefonnummer|Rufnummer",
            "phone",
        ),
        ("Teléfono|Número de teléfono|phone_number|phoneNumber|Phone1|Phone 2|Customer phone (main)", "phone"),
        (
            "Primary Phone|Tél. principal|Haupttelefon|Teléfono principal|電話|Телефон|Phone (with country code)",
            "phone",
        ),
        ("Mobile|Mobile Phone|Cell|Cell Phone|Cellphone|Portable|Tél. mobile|Téléphone portable|GSM", "phone.mobile"),
        ("Handy|Handynummer|Mobil|Mobiltelefon|Mobilnummer|Mobiltelefonnummer|Móvil|Teléfono móvil", "phone.mobile"),
        ("Celular|Cellulare|MobilePhone|mobile_phone|Mobile Phone Number|Phone - Mobile|Work mobile", "phone.mobile"),
        ("Home Phone|HomePhone|homephone|Home Phone 2|Téléphone (domicile)|Téléphone 2 (domicile)", "phone.home"),
        ("Telefon privat|Telefon (privat)|Telefon privat 2|Privattelefon|Teléfono de casa", "phone.home"),
        ("Work Phone|Business Phone|Business Phone 2|Office phone|Téléphone (bureau)|Tél. pro", "phone.work"),
        ("Telefon geschäftlich|Telefon geschäftlich 2|Diensttelefon|Teléfono del trabajo|Company phone", "phone.work"),
        ("Mob|Mob.|Mob No|Mob. Number|Cell No.", "phone.mobile"),
        ("Contact No|Contact No.|Ph No|Ph. Number|Rufnr.", "phone"),
        ("Other Phone|OtherPhone|Téléphone (autre)|Weiteres Telefon|Otro teléfono|Alternate phone", "phone.other"),
    ],
)
def test_every_column_of_numbers_says_its_kind(names: str, target: str) -> None:
    for name in names.split("|"):
        assert guess_mapping([name, "x"])[name] == target, name


@cases(
    "name",
    [
        "Fax",
        "Business Fax",
        "Home Fax",
        "Fax geschäftlich",
        "Télécopie (bureau)",
        "Telefax",
        "Faxnummer",
        "Fax del trabajo",
        "Pager",
        "ISDN",
        "Telex",
        "TTY/TDD Phone",
        "Radio Phone",
        "Radiotéléphone",
        "Téléphone TDD/TTY",
        "Récepteur de radiomessagerie",
        "Telefon für Hörbehinderte",
        "Assistant's Phone",
        "AssistantPhone",
        "Asst. Phone",
        "Téléphone de l'assistant(e)",
        "Telefon Assistent",
        "Teléfono del ayudante",
        "Company Main Phone",
        "Telefon Firma",
        "Téléphone société",
        "Emergency phone",
        "Emergency contact phone",
        "Téléphone urgence",
        "Notfalltelefon",
        "Teléfono de emergencia",
        "Manager phone",
        "Spouse phone",
    ],
)
def test_numbers_of_machines_and_of_other_people_are_never_called(name: str) -> None:
    found = guess_mapping(["phone", name])
    assert found[name] == ""
    assert explain(["phone", name], found)[name] in {"not a phone", "not the contact's own number"}
    assert "phone" not in {target.partition(".")[0] for target in guess_mapping([name, "x"]).values()}


@pytest.mark.parametrize(
    "name",
    [
        "Phone country",
        "Microphone",
        "Headphones",
        "Phone conversation",
        "Phone plan",
        "Phone carrier",
        "Mobile app",
        "Phone verified",
        "Phone ext",
    ],
)
def test_what_is_known_about_a_number_is_no_number(name: str) -> None:
    assert guess_mapping(["phone", name])[name].startswith("variables.")


def test_a_column_of_kinds_beside_its_numbers_is_read() -> None:
    found = read(f"Phone,Phone Type,Phone 2 Type,Phone 2\n{FIXED},Work,Home,+33142345679\n".encode())
    assert [found.good[2].phone_kind, *(each.kind for each in found.good[2].further_numbers)] == ["work", "home"]


def test_a_vague_name_counts_only_if_it_is_alone() -> None:
    assert guess_mapping(["Number", "x"])["Number"] == "phone"
    assert guess_mapping(["Number", "Phone"])["Number"] == "variables.Number"


def test_repeated_names_are_told_apart_and_all_are_read() -> None:
    data = f"Phone,Name,Phone,Phone\n{A},Zoé,{B},{FIXED}\n,Ada,{C},\n".encode()
    found = read(data)
    assert found.form.header == ("Phone", "Name", "Phone (2)", "Phone (3)")
    assert found.all_numbers == [[A, B, FIXED], [C]]


def test_the_first_mobile_is_called_and_the_others_are_kept_in_order() -> None:
    data = f"Business Phone,Home Phone,Mobile Phone\n{FIXED},+33142345679,{A}\n{FIXED},,\n{FIXED},{B},\n".encode()
    found = read(data)
    assert found.all_numbers == [[A, FIXED, "+33142345679"], [FIXED], [B, FIXED]]
    assert [[each.kind for each in row.further_numbers] for row in found.good.values()] == [
        ["work", "home"],
        [],
        ["work"],
    ]
    assert [row.phone_kind for row in found.good.values()] == ["mobile", "work", "home"]


def test_a_number_that_the_plan_knows_as_fixed_is_no_mobile_whatever_the_column_says() -> None:
    found = read(f"Mobile,Home Phone\n{FIXED},{A}\n".encode())
    assert found.all_numbers == [[A, FIXED]]


def test_where_plans_tell_no_mobiles_the_name_of_the_column_does() -> None:
    found = read(b"Phone,Mobile\n2125550142,2125550143\n", "US")
    assert found.all_numbers == [["+12125550143", "+12125550142"]]


def test_a_person_has_five_numbers_and_the_rest_is_counted() -> None:
    header = ",".join(f"Phone {n}" for n in range(1, 8))
    found = read(f"{header}\n{A},{B},{C},{D},{E},{F},{FIXED}\n".encode())
    (row,) = found.good.values()
    assert found.all_numbers == [[A, B, C, D, E]]
    assert row.beyond == (F, FIXED)


def test_a_marked_row_that_is_rejected_names_all_its_numbers() -> None:
    header = ",".join(f"Phone {n}" for n in range(1, 7))
    data = f"{header},Do Not Call,tz\n{A},{B},{C},{D},{E},{F},yes,Atlantis\n{FIXED},,,,,,no,Atlantis\n".encode()
    form = sniff(data)
    columns = ColumnMapping.of(form.header, guess_mapping(form.header))
    marked, other = (contact_of(row, columns, "FR", {"FR"}) for row in read_rows(io.BytesIO(data), form))
    assert isinstance(marked, RejectedRow)
    assert marked.listed == (A, B, C, D, E, F)
    assert isinstance(other, RejectedRow)
    assert other.listed == ()


def test_the_same_number_twice_is_one() -> None:
    found = read(f"Phone,Mobile\n06 12 34 56 70,{A}\n".encode())
    assert found.all_numbers == [[A]]
    assert found.good[2].phone_kind == "mobile"


def test_an_unusable_second_number_does_not_lose_the_person() -> None:
    found = read(f"Phone,Home Phone\n{A},0612\nx,{B}\n,\n0612,0613\n".encode())
    assert found.numbers == [A, B]
    assert [len(row.unusable) for row in found.good.values()] == [1, 1]
    assert found.bad.keys() == {5}
    assert "'0612'" in found.bad[5]


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        *[("Mobile", "mobile"), ("* Mobile", "mobile"), ("Work", "work"), ("Home", "home"), ("Main", ""), ("", "")],
        *[("Privat", "home"), ("Bureau", "work"), ("Móvil", "mobile"), ("Other", "other"), ("Custom", "")],
    ],
)
def test_labels_of_an_address_book_say_the_kind(label: str, kind: str) -> None:
    for word in ("Label", "Type"):
        data = f"Name,Phone 1 - {word},Phone 1 - Value\nZoé,{label},{A}\n".encode()
        assert read(data).good[2].phone_kind == kind


@pytest.mark.parametrize("label", ["Work Fax", "Pager", "Assistant", "Emergency", "Notfall", "Telex"])
def test_a_label_of_a_fax_or_of_somebody_else_keeps_its_number_from_being_called(label: str) -> None:
    found = read(
        f"Name,Phone 1 - Type,Phone 1 - Value,Phone 2 - Type,Phone 2 - Value\nZoé,{label},{A},Home,{B}\n".encode()
    )
    assert found.all_numbers == [[B]]


def test_a_mapping_names_kinds_and_several_columns() -> None:
    mapping = {"a": "phone.home", "b": "phone_kind", "c": "phone", "d": "phone.other"}
    found = read(f"a,b,c,d\n{FIXED},Work,+33142345679,+33142345670\n".encode(), mapping=mapping)
    assert found.all_numbers == [["+33142345679", FIXED, "+33142345670"]]
    assert found.good[2].phone_kind == "work"


def test_a_mapping_of_one_column_leaves_the_other_numbers_alone() -> None:
    found = read(f"Phone,Mobile\n{FIXED},{A}\n".encode(), mapping={"Phone": "phone"})
    assert found.all_numbers == [[FIXED]]
    assert found.good[2].variables == {"Mobile": A}


@cases("name", ["Country code", "Phone country code", "Dial code", "Indicatif", "Prefijo", "phone_country"])
@cases("code", ["+34", "34", "0034", "(+34)", "ES", "es", "'+34", "Spain (+34)"])
def test_a_country_code_beside_a_number_says_its_country(name: str, code: str) -> None:
    """612345678 is a mobile number in Spain and in France: two different people."""
    for header, cells in ((f"{name};Phone", f"{code};612345678"), (f"Phone;{name}", f"612345678;{code}")):
        found = read(f"{header};x\n{cells};y\n;;\n".encode())
        assert found.numbers == ["+34612345678"]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (
            "Phones / Primary Phone Number;Phones / Primary Phone Country Code;Phones / Primary Phone Calling Code",
            "N;ES;+34",
        ),
        ("Primary Phone Calling Code;Primary Phone Country Code;Primary Phone Number", "+34;ES;N"),
        ("Mobile;Mobile Dial Code", "N;34"),
        ("Home Phone Country Code;Home Phone", "+34;N"),
        ("Indicatif mobile;Mobile", "34;N"),
        ("Mobile prefix;Mobile", "+34;N"),
        ("Phone 1 - Country Code;Phone 1 - Value", "ES;N"),
        ("Dial code;Name;Phone", "34;Zoé;N"),
        ("phone_country_code;first_name;last_name;phone_number", "34;Zoé;Roy;N"),
    ],
)
def test_a_country_code_is_known_by_the_words_of_its_number(header: str, row: str) -> None:
    found = read(f"{header};x\n{row.replace('N', '612345678')};y\n{';' * header.count(';')};\n".encode())
    assert found.numbers == ["+34612345678"]


@pytest.mark.parametrize(
    ("header", "row", "right"),
    [
        # Of two numbers each has its own code, on the same side.
        (
            "Home phone;Country code;Work phone;Country code",
            "612345678;34;612345679;33",
            {"+34612345678", "+33612345679"},
        ),
        (
            "Country code;Home phone;Country code;Work phone",
            "34;612345678;33;612345679",
            {"+34612345678", "+33612345679"},
        ),
        (
            "Home phone;Home phone country code;Work phone;Work phone country code",
            "612345678;34;612345679;33",
            {"+34612345678", "+33612345679"},
        ),
        # The code of another number says nothing.
        ("Home phone;Mobile country code;Mobile", "612345678;34;612345679", {"+33612345678", "+34612345679"}),
        ("Cell phone;Mobile country code;Home phone", "612345678;34;612345679", {"+34612345678", "+33612345679"}),
    ],
)
def test_a_country_code_is_that_of_its_own_number(header: str, row: str, right: set[str]) -> None:
    found = read(f"{header};z\n{row};y\n{';' * header.count(';')};\n".encode())
    assert set(*found.all_numbers) == right


def test_a_country_code_that_is_none_refuses_the_row_and_an_empty_one_is_the_imports() -> None:
    found = read(b"Country code;Phone\nX9;612345678\n;0612345678\nX9;+33612345679\n999;0612345678\n1684;2125550142\n")
    assert found.numbers == ["+33612345678", "+33612345679", "+12125550142"]
    assert list(found.bad) == [2, 5]
    assert "write it like +34 or ES" in found.bad[2]


def test_the_column_decides_for_the_imports_country_only() -> None:
    rows = "".join(f";3361234567{n}\n" for n in range(4))
    found = read(f"Country code;Phone\nDE;4915123436445\n{rows}".encode())
    assert found.numbers == [f"+3361234567{n}" for n in range(4)]
    assert "+494915123436445" in found.bad[2]
    assert "+4915123436445" in found.bad[2]


# Programs' exports: names of columns as the programs write them.
OUTLOOK_DE = (
    "Anrede|Vorname|Weitere Vornamen|Nachname|Suffix|Firma|Abteilung|Position|Straße geschäftlich|Ort geschäftlich|"
    "Telefon Assistent|Fax geschäftlich|Telefon geschäftlich|Telefon geschäftlich 2|Rückmeldung|Autotelefon|"
    "Telefon Firma|Fax privat|Telefon privat|Telefon privat 2|ISDN|Mobiltelefon|Weiteres Fax|Weiteres Telefon|Pager|"
    "Haupttelefon|Mobiltelefon 2|Telefon für Hörbehinderte|Telex|E-Mail-Adresse|Notizen|Sprache"
)
OUTLOOK_FR = (
    "Titre|Prénom|Deuxième prénom|Nom|Suffixe|Société|Service|Ville (bureau)|Téléphone de l'assistant(e)|"
    "Télécopie (bureau)|Téléphone (bureau)|Téléphone 2 (bureau)|Rappel|Téléphone (voiture)|Téléphone société|"
    "Télécopie (domicile)|Téléphone (domicile)|Téléphone 2 (domicile)|RNIS|Tél. mobile|Télécopie (autre)|"
    "Téléphone (autre)|Récepteur de radiomessagerie|Téléphone principal|Radiotéléphone|Téléphone TDD/TTY|Télex|"
    "Adresse de messagerie|Langue"
)
OUTLOOK_ES = (
    "Trato|Nombre|Segundo nombre|Apellidos|Organización|Puesto|Calle del trabajo|Teléfono del ayudante|Fax del trabajo|"
    "Teléfono del trabajo|Teléfono del trabajo 2|Particular|Teléfono movil|Otro teléfono|Categorías|Notas"
)
GOOGLE_OLD = (
    "Name|Given Name|Additional Name|Family Name|Yomi Name|Nickname|Birthday|Language|Group Membership|"
    "E-mail 1 - Type|E-mail 1 - Value|Phone 1 - Type|Phone 1 - Value|Phone 2 - Type|Phone 2 - Value"
)
HUBSPOT = (
    "Record ID|First Name|Last Name|Email|Phone Number|Mobile Phone Number|Contact owner|Lead Status|"
    "Marketing contact status|Create Date|Unsubscribed from all email|Legal basis for processing contact's data|"
    "Number of times contacted|Last Contacted|Lifecycle Stage"
)
SALESFORCE = (
    "Contact ID|Salutation|First Name|Last Name|Account Name|Phone|Mobile|Home Phone|Other Phone|Asst. Phone|Fax|"
    "Do Not Call|Email Opt Out|Fax Opt Out|Owner ID"
)
SALESFORCE_API = (
    "Id|AccountId|LastName|FirstName|Name|Phone|Fax|MobilePhone|HomePhone|OtherPhone|AssistantPhone|"
    "HasOptedOutOfEmail|HasOptedOutOfFax|DoNotCall"
)
META = (
    "id|created_time|ad_id|ad_name|adset_id|adset_name|campaign_id|campaign_name|form_id|form_name|is_organic|platform|"
    "what_is_your_budget?|full_name|phone_number|email|lead_status"
)
LINKEDIN = "Lead ID|Form name|Campaign name|Submitted at|First name|Last name|Email|Phone number|Company name|Job title"
PIPEDRIVE = (
    "Person - ID|Person - Name|Person - Organization|Person - Phone - Work|Person - Phone - Home|"
    "Person - Phone - Mobile|Person - Email - Work|Person - Marketing status"
)
ZOHO = (
    "Record Id|First Name|Last Name|Email|Phone|Home Phone|Other Phone|Mobile|Fax|Asst Phone|Email Opt Out|"
    "Unsubscribed Mode|Unsubscribed Time"
)
MAILCHIMP = (
    "Email Address|First Name|Last Name|Phone Number|MEMBER_RATING|OPTIN_TIME|OPTIN_IP|CONFIRM_TIME|TIMEZONE|"
    "LAST_CHANGED|LEID|TAGS"
)


@cases(
    ("columns", "expected"),
    [
        (
            OUTLOOK_DE,
            {"Vorname": "name", "Nachname": "name", "Sprache": "language", "Mobiltelefon": "phone.mobile"}
            | {"Telefon geschäftlich": "phone.work", "Telefon privat": "phone.home", "Weiteres Telefon": "phone.other"}
            | {"Haupttelefon": "phone", "Telefon Firma": "", "Telefon Assistent": "", "Fax privat": "", "Pager": ""},
        ),
        (
            OUTLOOK_FR,
            {"Prénom": "name", "Nom": "name", "Langue": "language", "Tél. mobile": "phone.mobile"}
            | {"Téléphone (bureau)": "phone.work", "Téléphone (domicile)": "phone.home", "Téléphone société": ""}
            | {"Téléphone (voiture)": "phone.other", "Télécopie (autre)": "", "Téléphone principal": "phone"},
        ),
        (
            OUTLOOK_ES,
            {"Nombre": "name", "Apellidos": "name", "Particular": "phone.home", "Teléfono movil": "phone.mobile"}
            | {"Teléfono del trabajo 2": "phone.work", "Teléfono del ayudante": "", "Fax del trabajo": ""},
        ),
        (
            GOOGLE_OLD,
            {"Name": "name", "Given Name": "variables.Given_Name", "Phone 1 - Type": "phone_kind"}
            | {"Phone 1 - Value": "phone", "Phone 2 - Type": "phone_kind", "Phone 2 - Value": "phone"},
        ),
        (
            HUBSPOT,
            {"Record ID": "external_id", "Phone Number": "phone", "Mobile Phone Number": "phone.mobile"}
            | {"Legal basis for processing contact's data": "consent_basis", "First Name": "name"}
            | {"Unsubscribed from all email": "variables.Unsubscribed_from_all_email"},
        ),
        (
            SALESFORCE,
            {"Contact ID": "external_id", "Do Not Call": "do_not_call", "Asst. Phone": "", "Fax": ""}
            | {"Phone": "phone", "Mobile": "phone.mobile", "Home Phone": "phone.home", "Other Phone": "phone.other"}
            | {"Email Opt Out": "variables.Email_Opt_Out", "Fax Opt Out": "variables.Fax_Opt_Out"},
        ),
        (
            SALESFORCE_API,
            {"Id": "external_id", "Name": "name", "DoNotCall": "do_not_call", "MobilePhone": "phone.mobile"}
            | {"AssistantPhone": "", "HasOptedOutOfFax": "variables.HasOptedOutOfFax"},
        ),
        (
            META,
            {"id": "external_id", "full_name": "name", "phone_number": "phone", "is_organic": "variables.is_organic"},
        ),
        (LINKEDIN, {"Lead ID": "external_id", "First name": "name", "Last name": "name", "Phone number": "phone"}),
        (
            PIPEDRIVE,
            {"Person - ID": "external_id", "Person - Name": "name", "Person - Phone - Mobile": "phone.mobile"}
            | {"Person - Phone - Work": "phone.work", "Person - Phone - Home": "phone.home"},
        ),
        (ZOHO, {"Record Id": "external_id", "Mobile": "phone.mobile", "Unsubscribed Mode": "", "Asst Phone": ""}),
        (MAILCHIMP, {"Phone Number": "phone", "TIMEZONE": "timezone", "OPTIN_TIME": ""}),
    ],
)
def test_an_export_of_a_known_program_is_mapped_without_a_click(columns: str, expected: dict[str, str]) -> None:
    header = columns.split("|")
    found = guess_mapping(header)
    assert {column: found.get(column) for column in expected} == expected
    assert mapping_faults(header, found) == []
    assert any(reason.endswith("export") for reason in explain(header, found).values())


def test_a_mapping_of_some_columns_of_an_export_asks_no_more_than_none() -> None:
    header = MAILCHIMP.split("|")
    chosen = chosen_mapping(header, {"Phone Number": "phone"})
    assert chosen["OPTIN_TIME"] == ""
    assert mapping_faults(header, chosen) == []


@pytest.mark.parametrize(
    "name",
    [
        "Is Primary Phone",
        "isPrimaryMobileNo",
        "Is Primary Mobile (Contact Numbers)",
        "is_mobile",
        "Has phone",
        "hasMobile",
    ],
)
def test_an_answer_about_a_number_is_no_number(name: str) -> None:
    assert guess_mapping(["phone", name])[name].startswith("variables.")


def test_the_numbers_of_suitecrm_have_their_kinds() -> None:
    header = [
        "ID",
        "First Name",
        "Last Name",
        "Office Phone:",
        "Mobile:",
        "Home:",
        "Other Phone:",
        "Fax:",
        "Do Not Call:",
    ]
    found = guess_mapping(header)
    assert [found[column] for column in header] == [
        *("external_id", "name", "name", "phone.work", "phone.mobile", "phone.home", "phone.other", "", "do_not_call")
    ]
    assert guess_mapping(["Phone", "Home"])["Home"] == "variables.Home"


def test_the_names_and_numbers_of_twenty_are_read() -> None:
    columns = ("Primary Phone Calling Code", "Primary Phone Country Code", "Primary Phone Number", "Additional Phones")
    header = ["Name / First Name", "Name / Last Name", "City", *(f"Phones / {column}" for column in columns)]
    found = read((";".join(header) + "\nZoé;Roy;Vigo;+34;ES;612345678;[]\n").encode())
    assert [(row.name, row.phone) for row in found.good.values()] == [("Zoé Roy", "+34612345678")]


# Consent.


@pytest.mark.parametrize(
    ("names", "target"),
    [
        ("Consent basis|Legal basis|Base légale|Rechtsgrundlage|Base jurídica|consent_basis", "consent_basis"),
        (
            "Consent date|Consent at|Date du consentement|Einwilligung am|Einwilligungsdatum|Fecha de consentimiento",
            "consent_at",
        ),
        (
            "Consent text|Consent evidence|Preuve de consentement|Einwilligungstext|Prueba de consentimiento",
            "consent_evidence",
        ),
    ],
)
def test_columns_of_consent_map_themselves_also_beside_a_mapping(names: str, target: str) -> None:
    for name in names.split("|"):
        assert guess_mapping(["phone", name])[name] == target
        assert chosen_mapping(["Tel 1", name], {"Tel 1": "phone"})[name] == target


def test_the_consent_of_a_row_is_read() -> None:
    data = (
        f"phone;Consent basis;Consent date;Consent text\n{A};opt-in;2026-03-31 14:05;Yes, call me.\n{B};;;\n".encode()
    )
    first, second = read(data).good.values()
    assert (first.consent_basis, first.consent_evidence) == ("opt-in", "Yes, call me.")
    assert first.consent_at == datetime(2026, 3, 31, 14, 5, tzinfo=UTC)
    assert (second.consent_basis, second.consent_at, second.consent_evidence) == ("", None, "")


def test_of_two_columns_for_one_part_of_a_consent_the_first_counts() -> None:
    header = ["phone", "Consent date", "Date of consent"]
    assert guess_mapping(header)["Date of consent"] == "variables.Date_of_consent"
    chosen = chosen_mapping([*header, "when"], {"phone": "phone", "when": "consent_at"})
    assert chosen["Consent date"] == "variables.Consent_date"
    assert mapping_faults([*header, "when"], chosen) == []


@cases(
    ("cell", "moment"),
    [
        ("2026-03-31", "2026-03-31T00:00:00"),
        ("2026-03-31T14:05:06Z", "2026-03-31T14:05:06"),
        ("2026-03-31T14:05:06.123+02:00", "2026-03-31T12:05:06.123000"),
        ("2026-03-31 14:05:06 UTC", "2026-03-31T14:05:06"),
        ("2026-03-31 14:05:06 +0200", "2026-03-31T12:05:06"),
        ("2026/3/1 9:05", None),
        ("2026/03/01 09:05", "2026-03-01T09:05:00"),
        ("31.03.2026", "2026-03-31T00:00:00"),
        ("03.04.2026", "2026-04-03T00:00:00"),
        ("31/03/2026 14:05", "2026-03-31T14:05:00"),
        ("3/31/2026", "2026-03-31T00:00:00"),
        ("04/04/2026", "2026-04-04T00:00:00"),
        ("03/04/2026", None),
        ("04-03-2026", None),
        ("31/31/2026", None),
        ("31/03/26", None),
        ("yes", None),
        ("20260331", None),
        ("1774965600", None),
        ("0026-03-31", None),
        ("2026-02-30", None),
    ],
)
def test_a_moment_is_read_only_if_it_has_one_reading(cell: str, moment: str | None) -> None:
    if moment is None:
        with pytest.raises(NotAMoment, match="Consent date"):
            read_moment(cell, "Consent date")
    else:
        assert read_moment(cell, "Consent date") == datetime.fromisoformat(moment).replace(tzinfo=UTC)


def test_a_day_with_two_readings_names_both() -> None:
    with pytest.raises(NotAMoment, match="2026-04-03 or 2026-03-04"):
        read_moment("03/04/2026", "Consent date")


def test_an_offset_of_another_zone_is_the_same_moment() -> None:
    found = read_moment("2026-03-31T01:00:00+05:30", "x")
    assert found == datetime(2026, 3, 31, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))


# Columns that nobody mapped.


def test_beyond_64_variables_the_empty_columns_are_left_out_and_nothing_is_refused() -> None:
    full = [f"a{n}" for n in range(40)]
    empty = [f"b{n}" for n in range(40)]
    header = ["phone", *(name for pair in zip(empty, full, strict=True) for name in pair)]
    cells = [A, *(cell for _ in range(40) for cell in ("", "x"))]
    found = read(f"{','.join(header)}\n{','.join(cells)}\n".encode())
    assert found.numbers == [A]
    assert set(found.good[2].variables) == set(full)
    assert explain(header, found.mapping, found.form.empty)["b3"] == "empty in the first rows"


@pytest.mark.parametrize("columns", [65, 250, 900])
def test_no_file_is_refused_for_the_number_of_its_columns(columns: int) -> None:
    header = ["phone", *(f"c{n}" for n in range(columns))]
    found = read(f"{','.join(header)}\n{','.join([A, *['x'] * columns])}\n".encode())
    assert list(found.good[2].variables) == [f"c{n}" for n in range(MAX_VARIABLES)]
    assert "64 variables" in explain(header, found.mapping, found.form.empty)["c64"]


def test_up_to_64_columns_keep_their_place_though_they_are_empty_at_first() -> None:
    header = ["phone", "city"]
    assert guess_mapping(header, {"city"})["city"] == "variables.city"


def test_columns_that_nobody_mapped_are_left_out_on_request() -> None:
    header = ["phone", "name", "city", "Do Not Call", "Suppress"]
    found = chosen_mapping(header, {"Suppress": ""}, other_columns=IGNORE)
    assert found == {"phone": "phone", "name": "", "city": "", "Do Not Call": "do_not_call", "Suppress": ""}
    found = chosen_mapping(header, None, other_columns=IGNORE)
    assert found == {"phone": "phone", "name": "name", "city": "", "Do Not Call": "do_not_call"}


def test_every_column_says_why() -> None:
    header = ["Phone", "Mobile", "Fax", "city", "(column 5)", "OK to call", "Notes"]
    mapping = chosen_mapping(header, {"Notes": "", "Phone": "phone"})
    reasons = explain(header, mapping)
    assert reasons == {
        "Phone": "its name",
        "Mobile": "your choice",
        "Fax": "your choice",
        "city": "any other column",
        "(column 5)": "it has no name",
        "OK to call": "it only looks like permission to call",
        "Notes": "your choice",
    }


def test_the_fields_of_a_file_name_what_it_has() -> None:
    header = ["phone", "Consent date", "Do Not Call", "name", "x"]
    assert ColumnMapping.of(header, guess_mapping(header)).fields == {"consent_at", "name", "variables"}


@pytest.mark.parametrize("mark", ["\u200b", "\u200e", "\u202a", "\u2060", "\u00ad", "\u2069 "])
def test_marks_that_nobody_sees_are_no_part_of_a_name(mark: str) -> None:
    header = unique_header([f"{mark}phone{mark}", f"Do not call{mark}", f"x{mark}y"])
    assert header[:2] == ("phone", "Do not call")
    assert mapping_faults(header, chosen_mapping(header, {"phone": "phone", "Do not call": "do_not_call"})) == []
