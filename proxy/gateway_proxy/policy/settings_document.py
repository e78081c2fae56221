"""The managed settings of a caller: `{"uuid", "checksum", "settings"}`, rendered once for each document."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from gateway_config.contract import Configuration, Policy
from gateway_config.managed_settings import managed_settings
from gateway_proxy.policy.client_json import client_json


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
        self._configuration = configuration
        self._rendered: dict[str | None, SettingsDocument | None] = {}

    def of(self, policy: Policy) -> SettingsDocument | None:
        """None where there are no settings."""
        if policy.settings not in self._rendered:
            settings = managed_settings(self._configuration, policy)
            self._rendered[policy.settings] = None if settings is None else _rendered(settings)
        return self._rendered[policy.settings]


def _rendered(settings: Mapping[str, Any]) -> SettingsDocument:
    text = client_json(settings)
    checksum = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    # Made from the content, so that every pod names a document alike.
    body = f'{{"uuid":"{uuid5(NAMESPACE_OID, checksum)}","checksum":"{checksum}","settings":{text}}}'
    return SettingsDocument(settings, checksum, body.encode())
