"""A provider's credential rotated in its Secret until every pod uses it, with other developers at work."""

import itertools
import time
from collections.abc import Sequence

from tests.node.traffic import NewConnections
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import API_KEY, Script
from tests.standins.requests_seen import Expected, Received

from bench.node.world import PODS, Questions, World, each_within, same_lives
from bench.report import Result

ROTATIONS = 20
MARK_SECONDS = 2.0
KEYS = {"even": API_KEY, "odd": "sk-ant-api03-" + "y" * 95}
REQUESTS_PER_SECOND = 50.0


def rotate_to_used(world: World) -> Sequence[Result]:
    gateway = world.gateway()
    count = 4 if world.quick else ROTATIONS
    world.upstream.respond = _tell_credential
    world.upstream.expected = [Expected.api_key(key) for key in KEYS.values()]
    world.progress(f"{count} rotations of the credential")
    taken = []
    with (
        Questions(gateway, read=_credential) as questions,
        NewConnections(gateway, per_second=REQUESTS_PER_SECOND) as connections,
    ):
        for number, name in zip(range(count), itertools.cycle(("odd", "even")), strict=False):
            began = time.time()
            gateway.apply(gateway.secret(value=KEYS[name]))
            taken.append(max(questions.wait_all(name, f"every pod uses the {name} credential")) - began)
            time.sleep(0.5 + 0.1 * (number % 5))
        alive = same_lives(questions.pods, gateway)
    failed = len(questions.failures) + connections.failed.total() + connections.refused.total()
    asked = questions.asked + connections.answered
    fault = (f"such as {[*questions.failures[:3], *connections.failed, *connections.refused]}",) if failed else ()
    return [
        each_within(f"credential rotated to used by every one of {PODS} pods", taken, mark_seconds=MARK_SECONDS),
        Result(
            row="node",
            work=f"  failed requests, restarted pods in {count} rotations",
            ours=f"{failed} of {asked:,}, {'none' if alive else 'SOME'}",
            mark="0, none",
            met=failed == 0 and alive,
            notes=fault,
            measured={"failed": failed, "requests": asked},
        ),
    ]


def _tell_credential(request: Received) -> Script:
    name = next((name for name, key in KEYS.items() if request.header("x-api-key") == key), "another")
    return [framing.json_answer(messages.message(messages.text(f"credential {name}")))]


def _credential(status: int, body: bytes) -> str | None:
    if status != 200:
        return None
    return next((name for name in KEYS if f"credential {name}".encode() in body), None)
