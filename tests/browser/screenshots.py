"""python -m tests.browser.screenshots [--out DIRECTORY] [--only PATTERN] [--kinds] [--quick] [--language fr]

Take pictures of every page, in light and dark, 1280 and 400 pixels wide, of the demo's organization with some trouble
added, and of an empty organization.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Literal

from tests.browser import demo

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (1280, 400)
ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", allow_abbrev=False)
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "screenshots")
    parser.add_argument("--only", default="", help="Pages whose names match this.")
    parser.add_argument("--kinds", action="store_true", help="One row and one confirmation of each kind.")
    parser.add_argument("--quick", action="store_true", help="Light and wide alone.")
    parser.add_argument("--contacts", type=int, default=30)
    parser.add_argument("--language", default="en", help="Of the browser: en, fr, de, es.")
    options = parser.parse_args()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trunkline-screenshots-")))
        running = stack.enter_context(demo.running(directory, options.contacts))
        os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings", "DEBUG": "true", "ALLOW_LOOPBACK_URLS": "true"}
        os.environ |= {"DATABASE_URL": running.database, "DIAL_JOURNAL": "off"}
        import django

        django.setup()
        return _take(stack, running, options)


def _take(stack: ExitStack, running: demo.Demo, options: argparse.Namespace) -> int:
    from playwright.sync_api import sync_playwright

    from tenants.models import Organization
    from tests.browser import work
    from tests.browser.pages import pages_of
    from tests.browser.support import CHROMIUM, sign_in

    full = Organization.objects.get()
    work.trouble(full)
    empty = work.nothing_yet(running.password)
    subjects = [
        (name, user, pages_of(organization, every_state=not options.kinds))
        for name, user, organization in (("full", running.user, full), ("empty", work.NEWCOMER, empty))
    ]
    driver = stack.enter_context(sync_playwright())
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
    taken = 0
    looks = list(product(THEMES, WIDTHS))[: 1 if options.quick else None]
    for (subject, user, pages), (theme, width) in product(subjects, looks):
        context = chromium.new_context(
            base_url=running.url,
            color_scheme=theme,
            viewport={"width": width, "height": 900},
            locale=options.language,
        )
        page = context.new_page()
        sign_in(page, user, running.password)
        folder = options.out / f"{subject}-{theme}-{width}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in pages.items():
            if re.search(options.only, name):
                page.goto(path, wait_until="networkidle")
                page.screenshot(path=folder / f"{_filename(name)}.png", full_page=True)
                taken += 1
        context.close()
        sys.stdout.write(f"{folder}\n")
        sys.stdout.flush()
    chromium.close()
    sys.stdout.write(f"{taken} pictures.\n")
    return 0


def _filename(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


if __name__ == "__main__":
    sys.exit(main())
