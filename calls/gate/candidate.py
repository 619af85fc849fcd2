"""What the gate needs to know of a call. `Call` has it, and so have the stand-ins of forecasts and audiences."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from campaigns.models import Campaign
from campaigns.rules.variables import HasVariables
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization


class CandidateContact(HasVariables, Protocol):
    """The contact to call: a `Contact`, or its columns alone."""

    @property
    def timezone(self) -> str: ...
    @property
    def hold_until(self) -> datetime | None: ...
    def held(self, now: datetime) -> bool: ...


class CandidateRecipient(Protocol):
    """The contact's part in the campaign: a `Recipient`, or its columns alone."""

    @property
    def attempts(self) -> int: ...
    @property
    def values_approved(self) -> bool: ...


class Candidate(Protocol):
    """A call that may be placed. It can be unsaved, or an object that only looks like one."""

    @property
    def organization(self) -> Organization: ...
    @property
    def organization_id(self) -> int: ...
    @property
    def account(self) -> ProviderAccount: ...
    @property
    def account_id(self) -> int: ...
    @property
    def assistant(self) -> Assistant: ...
    @property
    def phone_number(self) -> PhoneNumber: ...
    @property
    def phone_number_id(self) -> int: ...
    @property
    def contact(self) -> CandidateContact: ...
    @property
    def contact_id(self) -> int: ...
    @property
    def campaign(self) -> Campaign | None: ...
    @property
    def campaign_id(self) -> int | None: ...
    @property
    def recipient(self) -> CandidateRecipient | None: ...
    @property
    def recipient_id(self) -> int | None: ...  # None for a stand-in: its past calls are not asked for
    @property
    def is_single(self) -> bool: ...  # whether somebody ordered it by number, and no campaign calls a person
    @property
    def to_number(self) -> str: ...
    @property
    def asked_for(self) -> bool: ...
    @property
    def not_before(self) -> datetime | None: ...
    @property
    def not_after(self) -> datetime | None: ...
