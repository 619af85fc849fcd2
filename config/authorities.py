"""All believed authorities in one file, for libraries that take nothing else."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile

import certifi
from django.conf import settings

from tenants.egress.authorities import pem_of


@cache
def bundle() -> str:
    """Return the path of the file: the public authorities alone, or with those of EXTRA_CA_FILE.

    Each process writes it anew, because either part may have changed. Another process sees it whole.
    """
    if not settings.EXTRA_CA_FILE:
        return certifi.where()
    whole = Path(settings.VAR_DIR) / "authorities.pem"
    whole.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=whole.parent, delete=False) as file:
        for part in (certifi.where(), settings.EXTRA_CA_FILE):
            file.write(pem_of(part) + "\n")
    os.replace(file.name, whole)
    return str(whole)
