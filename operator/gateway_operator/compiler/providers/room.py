"""What the room of a provider gives: where its requests go, and the credential that they carry."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar

from gateway_config.canonical import sha256_hex
from gateway_config.contract import Egress
from gateway_config.parts import Value
from gateway_config.upstream_credentials import Credential, StaticCredential
from gateway_operator import names
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.references import SecretKeyRef
from gateway_operator.compiler.catalogue import BuiltinModel
from gateway_operator.compiler.findings import Finding, error
from gateway_operator.compiler.providers.regions import RegionWarning
from gateway_operator.compiler.references import UnresolvedError, Values
from gateway_operator.compiler.snapshot import ObjectRef

Member = TypeVar("Member")
StaticKind = Literal["ApiKey", "OAuthToken", "BearerToken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the requests of a binding go."""

    base_url: str
    """Without a trailing slash; what the provider's path is appended to."""
    region: str = ""
    project_id: str = ""
    workspace_id: str = ""


class UnusableError(Exception):
    """There is no credential: the binding is left out."""

    def __init__(self, path: str, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.reason = reason

    def finding(self, ref: ObjectRef) -> Finding:
        return error(ref, self.path, self.reason, str(self), condition="ResolvedRefs")


@dataclass(slots=True, kw_only=True)
class Keyring:
    """Gets the credential of one binding out of Secrets, and keeps what the proxy needs of it."""

    ref: ObjectRef
    values: Values
    egress: Egress
    base_url: str
    pods: bool = True
    """Whether the gateway runs in pods, which get the tokens of their service account as files."""
    foreign: bool = False
    """Whether the binding lies in another namespace than the gateway, whose pods have an identity of their own."""
    kept: dict[str, str] = field(default_factory=dict, repr=False)
    """For the credentials file."""
    audiences: list[str] = field(default_factory=list)
    """Of the service account's tokens that pods need."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def by_the_pods(self) -> bool:
        """Whether the credential stands on the pods' own identity."""
        return not self.kept or bool(self.audiences)

    def static(self, path: str, ref: SecretKeyRef, kind: StaticKind) -> StaticCredential:
        """A value that is sent to the upstream as it is. Raises UnusableError."""
        value = self.keep(self.header_value(path, ref))
        return StaticCredential(kind=kind, name=value.name, sha256=value.sha256)

    def header_value(self, path: str, ref: SecretKeyRef, *, urls: Iterable[str] = ()) -> str:
        """A value that is fit for a header and meant for the upstream and the other addresses. Raises UnusableError."""
        try:
            value = self.values.credential(self.ref.namespace, ref, url=self.base_url)
        except UnresolvedError as problem:
            raise UnusableError(path, problem.reason, str(problem)) from None
        self.meant_for(path, ref.name, urls)
        return value

    def text(self, path: str, name: str, key: str) -> str:
        """A value that is meant for the upstream. Raises UnusableError."""
        try:
            return self.values.text(self.ref.namespace, name, key, url=self.base_url)
        except UnresolvedError as problem:
            raise UnusableError(path, problem.reason, str(problem)) from None

    def has(self, path: str, name: str, key: str) -> bool:
        """Raises UnusableError where there is no such Secret."""
        try:
            return self.values.has(self.ref.namespace, name, key)
        except UnresolvedError as problem:
            raise UnusableError(path, problem.reason, str(problem)) from None

    def meant_for(self, path: str, name: str, urls: Iterable[str]) -> None:
        """Whether the Secret's value, and what it is exchanged for, may go to these addresses. Raises UnusableError."""
        try:
            for url in urls:
                self.values.check_url(self.ref.namespace, name, url)
        except UnresolvedError as problem:
            raise UnusableError(path, problem.reason, str(problem)) from None

    def keep(self, text: str) -> Value:
        """The binding's one value in the credentials file."""
        name = f"{self.ref.namespace}/{self.ref.name}"
        self.kept[name] = text
        return Value(name=name, sha256=sha256_hex(text.encode()))

    def token_file(self, audience: str) -> str:
        """Where the pods' token of an audience lies; from now on they need it."""
        self.audiences.append(audience)
        return names.token_file(audience)


def catalogue_id(builtin: BuiltinModel, provider: str, place: Place) -> str:
    """What the catalogue says that the provider calls a model, wherever it is called."""
    return builtin.upstream_ids[provider]


def nothing_to_warn_of(*_: Any) -> RegionWarning | None:
    """For a provider without regions, or whose names of models are of none."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Room(Generic[Member]):
    """One provider."""

    name: str
    """The member of `spec` that speaks of it."""
    attribute: str
    place: Callable[[Member], Place]
    credential: Callable[[Member, Keyring], Credential]
    """Raises UnusableError."""
    upstream_id: Callable[[BuiltinModel, str, Place], str] = catalogue_id
    """What a model is called there: the model, the provider's type, where."""
    region_warning: Callable[[Member], RegionWarning | None] = nothing_to_warn_of
    """What is to be warned of before anything is asked there."""
    model_warning: Callable[[Member, str], RegionWarning | None] = nothing_to_warn_of
    """The same of the name that a binding gives a model."""
    complete_path: Mapping[str, str] = field(default_factory=dict)
    """Suffix of the provider's own hosts → the path that a base URL at one of them ends with."""

    def member(self, spec: Any) -> Member:
        found: Member = getattr(spec, self.attribute)
        return found

    def own_address(self, member: Any) -> str:
        """The provider's own, without what the binding says."""
        return self.place(member.model_copy(update={"base_url": ""})).base_url

    @property
    def path(self) -> str:
        return f"spec.{self.name}"


NO_CREDENTIAL: Final = "validation sees to it that there is exactly one credential"
