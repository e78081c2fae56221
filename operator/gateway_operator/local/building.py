"""From a directory to the files of a bundle, or to what is wrong with it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from gateway_config import bundle
from gateway_config.canonical import sha256_hex
from gateway_config.contract import Configuration, SigningKey
from gateway_operator.compiler import Finding, ObjectRef, Severity, Snapshot, Validation, compile_gateway, gateways
from gateway_operator.local import overrides
from gateway_operator.local.manifests import DirectoryUnreadableError, ManifestReader, Manifests, Problem
from gateway_operator.local.state import SigningKeyValue

SECRET_HINT = "; its value may also come from the environment: --secret-env NAME/KEY=VARIABLE"  # noqa: S105  # a sentence
_MISSING_SECRET = ("SecretNotFound", "SecretKeyNotFound")


class RejectedError(Exception):
    """Manifests that cannot be used, with every problem that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class UnlocatedFinding(NamedTuple):
    """A finding before anybody has looked for its line, which takes long for a thousand of them. The same as before
    when only lines have moved."""

    ref: ObjectRef
    path: str
    message: str
    reason: str

    def __str__(self) -> str:
        return f"{self.ref}: {self.path + ': ' if self.path else ''}{self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What the directory leads to."""

    gateway: ObjectRef
    configuration: Configuration
    credentials: dict[str, str] = field(repr=False)
    errors: tuple[UnlocatedFinding, ...]
    """Of single objects, which are left out; the rest serves."""
    warnings: tuple[UnlocatedFinding, ...]
    manifests: Manifests = field(repr=False)

    def problem(self, finding: UnlocatedFinding) -> Problem:
        """The finding with file and line."""
        return self.manifests.problem(finding.ref, finding.path, finding.message)

    def packed(self, *, sequence: int, signing: SigningKeyValue | None = None) -> "Packed":
        """With the key of session tokens, where anybody signs in. Raises RejectedError when the configuration is too
        large."""
        configuration, credentials = self.configuration, self.credentials
        if signing is not None:
            key = SigningKey(
                kid=signing.kid,
                name=f"signing.keys/{signing.kid}",
                sha256=sha256_hex(signing.value.encode()),
                use="Sign",
            )
            configuration = configuration.model_copy(update={"signing_keys": (key,)})
            credentials = {**credentials, key.name: signing.value}
        try:
            files = bundle.pack(configuration, credentials=credentials, sequence=sequence)
        except bundle.BundleError as error:
            raise RejectedError([Problem(str(self.gateway), 0, "", str(error))]) from None
        return Packed(files, revision=json.loads(files[bundle.INDEX_FILE])["revision"])


class Packed(NamedTuple):
    """A build as a bundle."""

    files: dict[str, bytes]
    revision: str


@dataclass(kw_only=True)
class Builder:
    """Builds one gateway out of one directory, again and again."""

    directory: Path
    gateway_name: str | None
    """`name` or `namespace/name`; None when the directory holds one gateway."""
    public_url: str
    secret_values: Sequence[overrides.SecretValue] = ()
    demo: overrides.DemoTarget | None = None

    def __post_init__(self) -> None:
        self.reader = ManifestReader([self.directory])
        self._validation = Validation()

    def build(self) -> Build:
        """Raises RejectedError."""
        try:
            manifests = self.reader.read()
        except DirectoryUnreadableError as error:
            raise RejectedError([error.problem]) from None
        broken = manifests.problems + self._schema_problems(manifests)
        if broken:
            raise RejectedError(sorted(broken))
        gateway = chosen_gateway(manifests.snapshot, self.gateway_name, where=str(self.directory))
        snapshot = self._snapshot(manifests.snapshot, gateway)
        compiled = compile_gateway(snapshot, gateway, store_default="Embedded", validation=self._validation)
        errors = _unlocated(compiled.findings, Severity.ERROR)
        if compiled.configuration is None:
            raise RejectedError([manifests.problem(error.ref, error.path, error.message) for error in errors])
        configuration = overrides.served_at(compiled.configuration, self.public_url)
        credentials = compiled.credentials
        if self.demo is not None:
            configuration, credentials = overrides.behind_demo(configuration, credentials, self.demo)
        return Build(
            gateway=gateway,
            configuration=configuration,
            credentials=credentials,
            errors=errors,
            warnings=_unlocated(compiled.findings, Severity.WARNING),
            manifests=manifests,
        )

    def _snapshot(self, snapshot: Snapshot, gateway: ObjectRef) -> Snapshot:
        snapshot = overrides.with_secret_values(snapshot, self.secret_values, namespace=gateway.namespace)
        if self.demo is not None:
            snapshot = overrides.with_demo_credentials(snapshot, self.demo.credential)
        return snapshot

    def _schema_problems(self, manifests: Manifests) -> tuple[Problem, ...]:
        """Of every object of the three kinds, those of other gateways too."""
        return tuple(
            manifests.problem(finding.ref, finding.path, finding.message)
            for checked in self._validation.check_all(manifests.snapshot.resources)
            if checked.object is None
            for finding in checked.findings
        )


def _unlocated(findings: Iterable[Finding], severity: Severity) -> tuple[UnlocatedFinding, ...]:
    return tuple(
        UnlocatedFinding(
            finding.ref,
            finding.path,
            finding.message + (SECRET_HINT if finding.reason in _MISSING_SECRET else ""),
            finding.reason,
        )
        for finding in findings
        if finding.severity == severity
    )


def chosen_gateway(snapshot: Snapshot, name: str | None, *, where: str) -> ObjectRef:
    """The gateway that is meant. Raises RejectedError."""
    found = gateways(snapshot)
    if not found:
        raise RejectedError([Problem(where, 0, "", "holds no GatewayDeployment")])
    listed = ", ".join(f"{gateway.namespace}/{gateway.name}" for gateway in found)
    matching = [gateway for gateway in found if name in (None, gateway.name, f"{gateway.namespace}/{gateway.name}")]
    if not matching:
        raise RejectedError([Problem(where, 0, "", f"holds no gateway {name!r}, only {listed}; see --gateway")])
    if len(matching) > 1:
        message = f"holds several gateways: {listed}; choose one with --gateway NAME"
        raise RejectedError([Problem(where, 0, "", message)])
    return matching[0]
