"""System checks: what is doubtful about the settings. Commands print it when they start."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Warning, register

from config.findings import doubtful_settings


@register()
def settings_are_meant(**_: Any) -> list[CheckMessage]:
    return [Warning(sentence, id="config.W001") for sentence in doubtful_settings()]
