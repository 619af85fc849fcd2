"""B6: launch of a campaign: its recipients made from a list, against one bare INSERT … SELECT of the same rows."""

from __future__ import annotations

import sys
import time
from typing import Any

from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B6", "launch of a campaign", "a bare INSERT … SELECT", 1.5, 1.1, "seconds", less=True)


def measure(setting: Setting) -> Found:
    from benchmarks.shared.rows import World

    setting.database()
    world = World("https://example.org")
    people = setting.size(1_000_000)
    campaign = a_draft(world, people)
    found = alternate(setting.rounds, lambda: launched(campaign, people), lambda: inserted(campaign, people))
    found.notes["recipients"] = people
    return found


def a_draft(world: Any, people: int) -> Any:
    """Return a campaign that has started and is not launched, with a list of so many contacts."""
    from django.db import connection

    from benchmarks.shared.rows import analyse
    from campaigns.models import Campaign, ContactList

    campaign = world.campaigns[0]
    everybody = ContactList.objects.create(organization=world.home, name="Everybody")
    campaign.contact_lists.add(everybody)
    first = world.contacts(people)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO campaigns_contactlistmember (contact_list_id, contact_id)"
            " SELECT %s, id FROM campaigns_contact WHERE id > %s ORDER BY id",
            [everybody.pk, first],
        )
    Campaign.objects.exclude(pk=campaign.pk).update(status="draft")
    analyse()
    return campaign


def launched(campaign: Any, people: int) -> float:
    from campaigns import launching
    from campaigns.models import Campaign, Recipient

    Campaign.objects.filter(pk=campaign.pk).update(launched_at=None, launched_through=0)
    began = time.perf_counter()
    while not launching.step(campaign.pk):
        pass
    seconds = time.perf_counter() - began
    assert Recipient.objects.count() == people  # noqa: S101
    forget()
    return seconds


def inserted(campaign: Any, people: int) -> float:
    """Return the seconds of one statement that makes the same rows."""
    from django.db import connection

    from benchmarks.shared.rows import copied
    from campaigns.models import Contact, Recipient

    made = Recipient.objects.create(campaign=campaign, contact=Contact.objects.latest("pk"))
    columns = {"contact_id": "m.contact_id", "sort_key": "(m.id * 1327217885) %% 2147483647"}
    others = "campaigns_contactlistmember m WHERE t.id = %s AND m.contact_list_id = %s AND m.contact_id <> t.contact_id"
    statement = copied(made, columns, f"{others} ORDER BY m.id")
    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(statement, [made.pk, campaign.contact_lists.get().pk])
    seconds = time.perf_counter() - began
    assert Recipient.objects.count() == people  # noqa: S101
    forget()
    return seconds


def forget() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE campaigns_recipient CASCADE")


if __name__ == "__main__":
    sys.exit(main(MARK, measure))
