from django.apps import AppConfig
from django.conf import settings

from tenants.egress import policy


class TenantsConfig(AppConfig):
    name = "tenants"

    def ready(self) -> None:
        policy.read_from(lambda: policy.Policy(settings.ALLOW_LOOPBACK_URLS, settings.ALLOWED_OUTGOING_HOSTS))
