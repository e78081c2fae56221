"""The gateway of the cases: people sign in to it, and it knows a developer key."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from tests.gateway.cases.clients import POINTED_AT, SIGNED_IN, Client
from tests.standins.gateway import eventually
from tests.standins.identity_provider import IdentityProvider
from tests.standins.manifests import Manifest, key_of, policy
from tests.standins.providers import Provider
from tests.standins.sign_in import SignInWorld, Tokens

PERSON = "00u-alice"
"""Who signs in, as the identity provider calls her."""
ROBOT = "robot@corp.example"
"""Whose developer key there is."""
EVERYTHING = (policy("engineers", matches=[{"groups": ["engineering"]}]),)


def through(*types: str) -> pytest.MarkDecorator:
    """The test runs once with an upstream of each type."""
    return pytest.mark.parametrize("provider", types, indirect=True)


class CaseGateway(SignInWorld):
    """Two pods. Every model is open to the engineers, among them the person who signs in and the robot."""

    def __init__(self, folder: Path, idp: IdentityProvider, *arguments: str) -> None:
        """`arguments`: of every pod's command line besides the usual ones."""
        super().__init__(folder, idp, pods=2)
        self._arguments = arguments
        self._tokens: Tokens | None = None

    def start(self, *arguments: str) -> None:
        super().start(*self._arguments, *arguments)

    def begin_test(self) -> None:
        """What is loaded stays until a test uses other upstreams."""
        for pod in self.pods:
            pod.begin_test(pod.loaded)

    def use(
        self,
        *providers: Provider,
        binding: Mapping[str, Any] = MappingProxyType({}),
        policies: Iterable[Manifest] = EVERYTHING,
        **spec: Any,
    ) -> None:
        """From now on these upstreams, the first one before the others. `binding`: what each binding says besides;
        `spec`: what the gateway does."""
        bindings: list[Manifest] = []
        for priority, one in enumerate(reversed(providers)):
            bindings += one.manifests(priority=priority, **binding)
            spec |= one.spec
        replaced = {("Secret", "anthropic"), ("ProviderBinding", "anthropic"), ("GatewayPolicy", "engineers")}
        kept = [one for one in self.manifests(**spec) if named(one) not in replaced]
        manifests = list({named(one): one for one in (*kept, *bindings, *policies)}.values())
        for pod in self.pods:
            if pod.loaded != manifests:
                pod.load(manifests)

    def wait_for_pods(self) -> None:
        """Until each knows of the other: from then on they share the limits of users."""
        count = len(self.pods)
        eventually(
            lambda: [pod.metric("claude_gateway_live_pods") for pod in self.pods] == [count] * count, what="all counted"
        )

    def signed_in(self) -> Client:
        """The person has signed in once; the session lasts as long as this gateway."""
        if self._tokens is None:
            self._tokens = self.sign_in()
        return Client(SIGNED_IN, self.gateway, self._tokens.access, PERSON)

    def pointed_at(self) -> Client:
        return Client(POINTED_AT, self.gateway, key_of(ROBOT), ROBOT)


def named(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]
