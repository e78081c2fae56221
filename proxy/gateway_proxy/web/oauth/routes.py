"""The sign-in paths and the Admin API of sessions, and who answers them."""

from gateway_proxy.inference.intake import Intake
from gateway_proxy.server import Handler
from gateway_proxy.services import Services
from gateway_proxy.web.admin import sessions
from gateway_proxy.web.oauth import callback, device_authorization, device_page, discovery, revoke, token
from gateway_proxy.web.oauth.endpoint import Endpoints


def sign_in_routes(services: Services, intake: Intake) -> dict[str, Handler]:
    """By path."""
    handler = Endpoints(services, intake).handler
    return {
        "/.well-known/oauth-authorization-server": handler("Client", {"GET": discovery.document}),
        "/oauth/device_authorization": handler("Client", {"POST": device_authorization.begin}),
        "/oauth/token": handler("Client", {"POST": token.give}),
        "/oauth/revoke": handler("Client", {"POST": revoke.sign_out}),
        "/device": handler("Browser", {"GET": device_page.show, "POST": device_page.go_on}),
        "/device/deny": handler("Browser", {"POST": device_page.deny}),
        "/oauth/callback": handler("Browser", {"GET": callback.arrive}),
        "/v1/organizations/sessions": handler("Admin", {"GET": sessions.listed}),
        "/v1/organizations/sessions/revoke": handler("Admin", {"POST": sessions.revoked}),
    }
