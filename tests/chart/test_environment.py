"""The chart's environment variables are options of `claude-gateway operator`, with values that it takes."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from tests.chart.helm import Helm, only
from tests.chart.test_rendering import SETS

from gateway_operator.cli.main import app
from gateway_operator.settings import labels_of, names_of

PREFIX = "CLAUDE_GATEWAY_OPERATOR_"


def _known() -> set[str]:
    command: Any = typer.main.get_command(app)
    return {str(parameter.envvar) for parameter in command.commands["operator"].params if parameter.envvar}


def _given(helm: Helm, values: dict[str, Any]) -> dict[str, Any]:
    (container,) = only(helm.template(values), "Deployment")["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_every_variable_is_an_option(values: dict[str, Any], helm: Helm) -> None:
    given = _given(helm, values)
    assert {name for name in given if name.startswith(PREFIX)} <= _known()


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_the_operator_is_told_the_labels_of_its_own_pods(values: dict[str, Any], helm: Helm) -> None:
    told = labels_of(_given(helm, values)[f"{PREFIX}OPERATOR_POD_LABELS"], option="")
    labels = only(helm.template(values), "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert told
    assert told.items() <= labels.items()


def test_the_lease_is_held_in_the_pod_s_name_and_namespace(helm: Helm) -> None:
    given = _given(helm, {})
    assert given[f"{PREFIX}IDENTITY"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert given[f"{PREFIX}OPERATOR_NAMESPACE"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}


def test_what_is_watched_and_what_gateways_run(helm: Helm) -> None:
    given = _given(helm, SETS["everything"])
    assert names_of(given[f"{PREFIX}NAMESPACES"], option="") == ("team-a", "team-b")
    assert given[f"{PREFIX}PROXY_IMAGE"] == "registry.example/proxy:1.2.3"
    assert given[f"{PREFIX}IMAGE_PULL_POLICY"] == "Always"
    assert given[f"{PREFIX}LOG_LEVEL"] == "debug"
    assert float(given[f"{PREFIX}RESYNC_SECONDS"]) == 3600
    assert names_of(_given(helm, {})[f"{PREFIX}NAMESPACES"], option="") == ()


def test_both_images_are_of_the_chart_s_version(helm: Helm) -> None:
    from importlib.metadata import version

    release = version("claude-gateway-operator")
    (container,) = only(helm.template(), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"claude-gateway-operator:{release}"
    assert _given(helm, {})[f"{PREFIX}PROXY_IMAGE"] == f"claude-gateway-proxy:{release}"
