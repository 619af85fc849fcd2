"""Launch a call: contacts are found, their data is filled in, and the rules are checked before the call is placed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from calls.models import Call
from campaigns.do_not_call import entries
from campaigns.models import Contact
from providers.models import Assistant, PhoneNumber
from tenants.models import Membership, Organization
from tests.calls.test_campaign_page import words_of
from tests.conftest import a_number, an_account, an_assistant

pytestmark = pytest.mark.django_db
LAUNCH = "/admin/calls/call/launch/"
PEOPLE, PERSON, FIELDS = f"{LAUNCH}people/", f"{LAUNCH}person/", f"{LAUNCH}fields/"
MOST_QUESTIONS = 15


@pytest.fixture
def operator(organization: Organization) -> Client:
    user = User.objects.create(username="olga", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="operator")
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def ada(organization: Organization) -> Contact:
    return Contact.objects.create(
        organization=organization,
        phone="+33612345678",
        name="Ada Lovelace",
        external_id="A-7",
        variables={"slot": "9:30", "other": "x"},
    )


@pytest.fixture
def speaker(assistant: Assistant, phone_number: PhoneNumber) -> Assistant:
    assistant.variables = [
        {"name": "slot", "required": True, "description": "The <b>time</b>", "example": "9:30"},
        {"name": "clinic", "default": "Main street"},
    ]
    assistant.save()
    return assistant


def text_of(answer: Any) -> str:
    assert answer.status_code == 200
    return words_of(answer.content.decode())


@pytest.mark.parametrize("q", ["Ada", "ada l", "+336123", "06 12 34", "0033612", "0612345678", "A-7"])
def test_people_are_found_by_name_or_number_in_any_spelling(
    operator: Client, ada: Contact, speaker: Assistant, q: str
) -> None:
    asked: dict[str, Any] = {"q": q, "assistant": speaker.pk}
    answer = operator.get(PEOPLE, asked)
    assert text_of(answer) == "Ada Lovelace 06 12 34 56 78 (FR)"
    assert f"?contact={ada.pk}&amp;assistant={speaker.pk}" in answer.content.decode()
    assert "Ada Lovelace" in text_of(operator.get(LAUNCH, {"q": q})), "also without scripts"


def test_a_number_of_no_contact_is_chosen_in_the_same_field(
    operator: Client, ada: Contact, speaker: Assistant, sister: Organization
) -> None:
    asked: dict[str, Any] = {"q": "06 99 88 77 66", "assistant": speaker.pk}
    found = operator.get(PEOPLE, asked)
    assert text_of(found) == "Call 06 99 88 77 66 (FR) this number alone"
    query = f"?to_number=%2B33699887766&amp;assistant={speaker.pk}"
    assert query in found.content.decode()
    page = operator.get(LAUNCH, {"to_number": "+33699887766"})
    assert 'name="to_number" value="+33699887766"' in page.content.decode(), "kept until the assistant is chosen"
    assert "Call " not in text_of(operator.get(PEOPLE, {"q": "06 12 34 56 78"})), "the contact has this number"
    for written in ("12", "+19005550123", "Ada 0612345678"):
        assert "this number alone" not in text_of(operator.get(PEOPLE, {"q": written})), written
    Membership.objects.create(user=User.objects.get(username="olga"), organization=sister, role="operator")
    assert "this number alone" not in text_of(operator.get(PEOPLE, {"q": "06 99 88 77 66"})), "of which organization?"
    assert "this number alone" in text_of(operator.get(PEOPLE, asked))


def test_few_are_shown_and_none_is_said(operator: Client, organization: Organization) -> None:
    for number in range(12):
        Contact.objects.create(organization=organization, phone=f"+336123400{number:02}", name=f"Ada {number}")
    answer = operator.get(PEOPLE, {"q": "Ada"})
    assert answer.content.count(b"<li>") == 8 and "The first 8 results. Type more to find others." in text_of(answer)
    assert "No contact has a name or number that begins like this." in text_of(operator.get(PEOPLE, {"q": "Zoe"}))
    assert text_of(operator.get(PEOPLE, {"q": "A"})) == "", "one letter matches too much"


def test_people_of_others_are_neither_found_nor_filled_in(
    operator: Client, ada: Contact, speaker: Assistant, stranger: Organization, sister: Organization
) -> None:
    hidden = Contact.objects.create(organization=stranger, phone="+33612345611", name="Hidden")
    Membership.objects.create(user=User.objects.get(username="olga"), organization=sister, role="viewer")
    seen = Contact.objects.create(organization=sister, phone="+33612345612", name="Hidden too")
    assert "No contact has" in text_of(operator.get(PEOPLE, {"q": "Hidden"})), "a viewer gets no contacts to call"
    for contact in (hidden, seen):
        page = operator.get(LAUNCH, {"contact": contact.pk}).content.decode()
        assert "Hidden" not in page and contact.phone not in page
        person = text_of(operator.post(PERSON, {"to_number": contact.phone, "assistant": speaker.pk}))
        assert "Unknown number" in person and "Hidden" not in person
    assert operator.get(LAUNCH, {"contact": "9" * 30}).status_code == 200


def test_what_is_known_of_a_person_is_filled_in(operator: Client, ada: Contact, speaker: Assistant) -> None:
    queries: tuple[dict[str, Any], ...] = ({"contact": ada.pk}, {"to_number": ada.phone})
    for query in queries:
        form = operator.get(LAUNCH, query).context["form"]
        shown = {
            name: form[name].value() for name in ("to_number", "customer_name", "variable-slot", "variable-clinic")
        }
        assert shown == {
            "to_number": "+33612345678",
            "customer_name": "Ada Lovelace",
            "variable-slot": "9:30",
            "variable-clinic": "Main street",
        }
    typed = {"contact": ada.pk, "assistant": speaker.pk, "to_number": ada.phone, "variable-slot": "noon"}
    assert operator.post(FIELDS, typed).context["form"]["variable-slot"].value() == "noon", "typed text stays"
    another = typed | {"to_number": "0611111111", "variable-slot": ""}
    assert not operator.post(FIELDS, another).context["form"]["variable-slot"].value(), "another contact's number"


def test_only_assistants_of_the_persons_organization_are_offered(
    operator: Client, ada: Contact, speaker: Assistant, sister: Organization
) -> None:
    Membership.objects.create(user=User.objects.get(username="olga"), organization=sister, role="operator")
    account = an_account(sister)
    an_assistant(account, name="Of the sister")
    a_number(account)
    assert "Of the sister" in operator.get(LAUNCH).content.decode()
    page = operator.get(LAUNCH, {"contact": ada.pk}).content.decode()
    assert "Of the sister" not in page and "Reminder" in page


def test_the_time_of_the_person_and_the_rules_are_told_before(
    operator: Client, ada: Contact, speaker: Assistant, organization: Organization, phone_number: PhoneNumber
) -> None:
    sent = {"assistant": speaker.pk, "phone_number": phone_number.pk, "to_number": "06 12 34 56 78"}
    page = text_of(operator.post(PERSON, sent))
    assert "Ada Lovelace 06 12 34 56 78 (FR)" in page and "Time in Europe/Paris" in page
    assert "The number was issued in this time zone." in page and "The call would be placed at once." in page
    Contact.objects.update(timezone="Asia/Tokyo")
    page = text_of(operator.post(PERSON, sent))
    assert "Time in Asia/Tokyo" in page and "is none of the number&#x27;s" in page.replace("'", "&#x27;")
    entries.add(organization, ada.phone, reason="asked", source="staff")
    assert "The call would not be placed: The number is on the do-not-call list." in text_of(
        operator.post(PERSON, sent)
    )
    free = text_of(operator.post(PERSON, sent | {"to_number": "+18005550199"}))
    assert "Unknown number" in free and "the organization's time zone is used." in free
    assert "is not a phone number" in text_of(operator.post(PERSON, sent | {"to_number": "12"}))
    assert "Enter a name or phone number to see" in text_of(operator.post(PERSON, sent | {"to_number": ""}))
    for asked in ({"to_number": ada.phone}, {"contact": ada.pk}):
        assert "Ada" in text_of(operator.post(PERSON, asked)), "also without an assistant"
    assert not Call.objects.exists() and Contact.objects.count() == 1


def test_examples_and_descriptions_are_text(operator: Client, ada: Contact, speaker: Assistant) -> None:
    page = operator.get(LAUNCH, {"contact": ada.pk}).content.decode()
    assert "The &lt;b&gt;time&lt;/b&gt;. For example: 9:30" in page
    assert "<b>time</b>" not in page


def test_variables_are_judged(operator: Client, ada: Contact, speaker: Assistant, phone_number: PhoneNumber) -> None:
    sent = {"assistant": speaker.pk, "phone_number": phone_number.pk, "to_number": ada.phone, "_launch": "1"}
    assert "This field is required." in text_of(operator.post(LAUNCH, sent | {"variable-slot": " "}))
    page = text_of(operator.post(LAUNCH, sent | {"variable-slot": "x" * 17_000}))
    assert "The variables are larger than 16 KB in all." in page
    assert not Call.objects.exists()
    assert operator.post(LAUNCH, sent | {"variable-slot": "9:30"}).status_code == 302
    assert Call.objects.get().dynamic_variables == {"slot": "9:30", "clinic": "Main street"}


@pytest.mark.time_machine(datetime(2027, 4, 1, tzinfo=UTC))
def test_a_call_waits_one_hour_also_in_the_night_when_clocks_go_back(
    operator: Client, ada: Contact, speaker: Assistant, phone_number: PhoneNumber, organization: Organization
) -> None:
    """On Lord Howe Island 1:15 is 14:15 UTC on 3 April 2027; at 15:00 UTC the clock goes back from 2:00 to 1:30."""
    Organization.objects.update(timezone="Australia/Lord_Howe")
    typed = {"not_before_0": "2027-04-04", "not_before_1": "01:15", "variable-slot": "9:30", "_launch": "1"}
    sent = {"assistant": speaker.pk, "phone_number": phone_number.pk, "to_number": ada.phone}
    answer = operator.post(LAUNCH, sent | typed)
    assert answer.status_code == 302, text_of(answer)
    call = Call.objects.get()
    assert call.not_before == datetime(2027, 4, 3, 14, 15, tzinfo=UTC)
    assert call.not_after == datetime(2027, 4, 3, 15, 15, tzinfo=UTC)


def test_without_a_script_the_fields_and_the_answer_are_asked_for(
    operator: Client, ada: Contact, speaker: Assistant, phone_number: PhoneNumber
) -> None:
    an_assistant(speaker.account, name="Second")
    assert "variable-slot" not in operator.get(LAUNCH).content.decode()
    shown = operator.post(LAUNCH, {"assistant": speaker.pk, "to_number": ada.phone, "_fields": "1"})
    assert "variable-slot" in shown.content.decode() and "This field is required" not in text_of(shown)
    sent = {"assistant": speaker.pk, "phone_number": phone_number.pk, "to_number": ada.phone, "variable-slot": "1"}
    page = text_of(operator.post(LAUNCH, sent | {"_check": "1"}))
    assert "The call would be placed at once." in page and "Time in Europe/Paris" in page
    assert not Call.objects.exists()


def test_who_may_not_call_finds_nobody(organization: Organization, ada: Contact) -> None:
    user = User.objects.create(username="vera", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="viewer")
    client = Client()
    client.force_login(user)
    for url in (LAUNCH, PEOPLE, PERSON, FIELDS):
        assert client.get(url, {"q": "Ada"}).status_code == client.post(url, {"q": "Ada"}).status_code == 403


def test_few_questions_are_asked(operator: Client, ada: Contact, speaker: Assistant, phone_number: PhoneNumber) -> None:
    sent = {"assistant": speaker.pk, "phone_number": phone_number.pk, "to_number": ada.phone}
    asked: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("get", LAUNCH, {"contact": ada.pk}),
        ("get", LAUNCH, {"q": "Ada"}),
        ("get", PEOPLE, {"q": "Ada"}),
        ("post", FIELDS, sent),
        ("post", PERSON, sent),
    )
    for method, url, values in asked:
        with CaptureQueriesContext(connection) as queries:
            assert getattr(operator, method)(url, values).status_code == 200
        assert len(queries) <= MOST_QUESTIONS, [query["sql"][:160] for query in queries]


def test_a_value_that_nobody_means_to_speak_is_confirmed_first(
    operator: Client, ada: Contact, speaker: Assistant, phone_number: PhoneNumber
) -> None:
    sent = {"assistant": speaker.pk, "phone_number": phone_number.pk, "to_number": ada.phone, "_launch": "1"}
    sent |= {"variable-slot": '{{ "slot" }}', "customer_name": "Ada"}
    page = operator.post(LAUNCH, sent).content.decode()
    assert not Call.objects.exists() and "a placeholder that was not filled in" in page
    (confirmed,) = re.findall(r'name="as_is" value="([^"]*)"', page)
    confirmed = unescape(confirmed)
    other = operator.post(LAUNCH, sent | {"variable-slot": "NULL", "as_is": confirmed}).content.decode()
    assert not Call.objects.exists() and "missing value" in other, "another value is confirmed anew"
    assert operator.post(LAUNCH, sent | {"as_is": confirmed}).status_code == 302
    assert Call.objects.get().dynamic_variables["slot"] == '{{ "slot" }}'


def test_a_corrected_value_needs_no_confirmation(
    operator: Client, ada: Contact, speaker: Assistant, phone_number: PhoneNumber
) -> None:
    sent = {"assistant": speaker.pk, "phone_number": phone_number.pk, "to_number": ada.phone, "_launch": "1"}
    assert operator.post(LAUNCH, sent | {"variable-slot": "9:30", "as_is": "something"}).status_code == 302
