"""Words of a provider without a meaning: kept and told once, bounded, and given a meaning by a team member."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from calls.actions import erasure
from calls.dialing import placing
from calls.models import Call, CallEvent, Status
from calls.outcomes import recording, unknown_words
from calls.outcomes.units import Alone
from calls.reports.figures.conditions import REACHED
from campaigns.models import Campaign, DoNotCall, Recipient, RetryRule
from providers.adapters import words
from providers.adapters.base import CallState, Reading
from providers.models import PhoneNumber, ProviderAccount, SeenWord
from tenants.models import Alert, Organization
from tests.calls import support
from tests.calls.test_outcomes import NUMBER, claimed
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def number(callers: Organization) -> PhoneNumber:
    return support.reach(callers, "http://127.0.0.1:9", "allomia")


def placed(number: PhoneNumber, recipient: Recipient | None = None) -> Call:
    claim = claimed(number, recipient)
    known = f"x{claim.call.pk}"
    placing.record(claim, Reading(CallState.DIALING, provider_call_id=known, provider_status="calling"))
    return Call.objects.get(pk=claim.call.pk)


def called(number: PhoneNumber) -> Recipient:
    """Return a recipient of a running campaign."""
    campaign = support.campaign(number, support.people(number.organization, [NUMBER]), retries=3)
    Campaign.objects.update(status=Campaign.Status.RUNNING)
    campaign.refresh_from_db()
    contact = number.organization.contacts.get(phone=NUMBER)
    return Recipient.objects.create(campaign=campaign, contact=contact, status=Recipient.Status.CALLING)


def says(call: Call, state: CallState = CallState.COMPLETED, **said: Any) -> Call:
    reading = Reading(state, provider_call_id=call.provider_call_id, **({"provider_status": state.value} | said))
    recording.record(call.pk, reading, CallEvent.Source.READ)
    call.refresh_from_db()
    return call


def give(number: PhoneNumber, **table: dict[str, str]) -> None:
    ProviderAccount.objects.filter(pk=number.account_id).update(words=table)


def test_a_word_without_a_meaning_is_kept_once_and_told_once(number: PhoneNumber) -> None:
    first = placed(number)
    for _ in range(3):
        says(first, CallState.UNRECOGNISED, provider_status="Wrapped up 17 of 4711")
    says(first, provider_reason="agent 12345 sighed", ended_reason="other")
    second = placed(number)
    says(second, provider_reason="Agent 777 sighed", ended_reason="other", answered_by="parrot")
    rows = SeenWord.objects.values_list("field", "key", "word", "call")
    assert list(rows) == [
        ("status", "wrapped_up_0_of_0", "Wrapped up 17 of 4711", first.uuid),
        ("reason", "agent_0_sighed", "agent 12345 sighed", first.uuid),
        ("answered_by", "parrot", "parrot", second.uuid),
    ]
    alerts = Alert.objects.filter(key__startswith=f"account.unknown_word:{number.account.uuid}:")
    assert alerts.count() == 3
    assert alerts.filter(message__contains="Reason: “agent 12345 sighed”", subject=number.account.uuid).count() == 1
    assert [seen.key for seen in number.account.unknown_words] == list(SeenWord.objects.values_list("key", flat=True))


def test_a_meaning_given_later_holds_from_then_on(number: PhoneNumber) -> None:
    before = says(placed(number), provider_reason="left a note", ended_reason="other")
    give(number, reason={"left_a_note": "voicemail"})
    after = says(placed(number), provider_reason="Left-a-note", ended_reason="other")
    assert (before.ended_reason, after.ended_reason) == ("other", "voicemail")
    assert (before.is_voicemail, after.is_voicemail, after.status) == (False, True, Status.COMPLETED)
    assert ProviderAccount.objects.get().unknown_words == []


def test_an_own_status_ends_the_call(number: PhoneNumber) -> None:
    give(number, status={"wrapped_up": "completed"})
    call = says(placed(number), CallState.UNRECOGNISED, provider_status="Wrapped up")
    assert (call.status, call.provider_status) == (Status.COMPLETED, "Wrapped up")
    assert not call.events.filter(type="unrecognised").exists()


VOICEMAILS = [{"provider_reason": "voicemail", "ended_reason": "other"}, {"answered_by": "machine_end_beep"}]


@pytest.mark.parametrize("said", VOICEMAILS)
@pytest.mark.parametrize("provider", ["allomia", "polyai", "plumvoice", "callingbox"])
def test_a_voicemail_told_in_words_is_not_reached_and_follows_its_retry_rule(
    callers: Organization, provider: str, said: Any
) -> None:
    number = support.reach(callers, "http://127.0.0.1:9", provider)
    recipient = called(number)
    RetryRule.objects.all().delete()
    RetryRule.objects.create(campaign=recipient.campaign, outcome="voicemail", wait_minutes=90, max_attempts=2)
    before = timezone.now()
    call = says(placed(number, recipient), **said)
    recipient.refresh_from_db()
    assert (call.status, call.is_voicemail, call.ended_reason) == (Status.COMPLETED, True, "voicemail")
    assert (recipient.status, recipient.reason) == (Recipient.Status.WAITING, "voicemail")
    assert recipient.next_attempt_at and recipient.next_attempt_at >= before + timedelta(minutes=90)
    assert not Call.objects.filter(REACHED).exists()


def test_a_person_does_not_become_a_voicemail_later(number: PhoneNumber) -> None:
    call = says(placed(number), answered_by="human")
    said: Any
    for said in ({"provider_reason": "voicemail", "ended_reason": "other"}, {"answered_by": "machine_end_beep"}):
        says(call, **said)
        assert (call.answered_by, call.is_voicemail) == ("human", False)


def test_opt_out_rules_see_the_word_and_its_meaning(number: PhoneNumber) -> None:
    for place, equals in enumerate(["machine_end_beep", "machine"], start=1):
        number.account.assistants.update(opt_out_rules=[{"field": "answered_by", "equals": equals}])
        says(placed(number), answered_by="machine_end_beep")
        assert DoNotCall.objects.count() == 1, place
        DoNotCall.objects.all().delete()


def test_the_table_is_bounded_and_says_once_that_it_is_full(number: PhoneNumber, monkeypatch: Any) -> None:
    monkeypatch.setattr(unknown_words, "MOST", 3)
    for letter in "abcde":
        says(placed(number), provider_reason=f"strange {letter}", ended_reason="other")
    assert SeenWord.objects.count() == 3
    full = Alert.objects.filter(key=f"account.unknown_words:{number.account.uuid}:full")
    assert full.count() == 1 and Alert.objects.count() == 4
    give(number, reason={"strange_a": "other"})
    says(placed(number), provider_reason="strange f", ended_reason="other")
    assert SeenWord.objects.filter(key="strange_f").exists(), "a word with a meaning makes room"


def test_hostile_words_are_stored_and_cut(number: PhoneNumber) -> None:
    call = placed(number)
    for word in ("\x00\ud800", "a\x00\ud800b", "x" * 5000, "<script>", "'; --", "\u202e" * 300, "😀", "ß" * 300):
        heard = words.interpret(Reading(CallState.COMPLETED, provider_reason=word), {})
        unknown_words.remember(Alone(), call, heard.unknown)
    assert all(0 < len(seen.word) <= 200 and len(seen.key) <= 200 for seen in SeenWord.objects.all())
    assert SeenWord.objects.count() == 5, "punctuation alone is one word"


def test_other_accounts_keep_their_own_words(number: PhoneNumber) -> None:
    other = support.reach(number.organization, "http://127.0.0.1:9", "polyai")
    give(other, reason={"strange": "voicemail"})
    call = says(placed(number), provider_reason="strange", ended_reason="other")
    assert call.ended_reason == "other"
    assert [seen.account for seen in SeenWord.objects.all()] == [number.account]


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")
def test_workers_that_record_the_same_words_at_once_wait_for_each_other(number: PhoneNumber) -> None:
    said = [(f"strange {letter}", f"robot {letter}") for letter in "abcdef"]
    calls = [support.single(number, f"+1212555{place:04}", status=Status.QUEUED) for place in range(6)]
    together = threading.Barrier(len(calls))

    def work(call: Call) -> None:
        heard = [
            words.UnknownWord(field, word, words.key(word))
            for field, place in (("reason", 0), ("answered_by", 1))
            for word in (pair[place] for pair in random.Random(call.pk).sample(said, len(said)))
        ]
        try:
            together.wait(PATIENCE)
            with transaction.atomic():
                unknown_words.remember(Alone(), call, heard)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(work, call) for call in calls]:
            done.result(PATIENCE)
    assert SeenWord.objects.count() == Alert.objects.count() == 12


def test_an_erasure_forgets_the_words_of_its_calls(number: PhoneNumber) -> None:
    recipient = called(number)
    call = says(placed(number, recipient), provider_reason="Ada was not at home", ended_reason="other")
    assert SeenWord.objects.get().call == call.uuid
    erasure.erase(recipient.contact, actor="x", reason="asked", never_again=False)
    assert not SeenWord.objects.exists()
    assert not Alert.objects.filter(message__contains="Ada").exists()
    assert Alert.objects.filter(message=unknown_words.ERASED).count() == 1
