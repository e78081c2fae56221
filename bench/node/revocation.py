"""A session revoked through the Admin API until every pod refuses it."""

import json
import ssl
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.node.corporations import Corporation, corporation
from tests.node.gateways import NodeGateway

from bench.node.world import GATEWAY, NAMESPACE, PODS, Questions, World, each_within
from bench.report import Result

REVOCATIONS = 20
MARK_SECONDS = 2.0


def revoke_to_refused(world: World) -> Sequence[Result]:
    count = 3 if world.quick else REVOCATIONS
    world.prepare()

    def make(*, namespace: str, more: Sequence[Any], **spec: Any) -> NodeGateway:
        gateway = NodeGateway(world.kube, namespace, GATEWAY)
        gateway.apply(*gateway.smallest(world.upstream, **spec), *(one(gateway) for one in more))
        gateway.wait_ready(within=300)
        gateway.wait_reachable()
        return gateway

    world.progress(f"a gateway of {PODS} pods on Postgres")
    namespace = world.namespace(f"{NAMESPACE}-sign-in")
    with tempfile.TemporaryDirectory() as folder, corporation(make, namespace, Path(folder), pods=PODS) as place:
        world.progress(f"{count} revocations")
        taken = [_one(place, number) for number in range(count)]
    return [each_within(f"session revoked to refused by every one of {PODS} pods", taken, mark_seconds=MARK_SECONDS)]


def _one(place: Corporation, number: int) -> float:
    """Seconds from the request to the Admin API until the last pod answers 401."""
    user = f"developer-{number}"
    token = place.sign_in(user)["access_token"]
    header = [("authorization", f"Bearer {token}")]
    with Questions(place.gateway, read=_refused, headers=header) as questions:
        questions.wait_all("served", "every pod serves the session")
        request = urllib.request.Request(
            f"{place.url}/v1/organizations/sessions/revoke",
            data=json.dumps({"user": f"{user}@corp.example"}).encode(),
            headers={"x-api-key": place.admin_key, "content-type": "application/json"},
        )
        began = time.time()
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=place.authority)) as answer:
            assert json.load(answer) == {"revoked": 1}
        refused = max(questions.wait_all("refused", "every pod refuses the session"))
    return refused - began


def _refused(status: int, _body: bytes) -> str | None:
    return {200: "served", 401: "refused"}.get(status)
