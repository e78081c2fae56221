"""The status of the three kinds: written by the operator, never by people."""

from typing import Annotated

from pydantic import Field

from gateway_operator.api.v1alpha1.base import Model, doc
from gateway_operator.api.v1alpha1.conditions import Conditions
from gateway_operator.api.v1alpha1.lists import map_list
from gateway_operator.api.v1alpha1.scalars import GatewayName, Label

Revision = Annotated[str, Field(max_length=80)]


class _Status(Model):
    observed_generation: Annotated[
        int | None,
        doc("The generation of the object that this status speaks of.", example=4, ge=0),
    ] = None
    conditions: Annotated[
        Conditions,
        doc("Accepted, ResolvedRefs, Programmed and their summary Ready; always all four."),
    ] = []


class GatewayDeploymentStatus(_Status):
    """State of a gateway."""

    url: Annotated[
        str | None, doc("Where developers reach it.", example="https://claude.corp.example", max_length=263)
    ] = None
    revision: Annotated[Revision | None, doc("Hash of the newest configuration.", example="sha256:1f40c2…")] = None
    replicas: Annotated[int | None, doc("Pods there are.", example=3, ge=0)] = None
    ready_replicas: Annotated[int | None, doc("Pods that take requests.", example=3, ge=0)] = None
    programmed_replicas: Annotated[
        int | None, doc("Ready pods that have loaded the newest revision.", example=3, ge=0)
    ] = None
    selector: Annotated[
        str | None,
        doc(
            "Label selector of the pods, for the scale subresource.",
            example="claude-gateway.dev/gateway=corp",
            max_length=1024,
        ),
    ] = None


class GatewayReport(Model):
    """State of an object at one gateway."""

    namespace: Annotated[Label, doc("The gateway's namespace.", example="claude")]
    name: Annotated[GatewayName, doc("The gateway's name.", example="corp")]
    revision: Annotated[
        Revision | None, doc("The first revision that holds this generation of the object.", example="sha256:1f40c2…")
    ] = None
    conditions: Annotated[Conditions, doc("The four conditions at this gateway.")] = []


class AttachedStatus(_Status):
    """State of an object that attaches itself to gateways: the conditions sum up those of each gateway."""

    gateways: Annotated[
        list[GatewayReport],
        doc("State at each gateway that `gatewayRefs` names.", max_length=32),
        map_list("namespace", "name"),
    ] = []
