"""What people see in a browser: sign-in, and how to connect. HTML without scripts and without anything from elsewhere.

Every function makes a whole answer; whatever text it is given is escaped. Jinja2 comes with the first page, 0.1 s and
3 MB: a gateway that nobody opens in a browser never pays for it, and one that people sign in to calls `prepare` first.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gateway_proxy.version import VERSION
from gateway_proxy.web.responses import Response

if TYPE_CHECKING:
    from jinja2 import Environment

UNKNOWN_URL: Final = "https://this-address"
"""Shown while no configuration is loaded."""
CODE_CHARACTERS: Final = 40
"""Of what a person or a link gave as a code, this much is shown again."""
_WHOLE_CODE: Final = re.compile(r"[A-Z]{4}-[A-Z]{4}")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9._~\[\]:-]+")


def prepare() -> None:
    """What the first page would hold the event loop up for. For the thread that builds a configuration."""
    environment = _kit().environment
    for template in environment.list_templates(extensions=["html"]):
        environment.get_template(template)


def verification(
    user_code: str = "", *, error: str | None = None, providers: Sequence[str] = (), form_action: Sequence[str] = ()
) -> Response:
    """`GET /device`: asks whether `user_code` is the person's own where it is a whole one, else for the code.

    Posts `user_code` to /device or /device/deny. With an error it is 400 and asks again. `form_action`: the origins
    that posting may lead to, which browsers hold redirects to as well.
    """
    asks = error is None and _WHOLE_CODE.fullmatch(user_code) is not None
    return _page(
        "verification.html",
        {
            "asks": asks,
            "user_code": user_code[:CODE_CHARACTERS],
            "spelled": " ".join(user_code.replace("-", ",")) if asks else "",
            "longest": CODE_CHARACTERS,
            "error": error,
            "providers": tuple(providers),
        },
        status=400 if error is not None else 200,
        form_action=("'self'", *form_action),
    )


def choose(user_code: str, providers: Sequence[str], *, form_action: Sequence[str] = ()) -> Response:
    """Asks which identity provider: posts `user_code` and the `provider`'s name to /device."""
    return _page(
        "choose.html",
        {"user_code": user_code, "providers": tuple(providers)},
        form_action=("'self'", *form_action),
    )


def done(user: str | None) -> Response:
    """`user`: the address or name that the person knows themselves by."""
    return _page("done.html", {"user": user})


def denied() -> Response:
    return _page("denied.html", {})


def error(
    title: str, sentence: str, *, status: int, retry_after: float | None = None, reference: str | None = None
) -> Response:
    """`retry_after` in seconds. `reference`: what an administrator finds the log line by."""
    values = {"title": title, "sentence": sentence, "wait": _duration(retry_after), "reference": reference}
    headers = {"retry-after": str(_seconds(retry_after))} if retry_after is not None else {}
    return _page("error.html", values, status=status, headers=headers)


@lru_cache(maxsize=4)
def landing(public_url: str | None, *, sign_in: bool) -> Response:
    """`GET /`: how to connect, for a developer who opens the gateway's address. Holds no secret."""
    return _page("landing.html", {"url": public_url or UNKNOWN_URL, "sign_in": sign_in, "version": VERSION})


class _Kit(NamedTuple):
    environment: Environment
    style_source: str
    """For the content security policy."""


@cache
def _kit() -> _Kit:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("gateway_proxy.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    style = files("gateway_proxy.web.templates").joinpath("style.css").read_text(encoding="utf-8")
    environment.globals["style"] = Markup(style)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _Kit(environment, f"'sha256-{digest}'")


def _page(
    template: str,
    values: Mapping[str, Any],
    *,
    status: int = 200,
    form_action: Sequence[str] = ("'none'",),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Raises ValueError for a form action that is no origin.

    The referrer goes to ourselves only, and not to nobody: under `no-referrer` a browser sends `Origin: null` with a
    form, which is what a stranger's page can send too.
    """
    for origin in form_action:
        if origin not in ("'self'", "'none'") and not _ORIGIN.fullmatch(origin):
            raise ValueError(f"not an origin: {origin!r}")
    kit = _kit()
    body = kit.environment.get_template(template).render(values)
    return Response(
        status,
        body.encode(),
        {
            "content-type": "text/html; charset=utf-8",
            "cache-control": "no-store",
            "content-security-policy": (
                f"default-src 'none'; style-src {kit.style_source}; img-src data:; base-uri 'none'; "
                f"form-action {' '.join(dict.fromkeys(form_action))}; frame-ancestors 'none'"
            ),
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            **(headers or {}),
        },
    )


def _seconds(retry_after: float) -> int:
    """Whole ones, rounded up: a client that is told 0 asks at once."""
    return max(1, -int(-retry_after // 1))


def _duration(retry_after: float | None) -> str | None:
    if retry_after is None:
        return None
    seconds = _seconds(retry_after)
    if seconds < 100:
        return f"{seconds} second{'s' if seconds > 1 else ''}"
    return f"{round(seconds / 60)} minutes"
