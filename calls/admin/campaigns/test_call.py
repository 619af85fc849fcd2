"""A test call of a draft campaign to a team member's own number."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone

from calls.actions import single_calls
from calls.admin.campaigns.figures import first_contacts
from calls.admin.launch.page import placed
from calls.gate.selection import Choices
from calls.models import Call
from campaigns.models import Campaign, Contact, Recipient
from campaigns.phones import NotCallable, normalise
from campaigns.rules.spoken import Rule, speak
from tenants.backoffice.buttons import NotDone
from tenants.backoffice.forms import text_field


class TestCallForm(forms.Form):
    """The form of a test call: only the phone number. The campaign gives everything else."""

    test_number = text_field("Your own number", help_text="As you would dial it, or with its country code.")

    def __init__(self, campaign: Campaign, data: Any = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        self.organization = campaign.organization

    def clean_test_number(self) -> str:
        text, home = self.cleaned_data["test_number"], self.organization
        if not text:
            raise forms.ValidationError("Enter your number first.")
        try:
            return normalise(text, home.default_region, home.callable_countries)
        except NotCallable as error:
            raise forms.ValidationError(str(error)) from error


def place(campaign: Campaign, number: str, *, actor: str) -> Call:
    """Place a single call with the variables of the first contact of the lists, and return it.

    Raises NotDone with the reason if the call cannot be placed.
    """
    contact = next(iter(first_contacts(campaign)), None) or Contact(pk=0, organization=campaign.organization)
    recipient = Recipient(campaign=campaign, contact=contact)
    choices = Choices(campaign, timezone.now(), include_unusable=True)
    choice = choices.choice_for(recipient)
    if choice is None:
        raise NotDone("First choose an assistant and a caller number of its provider account.")
    spoken = speak(campaign.variables, choice.assistant.variables, contact, Rule(campaign.placeholder_values))
    whose = contact.name or "the first contact of the lists"
    if spoken.missing:
        names = ", ".join(spoken.missing)
        raise NotDone(f"The assistant needs {names}, but {whose} has no value for it. Enter one under Variables.")
    if spoken.reason:
        raise NotDone(
            f"The campaign does not call {whose}. {spoken.sentence} Correct it, or choose what happens with it."
        )
    return placed(
        single_calls.Order(
            organization=campaign.organization,
            assistant=choice.assistant,
            phone_number=choices.number_for(choice, recipient, number),
            to_number=number,
            dynamic_variables=spoken.values,
            created_by=actor,
        )
    )
