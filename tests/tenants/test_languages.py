"""Pages in other languages: every text of ours is translated, and nothing that people wrote is."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from babel import Locale
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tenants.backoffice.languages import conventions, markup
from tenants.backoffice.languages.catalog import Catalog, catalog_of
from tenants.backoffice.languages.messages import CATALOGS, PLACEHOLDER, messages_of
from tenants.backoffice.sign_in import password_links
from tenants.models import Membership, Organization, StaffSettings
from tenants.models.members import LANGUAGES
from tests.messages import messages
from tests.test_admin import world
from tests.test_words import admin, every_page

__all__ = ["admin", "world"]  # fixtures
LANGUAGE_CODES = [code for code, _ in LANGUAGES if code != "en"]

FOREIGN = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "ΑΒϹΔΕΦГНΙЈΚΛΜΝΟΠԚЯЅΤЏѴѠΧΥΖабϲδеφгнιјκλмνоπԛяѕτџѵѡχуζ"
)


def foreign(text: str) -> str:
    """Return a message in the language of the tests: other letters, the same placeholders."""
    parts = PLACEHOLDER.split(text)
    return "".join(f"{{{part}}}" if place % 2 else part.translate(FOREIGN) for place, part in enumerate(parts))


# What stands on a page in no language: names of things and of the test's data, and words of programs.
DATA = re.compile(
    r"\b(?:Acme(?: Group)?|Ada|Reminders?|Recall|VIPs?|the b|city|slot|CRM(?: export)?|Tel|olga|ada|Winter patients|"
    r"Something is wrong|asked|AlloMia|PolyAI|CallingBox|Plum Voice Fuse|Trunkline|Français|Deutsch|"
    r"Español|English|Paris)\b"
    r"|\b[a-z0-9]+(?:_[a-z0-9]+)+\b|\{\{.*?\}\}|\{\w+\}|\||default:"  # no_answer, {{ contact.name }}
    r"|\([a-z]{2}\)|\bexample\.org\b|\b(?:call|webhook|result|campaign)\.\w+|https?://\S+|\b[\w.]+@[\w.]+|\b\w+\.csv\b|tl_[\w-]+…"
    r"|\b[A-Z]{2,4}\b|\bChST\b|\bUTC[+-]?\S*|\b[0-9a-f]{8}(?:-[0-9a-f-]+)?\b|•+\S+"
    r"|\b(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Brazil|Canada|Chile|Etc|Europe|Indian|Mexico|"
    r"Pacific|US)/[\w/+-]+"
)
OF_PROVIDERS = re.compile(r"^[\w, ]*_[\w, ]*$|^(?:true|account|busy|error|failed|null|(?:\w+, )+\w+)$")
MANUAL = "documentation"  # its documents are English, and their titles too


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """The language of this test: every message in letters of its own. What stays in Latin ones has no message."""
    for name in ("names", "days"):
        known = getattr(conventions, name)("fr")
        monkeypatch.setattr(conventions, name, lambda _, known=known: {text: foreign(text) for text in known})
    monkeypatch.setattr(conventions, "dates", lambda text, _: conventions._DATE.sub(lambda day: foreign(day[0]), text))
    return Catalog("fr", {text: foreign(text) for text in messages_of("fr")})


@pytest.mark.django_db
def test_no_page_shows_a_text_of_ours_in_english(
    admin: Client, world: dict[str, Any], organization: Organization, marked: Catalog
) -> None:
    left: dict[str, str] = {}
    read = 0
    for name, url in every_page(world, organization):
        answer = (Client() if name == "sign-in" else admin).get(url)
        if answer.status_code != 200 or "html" not in answer["Content-Type"]:
            continue
        read += 1
        for text in remarked(answer.content.decode(), marked.say):
            if name != MANUAL and not OF_PROVIDERS.match(text) and re.search("[A-Za-z]{2}", DATA.sub("", text)):
                left.setdefault(text, name)
    assert read > 60
    assert left == {}, (
        "New texts: python -m tests.messages --write, then translate what has come. Put together when\
 the page is made: give catalogs/composed.txt the message first."
    )


def remarked(html: str, say: Callable[[str], str]) -> list[str]:
    """Return what a page shows after its translation, one text for each place."""
    shown: list[str] = []

    def said(text: str) -> str:
        shown.append(" ".join(say(text).split()))
        return text

    markup.translated(html, said)
    return shown


def test_the_page_test_sees_a_text_that_has_no_message(marked: Catalog) -> None:
    assert remarked("<p>Contacts</p><p>Entirely unheard</p>", marked.say) == [foreign("Contacts"), "Entirely unheard"]
    assert "Contacts".translate(FOREIGN) != "Contacts"


@pytest.mark.parametrize("language", LANGUAGE_CODES)
def test_the_catalog_of_a_language_is_whole(language: str) -> None:
    """Every message of the code has its translation, with the same placeholders, and no message is of an older code."""
    found, known = messages(), messages_of(language)
    assert sorted(set(found) - set(known)) == [], "python -m tests.messages --write, then translate what has come"
    assert sorted(set(known) - set(found)) == [], "python -m tests.messages --write"
    lost = {text: said for text, said in known.items() if placeholders(text) != placeholders(said)}
    assert lost == {}
    assert {path.stem for path in CATALOGS.glob("*.po")} == set(LANGUAGE_CODES)


def placeholders(text: str) -> set[str]:
    return set(PLACEHOLDER.findall(text)) | set(re.findall(r"\{\{.*?\}\}|https?://\S+\w", text))


@pytest.mark.parametrize(("given", "expected"), {
    "{n1} calls wait.": ("3 calls wait.", "3 appels attendent."),
    "thousands": ("1,234 calls wait.", "1\u202f234 appels attendent."),
    "a name": ("Ada is called today 17:13.", "Ada est appelé ce jour 17:13."),
    "first letter": ("Paused", "En pause"),
    "two sentences": ("3 calls wait. Paused.", "3 appels attendent. En pause."),
    "of nobody": ("Dear Sir", "Dear Sir"),
    "amounts": ("12.50 EUR", "12,50 EUR"),
    "a version": ("1.2.3", "1.2.3"),
    "a number to call": ("+1 212-555-0101", "+1 212-555-0101"),
    "nothing": ("0 calls wait.", "0 appels attendent."),
    "a day": ("Sat 28 Nov 17:13", "sam. 28 nov. 17:13"),
    "a day in a sentence": ("Ada is called Tue 1 Dec 10:00.", "Ada est appelé mar. 1 déc. 10:00."),
    "a day that was written so": ("Fair of 1 Dec is called today 17:13.", "Fair of 1 Dec est appelé ce jour 17:13."),
    "until a day": ("Closed until Tue 1 Dec 10:00 Europe/Paris", "Fermé jusque mar. 1 déc. 10:00 Europe/Paris"),
    "a country": ("Czech Republic (CZ)", f"{Locale('fr').territories['CZ']} (CZ)"),
    "most words first": ("Import of Ada is done", "Import de Ada est terminé"),
    "who did what": ("ada paused all of it", "ada a tout mis en pause"),
    "a name with a word of ours": ("Sample paused", "Sample paused"),
    "a list": ("paused and paused", "en pause et en pause"),
    "a list of names": ("Smith and Sons", "Smith and Sons"),
}.values())  # fmt: skip
def test_a_text_is_said_by_its_message_or_its_parts(given: str, expected: str) -> None:
    said = Catalog("fr", {
        "{n1} calls wait.": "{n1} appels attendent.", "{x1} is called {t2}.": "{x1} est appelé {t2}.",
        "today {x1}": "ce jour {x1}", "paused": "en pause", "and": "et", "{t1} is done": "{t1} : terminé",
        "paused all of it": "a tout mis en pause", "Import of {x1} is done": "Import de {x1} est terminé",
        "Closed until {x1}": "Fermé jusque {x1}",
    })  # fmt: skip
    assert said.say(given) == expected


HOSTILE = [
    ("Line " + "a, a: a becomes " * 500)[:1000],
    ("aSign in" * 30 + " a " * 40 + "Back")[:790],
    "Paused (" * 12_500,
    "a" + " " * 30_000 + "b",
    "ab" + "." * 10_000 + "ab",
    "a and a and " * 2_000,
    "a: " * 5_000,
    "A. " * 5_000,
    "1,1," * 5_000,
    "{t1} {x1} \\1 \\g<0> %s {{7*7}}",
]


@pytest.mark.parametrize("language", LANGUAGE_CODES)
def test_no_text_of_a_person_keeps_a_page_busy(language: str) -> None:
    """Tried each end of each value, the first of these would take minutes."""
    for text in HOSTILE:
        assert markup.translated(f"<p>{text}</p>", catalog_of(language).say)


@pytest.mark.parametrize("written", [
    "Paused by phone. The rest is 1,234 EUR on 12 May", "Yes. Wants a call back on Monday: No answer.",
    "Macedonia", "Georgia", "Chad: paused", "France and Germany", "Sales 1,234.5 EUR", "Letter of 3 March",
    "Recall\nPaused by phone.",
])  # fmt: skip
def test_what_people_wrote_is_not_taken_for_ours(written: str) -> None:
    for language in LANGUAGE_CODES:
        assert catalog_of(language).say(written) == written


@pytest.mark.django_db
def test_evidence_and_results_are_shown_as_they_came(admin: Client, world: dict[str, Any]) -> None:
    """Each of these is a message of ours, word by word."""
    contact, call = world["contact"], world["call"]
    type(contact).objects.filter(pk=contact.pk).update(consent_evidence="No answer")
    type(call).objects.filter(pk=call.pk).update(result={"heard": "No answer"}, result_text="No answer")
    for row in (contact, call):
        page = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
        shown = admin.get(page, headers={"Accept-Language": "de"}).content.decode()
        assert '<span translate="no">No answer</span>' in shown


@pytest.mark.django_db
def test_the_search_knows_pages_by_the_words_of_the_reader(admin: Client) -> None:
    for term in ("Kampagnen", "campaigns"):
        answer = admin.get(reverse("admin:search"), {"s": term}, headers={"Accept-Language": "de"})
        assert reverse("admin:campaigns_campaign_changelist") in answer.content.decode()


def shout(text: str) -> str:
    return text.upper()


@pytest.mark.parametrize(("html", "expected"), [
    ("<p>one &amp; <b>two</b></p>", "<p>ONE &amp; <b>TWO</b></p>"),
    ("<script>let a = '<p>one</p>'</script><p>two", "<script>let a = '<p>one</p>'</script><p>TWO"),
    ("<pre>one <b>two</b></pre>three", "<pre>one <b>two</b></pre>THREE"),
    ('<p translate="no">one <p>two</p> three</p>four', '<p translate="no">one <p>two</p> three</p>FOUR'),
    ('<input value="one" placeholder="two">', '<input value="one" placeholder="TWO">'),
    ('<input type="submit" value="one">', '<input type="submit" value="ONE">'),
    ('<span class="material-symbols-outlined">home</span>', '<span class="material-symbols-outlined">home</span>'),
    ("<textarea>one</textarea>", "<textarea>one</textarea>"),
    ("<bdi>one</bdi>", "<bdi>ONE</bdi>"),
    ('<bdi translate="no">one</bdi>', '<bdi translate="no">one</bdi>'),
    ('<td class="field-name" data-label="one">two</td>', '<td class="field-name" data-label="ONE">two</td>'),
    ('<a href="/admin/a/b/7/change/">one</a>', '<a href="/admin/a/b/7/change/">one</a>'),
    ('<a href="/admin/a/b/7/change/">one two</a>', '<a href="/admin/a/b/7/change/">ONE TWO</a>'),
    ('<a class="tl-button" href="/a/7/change/">one</a>', '<a class="tl-button" href="/a/7/change/">ONE</a>'),
    ('<a href="/admin/a/b/7/change/"><time>today 17:13</time></a>',
     '<a href="/admin/a/b/7/change/"><time>TODAY 17:13</time></a>'),
    ('<a href="/admin/a/b/7/change/?tab=c">one</a>', '<a href="/admin/a/b/7/change/?tab=c">ONE</a>'),
    ("<title>one | two | three</title>", "<title>one | TWO | THREE</title>"),
    ('<a title="a &gt; b" href="x>y">one</a>', '<a title="A &gt; B" href="x>y">ONE</a>'),
    ("<!-- one --><!DOCTYPE html>two", "<!-- one --><!DOCTYPE html>TWO"),
    ('<canvas data-value="{&quot;labels&quot;: [&quot;one&quot;], &quot;type&quot;: &quot;bar&quot;}"></canvas>',
     '<canvas data-value="{&quot;labels&quot;: [&quot;ONE&quot;], &quot;type&quot;: &quot;bar&quot;}"></canvas>'),
    ("a < b and &lt;script&gt;", "A &lt; B AND &lt;SCRIPT&gt;"),
])  # fmt: skip
def test_texts_of_a_page_change_and_nothing_else(html: str, expected: str) -> None:
    assert markup.translated(html, shout) == expected


@pytest.mark.django_db
@pytest.mark.parametrize(("chosen", "accepts", "language"), [
    ("", "", "en"), ("", "fr", "fr"), ("", "de-AT,de;q=0.9,en;q=0.5", "de"), ("", "it, es;q=0.3", "es"),
    ("", "de;q=0", "en"),
    ("", "it", "en"), ("en", "fr", "en"), ("es", "fr", "es"), ("", "*", "en"), ("", "fr;q=0, de", "de"),
])  # fmt: skip
def test_the_reader_chooses_the_language_or_the_browser_does(
    organization: Organization, chosen: str, accepts: str, language: str
) -> None:
    user = User.objects.create(username="ada", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="viewer")
    StaffSettings.objects.create(user=user, language=chosen)
    client = Client(headers={"Accept-Language": accepts})
    client.force_login(user)
    answer = client.get(reverse("admin:index"))
    assert answer["Content-Language"] == language
    assert f'<html lang="{language}' in answer.content.decode()
    assert "Accept-Language" in answer["Vary"]
    word = {"en": "Campaigns", "fr": "Campagnes", "de": "Kampagnen", "es": "Campañas"}[language]
    assert word in unescape(answer.content.decode())


@pytest.mark.django_db
def test_programs_and_files_are_answered_in_english(api: Any, admin: Client) -> None:
    refused = api.post("/api/v1/contacts/", {}, "application/json", headers={"Accept-Language": "fr"})
    assert refused.status_code == 400 and "This field is required." in refused.content.decode()
    file = admin.get(reverse("admin:campaigns_contact_export"), headers={"Accept-Language": "fr"})
    assert b"".join(file) == b"".join(admin.get(reverse("admin:campaigns_contact_export")))


@pytest.mark.django_db
def test_what_a_form_offers_and_stores_is_the_same_in_every_language(admin: Client, organization: Organization) -> None:
    page = reverse("my-settings")
    answer = admin.post(page, {"language": "de", "timezone": "Europe/Berlin"}, headers={"Accept-Language": "fr"})
    assert answer.status_code == 302
    assert list(StaffSettings.objects.values_list("language", "timezone")) == [("de", "Europe/Berlin")]
    StaffSettings.objects.update(language="")
    refused = admin.post(page, {"language": "xx", "timezone": ""}, headers={"Accept-Language": "fr"})
    said = catalog_of("fr").say("Select a valid choice. xx is not one of the available choices.")
    assert "xx" in said and said in unescape(refused.content.decode())
    assert list(StaffSettings.objects.values_list("language", "timezone")) == [("", "Europe/Berlin")]


@pytest.mark.django_db
def test_numbers_in_fields_have_no_zeros_that_read_as_thousands(admin: Client, world: dict[str, Any]) -> None:
    campaign = world["campaign"]
    campaign.retry_rules.create(outcome="busy", wait_minutes=5)
    for row, field, name in (
        (world["provideraccount"], "calls_per_second", "calls_per_second"),
        (campaign, "budget", "budget"),
        (world["organization"], "daily_budget", "daily_budget"),
        (campaign.retry_rules.get(), "multiplier", "retry_rules-0-multiplier"),
    ):
        shown = campaign if name != field else row
        page = reverse(f"admin:{shown._meta.app_label}_{shown._meta.model_name}_change", args=[shown.pk])
        for given in ("5", "1.25", "9"):
            type(row).objects.filter(pk=row.pk).update(**{field: given})
            html = admin.get(f"{page}?tab=settings").content.decode()
            found = re.search(rf'name="{name}" value="([^"]*)"', html)
            assert found and found[1] == given, (name, found and found[1])


@pytest.mark.django_db
def test_a_mail_is_in_the_language_of_its_reader_or_of_who_asked() -> None:
    user = User.objects.create(username="ada@example.org", email="ada@example.org", is_staff=True)
    asked = password_links.for_reset("https://calls.example.org/", user, "fr")
    StaffSettings.objects.create(user=user, language="de")
    own = password_links.for_reset("https://calls.example.org/", user, "fr")
    english = password_links.for_reset("https://calls.example.org/", user, "")
    assert asked.subject == catalog_of("fr").say("Set a new Trunkline password") != own.subject
    assert english.subject == own.subject == catalog_of("de").say("Set a new Trunkline password")
    for message in (asked, own):
        assert "ada@example.org" in message.body and "https://calls.example.org/" in message.body
        assert "Somebody asked" not in message.body and "If you did not" not in message.body
