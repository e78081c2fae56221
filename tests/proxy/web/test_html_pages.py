"""The pages that people see, as functions: what is in them, and under which rules a browser shows them."""

import base64
import hashlib
import re
from collections.abc import Callable
from html import unescape

import pytest
from tests.proxy.configurations import ALICE_KEY, UPSTREAM_KEY

from gateway_proxy.web import pages
from gateway_proxy.web.responses import Response

HOSTILE = "\"><script>alert(1)</script>'{{7*7}}</style>&amp;"
EVERY: dict[str, Callable[[str], Response]] = {
    "code": lambda text: pages.verification(text, providers=[text]),
    "wrong code": lambda text: pages.verification(text, error=text),
    "asking": lambda text: pages.verification("BCDF-GHJK", providers=[text]),
    "choice": lambda text: pages.choose(text, [text, "entra"]),
    "done": pages.done,
    "denied": lambda text: pages.denied(),
    "error": lambda text: pages.error(text, text, status=403, reference=text),
    "landing": lambda text: pages.landing(f"https://{text}", sign_in=False),
    "landing with sign-in": lambda text: pages.landing(f"https://{text}", sign_in=True),
}


def html(answer: Response) -> str:
    return answer.body.decode()


def inputs(answer: Response) -> list[str]:
    return re.findall(r"<(?:input|button)[^>]*>", html(answer))


@pytest.fixture(params=list(EVERY))
def make(request: pytest.FixtureRequest) -> Callable[[str], Response]:
    return EVERY[request.param]


def test_nothing_in_it_comes_from_elsewhere_or_runs(make: Callable[[str], Response]) -> None:
    answer = make("corp")
    page = html(answer)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", f"style-src 'sha256-{digest}'", "base-uri 'none'", "frame-ancestors 'none'"} <= {
        *policy
    }
    assert not re.search(r"<script|style=|\son[a-z]+=|<iframe|<img|@import", page)
    assert not re.search(r"(?:src|href|action)=[\"']?(?:https?:)?//|url\(", page)


def test_a_browser_is_told_to_be_strict(make: Callable[[str], Response]) -> None:
    headers = make("corp").headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"


def test_text_stays_text(make: Callable[[str], Response]) -> None:
    page = html(make(HOSTILE))
    assert "<script" not in page
    assert page.count("</style>") == 1
    assert page.count('"><script') == 0
    assert "49" not in re.sub(r"<style>.*</style>", "", page, flags=re.DOTALL)


def test_hostile_text_is_shown_as_it_was_written() -> None:
    assert HOSTILE in unescape(html(pages.done(HOSTILE)))


def test_a_code_of_a_link_is_asked_about_and_not_sent() -> None:
    answer = pages.verification("BCDF-GHJK", providers=["okta"])
    page = html(answer)
    assert "Is this your code?" in page
    assert "B C D F , G H J K" in page, "a screen reader spells it"
    assert re.findall(r'<form method="post" action="([^"]*)">', page) == ["/device", "/device/deny"]
    assert inputs(answer).count('<input type="hidden" name="user_code" value="BCDF-GHJK">') == 2
    assert "Next, you sign in with <bdi>okta</bdi>" in page
    assert "refresh" not in page


@pytest.mark.parametrize("code", ["", "BCDF", "bcdf-ghjk", "BCDF-GHJK ", "BCDF-GHJK\n", "x" * 1000])
def test_anything_that_is_no_whole_code_is_only_a_beginning(code: str) -> None:
    answer = pages.verification(code)
    assert answer.status == 200
    (field, button) = inputs(answer) if len(inputs(answer)) == 2 else ("", "")
    assert f'value="{code[:40]}"' in field
    assert "required" in field
    assert button == '<button type="submit">'


def test_a_wrong_code_is_explained_at_the_field() -> None:
    answer = pages.verification("BCDF-GHJK", error="No sign-in waits for this code.")
    page = html(answer)
    assert answer.status == 400
    assert '<p class="problem" id="problem" role="alert">No sign-in waits for this code.</p>' in page
    assert 'aria-describedby="problem advice" aria-invalid="true"' in page
    assert "<title>Error: Sign in" in page


def test_the_browser_may_go_where_sign_in_goes() -> None:
    origins = ["https://corp.okta.com", "https://login.corp.example:8443", "https://corp.okta.com"]
    for answer in (pages.verification(form_action=origins), pages.choose("BCDF-GHJK", ["a"], form_action=origins)):
        policy = answer.headers["content-security-policy"]
        assert "form-action 'self' https://corp.okta.com https://login.corp.example:8443; " in policy
    assert "form-action 'none'" in pages.done(None).headers["content-security-policy"]


@pytest.mark.parametrize(
    "origin", ["https://a;script-src *", "https://a b", "https://a/path", "*", "", "javascript:x", "https://a\r\nx: y"]
)
def test_nothing_but_an_origin_gets_into_the_rules(origin: str) -> None:
    with pytest.raises(ValueError, match="not an origin"):
        pages.verification(form_action=[origin])


def test_each_provider_has_a_button() -> None:
    answer = pages.choose("BCDF-GHJK", ["okta", "entra"])
    assert re.findall(r'name="provider" value="([^"]*)"', html(answer)) == ["okta", "entra"]
    assert '<input type="hidden" name="user_code" value="BCDF-GHJK">' in inputs(answer)


def test_the_end_says_who_was_signed_in() -> None:
    assert "As <strong><bdi>alice@corp.example</bdi></strong>" in html(pages.done("alice@corp.example"))
    assert "<strong>" not in html(pages.done(None))


@pytest.mark.parametrize(
    ("seconds", "words", "header"),
    [(0.2, "1 second.", "1"), (30, "30 seconds.", "30"), (300, "5 minutes.", "300"), (601, "10 minutes.", "601")],
)
def test_an_error_says_when_to_come_back(seconds: float, words: str, header: str) -> None:
    answer = pages.error("Too many tries", "Wait a little.", status=429, retry_after=seconds)
    assert (answer.status, answer.headers["retry-after"]) == (429, header)
    assert f"Try again in {words}" in html(answer)


def test_an_error_without_a_time_says_none() -> None:
    answer = pages.error("Sign-in did not work", "Ask your administrator.", status=403)
    assert answer.status == 403
    assert "retry-after" not in answer.headers
    assert "Try again in" not in html(answer)
    assert "For your administrator" not in html(answer)


def test_the_landing_page_tells_how_to_connect() -> None:
    page = html(pages.landing("https://claude.corp.example", sign_in=False))
    assert "export ANTHROPIC_BASE_URL=https://claude.corp.example" in page
    assert "/login" not in page
    assert "export ANTHROPIC_BASE_URL=https://this-address" in html(pages.landing(None, sign_in=False))
    with_sign_in = html(pages.landing("https://claude.corp.example", sign_in=True))
    assert "/login" in with_sign_in
    assert "ANTHROPIC_AUTH_TOKEN" in with_sign_in
    assert not {ALICE_KEY, UPSTREAM_KEY} & {*re.split(r"[\s<>]", page + with_sign_in)}
