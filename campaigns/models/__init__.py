"""The plan: whom to call, with what, when. Knows nothing of execution."""

from campaigns.models.campaign import CallingWindow, Campaign, CampaignVariant, CampaignVersion, Recipient, RetryRule
from campaigns.models.contact import Contact, ContactList, ContactListMember, DoNotCall, InstallationKey
from campaigns.models.contact_import import ContactImport

__all__ = [
    "CallingWindow",
    "Campaign",
    "CampaignVariant",
    "CampaignVersion",
    "Contact",
    "ContactImport",
    "ContactList",
    "ContactListMember",
    "DoNotCall",
    "InstallationKey",
    "Recipient",
    "RetryRule",
]
