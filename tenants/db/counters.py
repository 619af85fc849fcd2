"""Counts of large tables, kept by database triggers, so that no writer can forget them and no page has to count.

A table of counts holds what was added: each statement that changes counted rows inserts a few rows with the
differences. A count is the sum of a group's rows. Concurrent writers therefore never wait for a common row. `fold`
merges the rows of a group now and then; without it the counts stay right and become slow.

On PostgreSQL the triggers run once for a statement, on SQLite once for each row.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from django.apps import apps
from django.db import connections, models, router, transaction

EVENTS = {"insert": ("NEW",), "update": ("OLD", "NEW"), "delete": ("OLD",)}
SIGN = {"OLD": "-", "NEW": ""}
AT_ONCE = 5_000  # rows that one call of `fold` merges


@dataclass(frozen=True)
class Counted:
    """What is counted. `{row}` in an expression stands for a row of the table `source`.

    `groups` and `sums`: an expression for each column of the table of counts. `where`: which rows count.
    """

    source: str
    groups: Mapping[str, str]
    sums: Mapping[str, str]
    where: str = "1 = 1"

    def total(self) -> str:
        """Return the query that counts all rows."""
        return self.difference({"NEW": self.source})

    def difference(self, rows: Mapping[str, str]) -> str:
        """Return the query of what a change adds to the counts. `rows`: the tables of the old and the new rows.

        Groups to which the change adds nothing are left out.
        """
        signed = " UNION ALL ".join(self._signed(SIGN[which], source) for which, source in rows.items())
        return self._summed(signed)

    def _signed(self, sign: str, source: str) -> str:
        values = [*self.groups.values(), *(f"{sign}({value})" for value in self.sums.values())]
        return f"SELECT {', '.join(values)} FROM {source} r WHERE {self.where}".format(row="r")  # noqa: S608

    def _summed(self, rows: str) -> str:
        groups, sums = (", ".join(names) for names in (self.groups, self.sums))
        total = ", ".join(f"sum({name})" for name in self.sums)
        changed = " OR ".join(f"sum({name}) <> 0" for name in self.sums)
        named = f"WITH d({groups}, {sums}) AS ({rows})"
        return f"{named} SELECT {groups}, {total} FROM d GROUP BY {groups} HAVING {changed}"  # noqa: S608

    def prepare(self, rows: Mapping[str, str]) -> str:
        """Return what the function of a statement trigger does before it inserts the difference."""
        return ""

    def of_row(self, which: str) -> str:
        """Return the query of what the old or the new row of a row trigger adds."""
        values = [*self.groups.values(), *(f"{SIGN[which]}({value})" for value in self.sums.values())]
        return f"SELECT {', '.join(values)} WHERE {self.where}".format(row=which)

    def differs(self) -> str:
        """Return the condition of a row trigger that an update changes what is counted."""
        values = [*self.groups.values(), *self.sums.values(), f"({self.where})"]
        return " OR ".join(f"{value.format(row='OLD')} IS NOT {value.format(row='NEW')}" for value in values)


@dataclass(frozen=True)
class CountedByDecision(Counted):
    """Counts each `member` once: by the row that decides about it. The sums are conditions on that row.

    Of a member's rows that count, the one with the lowest `rank` decides, of several the one with the highest key.
    `member` is a column of the source. Two transactions that change rows of one member each see the other's row as it
    was, so the triggers of PostgreSQL lock the member's row in the table `members` first.
    """

    member: str = ""
    members: str = ""
    rank: str = "0"

    def total(self) -> str:
        rows = f"{self._facts('1')} FROM {self.source} r WHERE {self.where}".format(row="r")
        return self._summed(self._decided(rows))

    def _facts(self, sign: str) -> str:
        """Return the start of a query of what decides, with the sign of the side of a change that a row is on."""
        values = {"side": sign, "member": f"{{row}}.{self.member}", **self.groups, **self._ones(), "place": self.rank}
        named = ", ".join(f"{value} AS {name}" for name, value in values.items())
        return f"SELECT {named}, {{row}}.id"

    def _ones(self) -> dict[str, str]:
        return {name: f"CASE WHEN {flag} THEN 1 ELSE 0 END" for name, flag in self.sums.items()}

    def _values(self, sign: str) -> str:
        return ", ".join([*self.groups.values(), *(f"{sign}({value})" for value in self._ones().values())])

    def _decided(self, rows: str) -> str:
        """Return the query of the groups and signed sums of the rows that decide, of such facts."""
        sums = ", ".join(f"side * {name}" for name in self.sums)
        turn = "row_number() OVER (PARTITION BY side, member ORDER BY place, id DESC) AS turn"
        ordered = f"SELECT f.*, {turn} FROM ({rows}) f"  # noqa: S608
        return f"SELECT {', '.join(self.groups)}, {sums} FROM ({ordered}) o WHERE turn = 1"  # noqa: S608

    def _changed(self, rows: Mapping[str, str]) -> str:
        """Return the query of the facts of the old and new rows that differ in what is counted."""
        facts = f"{self._facts('0')} FROM {{table}} r WHERE {self.where}"
        parts = {which: facts.format(row="r", table=table) for which, table in rows.items()}
        if len(parts) == 2:
            old, new = parts["OLD"], parts["NEW"]
            parts = {"OLD": f"{old} EXCEPT {new}", "NEW": f"{new} EXCEPT {old}"}
        columns = ", ".join(["member", *self.groups, *self.sums, "place", "id"])
        signed = (f"SELECT {SIGN[which]}1 AS side, {columns} FROM ({part}) p" for which, part in parts.items())  # noqa: S608
        return " UNION ALL ".join(signed)

    def prepare(self, rows: Mapping[str, str]) -> str:
        lock = f"PERFORM 1 FROM {self.members} WHERE id = ANY(touched) ORDER BY id FOR NO KEY UPDATE"
        return (
            f"SELECT array_agg(DISTINCT member) INTO touched FROM ({self._changed(rows)}) c; "  # noqa: S608
            f"IF touched IS NULL THEN RETURN NULL; END IF; {lock};"
        )

    def difference(self, rows: Mapping[str, str]) -> str:
        """Compare who decided before and after: the other rows of a member, which did not change, count for both."""
        others = (
            f"{self._facts('s.side')} FROM {self.source} r CROSS JOIN (VALUES (-1), (1)) s(side) "  # noqa: S608
            f"WHERE r.{self.member} = ANY(touched) AND {self.where} AND r.id NOT IN (SELECT id FROM changed)"
        ).format(row="r")
        decided = self._decided(f"SELECT * FROM changed UNION ALL {others}")  # noqa: S608
        return self._summed(f"WITH changed AS ({self._changed(rows)}) {decided}")

    def of_row(self, which: str) -> str:
        """Return what the row adds if it decides, and takes from the next one that decides without it."""
        others = (
            f"{self.source} r WHERE r.{self.member} = {which}.{self.member} AND r.id <> {which}.id AND {self.where}"
        )
        mine, rank = self.rank.format(row=which), self.rank.format(row="r")
        before = f"({rank} < {mine} OR {rank} = {mine} AND r.id > {which}.id)"
        decides = f"{self.where} AND NOT EXISTS (SELECT 1 FROM {others.format(row='r')} AND {before})"  # noqa: S608
        decides = decides.format(row=which)
        own, next_one = self._values(SIGN[which]).format(row=which), self._values("" if SIGN[which] else "-")
        best = f"SELECT {next_one} FROM {others} AND {decides} ORDER BY {rank}, +r.id DESC LIMIT 1"  # noqa: S608
        return f"SELECT {own} WHERE {decides} UNION ALL SELECT * FROM ({best.format(row='r')})"  # noqa: S608

    def differs(self) -> str:
        more = (f"{{row}}.{self.member}", self.rank)
        changes = (f"{value.format(row='OLD')} IS NOT {value.format(row='NEW')}" for value in more)
        return " OR ".join([super().differs(), *changes])


class Counts(models.Model):
    """A table of counts. A subclass has the columns of its `counted`, and the key of an owner among the groups."""

    counted: ClassVar[Counted]
    owner: ClassVar[str]  # the group whose rows are folded together, such as the campaign
    folded = models.BooleanField(default=False)

    class Meta:
        abstract = True

    @classmethod
    def columns(cls) -> list[str]:
        return [*cls.counted.groups, *cls.counted.sums]


def tables() -> list[type[Counts]]:
    """Return the models of all tables of counts."""
    return [model for model in apps.get_models() if issubclass(model, Counts)]


def install(model: type[Counts], using: str) -> None:
    """Install the triggers that keep a table of counts. Count anew if they were missing or have changed.

    Also after a flush: SQLite empties the tables one by one, so that triggers note rows as gone that nobody counts.
    """
    connection = connections[using]
    made, postgresql = dict(_triggers(model, connection.vendor)), connection.vendor == "postgresql"
    with transaction.atomic(using=using), connection.cursor() as cursor:
        present = _present(cursor, connection.vendor, _prefix(model))
        if set(made) == present and not _left_over(cursor, model):
            return
        for name in present - set(made):
            # On PostgreSQL the trigger goes with its function.
            cursor.execute(f"DROP FUNCTION {name} CASCADE" if postgresql else f"DROP TRIGGER {name}")
        for name in set(made) - present:
            for statement in made[name]:
                cursor.execute(statement)
        rebuild(model, using)


def rebuild(model: type[Counts], using: str = "default") -> None:
    """Count all rows anew. PostgreSQL keeps writers of the table waiting meanwhile."""
    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Writers wait, and so does `fold`: what it merges meanwhile would be counted twice.
            for table in (model.counted.source, model._meta.db_table):
                cursor.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(f"DELETE FROM {model._meta.db_table}")  # noqa: S608
        cursor.execute(_insert(model, model.counted.total(), "true"))


def fold(using: str | None = None) -> bool:
    """Merge the rows of each group. Return whether more rows wait. Safe in several processes at once."""
    more = False
    for model in tables():
        more = _fold(model, using or router.db_for_write(model)) or more
    return more


def _fold(model: type[Counts], using: str) -> bool:
    columns, sums = model.columns(), len(model.counted.sums)
    rows = model._default_manager.using(using)
    with transaction.atomic(using=using):
        locked = rows.select_for_update(skip_locked=connections[using].features.has_select_for_update_skip_locked)
        new = list(locked.filter(folded=False).order_by("pk").values_list("pk", *columns)[:AT_ONCE])
        if not new:
            return False
        owner = 1 + columns.index(model.owner)
        of_owners = locked.filter(folded=True, **{f"{model.owner}__in": {row[owner] for row in new}})
        old = list(of_owners.values_list("pk", *columns))
        totals: defaultdict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0] * sums)
        for _, *values in (*old, *new):
            total = totals[tuple(values[:-sums])]
            total[:] = map(sum, zip(total, values[-sums:], strict=True))
        rows.filter(pk__in=[pk for pk, *_ in (*old, *new)]).delete()
        merged = [(*group, *total) for group, total in totals.items() if any(total)]
        rows.bulk_create(model(folded=True, **dict(zip(columns, values, strict=True))) for values in merged)
    return len(new) == AT_ONCE


def _prefix(model: type[Counts]) -> str:
    return f"{model._meta.db_table}_on_"


def _present(cursor: Any, vendor: str, prefix: str) -> set[str]:
    """Return the names of the installed triggers that begin like this."""
    names = "SELECT tgname FROM pg_trigger" if vendor == "postgresql" else "SELECT name FROM sqlite_master"
    cursor.execute(names if vendor == "postgresql" else f"{names} WHERE type = 'trigger'")
    return {name for (name,) in cursor.fetchall() if name.startswith(prefix)}


def _left_over(cursor: Any, model: type[Counts]) -> bool:
    """Return whether there are counts of a table without rows."""
    exists = (f"EXISTS (SELECT 1 FROM {table})" for table in (model._meta.db_table, model.counted.source))  # noqa: S608
    cursor.execute("SELECT {} AND NOT {}".format(*exists))
    return bool(cursor.fetchone()[0])


def _triggers(model: type[Counts], vendor: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the statements of each trigger. The name changes with the statements."""
    make = _for_statements if vendor == "postgresql" else _for_rows
    made = {event: partial(make, model, event) for event in EVENTS}
    if vendor == "postgresql":
        made["truncate"] = partial(_for_truncation, model)
    for event, statements in made.items():
        digest = hashlib.sha256("".join(statements("")).encode()).hexdigest()[:8]
        name = f"{_prefix(model)}{event}_{digest}"
        yield name, statements(name)


def _insert(model: type[Counts], query: str, folded: str) -> str:
    columns = ", ".join(model.columns())
    return f"INSERT INTO {model._meta.db_table} ({columns}, folded) SELECT q.*, {folded} FROM ({query}) q"  # noqa: S608


def _for_statements(model: type[Counts], event: str, name: str) -> list[str]:
    rows = {which: f"{which.lower()}_rows" for which in EVENTS[event]}
    named = " ".join(f"{which} TABLE AS {table}" for which, table in rows.items())
    body = f"{model.counted.prepare(rows)} {_insert(model, model.counted.difference(rows), 'false')};"
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger AS $$ DECLARE touched bigint[]; "
        # Its plans live as long as the connection: one made while the table was small would read it whole for ever.
        f"BEGIN {body} RETURN NULL; END $$ LANGUAGE plpgsql SET enable_seqscan = off",
        f"CREATE TRIGGER {name} AFTER {event.upper()} ON {model.counted.source} REFERENCING {named} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
    ]


def _for_truncation(model: type[Counts], name: str) -> list[str]:
    """TRUNCATE runs no trigger for rows, nor for their deletion."""
    body = f"DELETE FROM {model._meta.db_table};"  # noqa: S608
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger AS $$ BEGIN {body} RETURN NULL; END $$ LANGUAGE plpgsql",
        f"CREATE TRIGGER {name} AFTER TRUNCATE ON {model.counted.source} FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
    ]


def _for_rows(model: type[Counts], event: str, name: str) -> list[str]:
    inserts = " ".join(f"{_insert(model, model.counted.of_row(which), '0')};" for which in EVENTS[event])
    when = f"WHEN {model.counted.differs()}" if event == "update" else ""
    on = f"AFTER {event.upper()} ON {model.counted.source} FOR EACH ROW {when}"
    return [f"CREATE TRIGGER {name} {on} BEGIN {inserts} END"]
