"""A call of a campaign to somebody of staff, before anybody else is called."""

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
from campaigns.rules import variables
from tenants.backoffice.buttons import NotDone
from tenants.backoffice.forms import text_field


class TestCallForm(forms.Form):
    """Only the number: everything else is the campaign's."""

    test_number = text_field("Your own number", help_text="As you would dial it, or with its country.")

    def __init__(self, campaign: Campaign, data: Any = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        self.organization = campaign.organization

    def clean_test_number(self) -> str:
        text, home = self.cleaned_data["test_number"], self.organization
        if not text:
            raise forms.ValidationError("Write your number first.")
        try:
            return normalise(text, home.default_region, home.callable_countries)
        except NotCallable as error:
            raise forms.ValidationError(str(error)) from error


def place(campaign: Campaign, number: str, *, actor: str) -> Call:
    """One single call that says what the first person of the lists would be told. Raises NotDone."""
    contact = next(iter(first_contacts(campaign)), None) or Contact(pk=0, organization=campaign.organization)
    person = Recipient(campaign=campaign, contact=contact)
    choices = Choices(campaign, timezone.now(), include_unusable=True)
    choice = choices.choice_for(person)
    if choice is None:
        raise NotDone("Choose an assistant and a caller number of its account first.")
    values, missing = variables.values_for(campaign.variables, choice.assistant.variables, contact)
    if missing:
        whose = contact.name or "the first person of the lists"
        raise NotDone(f"The assistant needs {', '.join(missing)}, which {whose} does not have. Give it a value above.")
    return placed(
        single_calls.Order(
            organization=campaign.organization,
            assistant=choice.assistant,
            phone_number=choices.number_for(choice, person, number),
            to_number=number,
            dynamic_variables=values,
            created_by=actor,
        )
    )
