"""URLs of the API and of provider callbacks."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from calls.api.accounts import CallingAccountViewSet
from calls.api.call_backs import CallBackViewSet
from calls.api.calls import CallsFileViewSet, CallViewSet
from calls.api.campaigns import CampaignVersionViewSet, CampaignViewSet
from calls.api.contact_notes import ContactNoteViewSet
from calls.api.do_not_call import DoNotCallViewSet
from calls.api.evidence import EvidenceView
from calls.api.hooks import HookView
from calls.api.organizations import CallingOrganizationViewSet
from calls.api.outbound import OutboundStatusView, OutboundView
from calls.api.recipients import CallingContactViewSet, RecipientViewSet, ResultsViewSet
from calls.api.webhooks import WebhookDeliveryViewSet, WebhookEndpointViewSet
from campaigns.import_api import ImportErrorsViewSet, ImportViewSet
from campaigns.lists_api import ContactListViewSet
from campaigns.segments_api import SegmentViewSet
from providers.api import AssistantViewSet, PhoneNumberViewSet
from tenants.api.alerts import AlertViewSet
from tenants.api.keys import ApiKeyViewSet

router = SimpleRouter()
router.register("organizations", CallingOrganizationViewSet, "organization")
router.register("provider-accounts", CallingAccountViewSet, "provider-account")
router.register("assistants", AssistantViewSet, "assistant")
router.register("phone-numbers", PhoneNumberViewSet, "phone-number")
router.register("contacts", CallingContactViewSet, "contact")
router.register("contact-notes", ContactNoteViewSet, "contact-note")
router.register("contact-lists", ContactListViewSet, "contact-list")
router.register("segments", SegmentViewSet, "segment")
router.register("imports", ImportViewSet, "import")
router.register("do-not-call", DoNotCallViewSet, "do-not-call")
router.register("campaigns", CampaignViewSet, "campaign")
router.register("campaigns/(?P<campaign>[^/.]+)/recipients", RecipientViewSet, "recipient")
router.register("campaigns/(?P<campaign>[^/.]+)/versions", CampaignVersionViewSet, "campaign-version")
router.register("calls", CallViewSet, "call")
router.register("alerts", AlertViewSet, "alert")
router.register("call-backs", CallBackViewSet, "call-back")
router.register("api-keys", ApiKeyViewSet, "api-key")
router.register("webhook-endpoints", WebhookEndpointViewSet, "webhook-endpoint")
router.register("webhook-deliveries", WebhookDeliveryViewSet, "webhook-delivery")

v1 = [
    path("imports/<str:id>/errors.csv", ImportErrorsViewSet.as_view({"get": "errors"}), name="import-errors"),
    path("calls/evidence.csv", EvidenceView.as_view(), name="evidence"),
    path("campaigns/<str:campaign>/calls.csv", CallsFileViewSet.as_view({"get": "calls"}), name="campaign-calls"),
    path("campaigns/<str:campaign>/results.csv", ResultsViewSet.as_view({"get": "results"}), name="campaign-results"),
    *router.urls,
]

urlpatterns = [
    path("api/outbound", OutboundView.as_view(), name="outbound"),
    path("api/outbound/<str:id>/status", OutboundStatusView.as_view(), name="outbound-status"),
    path("api/v1/", include(v1)),
    path("hooks/callingbox/account/<str:token>", HookView.as_view(account_wide=True), name="account-hook"),
    path("hooks/<str:provider>/<str:token>", HookView.as_view(), name="hook"),
]
