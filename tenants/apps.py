from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate

from tenants.db import append_only, quick_times
from tenants.egress import policy


class TenantsConfig(AppConfig):
    name = "tenants"

    def ready(self) -> None:
        from tenants.sign_in.sessions import note_sign_in  # models are loaded only now

        user_logged_in.connect(note_sign_in)
        connection_created.connect(quick_times.use)
        post_migrate.connect(append_only.install, sender=self)
        policy.read_from(lambda: policy.Policy(settings.ALLOW_LOOPBACK_URLS, settings.ALLOWED_OUTGOING_HOSTS))
