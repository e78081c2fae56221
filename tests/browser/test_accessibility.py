"""Everybody can sign in: by keyboard, with a screen reader, with weak eyes, on a phone.

Limits are those of WCAG 2.2, level AA.
"""

from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.layouts import LONGEST, PAGES
from tests.standins.page_server import PageServer

from gateway_proxy.web import pages

pytestmark = pytest.mark.timeout(600)
"""The first test may have to install the browser."""

CONTRAST = """
() => {
  const channels = text => {
    const found = text.match(/[\\d.]+/g).map(Number);
    return found.length < 4 ? [...found, 1] : found;
  };
  const over = (top, bottom) => [0, 1, 2].map(i => top[i] * top[3] + bottom[i] * (1 - top[3])).concat(1);
  const luminance = color => {
    const part = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(color[0]) + 0.7152 * part(color[1]) + 0.0722 * part(color[2]);
  };
  const ratio = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const behind = element => {
    const above = [];
    for (let at = element; at; at = at.parentElement) above.push(channels(getComputedStyle(at).backgroundColor));
    return above.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const style = getComputedStyle(element), background = behind(element);
    const speaks = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (speaks || element.matches("input:not([type=hidden])")) {
      found.push([element.tagName, "text", ratio(over(channels(style.color), background), background), 4.5]);
    }
    if (element.matches("input:not([type=hidden]), button")) {
      const around = behind(element.parentElement);
      found.push([element.tagName, "edge", ratio(channels(style.borderTopColor), around), 3]);
    }
    if (element.matches("svg")) {
      found.push([element.tagName, "drawing", ratio(channels(style.color), background), 3]);
    }
  }
  return found;
}
"""

PAPER = "getComputedStyle(document.body).backgroundColor"


def too_wide(page: Page) -> list[Any]:
    """What reaches over the window's edge, apart from what scrolls in a box of its own."""
    found: list[Any] = page.evaluate(
        """() => [...document.querySelectorAll("body *")]
        .filter(element => !element.closest("pre, .unseen") && element.getBoundingClientRect().right > innerWidth + 0.5)
        .map(element => element.outerHTML.slice(0, 80))
        .concat(document.documentElement.scrollWidth > innerWidth ? [document.documentElement.scrollWidth] : [])"""
    )
    return found


@pytest.mark.parametrize("name", PAGES)
def test_it_can_be_read_by_weak_eyes_in_light_and_dark(page: Page, server: PageServer, name: str) -> None:
    server.pages["/"] = PAGES[name]()
    page.goto(server.url)
    page.emulate_media(color_scheme="light")
    light, paper = page.evaluate(CONTRAST), page.evaluate(PAPER)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(CONTRAST)
    assert len(light) == len(dark) > 3
    assert [one for one in light + dark if one[2] < one[3]] == []
    assert page.evaluate(PAPER) != paper


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_shows_it_whole(browser: Browser, server: PageServer, name: str) -> None:
    with browser.new_context(viewport={"width": 320, "height": 640}, has_touch=True) as context:
        page = context.new_page()
        server.pages["/"] = PAGES[name]()
        page.goto(server.url)
        assert too_wide(page) == []
        heights = page.locator("button, input:not([type=hidden])").evaluate_all(
            "all => all.map(one => one.offsetHeight)"
        )
        assert [height for height in heights if height < 44] == []


@pytest.mark.parametrize("name", LONGEST)
def test_the_longest_words_break(browser: Browser, server: PageServer, name: str) -> None:
    with browser.new_context(viewport={"width": 320, "height": 640}) as context:
        page = context.new_page()
        server.pages["/"] = LONGEST[name]()
        page.goto(server.url)
        assert too_wide(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_screen_reader_finds_its_way(page: Page, server: PageServer, name: str) -> None:
    server.pages["/"] = PAGES[name]()
    page.goto(server.url)
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.title().endswith(" · Claude gateway")
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(one => Number(one.tagName[1]))")
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator(":not([aria-hidden=true]) > svg:not([aria-hidden=true])").count() == 0
    ids = page.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))
    named = page.locator("[aria-describedby], [aria-labelledby]").evaluate_all(
        """all => all.flatMap(one => [one.getAttribute("aria-describedby"), one.getAttribute("aria-labelledby")])
        .filter(Boolean).flatMap(names => names.split(" "))"""
    )
    assert set(named) <= set(ids)


def test_the_field_says_what_it_wants_and_what_was_wrong(page: Page, server: PageServer) -> None:
    server.pages["/"] = pages.verification("BCDF-GHJX", error="No sign-in waits for this code.")
    page.goto(server.url)
    field = page.get_by_role("textbox", name="Code")
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description("No sign-in waits for this code. " + advice(page))
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_have_text("No sign-in waits for this code.")
    assert page.title().startswith("Error: ")


def advice(page: Page) -> str:
    return page.locator("#advice").inner_text()


def test_a_screen_reader_spells_the_code(page: Page, server: PageServer) -> None:
    server.pages["/"] = pages.verification("BCDF-GHJK")
    page.goto(server.url)
    heard = page.get_by_role("main").aria_snapshot()
    assert "B C D F , G H J K" in heard
    assert "BCDF-GHJK" not in heard


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        ("code", ["Code", "Continue"]),
        ("asking", ["Continue", "Deny", "Enter another code"]),
        ("wrong-code", ["Code", "Continue"]),
        ("choice", ["Continue with okta", "Continue with entra"]),
        ("error", ["Enter a code"]),
    ],
)
def test_the_keyboard_reaches_everything_in_order(page: Page, server: PageServer, name: str, stops: list[str]) -> None:
    server.pages["/"] = PAGES[name]()
    page.goto(server.url)
    focused_by_itself = page.locator("[autofocus]")
    if focused_by_itself.count():
        expect(focused_by_itself).to_be_focused()
    reached = []
    for number in range(len(stops)):
        if number or not focused_by_itself.count():
            page.keyboard.press("Tab")
        focused = page.locator(":focus")
        reached.append(focused.evaluate("one => one.labels?.[0]?.innerText || one.innerText"))
        outline = focused.evaluate("one => [getComputedStyle(one).outlineStyle, getComputedStyle(one).outlineWidth]")
        assert outline == ["solid", "3px"], "the focus is seen"
    assert reached == stops


def test_a_code_is_sent_by_the_enter_key(page: Page, server: PageServer) -> None:
    server.pages["/"] = pages.verification()
    server.pages["/device"] = pages.done(None)
    page.goto(server.url)
    expect(page.get_by_role("textbox", name="Code")).to_be_focused()
    page.keyboard.type("bcdf ghjk")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="You are signed in").wait_for()
    assert [one.form for one in server.posts()] == [{"user_code": "bcdf ghjk"}]


def test_an_empty_code_is_not_sent(page: Page, server: PageServer) -> None:
    server.pages["/"] = pages.verification()
    page.goto(server.url)
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("input:invalid")).to_be_focused()
    assert server.posts() == []


def test_denying_sends_the_code_to_be_denied(page: Page, server: PageServer) -> None:
    server.pages["/"] = pages.verification("BCDF-GHJK")
    server.pages["/device/deny"] = pages.denied()
    page.goto(server.url)
    page.get_by_role("button", name="Deny").click()
    page.get_by_role("heading", name="Sign-in denied").wait_for()
    assert [(one.target, one.form) for one in server.posts()] == [("/device/deny", {"user_code": "BCDF-GHJK"})]
