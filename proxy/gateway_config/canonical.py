"""Canonical JSON: the same value has the same bytes, so a digest of them names the value."""

import hashlib
import json
from typing import Any

from gateway_config.contract import Configuration


def canonical_json(value: Any) -> bytes:
    """`value` as UTF-8 JSON with sorted keys at every level and no white space.

    Raises ValueError for NaN and infinities, which JSON does not have.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def document(configuration: Configuration) -> bytes:
    """The bytes that the revision names. Members at their default are left out: a later version that adds a member
    with a default does not change the revision of a configuration that does not use it."""
    return canonical_json(
        configuration.model_dump(mode="json", exclude_defaults=True) | {"contract": configuration.contract}
    )


def revision_of(document: bytes) -> str:
    """`sha256:` and the hex digest of a canonical document."""
    return "sha256:" + sha256_hex(document)
