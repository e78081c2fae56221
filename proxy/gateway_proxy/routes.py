"""Every path of the gateway and what serves it."""

from gateway_proxy import errors
from gateway_proxy.client_request import ClientRequest
from gateway_proxy.errors import GatewayError
from gateway_proxy.inference.handler import Inference
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

    async def page(request: ClientRequest) -> None:
        headers = request.headers
        try:
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
        except GatewayError as error:
            refused(error)
            if error.status in (401, 403):
                line = refusal_line(error, request_id=request.request_id, path=request.path)
                services.audit.write(line)
            raise
        request.reply(response.status, response.body, response.headers)

    routes: dict[str, Handler] = dict.fromkeys(dispatch.PATHS, page)
    routes["/v1/messages"] = inference.messages
    routes["/v1/messages/count_tokens"] = inference.count_tokens
    return GatewayServer(routes, drain=services.drain, ticker=ticker, timeouts=timeouts, refused=refused)
