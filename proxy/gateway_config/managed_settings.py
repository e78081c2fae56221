"""Which managed settings a policy's callers get: what the proxy serves, and `explain` tells."""

from collections.abc import Mapping
from typing import Any, Final

from gateway_config.contract import Configuration, Policy

_EXPORTERS: Final = ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER", "OTEL_TRACES_EXPORTER")


def telemetry_environment(configuration: Configuration) -> dict[str, str]:
    """What makes Claude Code report to this gateway; empty without a destination."""
    if not configuration.telemetry.destinations:
        return {}
    return {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        **dict.fromkeys(_EXPORTERS, "otlp"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": configuration.gateway.public_url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }


def managed_settings(configuration: Configuration, policy: Policy) -> Mapping[str, Any] | None:
    """The policy's own document with the telemetry environment in it, of which its own `env` wins. None where neither
    gives any settings: not the same as empty ones."""
    pushed = telemetry_environment(configuration)
    own = None if policy.settings is None else configuration.settings_documents[policy.settings]
    if not pushed:
        return own
    settings = own or {}
    return {**settings, "env": {**pushed, **settings.get("env", {})}}
