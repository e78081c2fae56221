"""What clients fetch of their policy: managed settings and Claude Desktop's configuration."""

from typing import Final

import orjson

from gateway_proxy import errors
from gateway_proxy.client_request import ClientRequest
from gateway_proxy.config.live import LiveConfiguration
from gateway_proxy.identity.principal import Principal
from gateway_proxy.policy.desktop import desktop_configuration
from gateway_proxy.policy.effective import EffectivePolicy
from gateway_proxy.services import Services
from gateway_proxy.telemetry.audit import delivery_line

_PRIVATE: Final = "private, no-cache"


class Delivery:
    """Handlers of the two paths. Each answer is told in the audit log, whoever may not have one too."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def managed_settings(self, request: ClientRequest) -> None:
        """`GET /managed/settings`: 304 for a client that has the document, 404 where there is none."""
        live, principal, policy = await self._caller(request)
        document = live.settings.of(policy.policy)
        status = 404
        if document is not None:
            status = 304 if document.is_known(request.headers.get("If-None-Match")) else 200
        self._tell("managed.serve", request, principal, policy, status, document.checksum if document else None)
        if document is None:
            raise errors.no_managed_settings()
        headers = {"etag": document.etag, "cache-control": _PRIVATE}
        if status == 304:
            request.reply(304, headers=headers)
        else:
            request.reply(200, document.body, {"content-type": "application/json", **headers})

    async def desktop_bootstrap(self, request: ClientRequest) -> None:
        """`GET /user/bootstrap`: 404 unless the caller's policy says `desktop`."""
        live, principal, policy = await self._caller(request)
        desktop = policy.policy.desktop
        if desktop is None:
            self._tell("desktop_bootstrap.denied", request, principal, policy, 404)
            raise errors.no_desktop()
        document = live.settings.of(policy.policy)
        configuration = desktop_configuration(
            desktop,
            settings=document.settings if document is not None else {},
            models=None if policy.policy.models is None else [model.id for model in policy.allowed_models],
            public_url=live.configuration.gateway.public_url,
            telemetry=bool(live.configuration.telemetry.destinations),
        )
        self._tell("desktop_bootstrap.serve", request, principal, policy, 200)
        headers = {"content-type": "application/json", "cache-control": "private, no-store"}
        request.reply(200, orjson.dumps(configuration), headers)

    async def _caller(self, request: ClientRequest) -> tuple[LiveConfiguration, Principal, EffectivePolicy]:
        if request.method not in ("GET", "HEAD"):
            raise errors.method_not_allowed(("GET", "HEAD"))
        live = self._services.configuration()
        headers = request.headers
        principal = await live.authenticate(headers.get("Authorization"), headers.get("x-api-key"))
        return live, principal, live.policy_of(principal)

    def _tell(
        self,
        event: str,
        request: ClientRequest,
        principal: Principal,
        policy: EffectivePolicy,
        status: int,
        checksum: str | None = None,
    ) -> None:
        self._services.audit.write(
            delivery_line(
                event,
                request_id=request.request_id,
                client=request.client,
                principal=principal,
                policy=policy.policy.name,
                status=status,
                checksum=checksum,
            )
        )
