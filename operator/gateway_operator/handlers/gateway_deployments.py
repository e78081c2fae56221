"""GatewayDeployments: the gateway itself."""

from typing import Any

import kopf

from gateway_operator.handlers.intake import Intake
from gateway_operator.kube.resources import GATEWAY_DEPLOYMENTS


def register(registry: kopf.OperatorRegistry, intake: Intake) -> None:
    """Has kopf call us with every event, the first list's too. Nothing is written on the objects."""

    @kopf.on.event(
        GATEWAY_DEPLOYMENTS.group, GATEWAY_DEPLOYMENTS.version, GATEWAY_DEPLOYMENTS.plural, registry=registry
    )
    async def handle(event: kopf.RawEvent, **_: Any) -> None:
        intake.resource(event["type"], event["object"])
