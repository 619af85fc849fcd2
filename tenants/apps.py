from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class TenantsConfig(AppConfig):
    name = "tenants"

    def ready(self) -> None:
        from tenants.sign_in.sessions import note_sign_in  # models are loaded only now

        user_logged_in.connect(note_sign_in)
