"""Form fields for the words of a provider account: its own table, and the words that have no meaning yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from providers.adapters import words
from providers.adapters.vocabulary import BUILT_IN, STATUS
from providers.models import ProviderAccount, SeenWord
from tenants.backoffice.forms import SELECT, Column, RowsField
from tenants.backoffice.local_time import local_time

HOLDS = (
    "A meaning holds for answers from now on: calls that have ended do not change. Capitals, separators and numbers "
    "make no difference. Your meaning comes before the built-in one."
)
MEANS = [
    (f"{field}:{meaning}", f"{words.TITLES[field]}: {label}")
    for field, meanings in words.MEANINGS.items()
    for meaning, label in meanings.items()
]
Table = dict[str, dict[str, str]]


class WordsField(RowsField):
    """An account's own table of words, edited as one row for each word."""

    def __init__(self) -> None:
        columns = [
            Column("word", "Word", placeholder="left message"),
            Column("means", "Meaning", kind="select", choices=[("", "-"), *MEANS]),
        ]
        super().__init__(columns, label="Your meanings", help_text=HOLDS)

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        rows = [(f"{field}:{meaning}", word) for field, own in value.items() for word, meaning in own.items()]
        return [{"word": word, "means": means} for means, word in sorted(rows, key=lambda row: (row[1], row[0]))]

    def clean(self, value: Any) -> Table:
        table: Table = {}
        for row in value or []:
            field, _, meaning = row["means"].partition(":")
            if not row["word"] or not meaning:
                raise ValidationError("Give each word a meaning, and each meaning a word.")
            if table.setdefault(field, {}).setdefault(row["word"], meaning) != meaning:
                raise ValidationError(f"“{row['word'][:80]}” has two meanings. Keep one.")
        return table

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare(self.prepare_value(initial or {})) != self.prepare(data))


class SeenWordsWidget(forms.Widget):
    """A table of the words without a meaning, with a choice of meanings each."""

    rows: Sequence[SeenWord] = ()

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        chosen = value or {}
        rows = [
            {
                **_shown(row),
                "name": f"{name}-{row.pk}",
                "choices": [("", "-"), *words.MEANINGS[row.field].items()],
                "chosen": chosen.get(row.pk, ""),
            }
            for row in self.rows
        ]
        return _rendered("trunkline/seen_words.html", {"rows": rows, "classes": SELECT})

    def value_from_datadict(self, data: Any, files: Any, name: str) -> dict[int, str]:
        given = {row.pk: data.get(f"{name}-{row.pk}", "") for row in self.rows}
        return {pk: meaning for pk, meaning in given.items() if meaning}

    def id_for_label(self, id_: str) -> str:
        return ""


class SeenWordsField(forms.Field):
    """The meanings chosen for words that have none yet, by the key of the row."""

    widget = SeenWordsWidget

    def __init__(self) -> None:
        super().__init__(required=False, label="Seen, without a meaning")

    def clean(self, value: Any) -> Table:
        table: Table = {}
        for row in self.widget.rows:
            if meaning := (value or {}).get(row.pk):
                if meaning not in words.MEANINGS[row.field]:
                    raise ValidationError(f"Choose a meaning of the list for “{row.word}”.")
                table.setdefault(row.field, {})[row.key] = meaning
        return table

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(data)


def merged(account: ProviderAccount, own: Table, chosen: Table) -> Table:
    """Return the own table with the meanings chosen for seen words, folded. Raises ValidationError."""
    both = {field: {**own.get(field, {}), **chosen.get(field, {})} for field in (*own, *chosen)}
    table, faults = words.read_table(both, account.adapter_class.statuses)
    if faults:
        raise ValidationError([f"{name.partition('.')[2]}: {text}".removeprefix(": ") for name, text in faults.items()])
    return table


def own_words(account: ProviderAccount) -> SafeString:
    """Return the own table and the words without a meaning, for people who may not change them."""
    labels = dict(MEANS)
    own = [
        {"word": word, "means": labels.get(f"{field}:{meaning}", meaning)}
        for field, table in account.words.items()
        for word, meaning in sorted(table.items())
    ]
    return _rendered("trunkline/words.html", {"own": own, "seen": [_shown(row) for row in account.unknown_words]})


def built_in_words(account: ProviderAccount) -> SafeString:
    """Return the built-in table with the provider's documented statuses."""
    statuses = {word: state.value for word, state in account.adapter_class.statuses.items()}
    table = {STATUS: statuses, **{field: found for field, found in BUILT_IN.items() if found}}
    groups = [
        {"title": words.TITLES[field], "rows": _by_meaning(field, found)} for field, found in table.items() if found
    ]
    return _rendered("trunkline/built_in_words.html", {"groups": groups})


def _by_meaning(field: str, table: Any) -> list[dict[str, str]]:
    labels = words.MEANINGS[field]
    return [
        {"means": label, "words": ", ".join(sorted(word for word, found in table.items() if found == meaning))}
        for meaning, label in labels.items()
        if meaning in table.values()
    ]


def _shown(row: SeenWord) -> dict[str, Any]:
    return {
        "title": words.TITLES[row.field],
        "word": row.word,
        "at": local_time(row.first_seen_at),
        "call_url": f"{reverse('admin:calls_call_changelist')}?q={row.call}",
    }


def _rendered(template: str, context: dict[str, Any]) -> SafeString:
    return mark_safe(render_to_string(template, context))  # noqa: S308 (a template's output)
