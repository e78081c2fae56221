"""Every path of the gateway and what serves it."""

from gateway_proxy import errors
from gateway_proxy.client_request import ClientRequest
from gateway_proxy.errors import GatewayError
from gateway_proxy.inference.handler import Inference
from gateway_proxy.policy.delivery import Delivery
from gateway_proxy.server import GatewayServer, Handler
from gateway_proxy.services import Services
from gateway_proxy.telemetry.audit import refusal_line
from gateway_proxy.timeouts import Timeouts
from gateway_proxy.upstream.ticker import Ticker
from gateway_proxy.web import dispatch


def build_server(services: Services, *, ticker: Ticker, timeouts: Timeouts | None = None) -> GatewayServer:
    """The server of a process, with every path that it serves. On the running event loop."""
    timeouts = timeouts or Timeouts()
    inference = Inference(
        services.holder,
        audit=services.audit,
        metrics=services.metrics,
        drain=services.drain,
        timeouts=timeouts,
    )

    def refused(error: GatewayError) -> None:
        services.metrics.refused(error.reason)

    def telling(handler: Handler) -> Handler:
        """Counts the refusals of a handler, and tells in the audit log who was turned away."""

        async def told(request: ClientRequest) -> None:
            try:
                await handler(request)
            except GatewayError as error:
                refused(error)
                if error.status in (401, 403):
                    services.audit.write(refusal_line(error, request_id=request.request_id, path=request.path))
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
    routes["/v1/messages"] = inference.messages
    routes["/v1/messages/count_tokens"] = inference.count_tokens
    return GatewayServer(routes, drain=services.drain, ticker=ticker, timeouts=timeouts, refused=refused)
