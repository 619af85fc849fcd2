"""The models of the plan: contacts, lists, tags, segments, imports, do-not-call, campaigns and their recipients."""

from campaigns.models.campaign import CallingWindow, Campaign, CampaignVariant, CampaignVersion, RetryRule
from campaigns.models.contact import Contact, ContactList, ContactListMember, ContactNumber, DoNotCall, NumberKind
from campaigns.models.contact_import import ContactImport, ImportOverwrite
from campaigns.models.counts import MemberCount, RecipientCount, TagCount
from campaigns.models.import_mapping import ImportMapping
from campaigns.models.name_key_renewal import NameKeyRenewal
from campaigns.models.number_hash import InstallationKey
from campaigns.models.recipient import Recipient
from campaigns.models.segment import Segment
from campaigns.models.tag import ContactTag, Tag
from campaigns.models.undo import UndoableAction, UndoableChange

__all__ = [
    "CallingWindow",
    "Campaign",
    "CampaignVariant",
    "CampaignVersion",
    "Contact",
    "ContactImport",
    "ContactList",
    "ContactListMember",
    "ContactNumber",
    "ContactTag",
    "DoNotCall",
    "ImportMapping",
    "ImportOverwrite",
    "InstallationKey",
    "MemberCount",
    "NameKeyRenewal",
    "NumberKind",
    "Recipient",
    "RecipientCount",
    "RetryRule",
    "Segment",
    "Tag",
    "TagCount",
    "UndoableAction",
    "UndoableChange",
]
