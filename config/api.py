"""Every address of the API."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from calls.api.accounts import CallingAccountViewSet
from calls.api.calls import CallViewSet
from calls.api.campaigns import CampaignViewSet, RecipientViewSet
from calls.api.do_not_call import DoNotCallViewSet
from calls.api.hooks import HookView
from calls.api.organizations import CallingOrganizationViewSet
from calls.api.outbound import OutboundStatusView, OutboundView
from calls.api.webhooks import WebhookDeliveryViewSet, WebhookEndpointViewSet
from campaigns.api import ContactListViewSet, ContactViewSet, ImportErrorsViewSet, ImportViewSet
from providers.api import AssistantViewSet, PhoneNumberViewSet

router = SimpleRouter()
router.register("organizations", CallingOrganizationViewSet, "organization")
router.register("provider-accounts", CallingAccountViewSet, "provider-account")
router.register("assistants", AssistantViewSet, "assistant")
router.register("phone-numbers", PhoneNumberViewSet, "phone-number")
router.register("contacts", ContactViewSet, "contact")
router.register("contact-lists", ContactListViewSet, "contact-list")
router.register("imports", ImportViewSet, "import")
router.register("do-not-call", DoNotCallViewSet, "do-not-call")
router.register("campaigns", CampaignViewSet, "campaign")
router.register("campaigns/(?P<campaign>[^/.]+)/recipients", RecipientViewSet, "recipient")
router.register("calls", CallViewSet, "call")
router.register("webhook-endpoints", WebhookEndpointViewSet, "webhook-endpoint")
router.register("webhook-deliveries", WebhookDeliveryViewSet, "webhook-delivery")

v1 = [
    path("imports/<str:id>/errors.csv", ImportErrorsViewSet.as_view({"get": "errors"}), name="import-errors"),
    *router.urls,
]

urlpatterns = [
    path("api/outbound", OutboundView.as_view(), name="outbound"),
    path("api/outbound/<str:id>/status", OutboundStatusView.as_view(), name="outbound-status"),
    path("api/v1/", include(v1)),
    path("hooks/callingbox/account/<str:token>", HookView.as_view(account_wide=True), name="account-hook"),
    path("hooks/<str:provider>/<str:token>", HookView.as_view(), name="hook"),
]
