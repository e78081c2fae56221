"""Chromium as a person has it, driven by Playwright: the distribution's own, installed where it is missing."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = Path(__file__).parents[1] / "packages"


def program() -> str:
    """The browser's path. One that cannot be installed fails the test with the way out."""
    if found := _found():
        return found
    done = subprocess.run([PACKAGES, "install", "chromium=chromium"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = _found()
    assert found, "chromium was installed and is not on PATH"
    return found


def _found() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Playwright's event loop is the thread's while this is open: no asynchronous test may run meanwhile."""
    with sync_playwright() as playwright:
        # The browser's sandbox cannot be had as root; the pages that it opens are ours.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        with playwright.chromium.launch(executable_path=program(), args=arguments) as browser:
            yield browser
