"""Packages that only some settings need: they are in requirements-extras.txt, and not in requirements.txt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

# Setting -> the packages that it needs, by the modules that are imported.
NEEDED = {
    "UPLOADS_URL": ("storages", "boto3"),
    "SENTRY_DSN": ("sentry_sdk",),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
}


def missing(given: Callable[[str], object], is_installed: Callable[[str], bool] | None = None) -> Iterator[str]:
    """Yield a sentence for each setting that has a value, but not its packages."""
    for name, modules in NEEDED.items():
        if given(name) and not all(map(is_installed or _is_installed, modules)):
            yield (
                f"{name} needs packages that are not installed: "
                "run pip install --require-hashes -r requirements-extras.txt."
            )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False
