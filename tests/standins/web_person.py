"""A person with a browser that knows forms, redirects and cookies, and no JavaScript.

person = WebPerson()
page = person.open(f"{gateway.url}/device")
page = page.submit("Continue", user_code="BCDF-GHJK")
"""

from __future__ import annotations

import http.cookiejar
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

SECONDS = 30


@dataclass(slots=True)
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)
    """Text, name and value of each."""


@dataclass(frozen=True, slots=True)
class Page:
    person: WebPerson
    url: str
    status: int
    headers: Mapping[str, str]
    html: str

    @property
    def text(self) -> str:
        """What a reader sees, with single spaces."""
        return " ".join(_parsed(self.html).text.split())

    @property
    def forms(self) -> list[Form]:
        return _parsed(self.html).forms

    def submit(self, button: str, **fields: str) -> Page:
        """Fills the form that has a button of this text, and presses it."""
        for form in self.forms:
            for text, name, value in form.buttons:
                if button in text:
                    filled = {**form.fields, **({name: value} if name else {}), **fields}
                    return self.person.send(form.method, urllib.parse.urljoin(self.url, form.action), filled, self.url)
        buttons = [text for form in self.forms for text, _, _ in form.buttons]
        raise AssertionError(f"{self.url} has no button {button!r}, only {buttons}:\n{self.text}")


class WebPerson:
    def __init__(self, *, trusts: ssl.SSLContext | None = None) -> None:
        self.cookies = http.cookiejar.CookieJar()
        handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPCookieProcessor(self.cookies)]
        if trusts is not None:
            handlers.append(urllib.request.HTTPSHandler(context=trusts))
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)

    def open(self, url: str) -> Page:
        return self._load(urllib.request.Request(url))

    def send(self, method: str, url: str, fields: Mapping[str, str], referrer: str) -> Page:
        encoded = urllib.parse.urlencode(fields)
        if method == "get":
            return self.open(f"{url.partition('?')[0]}?{encoded}")
        origin = "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(referrer))
        headers = {"Origin": origin, "Content-Type": "application/x-www-form-urlencoded"}
        return self._load(urllib.request.Request(url, encoded.encode(), headers))

    def _load(self, request: urllib.request.Request) -> Page:
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:
                return Page(self, answer.url, answer.status, dict(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Page(self, error.url, error.code, dict(error.headers), error.read().decode())


def _parsed(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    return reader


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text = ""
        self._silent = 0
        self._form: Form | None = None
        self._button: tuple[str, str] | None = None
        self._button_text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("style", "script", "title"):
            self._silent += 1
        elif tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        elif tag == "input" and self._form is not None:
            kind = given.get("type", "text")
            if kind == "submit":
                self._form.buttons.append((given.get("value", ""), given.get("name", ""), given.get("value", "")))
            elif given.get("name") and (kind not in ("checkbox", "radio") or "checked" in given):
                self._form.fields[given["name"]] = given.get("value", "")
        elif tag == "button":
            self._button, self._button_text = (given.get("name", ""), given.get("value", "")), ""

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script", "title"):
            self._silent -= 1
        elif tag == "form":
            self._form = None
        elif tag == "button" and self._button is not None:
            if self._form is not None:
                self._form.buttons.append((" ".join(self._button_text.split()), *self._button))
            self._button = None
        if tag not in ("b", "i", "em", "strong", "code", "span", "a"):
            self.text += " "

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        self.text += data
        if self._button is not None:
            self._button_text += data
