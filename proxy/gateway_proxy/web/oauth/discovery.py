"""`GET /.well-known/oauth-authorization-server`: where clients sign in (RFC 8414)."""

from typing import Final

import orjson

from gateway_proxy.web.oauth.endpoint import Visit
from gateway_proxy.web.responses import Response

DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
PROTOCOL_VERSION: Final = 1


async def document(visit: Visit) -> Response:
    """Every address is on the public URL's origin. There is no authorization endpoint: browsers come by the device
    flow alone."""
    url = visit.public_url
    body = {
        "issuer": url,
        "device_authorization_endpoint": f"{url}/oauth/device_authorization",
        "token_endpoint": f"{url}/oauth/token",
        "revocation_endpoint": f"{url}/oauth/revoke",
        "grant_types_supported": [DEVICE_GRANT, "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "response_types_supported": [],
        "scopes_supported": [],
        "gateway_protocol_version": PROTOCOL_VERSION,
    }
    return Response(200, orjson.dumps(body), {"content-type": "application/json", "cache-control": "no-store"})
