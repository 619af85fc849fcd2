"""The collected static files: a page comes even when some are missing or stale, and that is told elsewhere."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import staticfiles_storage
from whitenoise.storage import CompressedManifestStaticFilesStorage

COLLECT = "Run manage.py collectstatic --noinput and restart the web process."


class Storage(CompressedManifestStaticFilesStorage):
    """Names with a digest of the content. A file that was not collected keeps its name, instead of an error 500."""

    def stored_name(self, name: str) -> str:
        try:
            return str(super().stored_name(name))
        except ValueError:
            return name


def what_is_wrong() -> str:
    """Return in a sentence whether the collected files are missing or of another version; "" if all is well.

    Only the web process reads them. Development serves the files where they lie.
    """
    if not isinstance(_storage(), Storage):
        return ""
    manifest = Path(settings.STATIC_ROOT) / str(Storage.manifest_name)
    try:
        written = manifest.stat().st_mtime_ns
    except OSError:
        return f"The static files are missing, so pages have no styles. {COLLECT}"
    differ = _differing(str(settings.STATIC_ROOT), written)
    if not differ:
        return ""
    return f"{differ} static files are missing or of another version. {COLLECT}"


def _storage() -> Any:
    staticfiles_storage.exists  # noqa: B018 - the storage is made when it is first used
    return staticfiles_storage._wrapped  # type: ignore[attr-defined]


@lru_cache(maxsize=1)
def _differing(root: str, written: int) -> int:
    """Count the files of this version that were not collected, or whose content differs.

    `written`: when the files were collected. A process compares them once, and again when they were collected again.
    """
    count, seen = 0, set()
    for finder in get_finders():
        for name, storage in finder.list([]):
            path = str(Path(getattr(storage, "prefix", None) or "") / name)
            if path not in seen:  # the first finder wins, as it does when files are collected
                seen.add(path)
                count += _differs(Path(storage.path(name)), Path(root) / path)
    return count


def _differs(source: Path, collected: Path) -> bool:
    try:
        return source.stat().st_size != collected.stat().st_size or source.read_bytes() != collected.read_bytes()
    except OSError:
        return True
