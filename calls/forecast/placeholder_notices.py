"""Recipients with a value that nobody means to speak: how many, by variable and kind, and some of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from calls.reports.problem import Problem
from campaigns.models import Contact
from campaigns.rules.placeholders import Kind, Placeholder, shown
from campaigns.rules.spoken import REASON, Rule, Spoken
from campaigns.wording import recipients as counted

EXAMPLES = 3  # of each variable and kind
WHAT_HAPPENS = {
    Rule.HOLD: "{They} held until a team member decides; the campaign does not end before.",
    Rule.SKIP: "{They} not called.",
    Rule.EMPTY: "The value is treated as missing.",
}


@dataclass(frozen=True)
class Example:
    """A contact with such a value."""

    contact: Contact
    value: str


@dataclass
class PlaceholderNotices:
    """`recipients` counts each once; `found` counts them by variable and kind."""

    rule: Rule
    recipients: int = 0
    found: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    _examples: dict[tuple[str, Kind], list[tuple[int, str]]] = field(default_factory=dict)

    def take(self, contact_id: int, spoken: Spoken) -> None:
        self.recipients += bool(spoken.placeholders)
        first: dict[tuple[str, Kind], Placeholder] = {}
        for each in spoken.placeholders:
            first.setdefault((each.variable, each.kind), each)
        for key, each in first.items():
            self.found[key] += 1
            kept = self._examples.setdefault(key, [])
            if len(kept) < EXAMPLES:
                kept.append((contact_id, each.value))

    def problems(self) -> Iterator[Problem]:
        """Yield a warning for each variable and kind, the most frequent first."""
        for (variable, kind), n in self.found.most_common():
            has = "has" if n == 1 else "have"
            value = self._examples[variable, kind][0][1][:60]
            what = WHAT_HAPPENS[self.rule].format(They="It is" if n == 1 else "They are")
            message = f"{counted(n)} {has} {kind.words} as {shown([variable])}, such as “{value}”. {what}"
            yield Problem(REASON, "warning", message, n)

    def summary(self) -> Iterator[Problem]:
        """Yield one warning for all, for a page that lists the values beside it."""
        if n := self.recipients:
            has, they = ("has", "It is") if n == 1 else ("have", "They are")
            message = f"{counted(n)} {has} a name or a variable that nobody means to speak; they are listed below."
            yield Problem(REASON, "warning", f"{message} {WHAT_HAPPENS[self.rule].format(They=they)}", n)

    def examples(self) -> list[tuple[str, Kind, int, Sequence[Example]]]:
        """Return variable, kind, count and examples, the most frequent first. One query."""
        keys = {contact for kept in self._examples.values() for contact, _ in kept}
        contacts = {contact.pk: contact for contact in Contact.objects.filter(pk__in=keys)} if keys else {}
        return [
            (
                variable,
                kind,
                n,
                [Example(contacts[pk], value) for pk, value in self._examples[variable, kind] if pk in contacts],
            )
            for (variable, kind), n in self.found.most_common()
        ]
