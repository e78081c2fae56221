"""The configuration of Claude Desktop for a caller: what their policy says, under the names of Desktop's own keys."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_TOOL: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*\Z").match
"""A built-in tool named alone: no specifier in brackets, no tool of an MCP server."""


def desktop_configuration(
    desktop: Mapping[str, Any],
    *,
    settings: Mapping[str, Any],
    models: Iterable[str] | None,
    public_url: str,
    telemetry: bool,
) -> dict[str, Any]:
    """`desktop`: the policy's own block, which wins over all that follows from the rest. `settings`: the caller's
    managed settings. `models`: the ids the policy allows, None for any: Desktop then asks for the model list."""
    configuration: dict[str, Any] = {
        "inferenceProvider": "gateway",
        "inferenceGatewayBaseUrl": public_url,
        "inferenceGatewayAuthScheme": "bearer",
    }
    if models is not None:
        configuration["inferenceModels"] = list(models)
    hosts = _list(settings, "sandbox", "network", "allowedDomains")
    if hosts is not None:
        configuration["coworkEgressAllowedHosts"] = hosts
    if telemetry:
        configuration |= {"otlpEndpoint": public_url, "otlpProtocol": "http/protobuf"}
    configuration |= desktop
    denied = [rule for rule in _list(settings, "permissions", "deny") or () if isinstance(rule, str) and _TOOL(rule)]
    disabled = list(dict.fromkeys([*denied, *desktop.get("disabledBuiltinTools", ())]))
    if disabled:
        configuration["disabledBuiltinTools"] = disabled
    return configuration


def _list(settings: Mapping[str, Any], *path: str) -> list[Any] | None:
    found: Any = settings
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, list) else None
