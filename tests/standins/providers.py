"""Upstreams of every type, for tests that run through all: what makes a gateway use one, what it says and has got."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from tests.providers.google_cloud import GoogleCloud
from tests.standins import foundry, framing, vertex_ai
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.foundry import FoundryStandIn
from tests.standins.manifests import Manifest, binding, cloud_binding, secret
from tests.standins.requests_seen import Received
from tests.standins.token_endpoints.server import TokenServer
from tests.standins.upstream import End, StandInUpstream, Step, stream
from tests.standins.vertex_ai import VertexAIStandIn

MODEL: Final = "claude-sonnet-5-5"
"""What these tests ask for, and what every upstream here has."""
MESSAGES: Final = "/v1/messages?beta=true"
COUNT: Final = "/v1/messages/count_tokens?beta=true"
OVERFLOW: Final = "prompt is too long: 215000 tokens > 200000 maximum"


class Provider(ABC):
    """One upstream of a type. Its methods speak the Messages API's format as the provider does."""

    provider_type: ClassVar[str]
    """As a ProviderBinding has it."""
    model: ClassVar[str] = MODEL
    """What the provider calls the model that the cases ask for."""
    other_model: ClassVar[str]
    """What a model of the operator's own is called there."""
    spec: Mapping[str, Any] = {}
    """What the gateway's own manifest says so that the upstream can be used."""

    def __init__(self, server: StandInUpstream, name: str = "") -> None:
        self.server = server
        self.name = name or self.provider_type.lower()
        """Of its binding."""

    def __enter__(self) -> Self:
        self.server.__enter__()
        self.begin_test()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)

    def begin_test(self) -> None:
        self.server.begin_test()

    @property
    def problems(self) -> list[str]:
        """What was wrong with requests."""
        return self.server.problems

    @property
    def last(self) -> Received:
        return self.server.last

    @abstractmethod
    def manifests(self, **spec: Any) -> list[Manifest]:
        """Its binding, with `spec` besides, and what that refers to."""

    def betas(self, request: Received) -> list[str]:
        """Those that a request names."""
        return [name for value in request.all("anthropic-beta") for name in value.split(",")]

    def answers(self, message: Mapping[str, Any]) -> list[Step]:
        return [framing.json_answer(message)]

    def counts(self, tokens: int) -> list[Step]:
        return [framing.json_answer({"input_tokens": tokens})]

    def streams(self, events: Iterable[bytes]) -> list[Step]:
        return stream(events)

    def breaks_off(self, events: Iterable[bytes], end: End) -> list[Step]:
        """A stream that ends before its time."""
        return [*stream(events)[:-1], end]

    def refuses(self, status: int, kind: str, message: str, *, headers: framing.Headers = ()) -> list[Step]:
        """In the Messages API's own envelope."""
        return [framing.error_answer(status, kind, message, headers=headers)]

    def overflows(self) -> list[list[Step]]:
        """A conversation that is too long, in all the words that the provider has for it."""
        return [self.refuses(400, "invalid_request_error", OVERFLOW)]

    def overloaded(self) -> list[Step]:
        """At capacity, in the provider's own words."""
        return self.refuses(529, "overloaded_error", "Overloaded")

    def value(self, request: Received) -> dict[str, Any]:
        """The body as the Messages API would have it: with what the provider has elsewhere taken for granted."""
        found: dict[str, Any] = request.json()
        return found

    def asked_for(self, request: Received) -> str:
        """The model."""
        found: str = request.json()["model"]
        return found

    def target(self, target: str = MESSAGES, *, streams: bool = True) -> str:
        """Where a client's request arrives."""
        return target


class Anthropic(Provider):
    provider_type = "Anthropic"
    other_model = "claude-of-ours-20260101"

    def __init__(self, name: str = "", *, base_path: str = "") -> None:
        super().__init__(AnthropicUpstream(base_path=base_path), name)

    def manifests(self, **spec: Any) -> list[Manifest]:
        return [binding(self.name, self.server.url, **spec), secret()]


class Foundry(Provider):
    provider_type = "Foundry"
    other_model = "a-deployment-of-ours"

    def __init__(self, name: str = "") -> None:
        super().__init__(FoundryStandIn(deployments={*foundry.DEPLOYMENTS, self.other_model}), name)

    def manifests(self, **spec: Any) -> list[Manifest]:
        room = {"baseURL": f"{self.server.url}/anthropic", "apiKeySecretRef": {"name": self.name, "key": "value"}}
        return [
            cloud_binding(self.name, self.provider_type, **spec, foundry=room),
            secret(self.name, foundry.API_KEY),
        ]

    def target(self, target: str = MESSAGES, *, streams: bool = True) -> str:
        return f"/anthropic{target}"


class VertexAI(Provider):
    """With tokens for a service account's key, from Google's own token endpoint."""

    provider_type = "VertexAI"
    other_model = "claude-haiku-4-5@20251001"

    def __init__(self, name: str = "") -> None:
        self._tokens = TokenServer()
        self._google = GoogleCloud(self._tokens, VertexAIStandIn())
        super().__init__(self._google.vertex, name)
        (whole,) = [one for one in self._google.manifests() if one["kind"] == "GatewayDeployment"]
        self.spec = {"egress": whole["spec"]["egress"]}

    def __enter__(self) -> Self:
        self._tokens.__enter__()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._tokens.__exit__(kind, error, trace)

    def begin_test(self) -> None:
        self._google.begin_test()

    @property
    def problems(self) -> list[str]:
        return self._google.problems

    def manifests(self, **spec: Any) -> list[Manifest]:
        made = self._google.manifests()
        (binding,) = [one for one in made if one["kind"] == "ProviderBinding"]
        others = [one for one in made if one["kind"] == "ConfigMap" or one["metadata"]["name"] == "vertex"]
        return [cloud_binding(self.name, self.provider_type, **spec, vertexAI=binding["spec"]["vertexAI"])] + [
            one for one in others if one["kind"] != "ProviderBinding"
        ]

    def overflows(self) -> list[list[Step]]:
        size = "The request size (31457281 bytes) exceeds 30.000MB limit."
        return [*super().overflows(), [vertex_ai.error_answer(400, "INVALID_ARGUMENT", size)]]

    def overloaded(self) -> list[Step]:
        return [vertex_ai.error_answer(503, "UNAVAILABLE", f"project {vertex_ai.PROJECT} is out of capacity")]

    def value(self, request: Received) -> dict[str, Any]:
        members = super().value(request)
        assert members.pop("anthropic_version") == "vertex-2023-10-16"
        return members

    def asked_for(self, request: Received) -> str:
        model = request.path.rpartition("/")[2].partition(":")[0]
        return super().asked_for(request) if model == vertex_ai.COUNTER else model

    def target(self, target: str = MESSAGES, *, streams: bool = True) -> str:
        project = f"/v1/projects/{vertex_ai.PROJECT}/locations/{vertex_ai.REGION}/publishers/anthropic/models"
        method = "streamRawPredict" if streams else "rawPredict"
        return f"{project}/{vertex_ai.COUNTER}:rawPredict" if target == COUNT else f"{project}/{self.model}:{method}"


PROVIDERS: Final[Mapping[str, Callable[[], Provider]]] = {
    "Anthropic": Anthropic,
    "VertexAI": VertexAI,
    "Foundry": Foundry,
}
EVERY_TYPE: Final = tuple(PROVIDERS)
MESSAGES_API: Final = ("Anthropic", "Foundry")
"""Those that are sent the client's body as it is, but for the model's name."""
