"""What is installed is pinned: one version of each package, with the hashes of its files, from no named index."""

from __future__ import annotations

import re

from tests.suite import ROOT

PINNED = re.compile(
    r"[a-z0-9][a-z0-9.-]*(\[[a-z0-9,-]+\])?==\S+( ; .+?)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n", re.I
)


def test_every_package_has_one_version_and_the_hashes_of_its_files() -> None:
    for name in ("requirements.txt", "requirements-extras.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text("utf-8")
        assert PINNED.sub("", text) == "", name  # neither a loose version nor an option
        assert len(PINNED.findall(text)) > 20
    made = (ROOT / "Makefile").read_text("utf-8")
    installing = [line for line in made.splitlines() if "pip install" in line]
    assert installing and all("--require-hashes" in line for line in installing)
