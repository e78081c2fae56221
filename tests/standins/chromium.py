"""Chromium as a person has it, driven by Playwright: the distribution's own, installed where none is found."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
PACKAGES = Path(__file__).parents[1] / "packages"


def install() -> None:
    """Installs a browser where none is."""
    with sync_playwright() as playwright:
        program(playwright.chromium.executable_path)


def program(playwrights: str) -> str:
    """The browser's path; `playwrights` is where Playwright would have its own. One that cannot be installed fails the
    test with the ways out."""
    if found := _found(playwrights):
        return found
    done = subprocess.run([PACKAGES, "install", "chromium=chromium"], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr}or, without root: .venv/bin/playwright install chromium"
    found = _found(playwrights)
    assert found, "chromium was installed and is not on PATH"
    return found


def _found(playwrights: str) -> str | None:
    return next((path for name in (*NAMES, playwrights) if (path := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Playwright's event loop is the thread's while this is open: no asynchronous test may run meanwhile."""
    with sync_playwright() as playwright:
        path = program(playwright.chromium.executable_path)
        # The browser's sandbox cannot be had as root; the pages that it opens are ours.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        with playwright.chromium.launch(executable_path=path, args=arguments) as browser:
            yield browser
