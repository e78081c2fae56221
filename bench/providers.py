"""The upstreams of measured gateways as bindings of each provider describe them, with the filters that are built in."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway_config import contract
from gateway_config.parts import Value
from gateway_config.upstream_credentials import AWSCredential, Credential, GoogleCredential, StaticCredential
from gateway_operator.compiler.filters import builtin_filters

CREDENTIAL = "claude.provider"
"""The credential's name in the bundle."""
_PARTS = ("models", "betas", "fields", "instead")
"""Of a filter."""
API_KEY = "sk-ant-api03-" + "x" * 95


@dataclass(frozen=True, kw_only=True)
class Provider:
    """`secret`: the credential's value where this is the stand-in's address, which issues tokens too. `model`: how the
    provider spells a model's name, with the canonical id in it; `base`: what its base URL has behind the address."""

    name: str
    type: contract.ProviderType
    secret: Callable[[str], str]
    credential: Callable[[Value], Credential]
    model: str = "{}"
    base: str = ""
    region: str = ""
    project_id: str = ""

    def upstream(
        self, address: str, *, name: str, priority: int, models: Sequence[str], timeouts: contract.Timeouts
    ) -> contract.Upstream:
        value = Value(name=CREDENTIAL, sha256=sha256(self.secret(address).encode()).hexdigest())
        return contract.Upstream(
            name=name,
            type=self.type,
            priority=priority,
            base_url=f"http://{address}{self.base}",
            region=self.region,
            project_id=self.project_id,
            credential=self.credential(value),
            models={model: self.model.format(model) for model in models},
            filters=_builtin_filters(self.type),
            timeouts=timeouts,
        )


def _builtin_filters(provider: str) -> tuple[contract.RequestFilter, ...]:
    return tuple(
        contract.RequestFilter(name=name, **{part: tuple(entry.get(part, ())) for part in _PARTS})
        for name, entry in builtin_filters().items()
        if provider in entry["types"]
    )


@cache
def _service_account(address: str) -> str:
    """A key file of Google's."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    email = "gateway@corp.iam.gserviceaccount.com"
    described = {"type": "service_account", "client_email": email, "private_key": pem}
    return json.dumps(described | {"token_uri": f"http://{address}/token"})


ANTHROPIC = Provider(
    name="Anthropic",
    type="Anthropic",
    secret=lambda _: API_KEY,
    credential=lambda value: StaticCredential(kind="ApiKey", **value.model_dump()),
)
BEDROCK = Provider(
    name="Bedrock",
    type="Bedrock",
    secret=lambda _: json.dumps({"accessKeyID": "AKIAIOSFODNN7EXAMPLE", "secretAccessKey": "s" * 40}),
    credential=lambda value: AWSCredential(access_key=value),
    model="us.anthropic.{}",
    region="us-east-1",
)
VERTEX_AI = Provider(
    name="Vertex AI",
    type="VertexAI",
    secret=_service_account,
    credential=lambda value: GoogleCredential(service_account=value),
    base="/v1",
    region="global",
    project_id="corp",
)
