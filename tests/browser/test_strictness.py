"""What a browser enforces on the pages, and that nothing of theirs falls foul of it."""

import pytest
from playwright.sync_api import Page
from tests.browser.layouts import PAGES
from tests.standins.page_server import PageServer

from gateway_proxy.web import pages
from gateway_proxy.web.responses import Response

pytestmark = pytest.mark.timeout(600)
"""The first test may have to install the browser."""

HOSTILE = "\"><script>document.title='owned'</script><img src=/x onerror=\"document.title='owned'\">"
HEADED = "<!doctype html><title>{}</title>{}"
NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", e => violations.push(e.violatedDirective + " " + e.blockedURI));
"""


def stranger(body: str) -> Response:
    return Response(200, HEADED.format("stranger", body).encode(), {"content-type": "text/html"})


@pytest.mark.parametrize("name", PAGES)
def test_a_page_keeps_its_own_rules_and_asks_for_nothing_else(page: Page, server: PageServer, name: str) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.add_init_script(NOTE_VIOLATIONS)
    server.pages["/"] = answer = PAGES[name]()
    page.goto(server.url, wait_until="networkidle")
    assert page.evaluate("violations") == []
    assert [text for text in complaints if f"status of {answer.status}" not in text] == []
    assert [one.target for one in server.sent] == ["/"]
    assert page.evaluate("getComputedStyle(document.body).display") == "flex", "the style sheet is in force"


def test_a_script_that_got_in_would_not_run(page: Page, server: PageServer) -> None:
    answer = pages.done("alice")
    injected = answer.body.replace(
        b"<main>", b"<main><script>document.title='owned'</script><b onclick=x style='top:1px'>"
    )
    server.pages["/"] = Response(200, injected, answer.headers)
    page.add_init_script(NOTE_VIOLATIONS)
    page.goto(server.url)
    assert page.title() == "Signed in · Claude gateway"
    assert {one.split("-")[0] for one in page.evaluate("violations")} == {"script", "style"}


@pytest.mark.parametrize(
    "answer",
    [
        pages.verification(HOSTILE),
        pages.verification(HOSTILE, error=HOSTILE, providers=[HOSTILE]),
        pages.choose(HOSTILE, [HOSTILE]),
        pages.done(HOSTILE),
        pages.error(HOSTILE, HOSTILE, status=403, reference=HOSTILE),
        pages.landing(HOSTILE, sign_in=True),
    ],
    ids=["code", "wrong code", "choice", "done", "error", "landing"],
)
def test_markup_in_text_is_read_as_text(page: Page, server: PageServer, answer: Response) -> None:
    server.pages["/"] = answer
    page.goto(server.url, wait_until="networkidle")
    assert page.locator("script, img").count() == 0
    shown = page.locator("body").inner_text() + "".join(
        page.locator("input").evaluate_all("all => all.map(i => i.value)")
    )
    assert HOSTILE[:30] in shown
    assert [one.target for one in server.sent] == ["/"]


def test_a_stranger_s_page_cannot_frame_it(page: Page, server: PageServer) -> None:
    server.pages["/device"] = pages.verification("BCDF-GHJK")
    with PageServer() as other:
        other.pages["/"] = stranger(f'<iframe src="{server.url}/device"></iframe>')
        page.goto(other.url, wait_until="networkidle")
        (frame,) = page.frames[1:]
        assert frame.locator("button").count() == 0


def test_a_form_names_its_origin_and_nobody_else_learns_the_code(page: Page, server: PageServer) -> None:
    """Under `no-referrer` the origin would be `null`, which is refused."""
    with PageServer() as provider:
        provider.pages["/authorize"] = stranger("the identity provider")
        server.pages["/device?user_code=BCDF-GHJK"] = pages.verification("BCDF-GHJK", form_action=[provider.url])
        server.pages["/device"] = Response(302, b"", {"location": f"{provider.url}/authorize"})
        page.goto(f"{server.url}/device?user_code=BCDF-GHJK")
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(f"{provider.url}/authorize")
        (sent,) = server.posts()
        assert sent.headers["origin"] == server.url
        assert sent.headers["sec-fetch-site"] == "same-origin"
        assert sent.form == {"user_code": "BCDF-GHJK"}
        assert "referer" not in provider.sent[0].headers


def test_a_form_leads_only_to_the_origins_that_the_page_names(page: Page, server: PageServer) -> None:
    with PageServer() as elsewhere:
        elsewhere.pages["/authorize"] = stranger("anywhere")
        server.pages["/"] = pages.verification("BCDF-GHJK", form_action=["https://corp.okta.com"])
        server.pages["/device"] = Response(302, b"", {"location": f"{elsewhere.url}/authorize"})
        page.goto(server.url)
        page.add_init_script(NOTE_VIOLATIONS)
        page.evaluate(NOTE_VIOLATIONS)
        page.get_by_role("button", name="Continue").click()
        page.wait_for_function("violations.length > 0")
        assert elsewhere.sent == []


def test_a_stranger_s_form_is_known_by_its_origin(page: Page, server: PageServer) -> None:
    server.pages["/device"] = pages.verification()
    fields = '<input name="user_code" value="BCDF-GHJK"><button>Win</button>'
    with PageServer() as other:
        other.pages["/"] = stranger(f'<form method="post" action="{server.url}/device">{fields}</form>')
        page.goto(other.url)
        page.get_by_role("button").click()
        page.wait_for_url(f"{server.url}/device")
        (sent,) = server.posts()
        assert sent.headers["origin"] == other.url


def test_a_window_that_opened_it_loses_hold_of_it(page: Page, server: PageServer) -> None:
    server.pages["/device"] = pages.verification("BCDF-GHJK")
    with PageServer() as other:
        other.pages["/"] = stranger("")
        page.goto(other.url)
        with page.expect_popup() as opened:
            page.evaluate("url => { window.opened = open(url) }", f"{server.url}/device")
        opened.value.get_by_role("button", name="Deny").wait_for()
        assert opened.value.evaluate("window.opener") is None
        page.wait_for_function("opened.closed")


def test_a_code_in_a_link_is_never_sent_by_itself(page: Page, server: PageServer) -> None:
    server.pages["/device?user_code=BCDF-GHJK"] = pages.verification("BCDF-GHJK")
    page.goto(f"{server.url}/device?user_code=BCDF-GHJK", wait_until="networkidle")
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    server.pages["/device"] = pages.verification()
    page.get_by_role("link", name="Enter another code").click()
    page.get_by_label("Code").wait_for()
    assert server.posts() == []


def test_the_pages_do_without_scripts(page: Page, server: PageServer) -> None:
    assert page.context.browser is not None
    with page.context.browser.new_context(java_script_enabled=False) as context:
        tab = context.new_page()
        server.pages["/device"] = pages.verification()
        tab.goto(f"{server.url}/device")
        server.pages["/device"] = pages.choose("BCDF-GHJK", ["okta", "entra"])
        tab.get_by_label("Code").fill("bcdf-ghjk")
        tab.get_by_role("button", name="Continue").click()
        server.pages["/device"] = pages.done("alice@corp.example")
        tab.get_by_role("button", name="Continue with entra").click()
        assert "alice@corp.example" in tab.locator("main").inner_text()
    assert [one.form for one in server.posts()] == [
        {"user_code": "bcdf-ghjk"},
        {"user_code": "BCDF-GHJK", "provider": "entra"},
    ]
