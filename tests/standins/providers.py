"""Upstreams of every type, for tests that run through all: what makes a gateway use one, what it says and has got."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, ClassVar, Final, Self
from urllib.parse import unquote

from tests.providers.google_cloud import GoogleCloud
from tests.standins import bedrock, claude_platform_aws, event_frames, foundry, framing, messages, vertex_ai
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.aws_requests import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.standins.bedrock import BedrockStandIn
from tests.standins.claude_platform_aws import ClaudePlatformAWSStandIn
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
    def counted_model(self) -> str:
        """What the provider calls the same model where it counts tokens."""
        return self.model

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
        return [*self.streams(events)[:-1], end]

    def tells_of_failure(self, events: Iterable[bytes]) -> list[Step]:
        """A stream inside of which the provider says that it cannot go on."""
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        return self.streams([*events, messages.event("error", error)])

    def refuses(self, status: int, kind: str, message: str, *, headers: framing.Headers = ()) -> list[Step]:
        """In the Messages API's own envelope, or what the provider has instead."""
        return [framing.error_answer(status, kind, message, headers=headers)]

    def overflows(self) -> list[tuple[list[Step], str]]:
        """A conversation that is too long, in all the words that the provider has for it, and those that the client is
        to be told."""
        return [(self.refuses(400, "invalid_request_error", OVERFLOW), OVERFLOW)]

    def rejects(self, message: str, token: str) -> tuple[list[Step], str]:
        """A request that it does not take, in its own form, and what the client is told: the message, or where the
        provider's own form could name an account, the token that stands for it."""
        return self.refuses(400, "invalid_request_error", message), message

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

    def overflows(self) -> list[tuple[list[Step], str]]:
        size = "The request size (31457281 bytes) exceeds 30.000MB limit."
        native: list[Step] = [vertex_ai.error_answer(400, "INVALID_ARGUMENT", size)]
        return [*super().overflows(), (native, "Input is too long.")]

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


class Bedrock(Provider):
    """With an access key."""

    provider_type = "Bedrock"
    model = f"eu.anthropic.{MODEL}"
    other_model = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3"

    def __init__(self, name: str = "") -> None:
        super().__init__(BedrockStandIn(models=[self.other_model]), name)

    def manifests(self, **spec: Any) -> list[Manifest]:
        room = {"region": bedrock.REGION, "baseURL": self.server.url, "accessKeySecretRef": {"name": "aws"}}
        return [cloud_binding(self.name, self.provider_type, **spec, bedrock=room), access_key()]

    @property
    def counted_model(self) -> str:
        return self.model.removeprefix("eu.")

    def betas(self, request: Received) -> list[str]:
        found: list[str] = _bedrock_body(request).get("anthropic_beta", [])
        return found

    def counts(self, tokens: int) -> list[Step]:
        return [framing.json_answer({"inputTokens": tokens})]

    def streams(self, events: Iterable[bytes]) -> list[Step]:
        return bedrock.stream(events)

    def tells_of_failure(self, events: Iterable[bytes]) -> list[Step]:
        return bedrock.stream(
            events, event_frames.exception("throttlingException", "Account 123456789012 is throttled")
        )

    def refuses(self, status: int, kind: str, message: str, *, headers: framing.Headers = ()) -> list[Step]:
        name = "ValidationException" if status == 400 else "InternalServerException"
        return [bedrock.error_answer(status, name, message, headers=headers)]

    def rejects(self, message: str, token: str) -> tuple[list[Step], str]:
        return self.refuses(400, "", message), f"capability_rejected: {token}"

    def overflows(self) -> list[tuple[list[Step], str]]:
        said = "Input is too long for requested model.", OVERFLOW
        short = "Input is too long."
        return [*(self.rejects(words, "prompt_too_long") for words in said), (self.refuses(400, "", short), short)]

    def overloaded(self) -> list[Step]:
        return [bedrock.error_answer(503, "ServiceUnavailableException", "Account 123456789012: too many requests")]

    def value(self, request: Received) -> dict[str, Any]:
        members = _bedrock_body(request)
        assert members.pop("anthropic_version") == "bedrock-2023-05-31"
        members.pop("anthropic_beta", None)
        return members

    def asked_for(self, request: Received) -> str:
        return unquote(request.path.split("/")[2])

    def target(self, target: str = MESSAGES, *, streams: bool = True) -> str:
        if target == COUNT:
            return f"/model/{self.counted_model}/count-tokens"
        return f"/model/{self.model}/{'invoke-with-response-stream' if streams else 'invoke'}"


def _bedrock_body(request: Received) -> dict[str, Any]:
    found: dict[str, Any] = bedrock.counted(request) if request.path.endswith("/count-tokens") else request.json()
    return found


class ClaudePlatformAWS(Provider):
    """With an access key."""

    provider_type = "ClaudePlatformAWS"
    other_model = "claude-of-ours-20260101"

    def __init__(self, name: str = "") -> None:
        super().__init__(ClaudePlatformAWSStandIn(), name)

    def manifests(self, **spec: Any) -> list[Manifest]:
        room = {
            "region": claude_platform_aws.REGION,
            "workspaceID": claude_platform_aws.WORKSPACE,
            "baseURL": self.server.url,
            "accessKeySecretRef": {"name": "aws"},
        }
        return [cloud_binding(self.name, self.provider_type, **spec, claudePlatformAWS=room), access_key()]


def access_key() -> Manifest:
    """The Secret of both."""
    made = secret("aws", ACCESS_KEY_ID, key="accessKeyID")
    made["stringData"]["secretAccessKey"] = SECRET_ACCESS_KEY
    return made


PROVIDERS: Final[Mapping[str, Callable[[], Provider]]] = {
    "Anthropic": Anthropic,
    "Bedrock": Bedrock,
    "ClaudePlatformAWS": ClaudePlatformAWS,
    "VertexAI": VertexAI,
    "Foundry": Foundry,
}
EVERY_TYPE: Final = tuple(PROVIDERS)
MESSAGES_API: Final = ("Anthropic", "ClaudePlatformAWS", "Foundry")
"""Those that are sent the client's body as it is, but for the model's name."""
