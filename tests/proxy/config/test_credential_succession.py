"""What a client that a reload makes takes over of a credential that was fetched before, and when it must not."""

import gc
import weakref
from typing import Any

import pytest
from tests.proxy.config.test_live_configuration import Loader
from tests.proxy.configurations import upstream

from gateway_config.contract import Timeouts, Upstream
from gateway_config.parts import Value
from gateway_config.upstream_credentials import (
    AWSCredential,
    Credential,
    EntraClient,
    EntraCredential,
    FederatedCredential,
    GoogleCredential,
)
from gateway_proxy.credentials.renewing import Fetched, Renewing

ONE, TWO = Value(name="one", sha256="1" * 64), Value(name="two", sha256="2" * 64)
FEDERATED = FederatedCredential(
    organization_id="o", federation_rule_id="r", service_account_id="s", token_file="/nowhere/token"
)
AWS = AWSCredential(access_key=ONE, role_arn="arn:aws:iam::1:role/a")
ENTRA = EntraCredential(client=EntraClient(tenant_id="t", client_id="c", secret=ONE))
GOOGLE = GoogleCredential(service_account=ONE)


def with_credential(credential: Credential, **other: Any) -> Upstream:
    kinds = {"AWS": "Bedrock", "Google": "VertexAI", "Entra": "Foundry", "Federated": "Anthropic"}
    fixed = {"credential": credential, "type": kinds[credential.kind], "region": "eu-central-1", "project_id": "p"}
    return upstream().model_copy(update=fixed | other)


def load(loader: Loader, one: Upstream) -> Renewing[Any]:
    (client,) = loader.load(upstreams=(one,)).upstreams
    assert client.renewing is not None
    return client.renewing


def replaced(credential: Any, **changes: Any) -> Any:
    return credential.model_copy(update=changes)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (with_credential(AWS), with_credential(replaced(AWS, access_key=TWO))),
        (with_credential(GOOGLE), with_credential(replaced(GOOGLE, service_account=TWO))),
        (
            with_credential(ENTRA),
            with_credential(EntraCredential(client=EntraClient(tenant_id="t", client_id="c", secret=TWO))),
        ),
        (
            with_credential(FEDERATED),
            with_credential(
                FEDERATED, timeouts=Timeouts(connect_seconds=1, first_byte_seconds=1, idle_seconds=1), priority=7
            ),
        ),
    ],
    ids=["access key", "credential file", "client secret", "timeouts"],
)
async def test_a_replaced_secret_lets_no_request_wait(before: Upstream, after: Upstream) -> None:
    loader = Loader()
    old = load(loader, before)
    old._fetched, old.counts.renewals = Fetched("a token", None), 3
    new = load(loader, after)
    assert new is not old
    assert (new.current, new.counts.renewals) == ("a token", 3)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (with_credential(AWS), with_credential(replaced(AWS, role_arn="arn:aws:iam::1:role/b"))),
        (with_credential(AWS), with_credential(replaced(AWS, external_id="x"))),
        (with_credential(AWS), with_credential(replaced(AWS, access_key=None))),
        (with_credential(AWS), with_credential(AWS, region="us-east-1")),
        (with_credential(AWS), with_credential(AWS, base_url="http://127.0.0.1:10")),
        (with_credential(AWS), with_credential(AWS, type="ClaudePlatformAWS", workspace_id="w")),
        (with_credential(GOOGLE), with_credential(replaced(GOOGLE, impersonate="a@b.c"))),
        (with_credential(GOOGLE), with_credential(GOOGLE, project_id="q")),
        (with_credential(ENTRA), with_credential(EntraCredential())),
        (
            with_credential(ENTRA),
            with_credential(EntraCredential(client=EntraClient(tenant_id="t", client_id="d", secret=ONE))),
        ),
        (with_credential(FEDERATED), with_credential(replaced(FEDERATED, workspace_id="w"))),
    ],
)
async def test_a_token_goes_to_no_other_place_and_for_no_other_identity(before: Upstream, after: Upstream) -> None:
    loader = Loader()
    old = load(loader, before)
    old._fetched, old.counts.renewals = Fetched("a token", None), 3
    new = load(loader, after)
    assert (new.current, new.counts.renewals) == (None, 3)


async def test_a_client_that_was_replaced_ends() -> None:
    loader = Loader()
    old = load(loader, with_credential(FEDERATED))
    old.prepare()
    assert old._task is not None
    await old._task
    assert old.failing, "and so a timer waits to try again"
    gone = weakref.ref(old)
    load(loader, with_credential(replaced(FEDERATED, workspace_id="w")))
    del old
    gc.collect()
    assert gone() is None
