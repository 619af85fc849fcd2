"""Which providers there are: a table of dotted paths, imported when asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from providers.adapters.base import AccountConfig, Provider

PROVIDERS = {
    "allomia": ("AlloMia", "providers.adapters.allomia.AlloMia"),
    "polyai": ("PolyAI", "providers.adapters.polyai.PolyAI"),
    "plumvoice": ("Plum Voice Fuse", "providers.adapters.plumvoice.PlumVoice"),
    "callingbox": ("CallingBox", "providers.adapters.callingbox.CallingBox"),
}


def choices() -> list[tuple[str, str]]:
    """(slug, name) of every provider, for model and form fields."""
    return [(slug, name) for slug, (name, _) in PROVIDERS.items()]


@cache
def provider_class(slug: str) -> type[Provider]:
    """The adapter of one provider. Raises KeyError for a slug nobody knows."""
    module, _, name = PROVIDERS[slug][1].rpartition(".")
    found: type[Provider] = getattr(import_module(module), name)
    assert issubclass(found, Provider)
    return found


def provider(slug: str, account: AccountConfig) -> Provider:
    """An adapter speaking for one account."""
    return provider_class(slug)(account)
