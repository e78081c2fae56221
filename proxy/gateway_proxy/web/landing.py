"""`GET /`: how to connect, for a developer who opens the gateway's address in a browser. Holds no secret."""

import base64
import hashlib
import html
from functools import lru_cache
from importlib.resources import files
from string import Template
from typing import Final

from gateway_proxy.version import VERSION
from gateway_proxy.web.responses import Response

UNKNOWN_URL: Final = "https://this-address"
"""Shown while no configuration is loaded."""


@lru_cache(maxsize=4)
def page(public_url: str | None) -> Response:
    source = files("gateway_proxy.web").joinpath("landing.html").read_text(encoding="utf-8")
    style = source.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    body = Template(source).substitute(url=html.escape(public_url or UNKNOWN_URL), version=html.escape(VERSION))
    return Response(
        200,
        body.encode(),
        {
            "content-type": "text/html; charset=utf-8",
            "cache-control": "no-store",
            "content-security-policy": (
                f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
                "frame-ancestors 'none'"
            ),
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
        },
    )
