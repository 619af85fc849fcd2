from django.apps import AppConfig
from django.db.backends.signals import connection_created

from tenants.db import timestamps


class TenantsConfig(AppConfig):
    name = "tenants"

    def ready(self) -> None:
        connection_created.connect(timestamps.use, dispatch_uid="timestamps")
