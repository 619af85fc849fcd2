from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.db.backends.signals import connection_created
from django.db.models.signals import post_init, post_migrate, pre_migrate

from tenants import masked_rows
from tenants.db import append_only, outage_log, sqlite_triggers
from tenants.egress import authorities, policy


class TenantsConfig(AppConfig):
    name = "tenants"

    def ready(self) -> None:
        from django_q.signals import post_execute_in_worker  # models are loaded only now

        from tenants import key_canary
        from tenants.journal.writer import begin_history
        from tenants.sign_in.sessions import note_sign_in

        post_init.connect(masked_rows.mask_history, sender="admin.LogEntry")
        post_execute_in_worker.connect(masked_rows.mask_failure)
        user_logged_in.connect(note_sign_in)
        connection_created.connect(outage_log.note_success)
        pre_migrate.connect(sqlite_triggers.remove_before_migrations, sender=self)
        post_migrate.connect(append_only.install, sender=self)
        post_migrate.connect(begin_history, sender=self)
        post_migrate.connect(key_canary.install, sender=self)
        authorities.read_from(lambda: settings.EXTRA_CA_FILE)
        policy.read_from(lambda: policy.Policy(settings.ALLOW_LOOPBACK_URLS, settings.ALLOWED_OUTGOING_HOSTS))
