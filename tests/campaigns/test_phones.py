from __future__ import annotations

import subprocess
import sys

import phonenumbers
import pytest
from django.core.management import call_command
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from campaigns import phones
from campaigns.models import InstallationKey, number_hash
from campaigns.phones import NotCallable, facts, normalise
from tenants.db import append_only
from tests.conftest import unguard_the_audit_log
from tests.tables import cases

HOME = {"FR", "GB", "US", "CA", "DE", "IT"}


@cases(
    ("text", "region", "expected"),
    [
        ("+33123456789", "US", "+33123456789"),
        ("01 23 45 67 89", "FR", "+33123456789"),
        ("01.23.45.67.89", "FR", "+33123456789"),
        ("01-23-45-67-89", "FR", "+33123456789"),
        ("+33 (0)1 23 45 67 89", "US", "+33123456789"),
        ("(+33) 1 23 45 67 89", "US", "+33123456789"),
        ("01\u00a023\u00a045\u202f67\u200989", "FR", "+33123456789"),
        ("\u202a+33123456789\u202c", "FR", "+33123456789"),
        # What Unicode says is not shown (Default_Ignorable_Code_Point), an object of rich text, an empty pattern.
        ("+33\ufe0d-1-23-45-67-89", "FR", "+33123456789"),
        ("\ufe0e0123456789\ufe0f", "FR", "+33123456789"),
        ("\u31640123\u115f456\uffa0789\u1160", "FR", "+33123456789"),
        ("01\u034f23\u180b45\u180e67\U000e010089", "FR", "+33123456789"),
        ("\ufffc0123456789\u2800", "FR", "+33123456789"),
        ("".join(f"{digit}\ufe0f\u20e3" for digit in "0123456789"), "FR", "+33123456789"),
        ("٠١٢٣٤٥٦٧٨٩", "FR", "+33123456789"),
        ("０１２３４５６７８９", "FR", "+33123456789"),  # noqa: RUF001
        ("＋33123456789", "US", "+33123456789"),  # noqa: RUF001
        ("'+33123456789", "FR", "+33123456789"),
        ("'0123456789", "FR", "+33123456789"),
        ("tel:+33123456789", "US", "+33123456789"),
        ("TEL:+33123456789", "US", "+33123456789"),
        ("0033123456789", "FR", "+33123456789"),
        ("0033123456789", "US", "+33123456789"),
        ("011 33 1 23 45 67 89", "US", "+33123456789"),
        ("33123456789", "FR", "+33123456789"),
        ("33123456789.0", "FR", "+33123456789"),
        ("(514) 555-1234", "CA", "+15145551234"),
        ("514\u2013555\u20131234", "CA", "+15145551234"),
        ("1-514-555-1234", "US", "+15145551234"),
        ("030/123456", "DE", "+4930123456"),
        ("+39 06 1234567", "FR", "+39061234567"),
        ("020 7946 0018", "GB", "+442079460018"),
        ("  +33123456789  ", "FR", "+33123456789"),
        ("0800 123 456", "FR", "+33800123456"),
    ],
)
def test_a_number_is_understood_however_people_write_it(text: str, region: str, expected: str) -> None:
    assert normalise(text, region, HOME) == expected


@cases(
    ("text", "words"),
    [
        ("0612", "'0612' is not a phone number in FR; write it like +33123456789."),
        ("", "There is no phone number"),
        ("   ", "There is no phone number"),
        ("'", "There is no phone number"),
        ("+", "is not a phone number"),
        ("n/a", "letters"),
        ("unknown", "letters"),
        ("1-800-FLOWERS", "letters"),
        ("0123456789 ext 5", "extension"),
        ("0123456789 ext. 5", "extension"),
        ("0123456789x5", "extension"),
        ("0123456789 poste 12", "extension"),
        ("0123456789,,5", "extension"),
        ("0123456789#12", "extension"),
        ("tel:+33123456789;ext=5", "';'"),
        ("tel:+16175551212;ani=8005551212", "';'"),
        ("tel:+16175551212;postd=55", "';'"),
        ("+33123456789;", "';'"),
        ("1.5145E+10", "spreadsheet"),
        ("3,36123E+10", "spreadsheet"),
        ("3.3E10", "spreadsheet"),
        ("01234\x0056789", "control"),
        ("0123\n456789", "control"),
        ("0123\t456789", "control"),
        ("0899123456", "premium-rate"),
        ("+1 900 555 1234", "premium-rate"),
        ("0825123456", "shared-cost"),
        ("+44 70 0000 0000", "never called"),
        ("+881612345678", "satellite"),
        ("+870773111632", "satellite"),
        ("+883510001234567", "satellite"),
        ("+800 1234 5678", "no country"),
        ("911", "not a phone number"),
        ("112", "emergency"),
        ("17", "emergency"),
        ("3949", "short"),
        ("+999123456789", "not a phone number"),
        ("+33123456789+33123456788", "not a phone number"),
        ("01 23 45 67 89 / 01 23 45 67 80", "several numbers"),
        ("01 23 45 67 89 ou 06", "letters"),
        ("+33 1 23 45 67 89 & co", "'&'"),
        ("=0123456789", "'='"),
        ("0123456789*1", "'*'"),
        ("+49301234567890123456", "not a phone number"),
        ("+34612345678", "may not be called"),
        ("+590590123456", "may not be called"),
        ("a" * 5000, "too long"),
    ],
)
def test_a_text_that_is_no_callable_number_is_refused_with_a_reason(text: str, words: str) -> None:
    with pytest.raises(NotCallable) as refused:
        normalise(text, "FR", HOME)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 300
    assert str(refused.value).isprintable()


def test_911_is_an_emergency_number_in_the_united_states() -> None:
    with pytest.raises(NotCallable, match="emergency"):
        normalise("911", "US", HOME)


def test_without_a_region_only_international_numbers_are_understood() -> None:
    assert normalise("+33123456789", "", HOME) == "+33123456789"
    with pytest.raises(NotCallable, match="does not say its country"):
        normalise("0123456789", "", HOME)


def test_an_empty_list_of_countries_allows_nothing() -> None:
    with pytest.raises(NotCallable, match="allowed: none"):
        normalise("+33123456789", "FR", set())


def test_a_caribbean_number_is_not_taken_for_an_american_one() -> None:
    with pytest.raises(NotCallable, match="JM"):
        normalise("+18765551234", "US", {"US", "CA"})


@given(st.text(max_size=30))
def test_no_text_gives_anything_but_e164_or_a_refusal(text: str) -> None:
    try:
        number = normalise(text, "FR", HOME)
    except NotCallable:
        return
    assert phones.E164.fullmatch(number)
    assert normalise(number, "US", HOME) == number


@given(st.from_regex(r"\+?[0-9 ().-]{5,20}", fullmatch=True))
def test_what_is_accepted_once_is_accepted_again_unchanged(text: str) -> None:
    try:
        number = normalise(text, "DE", HOME)
    except NotCallable:
        return
    assert normalise(number, "DE", HOME) == number
    assert phones.country_of(number) in HOME


def test_country_zones_and_national_form_come_from_the_number() -> None:
    assert phones.country_of("+33123456789") == "FR"
    assert phones.country_of("+999123") == ""
    assert phones.is_toll_free("+18005551234")
    assert not phones.is_toll_free("+12125551234")
    assert phones.national("+33123456789") == "01 23 45 67 89"


def test_the_slow_tables_of_the_library_are_never_loaded() -> None:
    program = "import campaigns.phones, sys; print([m for m in sys.modules if 'geocoder' in m or 'carrier' in m])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.django_db
def test_the_hash_of_a_number_is_keyed_and_stable() -> None:
    InstallationKey.objects.filter(name="do-not-call").delete()
    first = number_hash.number_hash("+33123456789")
    assert first == number_hash.number_hash("+33123456789")
    assert first != number_hash.number_hash("+33123456788")
    assert InstallationKey.objects.get(name="do-not-call").value not in first
    assert number_hash.number_hashes(["+33123456789"]) == {first: "+33123456789"}


@pytest.mark.django_db(transaction=True)
def test_a_key_of_a_rolled_back_transaction_is_forgotten() -> None:
    InstallationKey.objects.filter(name="do-not-call").delete()
    number_hash.forget_hash_key()
    with transaction.atomic():
        lost = number_hash.number_hash("+33123456789")
        transaction.set_rollback(True)
    kept = number_hash.number_hash("+33123456789")
    assert lost != kept
    assert InstallationKey.objects.get(name="do-not-call")


@pytest.mark.django_db(transaction=True)
def test_an_emptied_database_has_another_key() -> None:
    before = number_hash.number_hash("+33123456789")
    unguard_the_audit_log()  # it refuses to be emptied
    call_command("flush", interactive=False, verbosity=0)
    assert number_hash.number_hash("+33123456789") != before
    append_only.install()


@pytest.mark.django_db(transaction=True)
def test_the_key_is_read_once_per_process() -> None:
    number_hash.number_hash("+33123456789")
    before = len(connection.queries_log)
    connection.force_debug_cursor = True
    try:
        number_hash.number_hash("+33123456788")
        assert len(connection.queries_log) == before
    finally:
        connection.force_debug_cursor = False


def test_a_number_in_e164_is_taken_apart_as_the_library_does() -> None:
    kinds = [value for value in phonenumbers.PhoneNumberType.values() if value != phonenumbers.PhoneNumberType.UNKNOWN]
    known = 0
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind in kinds:
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None:
                continue
            e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            for last in "0159":
                written = e164[:-1] + last
                ours, theirs = facts._known(written), phonenumbers.parse(written, None)
                assert (ours.country_code, phonenumbers.national_significant_number(ours)) == (
                    theirs.country_code,
                    phonenumbers.national_significant_number(theirs),
                ), written
                known += 1
    assert known > 3000
