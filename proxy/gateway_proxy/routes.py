"""Every path of the gateway and what serves it."""

from typing import Final

from gateway_proxy import errors
from gateway_proxy.access.addresses import plain
from gateway_proxy.client_request import ClientRequest
from gateway_proxy.errors import GatewayError
from gateway_proxy.inference.handler import Inference
from gateway_proxy.policy.delivery import Delivery
from gateway_proxy.server import GatewayServer, Handler
from gateway_proxy.services import Services
from gateway_proxy.telemetry.audit import refusal_line
from gateway_proxy.telemetry.relay.receiver import Receiver
from gateway_proxy.timeouts import Timeouts
from gateway_proxy.upstream.ticker import Ticker
from gateway_proxy.web import dispatch
from gateway_proxy.web.oauth.routes import sign_in_routes

PROBES: Final = frozenset({"/healthz", "/readyz"})
"""Paths that are open to every address: the kubelet's, a load balancer's."""


def build_server(services: Services, *, ticker: Ticker, timeouts: Timeouts | None = None) -> GatewayServer:
    """The server of a process, with every path that it serves. On the running event loop."""
    timeouts = timeouts or Timeouts()
    inference = Inference(
        services.holder,
        audit=services.audit,
        metrics=services.metrics,
        drain=services.drain,
        timeouts=timeouts,
        live_pods=lambda: services.live_pods,
    )

    def refused(error: GatewayError) -> None:
        services.metrics.refused(error.reason)

    def audited(error: GatewayError, request: ClientRequest) -> None:
        line = refusal_line(error, request_id=request.request_id, path=request.path, client=request.client)
        services.audit.write(line)

    def admit(request: ClientRequest) -> None:
        """Finds where the request comes from. Raises GatewayError (403) where none may come from there."""
        live = services.holder.current
        peer = request.connection.peer
        if live is None:
            request.client = plain(peer)
            return
        request.client, admitted = live.addresses.origin(peer, request.headers)
        if not admitted and request.path not in PROBES:
            error = errors.address_denied(request.client)
            refused(error)
            audited(error, request)
            raise error

    def telling(handler: Handler) -> Handler:
        """Counts the refusals of a handler, and tells in the audit log who was turned away."""

        async def told(request: ClientRequest) -> None:
            try:
                await handler(request)
            except GatewayError as error:
                refused(error)
                if error.status in (401, 403):
                    audited(error, request)
                raise

        return told

    async def page(request: ClientRequest) -> None:
        headers = request.headers
        response = await dispatch.answer(
            services,
            method=request.method,
            path=request.path,
            query=request.query,
            authorization=headers.get("Authorization"),
            x_api_key=headers.get("x-api-key"),
        )
        if response is None:
            raise errors.not_found()
        request.reply(response.status, response.body, response.headers)

    delivery = Delivery(services)
    routes: dict[str, Handler] = dict.fromkeys(dispatch.PATHS, telling(page))
    routes["/managed/settings"] = telling(delivery.managed_settings)
    routes["/user/bootstrap"] = telling(delivery.desktop_bootstrap)
    routes |= {path: telling(handler) for path, handler in Receiver(services).routes().items()}
    routes |= sign_in_routes(services, inference.intake)
    routes["/v1/messages"] = inference.messages
    routes["/v1/messages/count_tokens"] = inference.count_tokens
    return GatewayServer(routes, drain=services.drain, ticker=ticker, timeouts=timeouts, refused=refused, admit=admit)
