"""B18: seconds until a lead that is posted to a list of an ongoing campaign is on the wire (p95), against 2 seconds."""

from __future__ import annotations

import os
import sys

from benchmarks.figures.b11 import web
from benchmarks.figures.b14 import on_the_wire, post
from benchmarks.shared import database, provider, worker
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark(
    "B18", "a lead posted to an ongoing campaign is on the wire, p95", "two seconds", 1, 0.5, "seconds", less=True
)
LEADS = 1_000
BOUND = 2.0  # seconds
WARM_UP = 50  # a turn whose numbers no other turn has
EVERY = 0.02  # seconds between two leads, beside what the request takes


def measure(setting: Setting) -> Found:
    from benchmarks.shared.rows import World

    url = setting.database()
    from campaigns.models import Campaign, ContactList
    from tenants.models import ApiKey

    found = Found()
    leads = setting.count or setting.size(LEADS)
    with provider.running() as server, web(os.environ | database.environment(url), "config.wsgi") as (port, _):
        world = World(server.address(provider.WATCHED))
        _, key = ApiKey.issue(tenant=world.home.tenant, organization=world.home, name="b", scopes=["manage"])
        campaign = world.campaigns[0]
        leads_of = ContactList.objects.create(organization=world.home, name="Leads")
        campaign.contact_lists.add(leads_of)
        Campaign.objects.filter(pk=campaign.pk).update(ongoing=True)
        turns = iter(range(setting.rounds))

        def send(phone: str) -> None:
            post(port, key, f"/api/v1/contact-lists/{leads_of.uuid}/contacts/", {"phone": phone, "name": "Ada"})

        def ours() -> float:
            turn = next(turns)
            with worker.running(url):
                on_the_wire(send, server, 1, WARM_UP + turn)  # the worker has started
                p95 = on_the_wire(send, server, leads, turn, EVERY)
            found.notes["calls"] = campaign.calls.count()
            found.notes["leads"] = campaign.recipients.count()
            return p95

        return alternate(setting.rounds, ours, lambda: BOUND, found)


if __name__ == "__main__":
    sys.exit(main(MARK, measure))
