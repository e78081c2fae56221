"""Somebody who keeps taking our fields over: they are repaired, and the quarrel costs the API server little.

Another controller that insists on its own value answers each repair at once. Whoever answers it at once as well writes
as fast as the API server lets them, for ever.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import OPERATOR, ApiServer
from tests.control_plane.examples import WITHIN, Example, Manifest, as_operator
from tests.control_plane.operator_process import new_namespace, running_operator

from gateway_operator.kube.resources import SERVICES

THEIR_PORT = 4000
QUARREL_SECONDS = 8.0
MOST_REPAIRS = 20
"""In that time. Without restraint it is some hundreds."""


@contextmanager
def _insisting(api: ApiClient, service: Manifest) -> Iterator[list[int]]:
    """Sends developers to another port of the pods, whenever it is not so; a list with the number of times."""
    times = [0]
    stop = threading.Event()
    port = api.read(service)["spec"]["ports"][0] | {"targetPort": THEIR_PORT}
    wanted = service | {"spec": {"ports": [port]}}

    def insist() -> None:
        while not stop.is_set():
            if not _is_theirs(api, service):
                api.apply(wanted, manager="stubborn").accepted()
                times[0] += 1

    thread = threading.Thread(target=insist, daemon=True)
    thread.start()
    try:
        yield times
    finally:
        stop.set()
        thread.join(20)


def test_a_quarrel_over_a_field_is_slow_and_won_in_the_end(control_plane: ApiServer, tmp_path: Path) -> None:
    api = control_plane.client
    namespace = new_namespace(api, "contested")
    example = Example(api, namespace).create()
    with running_operator(as_operator(control_plane), folder=tmp_path, namespaces=[namespace]) as operator:
        operator.wait_until_synced()
        example.wait_for_children()
        service = example.child(SERVICES)
        assert not _is_theirs(api, service)
        log = control_plane.audit_log
        with _insisting(api, service) as times:
            eventually(lambda: times[0] >= 2, within=WITHIN, what="a quarrel")
            log.skip()
            time.sleep(QUARREL_SECONDS)  # the rate of writes is what counts here
            repairs = [each for each in log.writes(user=OPERATOR) if each.resource == "services"]
            assert repairs, "we never give up"
            assert len(repairs) <= MOST_REPAIRS, f"{len(repairs)} in {QUARREL_SECONDS:g} s"

            # the rest of the gateway does not wait for the end of it
            spec = example.policy["spec"] | {"availableModels": ["claude-haiku-5-5"]}
            generation = api.apply(example.policy | {"spec": spec}).accepted()["metadata"]["generation"]
            eventually(
                lambda: _observed(api, example.policy) == generation, within=WITHIN, what="an edit made in between"
            )
        eventually(lambda: not _is_theirs(api, service), within=90, what="our port, once nobody insists on another")


def _observed(api: ApiClient, manifest: Manifest) -> int | None:
    found: int | None = api.read(manifest).get("status", {}).get("observedGeneration")
    return found


def _is_theirs(api: ApiClient, service: Manifest) -> bool:
    return bool(api.read(service)["spec"]["ports"][0]["targetPort"] == THEIR_PORT)
