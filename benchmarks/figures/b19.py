"""B19: searches for contacts among many, against the same among 10,000: p95 of a mix, over the API and in the palette.

The mix: a name of all, of every twelfth, of few; one that only the oldest have; words together; beginnings; parts of
numbers; nobody.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from benchmarks.pages import database_time, p95
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B19", "searches for contacts among many, p95", "the same among 10,000", 1.2, 1.05, "ms", less=True)
FEW = 10_000
RARE_EVERY = 4_999
OLDEST = 100  # one part in so many, the oldest contacts, has a name that nobody else has
FIRST = ("Ada", "Ben", "Chloe", "Dora", "Emile", "Fatima", "George", "Hanna", "Ivan", "Jana", "Karim", "Lena")
LAST = ("Martin", "Bernard", "Schmidt", "Rossi", "Novak", "Smith", "Jones", "Garcia", "Nguyen", "Cohen", "Ito", "Ali")
ASKED = (
    *("maria", "ada", "zebulon", "o quist", "ottokar"),
    *("maria ada", "ada martin", "maria zebulon", "zebulon quist"),
    *("ma", "che", "zeb"),
    *("+12122", "+1212200000", "2000 123"),
    *("nobody", "maria nobody"),
)


def measure(setting: Setting) -> Found:
    many = setting.size(1_000_000, least=2_000)
    found = Found()
    worst: dict[str, list[float]] = {}
    searches = {count: _searches(setting, count) for count in (min(FEW, many // 2), many)}
    few_first, many_last = searches.values()

    def p95_of(search: Callable[[], dict[str, float]], *, kept: bool) -> float:
        times = search()
        for name, took in times.items() if kept else ():
            worst.setdefault(name, []).append(took)
        return p95(list(times.values()))

    for search in searches.values():
        search()  # fill the caches
    alternate(setting.rounds, lambda: p95_of(many_last, kept=True), lambda: p95_of(few_first, kept=False), found)
    slowest = sorted(worst, key=lambda name: -min(worst[name]))[:5]
    found.notes |= {"contacts": many, "slowest, in ms": {name: round(min(worst[name]), 1) for name in slowest}}
    return found


def _searches(setting: Setting, count: int) -> Callable[[], dict[str, float]]:
    """Fill a database. Return a function that makes all searches in it, and returns the server's ms of each."""
    url = setting.database(f"_{count}")
    home = _fill(count)
    from django.contrib.auth.models import User
    from django.test import Client
    from django.test.utils import override_settings
    from django.urls import reverse

    from tenants.models import ApiKey, Membership

    user = User.objects.create(username="olga", is_staff=True)
    Membership.objects.create(user=user, organization=home, role="manager")
    _, key = ApiKey.issue(tenant=home.tenant, organization=home, name="bench", scopes=["read"])
    staff, program = Client(), Client(headers={"authorization": f"Bearer {key}"})
    staff.force_login(user)
    pages = [(f"API {text}", program, f"/api/v1/contacts/?q={quote(text)}") for text in ASKED]
    pages += [(f"palette {text}", staff, f"{reverse('admin:search')}?s={quote(text)}") for text in ASKED]

    def search() -> dict[str, float]:
        setting.use(url)
        with override_settings(ALLOWED_HOSTS=["testserver"], SECURE_SSL_REDIRECT=False):
            return {name: _took(client, address) for name, client, address in pages}

    return search


def _took(client: Any, address: str) -> float:
    """Return the processor time of this process and its connection for one request, in ms."""
    busy = time.process_time() + database_time()
    response = client.get(address)
    took = time.process_time() + database_time() - busy
    assert response.status_code == 200, (address, response.status_code)  # noqa: S101
    return took * 1000


def _fill(count: int) -> Any:
    """Insert contacts of one organization, with keys that are computed once for each name. Return the organization."""
    from benchmarks.shared.rows import World, analyse
    from tenants.search_keys import name_key

    names = [f"Maria {given} {family}" for family in LAST for given in FIRST]
    columns = {}
    for column, values in (("name", names), ("name_key", list(map(name_key, names)))):
        rare = "Zebulon O''Quist" if column == "name" else name_key("Zebulon O'Quist")
        old = "Ottokar" if column == "name" else name_key("Ottokar")
        listed = ", ".join(f"'{value}'" for value in values)
        columns[column] = (
            f"CASE WHEN g <= {count // OLDEST} THEN '{old}' WHEN g %% {RARE_EVERY} = 17 THEN '{rare}' "
            f"ELSE (ARRAY[{listed}])[1 + g %% {len(names)}] END"
        )
    world = World("https://example.org")
    world.contacts(count, **columns)
    analyse()
    return world.home


if __name__ == "__main__":
    sys.exit(main(MARK, measure))
