"""What an administrator wrote in a binding, in the words of its fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from gateway_config.contract import Upstream
from gateway_operator.compiler import Resource
from gateway_operator.compiler.providers import ROOMS
from gateway_operator.compiler.providers.aws import ACCESS_KEY_NAMES
from gateway_operator.compiler.providers.google_credentials import FILE_KEY

_CREDENTIALS: Final = (
    "apiKeySecretRef",
    "oauthTokenSecretRef",
    "bearerTokenSecretRef",
    "accessKeySecretRef",
    "serviceAccountSecretRef",
    "entra",
    "workloadIdentity",
    "podIdentity",
)
_PLACES: Final = ("baseURL", "region", "resource")
"""What an address comes from, the strongest first."""
_FIXED_KEYS: Final[Mapping[str, Sequence[str]]] = {
    "accessKeySecretRef": ACCESS_KEY_NAMES,
    "serviceAccountSecretRef": (FILE_KEY,),
}
"""Of Secrets that are named without a key."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One binding."""

    namespace: str
    name: str
    type: str
    member: Mapping[str, Any]
    """`spec.bedrock` and the like."""
    base_url: str = ""
    """Of the compiled binding; empty where there is none."""

    @classmethod
    def of(cls, resource: Resource, upstream: Upstream | None = None) -> "Facts":
        """Of a manifest that may be broken in any way."""
        spec = resource.manifest.get("spec")
        kind = spec.get("type") if isinstance(spec, Mapping) else None
        kind = kind if isinstance(kind, str) else ""
        room = ROOMS.get(kind)
        member = spec.get(room.name) if room is not None and isinstance(spec, Mapping) else None
        return cls(
            namespace=resource.ref.namespace,
            name=resource.ref.name,
            type=kind,
            member=member if isinstance(member, Mapping) else {},
            base_url=upstream.base_url if upstream is not None else "",
        )

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc

    @property
    def place(self) -> str:
        """Where it is, in short: the region or the resource where its provider has them, else the host."""
        if not self.member.get("baseURL"):
            for name in ("region", "resource"):
                value = self.member.get(name)
                if isinstance(value, str) and value:
                    return value
        return self.host

    @property
    def credential_field(self) -> str:
        return next((name for name in _CREDENTIALS if self.member.get(name) is not None), "")

    @property
    def secret(self) -> str:
        """`namespace/name` of the Secret that the credential lies in, with the key where one is named; else empty."""
        reference = self.member.get(self.credential_field)
        if self.credential_field == "entra" and isinstance(reference, Mapping):
            reference = reference.get("clientSecretRef")
        if not isinstance(reference, Mapping) or not isinstance(reference.get("name"), str):
            return ""
        key = reference.get("key")
        return f"{self.namespace}/{reference['name']}" + (f" key {key}" if isinstance(key, str) else "")

    @property
    def secret_env(self) -> str:
        """The option by which the environment gives what the Secret holds, with VARIABLE in place of a name."""
        name, _, key = self.secret.rpartition("/")[2].partition(" key ")
        keys = [key] if key else _FIXED_KEYS.get(self.credential_field, ("KEY",))
        return " ".join(f"--secret-env {name or 'NAME'}/{each}=VARIABLE" for each in keys)

    @property
    def credential(self) -> str:
        """The field, and the Secret that it names."""
        path = self.path(self.credential_field)
        return f"{path} (Secret {self.secret})" if self.secret else path

    @property
    def where(self) -> str:
        """The field that the address comes from, and its value."""
        for name in _PLACES:
            value = self.member.get(name)
            if isinstance(value, str) and value:
                return f"{self.path(name)} ({value})"
        return self.path("baseURL")

    def path(self, field: str) -> str:
        room = ROOMS.get(self.type)
        return f"{room.path if room is not None else f'spec.{self.type}'}.{field}"

    def said(self, field: str) -> str:
        """A field, `entra.clientID` too, with its value where it has one."""
        value: Any = self.member
        for name in field.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return f"{self.path(field)} ({value})" if isinstance(value, str) and value else self.path(field)
