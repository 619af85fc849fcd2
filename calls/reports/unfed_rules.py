"""Rules that a provider cannot feed, because it does not report what they depend on. They are never applied.

The adapters declare what each provider reports (`providers/adapters/base.py`). An own word of the provider account may
report more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from calls.reports.problem import Problem
from campaigns.models import Campaign
from providers.adapters.base import CallState
from providers.models import Assistant, ProviderAccount

COUNTED_AS = {CallState.COMPLETED: "answered", CallState.FAILED: "failed"}
OUTCOMES = {
    "voicemail": "that a voicemail answered",
    "no_answer": "that nobody answered",
    "busy": "that the line was busy",
}
FIELDS = {"result": "a structured result", "answered_by": "who answered", "provider_reason": "a reason of its own"}


def problems(campaign: Campaign, assistants: Sequence[Assistant]) -> list[Problem]:
    """Return a warning for each rule of a campaign that cannot work with some of its assistants."""
    found = [*_retries(campaign, assistants), *_next_numbers(campaign, assistants), *_budgets(campaign, assistants)]
    for assistant in assistants:
        found += [Problem("opt_out_not_reported", "warning", text) for text in opt_out_faults(assistant)]
    return found


def _retries(campaign: Campaign, assistants: Sequence[Assistant]) -> Iterator[Problem]:
    rules = {rule.outcome: rule.get_outcome_display().lower() for rule in campaign.retry_rules.all()}
    for outcome, label in rules.items():
        for (provider, state), names in _merging(outcome, assistants).items():
            text = (
                f"The retry rule after {label} is never applied to calls of {_listed(names)}: {provider} does not "
                f"report {OUTCOMES[outcome]}. Such a call counts as {COUNTED_AS[state]}. {_advice(state, rules)}"
            )
            yield Problem("outcome_not_reported", "warning", text)


def _merging(outcome: str, assistants: Sequence[Assistant]) -> dict[tuple[str, CallState], list[str]]:
    """Return the assistants whose provider does not report an outcome, by provider and what it reports instead."""
    found: defaultdict[tuple[str, CallState], list[str]] = defaultdict(list)
    for assistant in assistants:
        account = assistant.account
        if outcome in account.merged_outcomes:
            found[account.adapter_class.name, account.merged_outcomes[outcome]].append(f"“{assistant.name}”")
    return found


def _next_numbers(campaign: Campaign, assistants: Sequence[Assistant]) -> Iterator[Problem]:
    if not campaign.try_next_number:
        return
    for (provider, state), names in _merging("no_answer", assistants).items():
        text = (
            f"The contact's next number is never tried after calls of {_listed(names)}: {provider} does not report "
            f"{OUTCOMES['no_answer']}. Such a call counts as {COUNTED_AS[state]}. Choose an assistant of a provider "
            "that reports it."
        )
        yield Problem("outcome_not_reported", "warning", text)


def _advice(state: CallState, rules: dict[str, str]) -> str:
    if state is not CallState.FAILED:
        return "Remove the rule, or choose an assistant of a provider that reports it."
    if "failed" in rules:
        return "The rule after failed decides about a retry."
    return "Add a retry rule after failed, or choose an assistant of a provider that reports it."


def _budgets(campaign: Campaign, assistants: Sequence[Assistant]) -> Iterator[Problem]:
    daily = campaign.organization.daily_budget is not None
    accounts = {assistant.account_id: assistant.account for assistant in assistants}
    for account in accounts.values():
        if campaign.budget is None and not daily and account.daily_budget is None:
            continue
        told_by_preflight = campaign.budget is not None and account.price_per_minute is None
        if not told_by_preflight and (text := budget_fault(account)):
            yield Problem("cost_not_reported", "warning", text)


def budget_fault(account: ProviderAccount) -> str:
    """Return why budgets count the account's ended calls as free; empty if they do not."""
    adapter, price = account.adapter, account.price
    if adapter.gives_cost:
        if price is None or not adapter.currency_of_costs or adapter.currency_of_costs == price.currency:
            return ""
        return (
            f"Budgets do not bound the calls of '{account.name}': {adapter.name} reports costs in "
            f"{adapter.currency_of_costs}, and a budget in {price.currency} does not count them. Enter the price on "
            f"the provider account in {adapter.currency_of_costs}."
        )
    if not adapter.gives_duration:
        return (
            f"Budgets do not bound the calls of '{account.name}': {adapter.name} reports neither the cost nor the "
            "duration of a call, so an ended call counts as free. Limit the attempts, or the calls of its caller "
            "numbers, instead."
        )
    if account.price_per_minute is None:
        return (
            f"Budgets do not bound the calls of '{account.name}': {adapter.name} reports no cost, and the provider "
            "account has no price per minute. Enter the price on the provider account."
        )
    return ""


def opt_out_faults(assistant: Assistant) -> list[str]:
    """Return a sentence for each opt-out rule of an assistant that no call can meet."""
    adapter = assistant.account.adapter
    given = {
        "result": adapter.gives_result(assistant.external_id, assistant.options or {}),
        "answered_by": "voicemail" not in assistant.account.merged_outcomes,
        "provider_reason": adapter.gives_reason,
    }
    return [
        f"The opt-out rule “{rule['field']} is {rule['equals']}” of “{assistant.name}” is never applied: "
        f"{adapter.name} does not report {FIELDS[name]}. The rule adds no number to the do-not-call list; choose "
        "another field on the assistant's page."
        for rule in assistant.opt_out_rules or []
        if not given.get(name := rule["field"].partition(".")[0], True)
    ]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
