"""The bundle: a compiled configuration as files small enough for Kubernetes Secrets.

A bundle is a flat directory. `index.json` names the contract version, the revision, the sequence number and the
digest of every other file; `part-0` … `part-7` are slices of the gzipped canonical document; `credentials.json` maps
credential names to values. On Kubernetes the kubelet projects the files from several Secrets, so a reader may see an
index that is older or newer than the parts beside it: the digests show that, and the reader waits for the next change.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway_config.canonical import canonical_json, document, revision_of, sha256_hex
from gateway_config.contract import CONTRACT_VERSION, Configuration, SigningKey
from gateway_config.parts import Sha256Hex, Value
from gateway_config.upstream_credentials import values_of

PART_BYTES = 900 * 1024
"""A Secret holds 1 MiB of data in all; the rest of it is left for the index."""
MAX_PARTS = 8
MAX_DOCUMENT_BYTES = 256 * 1024 * 1024
"""Bound on what a reader inflates: policies compress well, a damaged or hostile part must not fill the memory."""

INDEX_FILE = "index.json"
CREDENTIALS_FILE = "credentials.json"

Reason = Literal["ConfigMissing", "ConfigTooLarge", "ConfigCorrupt", "ConfigIncomplete", "ContractUnknown"]


class BundleError(Exception):
    """A bundle that cannot be written or read. `reason` is stable CamelCase; the message is for people."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class Index(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    contract: int
    revision: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    sequence: int = Field(ge=0)
    parts: tuple[Sha256Hex, ...] = Field(min_length=1, max_length=MAX_PARTS)
    credentials: Sha256Hex


class Bundle(BaseModel):
    """A configuration with its credentials, read and verified."""

    model_config = ConfigDict(frozen=True)

    index: Index
    configuration: Configuration
    credentials: dict[str, str] = Field(repr=False)


def part_file(number: int) -> str:
    return f"part-{number}"


def pack(configuration: Configuration, *, credentials: Mapping[str, str], sequence: int) -> dict[str, bytes]:
    """The bundle's files by name. The same input gives the same bytes.

    Raises BundleError (ConfigTooLarge) when the gzipped document needs more than MAX_PARTS parts, or the credentials
    more than one Secret.
    """
    plain = document(configuration)
    packed = gzip.compress(plain, compresslevel=6, mtime=0)
    if len(packed) > PART_BYTES * MAX_PARTS or len(plain) > MAX_DOCUMENT_BYTES:
        raise BundleError(
            "ConfigTooLarge",
            f"the configuration takes {len(packed)} bytes compressed and {len(plain)} in all; the limits are "
            f"{PART_BYTES * MAX_PARTS} and {MAX_DOCUMENT_BYTES}: use fewer or smaller policies, or split the gateway",
        )
    parts = [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]
    secrets = canonical_json(dict(credentials))
    if len(secrets) > PART_BYTES:
        raise BundleError(
            "ConfigTooLarge",
            f"the credentials take {len(secrets)} bytes, the limit is {PART_BYTES}: use fewer bindings, "
            "or split the gateway",
        )
    index = Index(
        contract=configuration.contract,
        revision=revision_of(plain),
        sequence=sequence,
        parts=tuple(sha256_hex(part) for part in parts),
        credentials=sha256_hex(secrets),
    )
    files = {part_file(number): part for number, part in enumerate(parts)}
    return files | {CREDENTIALS_FILE: secrets, INDEX_FILE: canonical_json(index.model_dump(mode="json"))}


def read(directory: Path) -> Bundle:
    """The bundle in `directory`, verified against its index.

    Raises BundleError and nothing else: ConfigMissing (no index yet), ConfigIncomplete (files of two revisions side by
    side, or a file that cannot be read; a later change of the directory mends it), ConfigCorrupt, ContractUnknown.
    """
    try:
        # Resolved once: the kubelet swaps a symbolic link, and all files must come from one side of the swap.
        root = (directory / INDEX_FILE).resolve(strict=True).parent
        raw_index = (root / INDEX_FILE).read_bytes()
    except FileNotFoundError as error:
        raise BundleError("ConfigMissing", f"{directory} holds no {INDEX_FILE}") from error
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links, before Python 3.13
        raise BundleError("ConfigIncomplete", f"{INDEX_FILE} cannot be read: {_cause(error)}") from error
    index = _index(raw_index)
    packed = b"".join(_verified(root, part_file(number), digest=digest) for number, digest in enumerate(index.parts))
    plain = _inflate(packed)
    if revision_of(plain) != index.revision:
        raise BundleError(
            "ConfigCorrupt", f"the document's digest is {revision_of(plain)}, the index says {index.revision}"
        )
    credentials = _credentials(_verified(root, CREDENTIALS_FILE, digest=index.credentials))
    try:
        configuration = Configuration.model_validate_json(plain)
    except ValidationError as error:
        raise BundleError(
            "ConfigCorrupt", f"the document does not fit contract {CONTRACT_VERSION}: {_first(error)}"
        ) from error
    _check_credentials(configuration, credentials)
    return Bundle.model_construct(index=index, configuration=configuration, credentials=credentials)


def _index(raw: bytes) -> Index:
    try:
        value: Any = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BundleError("ConfigCorrupt", f"{INDEX_FILE} is not JSON: {error}") from error
    version = value.get("contract") if isinstance(value, dict) else None
    if isinstance(version, int) and version != CONTRACT_VERSION:
        raise BundleError(
            "ContractUnknown",
            f"the configuration is of contract {version}, this proxy knows {CONTRACT_VERSION}: "
            "run a proxy image of the operator's version",
        )
    try:
        return Index.model_validate(value)
    except ValidationError as error:
        raise BundleError("ConfigCorrupt", f"{INDEX_FILE} does not have its form: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    """The first of a validation's problems, without the value: it may be long."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{'.'.join(map(str, problems[0]['loc']))}: {problems[0]['msg']}{more}"


def _cause(error: OSError | RuntimeError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _verified(root: Path, name: str, *, digest: str) -> bytes:
    try:
        data = (root / name).read_bytes()
    except FileNotFoundError as error:
        raise BundleError("ConfigIncomplete", f"{name} is not there yet") from error
    except OSError as error:
        raise BundleError("ConfigIncomplete", f"{name} cannot be read: {_cause(error)}") from error
    if sha256_hex(data) != digest:
        raise BundleError("ConfigIncomplete", f"{name} is of another revision than {INDEX_FILE}")
    return data


def _inflate(packed: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(packed, MAX_DOCUMENT_BYTES)
    except zlib.error as error:
        raise BundleError("ConfigCorrupt", f"the parts are not gzip: {error}") from error
    if inflater.unconsumed_tail or not inflater.eof:
        raise BundleError("ConfigCorrupt", "the parts are cut short or inflate beyond the limit")
    return plain


def _credentials(raw: bytes) -> dict[str, str]:
    """Never quotes what it reads."""
    try:
        value: Any = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BundleError("ConfigCorrupt", f"{CREDENTIALS_FILE} is not JSON") from error
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise BundleError("ConfigCorrupt", f"{CREDENTIALS_FILE} does not map names to strings")
    return value


def _check_credentials(configuration: Configuration, credentials: Mapping[str, str]) -> None:
    for what, value_of in _values(configuration):
        value = credentials.get(value_of.name)
        # A lone surrogate has no UTF-8 form; replaced, it has another digest.
        if value is None or sha256_hex(value.encode(errors="replace")) != value_of.sha256:
            raise BundleError("ConfigIncomplete", f"{what} is of another revision")


def _values(configuration: Configuration) -> Iterator[tuple[str, SigningKey | Value]]:
    """Everything that the credentials file must hold, and what it is."""
    for upstream in configuration.upstreams:
        for value in values_of(upstream.credential):
            yield f"the credential of {upstream.name}", value
    for key in configuration.signing_keys:
        yield f"the signing key {key.kid}", key
    for provider in configuration.identity_providers:
        if provider.client_secret is not None:
            yield f"the client secret of {provider.name}", provider.client_secret
        if provider.google_groups is not None:
            yield f"the service account of {provider.name}", provider.google_groups.service_account
    if configuration.store is not None and configuration.store.url is not None:
        yield "the store's URL", configuration.store.url
    for destination in configuration.telemetry.destinations:
        for header, header_value in destination.headers.items():
            yield f"the header {header} of {destination.name}", header_value
