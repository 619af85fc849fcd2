"""The estimated finish of running campaigns on the dashboard: loaded after the page, computed once a minute."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.admin.campaigns import finish_wording
from calls.forecast import estimated_finish
from calls.forecast.forecast import Forecast
from campaigns.models import Campaign, Recipient
from providers.models import PhoneNumber
from tests.calls import support
from tests.calls.test_campaign_page import NUMBERS, viewer, words_of

__all__ = ["viewer"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("assistant")]
NOW = datetime(2026, 3, 11, 11, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENDS = NOW + 4 * HOUR


@pytest.fixture
def campaign(phone_number: PhoneNumber) -> Campaign:
    people = support.people(phone_number.organization, NUMBERS)
    now = timezone.now()
    made = support.campaign(phone_number, people, status="running", started_at=now, launched_at=now)
    Recipient.objects.bulk_create(Recipient(campaign=made, contact=contact) for contact in people.contacts.all())
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The campaigns whose forecast was computed. The fake forecast ends at four in Paris."""
    found: list[int] = []

    def forecast(campaign: Campaign, now: datetime, *limits: int, **others: int) -> Forecast:
        found.append(campaign.pk)
        return Forecast(5, finishes_at=ENDS)

    monkeypatch.setattr(estimated_finish, "forecast", forecast)
    return found


def test_the_dashboard_asks_for_the_end_after_the_page(viewer: Client, campaign: Campaign) -> None:
    url = reverse("admin:campaigns_campaign_end", args=[campaign.pk])
    assert f'hx-get="{url}"' in viewer.get("/admin/").content.decode()
    sentence = viewer.get(url).content.decode().strip()
    assert sentence.startswith("· ends about ") and re.search(r"\d\d:\d\d CES?T$", sentence)
    page = viewer.get("/admin/").content.decode()
    assert sentence in page and url not in page


def end_of(campaign: Campaign, now: datetime) -> datetime | None:
    return estimated_finish.finish_of(campaign, now, 5).at


def test_it_is_asked_once_a_minute(campaign: Campaign, asked: list[int]) -> None:
    assert end_of(campaign, NOW) == ENDS
    assert end_of(campaign, NOW + timedelta(seconds=59)) == ENDS
    assert len(asked) == 1
    end_of(campaign, NOW + timedelta(seconds=61))
    assert len(asked) == 2
    campaign.version += 1  # other rules give another finish
    end_of(campaign, NOW + timedelta(seconds=62))
    assert len(asked) == 3


def test_it_is_asked_by_one_alone_while_the_others_see_what_was_said(campaign: Campaign, asked: list[int]) -> None:
    assert end_of(campaign, NOW - 2 * HOUR) == ENDS
    cache.add(f"{estimated_finish._key(campaign)}:asked", True)
    assert end_of(campaign, NOW) == ENDS
    assert len(asked) == 1
    cache.delete(estimated_finish._key(campaign))
    assert end_of(campaign, NOW) == ENDS  # nothing is shown
    assert len(asked) == 2


def test_a_campaign_that_stands_still_or_is_large_has_none(campaign: Campaign, asked: list[int]) -> None:
    assert estimated_finish.finish_of(campaign, NOW, 4) == estimated_finish.UNKNOWN
    Recipient.objects.filter(pk__in=Recipient.objects.values_list("pk")[:1]).update(status="done")
    assert estimated_finish.finish_of(campaign, NOW, 4).at == ENDS
    campaign.status = Campaign.Status.PAUSED
    assert estimated_finish.finish_of(campaign, NOW, 4) == estimated_finish.UNKNOWN
    assert len(asked) == 1


@pytest.mark.usefixtures("frozen")
def test_what_the_campaigns_own_page_foresaw_is_told_everywhere(
    viewer: Client, campaign: Campaign, asked: list[int]
) -> None:
    viewer.get(reverse("admin:campaigns_campaign_forecast", args=[campaign.pk]))
    [kept] = estimated_finish.kept_of([campaign]).values()
    assert kept.at is not None and estimated_finish.finish_of(campaign, timezone.now(), 5) == kept
    assert asked == []


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (estimated_finish.Finish(NOW + HOUR, NOW), "ends about 13:00 CET"),
        (estimated_finish.Finish(NOW + 14 * HOUR, NOW), "ends about Thu 12 Mar, 02:00 CET"),
        (estimated_finish.Finish(None, NOW), "no estimated finish"),
        (estimated_finish.Finish(None, NOW, "2 recipients on hold"), "no end: 2 recipients on hold"),
        (estimated_finish.UNKNOWN, ""),
    ],
)
def test_the_end_in_words(found: estimated_finish.Finish, expected: str) -> None:
    with timezone.override("Europe/Paris"):
        assert finish_wording.in_words(found, NOW) == expected


@pytest.mark.parametrize(
    ("ran", "settled", "left", "expected"),
    [
        (HOUR, 1000, 3000, "ends about 15:00 CET at the pace so far"),
        (timedelta(minutes=9), 1000, 3000, ""),
        (HOUR, 49, 3000, ""),
        (1000 * HOUR, 50, 10_000, ""),
    ],
)
def test_of_many_people_the_pace_tells(ran: timedelta, settled: int, left: int, expected: str) -> None:
    campaign: Any = Campaign(started_at=NOW - ran, timezone="Europe/Paris")
    with timezone.override("Europe/Paris"):
        assert finish_wording.by_pace(campaign, settled, left, NOW) == expected


def test_a_large_campaign_is_not_forecast(
    viewer: Client, campaign: Campaign, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calls.admin.dashboard.page.FORECAST_AT_ONCE", 2)
    monkeypatch.setattr(finish_wording, "MINIMUM_DONE", 1)
    Campaign.objects.update(started_at=timezone.now() - HOUR)
    Recipient.objects.filter(pk__in=Recipient.objects.values_list("pk")[:2]).update(status="done")
    page = viewer.get("/admin/").content.decode()
    assert "at the pace so far" in words_of(page)
    assert reverse("admin:campaigns_campaign_end", args=[campaign.pk]) not in page
