"""A value that the chart does not know, or cannot use, is refused with its path; every value is described."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from tests.chart.helm import CHART, Helm, HelmError

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"image": {"tags": "1"}}, "at '/image': additional properties 'tags' not allowed"),
        ({"installCRDs": True}, "additional properties 'installCRDs' not allowed"),
        ({"replicas": "two"}, "at '/replicas': got string, want integer"),
        ({"replicas": 20}, "at '/replicas': maximum: got 20, want 3"),
        ({"logLevel": "loud"}, "at '/logLevel': value must be one of 'debug', 'info', 'warning', 'error'"),
        ({"watch": {"namespaces": "team-a"}}, "at '/watch/namespaces': got string, want array"),
        ({"watch": {"namespaces": ["Team"]}}, "at '/watch/namespaces/0': 'Team' does not match pattern"),
        ({"watch": {"namespaces": ["a", "a"]}}, "at '/watch/namespaces': items at 0 and 1 are equal"),
        ({"image": {"digest": "latest"}}, "at '/image/digest': 'latest' does not match pattern"),
        ({"image": {"repository": ""}}, "at '/image/repository': '' does not match pattern"),
        ({"proxyImage": {"pullPolicy": "Sometimes"}}, "at '/proxyImage/pullPolicy': value must be one of"),
        ({"resyncSeconds": 1}, "at '/resyncSeconds': minimum: got 1, want 10"),
        ({"podLabels": {"app.kubernetes.io/name": "x"}}, "at '/podLabels/app.kubernetes.io~1name': false schema"),
        ({"imagePullSecrets": ["registry"]}, "at '/imagePullSecrets/0': got string, want object"),
        ({"networkPolicy": {"apiServer": {"ports": []}}}, "at '/networkPolicy/apiServer/ports': minItems"),
        (
            {"admissionPolicy": {"tokenAudiences": ["a'b"]}},
            "at '/admissionPolicy/tokenAudiences/0': 'a\\'b' does not match pattern",
        ),
        ({"crds": None}, "missing property 'crds'"),
        (
            {"serviceAccount": {"create": False}},
            "serviceAccount.name: with serviceAccount.create=false, name the account",
        ),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_wrong_value_is_refused(values: dict[str, Any], refusal: str, helm: Helm) -> None:
    with pytest.raises(HelmError) as refused:
        helm.template(values)
    assert refusal in str(refused.value)


def test_the_chart_may_be_part_of_another(helm: Helm) -> None:
    helm.template({"global": {"anything": 1}})


def test_every_default_is_in_the_schema_and_the_other_way_round() -> None:
    """A free-form member of the schema, such as `affinity`, ends the path."""
    assert _paths(DEFAULTS, SCHEMA) == _schema_paths(SCHEMA) - {"global"}


def test_every_value_is_described() -> None:
    undescribed = [
        name
        for name, schema in SCHEMA["properties"].items()
        if "description" not in (schema | SCHEMA["definitions"].get(schema.get("$ref", "").rpartition("/")[2], {}))
    ]
    assert not undescribed


def _paths(value: Any, schema: dict[str, Any], path: str = "") -> set[str]:
    closed = _closed(schema)
    if not isinstance(value, dict) or not closed:
        return {path}
    return set().union(
        *(_paths(inner, closed.get(name, {}), f"{path}.{name}".lstrip(".")) for name, inner in value.items())
    )


def _schema_paths(schema: dict[str, Any], path: str = "") -> set[str]:
    closed = _closed(schema)
    if not closed:
        return {path}
    return set().union(*(_schema_paths(inner, f"{path}.{name}".lstrip(".")) for name, inner in closed.items()))


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The properties of an object that takes no others."""
    properties: dict[str, Any] = schema.get("properties", {}) if schema.get("additionalProperties") is False else {}
    return properties
