"""The sandbox's settings, which can be changed while it runs, and their validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from providers.sandbox.manners import BY_DEFAULT, NAMES

PROVIDERS = ("allomia", "polyai", "plumvoice", "callingbox")


@dataclass(frozen=True)
class Settings:
    """The value of every setting. Rates are from 0 to 1."""

    speed: float = 1.0
    seed: int = 1
    placing_fault_rate: float = 0.0
    reading_fault_rate: float = 0.0
    callback_loss_rate: float = 0.0
    callback_double_rate: float = 0.0
    callback_delay_rate: float = 0.0  # callbacks sent late, after later ones
    callback_delay_seconds: float = 3.0  # the longest such delay, in real seconds
    manners_rate: float = 0.0  # share of answers, and of calls, that have a manner of each kind
    manners: tuple[str, ...] = BY_DEFAULT
    retention_seconds: float = 7200.0  # PolyAI keeps a status about two hours after the end (page of 24 March 2026)
    outage: tuple[str, ...] = ()  # the providers that close every connection
    callingbox_generations: tuple[str, ...] = ("prompt", "agent")
    callingbox_list_shape: str = "page"
    callingbox_error_shape: str = "plain"
    callingbox_endpoint_url: str = ""  # the account's own webhook endpoint, signed with its own secret

    def changed(self, wanted: Mapping[str, Any]) -> Settings:
        """Return the settings with these changes. Raise ValueError for an unknown name or an invalid value."""
        known = {field.name for field in fields(self)}
        for name in wanted:
            if name not in known:
                raise ValueError(f"unknown setting {name!r}; the settings are {', '.join(sorted(known))}")
        return replace(self, **{name: _checked(name, value) for name, value in wanted.items()})


_CHOICES: dict[str, tuple[str, ...]] = {
    "outage": PROVIDERS,
    "manners": NAMES,
    "callingbox_generations": ("prompt", "agent"),
    "callingbox_list_shape": ("page", "array"),
    "callingbox_error_shape": ("plain", "nested"),
}


def _checked(name: str, value: Any) -> Any:
    if name in ("outage", "manners", "callingbox_generations"):
        if not isinstance(value, list | tuple) or not set(value) <= set(_CHOICES[name]):
            raise ValueError(f"{name} must be a list of {', '.join(_CHOICES[name])}")
        return tuple(value)
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ValueError(f"{name} must be one of {', '.join(_CHOICES[name])}")
        return value
    if name == "callingbox_endpoint_url":
        if not isinstance(value, str):
            raise ValueError(f"{name} must be text")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number")
    if name.endswith("_rate") and not 0 <= value <= 1:
        raise ValueError(f"{name} must be between 0 and 1")
    if name == "speed" and value <= 0:
        raise ValueError("speed must be above 0")
    if name == "callback_delay_seconds" and not 0 <= value <= 3600:
        raise ValueError("callback_delay_seconds must be between 0 and 3600")
    return int(value) if name == "seed" else float(value)
