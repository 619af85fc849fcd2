from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenants.journal import writer


@pytest.fixture
def journal(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """The folder of the dial journal, which is on."""
    settings.DIAL_JOURNAL = tmp_path / "journal"
    yield settings.DIAL_JOURNAL
    writer.forget()
