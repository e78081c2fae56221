"""A project at Google Cloud: Vertex AI, and the token endpoints whose tokens it takes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from joserfc.jwk import RSAKey
from tests.providers.behind_tokens import behind
from tests.standins.identity_provider import private_key
from tests.standins.manifests import Manifest, cloud_binding, secret
from tests.standins.token_endpoints.google import Impersonation, OAuth, Project
from tests.standins.token_endpoints.server import TokenServer
from tests.standins.vertex_ai import PROJECT, REGION, VertexAIStandIn

EMAIL = f"gateway@{PROJECT}.iam.gserviceaccount.com"
MODELS_USER = f"models@{PROJECT}.iam.gserviceaccount.com"


class GoogleCloud:
    def __init__(self, tokens: TokenServer, vertex: VertexAIStandIn) -> None:
        self.tokens, self.vertex = tokens, vertex
        self.project = Project(keys={EMAIL: key("first")}, impersonators={MODELS_USER: {EMAIL}})
        self.oauth = tokens.add(OAuth(self.project))
        self.impersonation = tokens.add(Impersonation(self.project))

    def begin_test(self) -> None:
        """Tokens stay: the gateway may still have one."""
        self.vertex.begin_test()
        self.vertex.tokens = self.project.tokens
        self.project.keys = {EMAIL: key("first")}
        for service in self.oauth, self.impersonation:
            service.asked.clear()
            service.fails = None

    @property
    def problems(self) -> list[str]:
        return [*self.vertex.problems, *self.oauth.problems, *self.impersonation.problems]

    def manifests(self, kid: str = "first", **room: Any) -> list[Manifest]:
        """A gateway with a key file of the service account. `kid`: which of its keys."""
        file = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": kid,
            "private_key": key(kid).as_pem(private=True).decode(),
            "client_email": EMAIL,
        }
        given = {
            "projectID": PROJECT,
            "region": REGION,
            "baseURL": self.vertex.base_url,
            "serviceAccountSecretRef": {"name": "vertex"},
        }
        binding = cloud_binding("vertex", "VertexAI", vertexAI=given | room)
        return behind(self.tokens, secret("vertex", json.dumps(file), key="key.json"), binding)


def key(kid: str) -> RSAKey:
    found = private_key(f"service-account-{kid}")
    assert isinstance(found, RSAKey)
    return found


@contextmanager
def running() -> Iterator[GoogleCloud]:
    with TokenServer() as tokens, VertexAIStandIn() as vertex:
        yield GoogleCloud(tokens, vertex)
