"""The managed settings of a caller: `{"uuid", "checksum", "settings"}`, rendered once for each document."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from gateway_config.contract import Configuration, Policy
from gateway_proxy.policy.client_json import client_json

_EXPORTERS: Final = ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER", "OTEL_TRACES_EXPORTER")


@dataclass(frozen=True, slots=True)
class SettingsDocument:
    """What `GET /managed/settings` answers."""

    settings: Mapping[str, Any]
    checksum: str
    """`sha256:` and the hex digest of the settings as the client would write them."""
    body: bytes

    @property
    def etag(self) -> str:
        return f'"{self.checksum}"'

    def is_known(self, if_none_match: str | None) -> bool:
        """Whether the client says that it has this document. `*` says nothing: Claude Desktop sends it at a start,
        when it has none."""
        if not if_none_match:
            return False
        return self.etag in (tag.strip().removeprefix("W/") for tag in if_none_match[:4096].split(","))


class SettingsDocuments:
    """The documents of one configuration. Policies with the same settings share one."""

    def __init__(self, configuration: Configuration) -> None:
        self._settings = configuration.settings_documents
        self._pushed = telemetry_environment(configuration)
        self._rendered: dict[str | None, SettingsDocument] = {}

    def of(self, policy: Policy) -> SettingsDocument | None:
        """None where neither a policy nor telemetry gives any settings: not the same as empty ones."""
        if policy.settings is None and not self._pushed:
            return None
        found = self._rendered.get(policy.settings)
        if found is None:
            settings = dict(self._settings[policy.settings]) if policy.settings is not None else {}
            if self._pushed:
                settings["env"] = {**self._pushed, **settings.get("env", {})}
            found = self._rendered[policy.settings] = _rendered(settings)
        return found


def telemetry_environment(configuration: Configuration) -> dict[str, str]:
    """What makes Claude Code report to this gateway; empty without a destination. A policy's own `env` wins."""
    if not configuration.telemetry.destinations:
        return {}
    return {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        **dict.fromkeys(_EXPORTERS, "otlp"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": configuration.gateway.public_url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }


def _rendered(settings: Mapping[str, Any]) -> SettingsDocument:
    text = client_json(settings)
    checksum = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    # Made from the content, so that every pod names a document alike.
    body = f'{{"uuid":"{uuid5(NAMESPACE_OID, checksum)}","checksum":"{checksum}","settings":{text}}}'
    return SettingsDocument(settings, checksum, body.encode())
