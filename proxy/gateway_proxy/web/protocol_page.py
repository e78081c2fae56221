"""`GET /protocol`: what the running version serves, for people who write clients and for the curious."""

from functools import cache
from importlib.resources import files
from string import Template

from gateway_config.contract import CONTRACT_VERSION
from gateway_proxy.errors import TYPE_OF_STATUS
from gateway_proxy.version import VERSION
from gateway_proxy.web.responses import Response


@cache
def page() -> Response:
    source = files("gateway_proxy.web").joinpath("protocol.md").read_text(encoding="utf-8")
    rows = "\n".join(f"| {status} | `{kind}` |" for status, kind in sorted(TYPE_OF_STATUS.items()))
    text = Template(source).substitute(version=VERSION, contract=CONTRACT_VERSION, statuses=rows)
    return Response(
        200,
        text.encode(),
        {
            "content-type": "text/markdown; charset=utf-8",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        },
    )
