from django.apps import AppConfig
from django.db.backends.signals import connection_created

from tenants.db import quick_times


class TenantsConfig(AppConfig):
    name = "tenants"

    def ready(self) -> None:
        connection_created.connect(quick_times.use)
