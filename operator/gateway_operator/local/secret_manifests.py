"""The Secrets that carry a bundle on Kubernetes, with their values masked."""

from collections.abc import Mapping
from typing import Any

from gateway_config.bundle import CREDENTIALS_FILE, INDEX_FILE, part_file
from gateway_operator.compiler import ObjectRef
from gateway_operator.names import GATEWAY_LABEL, MANAGED_BY_LABEL, MANAGER


def config_secrets(
    gateway: ObjectRef, files: Mapping[str, bytes], *, credentials: Mapping[str, str]
) -> list[dict[str, Any]]:
    """`<gateway>-config` with the index and the first part, one Secret for each further part, and
    `<gateway>-credentials`. The index is shown as it is: it holds digests only."""
    first = {INDEX_FILE: files[INDEX_FILE].decode(), part_file(0): _masked(files[part_file(0)])}
    secrets = [_secret(gateway, f"{gateway.name}-config", first)]
    number = 1
    while part_file(number) in files:
        data = {part_file(number): _masked(files[part_file(number)])}
        secrets.append(_secret(gateway, f"{gateway.name}-config-{number}", data))
        number += 1
    names = ", ".join(sorted(credentials)) or "none"
    masked = f"{_masked(files[CREDENTIALS_FILE])}: {names}"
    return [*secrets, _secret(gateway, f"{gateway.name}-credentials", {CREDENTIALS_FILE: masked})]


def _secret(gateway: ObjectRef, name: str, data: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": gateway.namespace,
            "labels": {
                MANAGED_BY_LABEL: MANAGER,
                GATEWAY_LABEL: gateway.name,
            },
        },
        "type": "Opaque",
        "stringData": data,
    }


def _masked(data: bytes) -> str:
    return f"(masked, {len(data)} bytes)"
