"""A team member ends a call at the moment at which its end arrives: one of them decides, and nobody is rung twice."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from calls.models import Call, Status
from calls.outcomes import recording, staff_decisions
from campaigns.models import Recipient
from providers.adapters.base import CallState, Reading
from providers.models import PhoneNumber
from tests.calls import support
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks the whole database")
def test_an_end_that_arrives_while_a_team_member_ends_the_call(number: PhoneNumber, recipient: Recipient) -> None:
    campaign = recipient.campaign
    for state in (CallState.COMPLETED, CallState.NO_ANSWER) * 4:
        Recipient.objects.update(status=Recipient.Status.CALLING, attempts=1, next_attempt_at=None, outcome="")
        dialed_at = timezone.now() - timedelta(hours=3)
        call = support.single(
            number, recipient.number, status=Status.RINGING, provider_call_id="theirs", dialed_at=dialed_at,
            next_read_at=dialed_at, recipient=recipient, campaign=campaign, contact=recipient.contact,
        )  # fmt: skip
        reading = Reading(state, "theirs", settled=True)
        barrier = threading.Barrier(2)
        failures: list[BaseException] = []

        def at_once(
            work: object, barrier: threading.Barrier = barrier, failures: list[BaseException] = failures
        ) -> None:
            try:
                barrier.wait(PATIENCE)
                assert callable(work)
                work()
            except BaseException as error:
                failures.append(error)
            finally:
                connection.close()

        works = (
            lambda pk=call.pk, reading=reading: recording.record(pk, reading, "callback"),
            lambda pk=call.pk: staff_decisions.end(pk, actor="ada", reason="It is over."),
        )
        threads = [threading.Thread(target=at_once, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert not failures
        call.refresh_from_db()
        recipient.refresh_from_db()
        # The real end stands in either order.
        assert call.status == ("completed" if state is CallState.COMPLETED else "no_answer")
        assert recipient.outcome == call.status
        assert Call.objects.open().count() == 0
        call.delete()
