"""From a directory to the files of a bundle, or to what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway_config import bundle
from gateway_config.canonical import document, revision_of
from gateway_config.contract import Configuration
from gateway_operator.compiler import Finding, ObjectRef, Severity, Snapshot, compile_gateway, gateways
from gateway_operator.local import overrides
from gateway_operator.local.manifests import DirectoryUnreadableError, ManifestReader, Manifests, Problem

SECRET_HINT = "; its value may also come from the environment: --secret-env NAME/KEY=VARIABLE"  # noqa: S105  # a sentence
_MISSING_SECRET = ("SecretNotFound", "SecretKeyNotFound")


class RejectedError(Exception):
    """Manifests that cannot be used, with every problem that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What the directory leads to."""

    gateway: ObjectRef
    configuration: Configuration
    credentials: dict[str, str] = field(repr=False)
    revision: str
    errors: tuple[Problem, ...]
    """Of single objects, which are left out; the rest serves."""
    warnings: tuple[Problem, ...]
    notes: tuple[Problem, ...]

    def files(self, *, sequence: int) -> dict[str, bytes]:
        """Raises RejectedError when the configuration is too large."""
        try:
            return bundle.pack(self.configuration, credentials=self.credentials, sequence=sequence)
        except bundle.BundleError as error:
            raise RejectedError([Problem(str(self.gateway), 0, "", str(error))]) from None


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

    def build(self) -> Build:
        """Raises RejectedError."""
        try:
            manifests = self.reader.read()
        except DirectoryUnreadableError as error:
            raise RejectedError([Problem(str(self.directory), 0, "", str(error))]) from None
        if manifests.problems:
            raise RejectedError(manifests.problems)
        gateway = chosen_gateway(manifests.snapshot, self.gateway_name, where=str(self.directory))
        compiled = compile_gateway(self._snapshot(manifests.snapshot, gateway), gateway)
        errors, warnings = self._findings(manifests, compiled.findings)
        if compiled.configuration is None:
            raise RejectedError(errors or (Problem(str(gateway), 0, "", "cannot be compiled"),))
        configuration = overrides.served_at(compiled.configuration, self.public_url)
        credentials = compiled.credentials
        if self.demo is not None:
            configuration, credentials = overrides.behind_demo(configuration, self.demo)
        return Build(
            gateway=gateway,
            configuration=configuration,
            credentials=credentials,
            revision=revision_of(document(configuration)),
            errors=errors,
            warnings=warnings,
            notes=manifests.notes,
        )

    def _snapshot(self, snapshot: Snapshot, gateway: ObjectRef) -> Snapshot:
        snapshot = overrides.with_secret_values(snapshot, self.secret_values, namespace=gateway.namespace)
        snapshot = overrides.with_local_store(snapshot, gateway)
        if self.demo is not None:
            snapshot = overrides.with_demo_credentials(snapshot, self.demo.credential)
        return snapshot

    def _findings(
        self, manifests: Manifests, findings: Sequence[Finding]
    ) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
        errors: list[Problem] = []
        warnings: list[Problem] = []
        for finding in findings:
            hint = SECRET_HINT if finding.reason in _MISSING_SECRET else ""
            problem = manifests.problem(finding.ref, finding.path, finding.message + hint)
            if finding.severity == Severity.ERROR:
                errors.append(problem)
            elif not _of_local_store(finding):
                warnings.append(problem)
        return tuple(sorted(errors)), tuple(sorted(warnings))


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


def _of_local_store(finding: Finding) -> bool:
    """A warning about the store that local mode filled in itself."""
    return finding.ref.kind == "GatewayDeployment" and finding.path.startswith("spec.store")
