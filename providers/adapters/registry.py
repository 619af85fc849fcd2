"""The table of providers: dotted paths to adapter classes, imported on first use."""

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
    """Return (slug, name) of every provider, for model and form fields."""
    return [(slug, name) for slug, (name, _) in PROVIDERS.items()]


@cache
def provider_class(slug: str) -> type[Provider]:
    """Return a provider's adapter class. Raise KeyError for an unknown slug."""
    module, _, name = PROVIDERS[slug][1].rpartition(".")
    found: type[Provider] = getattr(import_module(module), name)
    assert issubclass(found, Provider)
    return found


def provider(slug: str, account: AccountConfig) -> Provider:
    """Return an adapter for one provider account."""
    return provider_class(slug)(account)
