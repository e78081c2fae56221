"""The small paths: everything but inference. Plain functions from a request's parts to an answer."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from gateway_proxy import errors
from gateway_proxy.services import Services
from gateway_proxy.web import pages, protocol_page
from gateway_proxy.web.responses import Response

TEXT: Final = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
JSON: Final = {"content-type": "application/json", "cache-control": "private, no-store"}

_HEALTHY: Final = Response(200, b"ok\n", TEXT)
_HELLO: Final = Response(200, b"", TEXT)
_DRAINING: Final = Response(503, b"draining\n", TEXT)
_UNCONFIGURED: Final = Response(503, b"no configuration yet\n", TEXT)


class Asked(NamedTuple):
    """What a page may want to know of a request."""

    services: Services
    query: str
    authorization: str | None
    x_api_key: str | None


async def answer(
    services: Services, *, method: str, path: str, query: str, authorization: str | None, x_api_key: str | None
) -> Response | None:
    """The answer to a request for one of these paths, None for any other path; raises GatewayError.

    HEAD is answered as GET: the server leaves the body out.
    """
    page = _PAGES.get(path)
    if page is None:
        return None
    if method not in ("GET", "HEAD"):
        raise errors.method_not_allowed(("GET", "HEAD"))
    response = page(Asked(services, query, authorization, x_api_key))
    return response if isinstance(response, Response) else await response


def _landing(asked: Asked) -> Response:
    current = asked.services.holder.current
    if current is None:
        return pages.landing(None, sign_in=False)
    configuration = current.configuration
    return pages.landing(configuration.gateway.public_url, sign_in=bool(configuration.identity_providers))


def _ready(asked: Asked) -> Response:
    if asked.services.drain.draining:
        return _DRAINING
    return _HEALTHY if asked.services.ready else _UNCONFIGURED


async def _models(asked: Asked) -> Response:
    live = asked.services.configuration()
    policy = live.policy_of(await live.authenticate(asked.authorization, asked.x_api_key))
    return Response(200, policy.model_list.page(asked.query), JSON)


_PAGES: Final[dict[str, Callable[[Asked], Response | Awaitable[Response]]]] = {
    "/": _landing,
    "/healthz": lambda _: _HEALTHY,
    "/readyz": _ready,
    "/api/hello": lambda _: _HELLO,
    "/protocol": lambda _: protocol_page.page(),
    "/v1/models": _models,
}

PATHS: Final = frozenset(_PAGES)
"""Every path that `answer` knows."""
