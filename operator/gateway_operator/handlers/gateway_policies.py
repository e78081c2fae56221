"""GatewayPolicies: the gateways that they name, before and after an edit."""

from typing import Any

import kopf

from gateway_operator.handlers.intake import Intake
from gateway_operator.kube.resources import GATEWAY_POLICIES


def register(registry: kopf.OperatorRegistry, intake: Intake) -> None:
    """Has kopf call us with every event, the first list's too. Nothing is written on the objects."""

    @kopf.on.event(GATEWAY_POLICIES.group, GATEWAY_POLICIES.version, GATEWAY_POLICIES.plural, registry=registry)
    async def handle(event: kopf.RawEvent, **_: Any) -> None:
        intake.resource(event["type"], event["object"])
