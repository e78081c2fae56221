"""Every page that people see, in ordinary words and in the longest that may come."""

from collections.abc import Callable

from gateway_proxy.web import pages
from gateway_proxy.web.responses import Response

LONG = "a-name-without-any-place-to-break-it-" * 5

PAGES: dict[str, Callable[[], Response]] = {
    "code": lambda: pages.verification(providers=["okta"]),
    "asking": lambda: pages.verification("BCDF-GHJK", providers=["okta"]),
    "wrong-code": lambda: pages.verification(
        "BCDF-GHJK", error="No sign-in waits for this code: look at your terminal."
    ),
    "choice": lambda: pages.choose("BCDF-GHJK", ["okta", "entra"]),
    "done": lambda: pages.done("alice@corp.example"),
    "denied": pages.denied,
    "error": lambda: pages.error("Too many tries", "Wait a little.", status=429, retry_after=60, reference="req_1"),
    "landing": lambda: pages.landing("https://claude.corp.example", sign_in=True),
    "landing-keys": lambda: pages.landing("https://claude.corp.example", sign_in=False),
}

LONGEST: dict[str, Callable[[], Response]] = {
    "asking": lambda: pages.verification("WWWW-WWWW", providers=[LONG]),
    "wrong-code": lambda: pages.verification(LONG, error=LONG),
    "choice": lambda: pages.choose("BCDF-GHJK", [LONG, f"{LONG}2"]),
    "done": lambda: pages.done(f"{LONG}@{LONG}"),
    "error": lambda: pages.error(LONG, LONG, status=403, reference=LONG),
    "landing": lambda: pages.landing(f"https://{LONG}.corp.example", sign_in=True),
}
