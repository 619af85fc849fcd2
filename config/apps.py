from django.apps import AppConfig
from django.conf import settings


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import checks  # noqa: F401  (checks register themselves)

        if settings.TRACES_TO:
            from config import traces  # its packages are not installed everywhere

            traces.begin()
