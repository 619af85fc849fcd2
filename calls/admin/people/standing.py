"""The status detail of a recipient in a sentence: “Waiting until 9:00 in Paris”, not `pending`."""

from __future__ import annotations

from datetime import UTC, datetime

from calls.admin.shared import labels, outcomes
from calls.gate.checks import CheckName
from campaigns.models import Campaign, Recipient
from campaigns.rules.whereabouts import ZoneRule, candidate_zones
from campaigns.rules.windows import zone_named

S = Recipient.Status


def place(zone: str) -> str:
    """Return the place in a time zone's name: “Paris” for `Europe/Paris`."""
    return zone.rpartition("/")[2].replace("_", " ")


def moment_in(moment: datetime, zone: str, now: datetime) -> str:
    """Return “9:00 in Paris”, with the day if it is not today in that zone."""
    known = zone_named(zone)
    local, today = moment.astimezone(known or UTC), now.astimezone(known or UTC).date()
    day = "" if local.date() == today else f"{local:%a} {local.day} {local:%b}, "
    return f"{day}{local.hour}:{local:%M} in {place(zone)}" if known else f"{day}{local.hour}:{local:%M} UTC"


def zone_of(recipient: Recipient, rule: ZoneRule) -> str:
    """Return the zone that decides for a recipient: the one it waits for, or the contact's most likely zone."""
    contact = recipient.contact
    return recipient.waits_in or candidate_zones(contact.timezone, recipient.number, rule)[0]


def standing(recipient: Recipient, campaign: Campaign, now: datetime) -> str:
    """Return the status detail of a recipient of the campaign. Needs `contact` loaded."""
    if recipient.status in (S.PENDING, S.WAITING):
        return _waiting(recipient, campaign, now)
    if recipient.status == S.DONE:
        return outcomes.of_recipient(recipient).meaning
    if recipient.status == S.SKIPPED:
        return f"Will not be called: {labels.reason(recipient.reason)}" if recipient.reason else "Will not be called"
    if recipient.held:
        return f"Needs attention: {labels.reason(recipient.reason)}"
    if recipient.status == S.REVIEW:
        return "Needs attention: the call is unconfirmed"
    if recipient.status == S.WITHDRAWN:
        by_campaign = recipient.reason == "campaign_canceled"
        return "Withdrawn: the campaign was canceled" if by_campaign else "Withdrawn by a team member"
    return "A call is under way"


def _waiting(recipient: Recipient, campaign: Campaign, now: datetime) -> str:
    due, reason = recipient.next_attempt_at, recipient.reason
    if due is None and reason == "call_back":
        return "Waiting for the scheduled callback"
    if due is None or due <= now:
        paused = campaign.status == Campaign.Status.PAUSED
        return "Waiting until the campaign resumes" if paused else "Waiting for its turn"
    when = moment_in(due, zone_of(recipient, campaign.zone_rule), now)
    if reason in ("", CheckName.CALLING_HOURS):
        return f"Waiting until {when}"
    return f"Waiting until {when}: {labels.reason(reason)}"
