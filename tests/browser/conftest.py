"""Fixtures of the tests that look at pages in Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from tests.standins.chromium import chromium
from tests.standins.page_server import PageServer
from tests.standins.sign_in_fixtures import idp, shared_idp, shared_world, world

__all__ = ["idp", "shared_idp", "shared_world", "world"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of a module, so that no asynchronous test runs beside it."""
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab of its own profile."""
    with browser.new_context() as context:
        yield context.new_page()


@pytest.fixture
def server() -> Iterator[PageServer]:
    with PageServer() as running:
        yield running
