"""Names are found however they are written and typed, and nobody else is: fourteen scripts, 2,000 people."""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterator

import hypothesis
import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import strategies as st

from campaigns import name_keys
from campaigns.models import Contact, NameKeyRenewal
from campaigns.name_search import named
from tenants.db.first_keys import FEW
from tenants.models import Organization
from tenants.search_keys import FORM, contains, name_key, narrows, search_key, ways
from tests.campaigns.names_of_the_world import GIVEN_AND_FAMILY
from tests.conftest import ApiClient
from tests.tables import cases, rolled_back

pytestmark = pytest.mark.django_db
CONTACTS = "/api/v1/contacts/"


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def decomposed(text: str) -> str:
    """Return the text as file names of a Mac have it."""
    return unicodedata.normalize("NFD", text)


def straight(text: str) -> str:
    return text.translate(str.maketrans("’׳‑־֊", "''---"))


def spaced(text: str) -> str:
    return "\u202b " + text.replace(" ", "\u00a0") + "\u200f "


WRITTEN = (composed, decomposed, str.upper, straight)  # in files
TYPED = (composed, decomposed, str.lower, str.upper, str.title, straight, spaced)  # in the box of a search


def people() -> Iterator[tuple[int, int, str, str]]:
    """Yield a place for the given name, one for the family name, the name, and how it is typed plainly."""
    place = itertools.count()
    for given, family in GIVEN_AND_FAMILY.values():
        first, second = next(place), next(place)
        for (each, name), (other, surname) in itertools.product(enumerate(given), enumerate(family)):
            yield first * 100 + each, second * 100 + other, f"{name[0]} {surname[0]}", f"{name[1]} {surname[1]}"


def searched(text: str, organization: Organization) -> set[str]:
    return set(Contact.objects.filter(named(text, [organization.pk])).values_list("external_id", flat=True))


@pytest.mark.parametrize("share", [5, pytest.param(1, marks=pytest.mark.long)], ids=["a fifth", "all"])
def test_two_thousand_people_are_found_and_nobody_else(
    organization: Organization, sister: Organization, share: int
) -> None:
    """Of all people, who are in the tables, a share is looked for."""
    everybody = list(people())
    assert len(everybody) > 2_000
    for home in (sister, organization):
        Contact.objects.bulk_create(
            Contact(
                organization=home, phone=f"+3361{place:07}", name=WRITTEN[place % len(WRITTEN)](name), external_id=place
            )
            for place, (_, _, name, _) in enumerate(everybody)
        )  # fmt: skip
    failed = []
    for place, (_, _, name, plain) in list(enumerate(everybody))[::share]:
        given, _, family = plain.partition(" ")
        forms = [f"{family} {given}", plain, *(typed(written(name)) for written in WRITTEN for typed in TYPED)]
        if {tuple(sorted(search_key(form).split())) for form in forms} != {tuple(sorted(search_key(name).split()))}:
            failed.append(name)
        if searched(forms[place % len(forms)], organization) != {str(place)}:
            failed.append(forms[place % len(forms)])
    assert not failed, (len(failed), failed[:40])


@cases("script", GIVEN_AND_FAMILY)
@rolled_back
def test_a_given_or_a_family_name_alone_finds_all_who_have_it(script: str, organization: Organization) -> None:
    given, family = GIVEN_AND_FAMILY[script]
    pairs = list(itertools.product(given, family))
    Contact.objects.bulk_create(
        Contact(organization=organization, phone=f"+3361{place:07}", name=f"{name} {surname}", external_id=f"{place}")
        for place, ((name, _), (surname, _)) in enumerate(pairs)
    )
    for index, names in enumerate((given, family)):
        for name in names:
            wanted = {str(place) for place, pair in enumerate(pairs) if pair[index] == name}
            assert searched(name[1], organization) == wanted, name


@pytest.mark.parametrize("script", GIVEN_AND_FAMILY)
def test_the_table_does_not_contradict_itself(script: str) -> None:
    """No plain form of a script begins like another one: else both would rightly be found."""
    for names in GIVEN_AND_FAMILY[script]:
        plain = [name for _, name in names]
        assert len(set(plain)) == len(names) >= 12
        assert not [(a, b) for a, b in itertools.permutations(plain, 2) if a.startswith(b)]


# What the primary strength of the Unicode Collation Algorithm (DUCET) tells apart, and what it does not.
@cases(
    ("one", "other", "alike"),
    [
        ("Élodie", "ELODIE", True), ("Zoe\u0308", "Zoë", True), ("ﬁona", "Fiona", True), ("Straße", "STRASSE", True),
        ("Ｊｏｈｎ", "john", True), ("O'Brien", "O’Brien", True), ("O´Brien", "OʼBrien", True), 
        ("a\u00adb", "ab", True),
        ("Jean-Luc", "Jean Luc", True), ("Jean—Luc", "jean  luc", True), ("Σίσυφος", "σισυφοσ", True),
        ("ﻣﺤﻤﺪ", "محمد", True), ("٣", "3", True), ("שלום", "שלומ", True), ("葛\U000e0100", "葛", True),
        ("はな", "ハナ", True), ("한국", decomposed("한국"), True), ("צה״ל", 'צה"ל', True),
        ("はな", "ばな", False), ("किशोर", "कशर", False), ("สุดา", "สดา", False), ("Ana", "Anna", False),
        ("กา", "กำ", False), ("রবি", "রব", False), ("山田", "山口", False), ("o", "0", False),
    ],
)  # fmt: skip
def test_letters_compare_as_at_the_primary_strength(one: str, other: str, alike: bool) -> None:
    assert (search_key(one) == search_key(other)) is alike


@cases("text", ["", " ", "???", "\x00", "a\x00b", "'", "\\", "x' | 'y", "%", "_", "😀😀", "ﷺ" * 200, "x" * 5_000])
@rolled_back
def test_any_text_can_be_a_name_and_a_search(text: str, organization: Organization) -> None:
    key = search_key(text)
    assert key == " ".join(key.split()) and search_key(key) == key
    assert all(len(word.encode()) < 2_000 for word in key.split())
    stored = Contact.objects.create(
        organization=organization, phone="+33612345678", name=text.replace("\x00", "")[:200]
    )
    found = Contact.objects.filter(named(stored.name, [organization.pk]))
    assert found.exists() is bool(search_key(stored.name))
    list(Contact.objects.filter(named(text, [organization.pk])))


def test_one_letter_is_no_search_but_one_ideograph_is() -> None:
    assert [narrows(text) for text in ("a", "é", "и", "-", "ab", "李", "김")] == [False] * 4 + [True] * 3


# Names whose parts a mark or a particle joins: what is typed for them, and what is not.
SPELLINGS = {
    "O'Connor": ("connor", "o connor", "oconnor", "o'connor", "O’CONNOR", "conn"),
    "O Connor": ("connor", "o connor", "oconnor", "o'connor", "oconn"),
    "Oconnor": ("o connor", "oconnor", "o'connor", "o-connor"),
    "D’Angelo": ("angelo", "d angelo", "dangelo", "d'angelo"),
    "N'Golo Kanté": ("golo", "n golo", "ngolo", "kante ngolo", "n'golo kante"),
    "Al-Hassan": ("hassan", "al hassan", "alhassan", "al-hassan", "alhas"),
    "Al Hassan": ("hassan", "al hassan", "alhassan", "al-hassan"),
    "Alhassan": ("al hassan", "alhassan", "al-hassan"),
    "Jean-Luc": ("luc", "jean luc", "jeanluc", "jean-luc", "jean—luc"),
    "Jeanluc": ("jean luc", "jeanluc", "jean-luc"),
    "McDonald": ("donald", "mc donald", "mcdonald"),
    "MCDONALD": ("donald", "mc donald", "mcdonald"),
    "Mc Donald": ("donald", "mc donald", "mcdonald"),
    "MacDonald": ("donald", "mac donald", "macdonald"),
    "Pia van der Berg": (
        "berg",
        "vanderberg",
        "van der berg",
        "vander berg",
        "van derberg",
        "pia vanderberg",
        "berg pia",
    ),
    "Pia Vanderberg": ("vanderberg", "van der berg", "vander berg", "pia van der berg"),
    "Abd-al-Rahman": ("rahman", "abdalrahman", "abd al rahman", "abd alrahman", "alrahman"),
    "Zoë O'Brien-Smith": ("brien", "obrien smith", "obriensmith", "smith zoe"),
    "Dell'Acqua": ("acqua", "dell acqua", "dellacqua"),
    "Ge\u0301rard L'E\u0301cuyer": ("ecuyer", "lecuyer", "l ecuyer", "L'Écuyer gerard"),
    "עבד אל־רחמן": ("אל רחמן", "אלרחמן", "רחמן"),
    "عبد الرحمن": ("عبدالرحمن", "عبد الرحمن", "الرحمن"),
}
NOT_FOUND = {
    "Ada Martin": ("adamartin", "martinada", "dam"),  # no mark and no particle joins them
    "Sa'id": ("id",),  # the mark is part of the name
    "Мар'яна": ("яна",),
    "Macron": ("ron",),
    "Olivia Connor": ("o'connor", "oconnor"),
    "MACDONALD": ("donald",),  # only a capital shows where Mac ends
    "Jean Luc": ("jeanluc",),  # Jean is no particle
}


@pytest.mark.parametrize("name", [*SPELLINGS, *NOT_FOUND])
def test_names_with_marks_and_particles_are_found_by_their_parts_and_as_one(
    name: str, organization: Organization
) -> None:
    Contact.objects.create(organization=organization, phone="+33612345678", name=name)
    asked = (*SPELLINGS.get(name, ()), *NOT_FOUND.get(name, ()))
    assert {text for text in asked if searched(text, organization)} == set(SPELLINGS.get(name, ()))


@hypothesis.given(
    parts=st.lists(st.sampled_from(["o", "van", "der", "ada", "berg", "mc", "lu"]), min_size=1, max_size=6)
)
def test_a_name_is_found_as_it_is_written(parts: list[str]) -> None:
    for mark in ("'", "-", " ", ""):
        stored = name_key(mark.join(parts)).split()
        asked = ways(search_key(mark.join(parts)))[0]
        assert all(any(word.startswith(each) for word in stored) for each in asked)


def test_the_lists_of_small_tables_are_found_in_the_same_way() -> None:
    for text, asked in (("O'Connor's list", "o connor"), ("Al Hassan", "alhassan"), ("Alhassan", "al hassan")):
        assert contains(text, search_key(asked))
    assert not contains("Ada Martin", search_key("amar"))


# Every way in which a name is written keeps its key.


def test_each_way_to_write_a_name_keeps_its_key(organization: Organization) -> None:
    contact = Contact.objects.create(organization=organization, phone="+33612345678", name="Élodie")
    assert searched("elodie", organization) == {""}
    contact.name = "Zoë"
    contact.save(update_fields=["name"])
    assert searched("zoe", organization) == {""} and not searched("elodie", organization)
    Contact.objects.update(name="Núñez")  # knows nothing of keys, as the version before
    assert Contact.objects.get().name_key is None
    assert searched("Núñ", organization) == {""} and not searched("zoe", organization)
    assert (name_keys.fill(), name_keys.fill()) == (1, 0)
    assert searched("nunez", organization) == {""}
    contact.refresh_from_db()
    contact.name = ""
    contact.save()
    assert Contact.objects.get().name_key == ""


def test_old_rows_get_their_keys_in_parts_while_searches_go_on(organization: Organization) -> None:
    for place, name in enumerate(("Élodie", "Eloïse", "")):
        Contact.objects.create(
            organization=organization, phone=f"+3361234567{place}", name=name, external_id=f"{place}"
        )
    Contact.objects.update(name_key=None)
    before = Contact.objects.order_by("pk").values_list("updated_at", flat=True)
    moments = list(before)
    assert searched("Élo", organization) == {"0"} and searched("elo", organization) <= {"1"}
    assert [name_keys.fill(2), name_keys.fill(2), name_keys.fill(2)] == [2, 1, 0]
    assert searched("elo", organization) == {"0", "1"}
    assert list(before.all()) == moments


def test_the_api_finds_names_and_numbers_in_any_form(api: ApiClient, organization: Organization) -> None:
    organization.default_region = "US"
    organization.save()
    for phone, name in (("+12125550131", "Élodie Núñez"), ("+33612345678", "Miles O’Brien")):
        Contact.objects.create(organization=organization, phone=phone, name=name)

    def found(text: str) -> list[str]:
        return [row["phone"] for row in api.get(CONTACTS, {"q": text}).json()["results"]]

    for text in ("elodie", "nunez", "ÉLODIE", "Nun\u0303ez elo", "(212) 555-0131",
                 "212.555.0131", "212 555", "12125550131",
                 "+1 212", "001 212 555 0131", "٢١٢ ٥٥٥ ٠١٣١", "\u202a+1 (212) 555\u20110131\u202c"):  # fmt: skip
        assert found(text) == ["+12125550131"], text
    for text in ("O'Brien", "obrien", "BRIEN", "0033612345678", "+33 6 12"):
        assert found(text) == ["+33612345678"], text
    assert found("zz") == found("(213) 555") == []


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite serves small tables")
def test_a_search_reads_through_the_index_and_no_other_organization(
    organization: Organization, sister: Organization
) -> None:
    for home, count in ((sister, 20_000), (organization, 5_000)):
        Contact.objects.bulk_create(
            Contact(organization=home, phone=f"+3361{n:07}", name=f"{'Élodie' if n % 4 else 'Zoë'} Name{n:05}")
            for n in range(count)
        )
    Contact.objects.filter(organization=organization, phone__endswith="77").update(name_key=None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT gin_clean_pending_list('contact_name_words')")
        cursor.execute("ANALYZE campaigns_contact")
    for text, count in (("name00017", 1), ("zoe name00016", 1), ("nobody", 0)):
        with CaptureQueriesContext(connection) as queries:
            assert len(Contact.objects.filter(named(text, [organization.pk]), organization=organization)[:8]) == count
        plans = []
        for query in queries:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {query['sql']}")
                plan = "\n".join(row for (row,) in cursor.fetchall())
            assert sum(map(int, re.findall(r"Rows Removed by [A-Za-z ]+: (\d+)", plan))) <= 10, plan
            plans.append(plan)
        assert {"contact_name_words", "contact_name_unkeyed"} <= set(plans[-1 - bool(count)].split()), plans
    rows = Contact.objects.filter(named("Élodie", [organization.pk]))
    assert rows.filter(organization=organization).count() == 3_750  # too many to be named by their keys


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite serves small tables")
def test_a_name_that_many_old_contacts_have_is_not_looked_for_among_the_new_ones(organization: Organization) -> None:
    """More than their keys name one by one, and none of the newest: a list is read from its end."""
    Contact.objects.bulk_create(
        Contact(organization=organization, phone=f"+3361{n:07}", name="Vieux" if n < FEW + 100 else "Neuf")
        for n in range(3 * FEW)
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT gin_clean_pending_list('contact_name_words')")
        cursor.execute("ANALYZE campaigns_contact")
    rows = Contact.objects.filter(named("Vieux", [organization.pk]), organization=organization)
    assert rows.count() == FEW + 100
    plan = rows.order_by("-pk")[:8].explain(analyze=True)
    assert sum(map(int, re.findall(r"Rows Removed by [A-Za-z ]+: (\d+)", plan))) <= 10, plan
    named_few = Contact.objects.filter(named("Vieux", [organization.pk], enough=8))
    assert named_few.count() == 8


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no index of words")
def test_words_of_many_and_of_few_find_the_same_as_reading_all_names(
    organization: Organization, sister: Organization
) -> None:
    """Words of nearly all, of every fourth, of old contacts alone, of new ones alone and of one; alone and together."""
    names = [
        f"{'Élodie' if n % 4 else 'Zoë'} {'Vieux' if n < 1_500 else 'Neuf'} Name{n:05}{' Ümit' if n % 700 == 9 else ''}"
        for n in range(3_000)
    ]
    for home in (organization, sister):
        Contact.objects.bulk_create(
            Contact(organization=home, phone=f"+3361{n:07}", name=name, external_id=f"{n}")
            for n, name in enumerate(names)
        )
    words = ("elodie", "zoe", "vieux", "neuf", "umit", "name00017", "name02", "nobody")
    for count in (1, 2, 3):
        for asked in itertools.combinations(words, count):
            plain = {word: word.translate(str.maketrans("eou", "...")) for word in asked}
            wanted = {
                str(n)
                for n, name in enumerate(names)
                if all(re.search(rf"(?:^| ){plain[word]}", name.lower()) for word in asked)
            }
            assert searched(" ".join(asked), organization) == wanted, asked
    with CaptureQueriesContext(connection) as queries:
        named("elodie neuf", [organization.pk, sister.pk])
    assert len(queries) == 1 and "tsquery" not in queries[0]["sql"], "the index would collect all of them"


# A change of the form of keys renews those of old rows.


def test_old_keys_are_renewed_in_parts_when_their_form_changes(organization: Organization) -> None:
    for place, name in enumerate(("O'Connor", "Ada", "McDonald", "", "Al Hassan")):
        Contact.objects.create(
            organization=organization, phone=f"+3361234567{place}", name=name, external_id=f"{place}"
        )
    keys = Contact.objects.order_by("pk").values_list("name_key", flat=True)
    moments = dict(Contact.objects.values_list("pk", "updated_at"))
    wanted = list(keys)
    assert all_renewed() == 5
    assert name_keys.renew() == 0, "nothing is due"
    for contact in Contact.objects.all():
        Contact.objects.filter(pk=contact.pk).update(name_key=search_key(contact.name))  # as an earlier form was
    assert not searched("connor", organization)
    NameKeyRenewal.objects.update(form="1, Unicode 1.0")
    assert name_keys.renew(2) == 2
    assert searched("connor", organization) == {"0"} and not searched("donald", organization)
    assert all_renewed(2) == 3
    assert list(keys) == wanted
    assert dict(Contact.objects.values_list("pk", "updated_at")) == moments


def test_what_the_version_before_writes_meanwhile_is_renewed_a_day_later(organization: Organization) -> None:
    contact = Contact.objects.create(organization=organization, phone="+33612345678", name="O'Connor")
    all_renewed()
    Contact.objects.filter(pk=contact.pk).update(name="Ada O'Connor", name_key="ada oconnor")
    assert name_keys.renew() == 0
    with time_machine.travel(timezone.now() + name_keys.AGAIN_AFTER, tick=False):
        assert all_renewed() == 1
        assert name_keys.renew() == 0, "not once more"
    with time_machine.travel(timezone.now() + 3 * name_keys.AGAIN_AFTER, tick=False):
        assert name_keys.renew() == 0
    assert Contact.objects.get().name_key == name_key("Ada O'Connor")


def test_a_renewal_leaves_missing_keys_to_the_step_that_computes_them(organization: Organization) -> None:
    Contact.objects.create(organization=organization, phone="+33612345678", name="O'Connor")
    Contact.objects.update(name_key=None)
    assert all_renewed() == 1
    assert Contact.objects.get().name_key is None


def all_renewed(limit: int = 2) -> int:
    """Renew all keys that are due. Return how many contacts were looked at."""
    looked_at = 0
    while found := name_keys.renew(limit):
        looked_at += found
    return looked_at


def test_a_changed_form_of_keys_has_a_number_of_its_own() -> None:
    """If this fails, keys in databases differ from what is computed: raise the number of FORM, then change this."""
    names = [name for _, _, name, _ in people()] + [*SPELLINGS, *NOT_FOUND]
    digest = hashlib.sha256("\n".join(map(name_key, names)).encode()).hexdigest()[:12]
    assert (FORM.partition(",")[0], digest) == ("2", "25d1497bf97c")
