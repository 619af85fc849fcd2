from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CallsConfig(AppConfig):
    name = "calls"

    def ready(self) -> None:
        from calls import checks, storage, triggers  # noqa: F401  (checks register themselves)
        from calls.journal import standing
        from tenants.journal import writer

        writer.introduced_by(standing.introduce)
        post_migrate.connect(triggers.install, sender=self)
        post_migrate.connect(storage.install, sender=self)
