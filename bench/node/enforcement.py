"""`kubectl apply` of a policy until the last pod answers by it, and where the time goes."""

import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from tests.node.gateways import NodeGateway
from tests.node.kubernetes import Manifest
from tests.node.operators import NAMESPACE as OPERATOR_NAMESPACE
from tests.standins.anthropic_upstream import usual
from tests.standins.gateway import ALICE

from bench.node.world import PODS, Pod, Questions, World, load_average, same_lives
from bench.report import Result

POLICIES = 1_000
CHANGES = 30
MARK_SECONDS = 2.0
MODEL, OTHER_MODEL = "claude-sonnet-5-5", "claude-haiku-5-5"


@dataclass(frozen=True, kw_only=True)
class Change:
    """Unix seconds."""

    began: float
    applied: float
    """`kubectl apply` has ended."""
    swapped: Sequence[float]
    """The kubelet has put the new files in place, by pod."""
    enforced: Sequence[float]
    """By pod: the first answer by the new policy."""


def apply_to_enforced(world: World) -> Sequence[Result]:
    gateway = world.gateway()
    world.upstream.respond = usual
    policies, count = (100, 6) if world.quick else (POLICIES, CHANGES)
    world.add_policies(policies)
    world.progress(f"{count} changes of a policy")
    changes = []
    with Questions(gateway, read=_allowed) as questions:
        for number, closed in zip(range(count + 1), itertools.cycle((True, False)), strict=False):
            change = _change(gateway, world, questions, closed=closed)
            if number:  # the first one makes the policy
                changes.append(change)
            time.sleep(0.5 + 0.1 * (number % 5))
        _change(gateway, world, questions, closed=False)  # as the parts after this one expect it
        alive = same_lives(questions.pods, gateway)
        stages = _stages(world, gateway, questions.pods, changes)
    longest = max(range(count), key=lambda index: max(changes[index].enforced) - changes[index].began)
    typical = {name: median(one[name] for one in stages if name in one) for name in stages[longest]}
    taken = sorted(max(change.enforced) - change.began for change in changes)
    after = sorted(max(change.enforced) - change.applied for change in changes)
    failures = (f"{len(questions.failures)} FAILED, such as {questions.failures[:3]}",) if questions.failures else ()
    return [
        Result(
            row="node",
            work=f"`kubectl apply` of a policy to enforced on {PODS} pods, {policies:,} policies",
            ours=f"{taken[-1]:.2f} s",
            mark=f"each < {MARK_SECONDS:.0f} s",
            met=taken[-1] < MARK_SECONDS and alive and not questions.failures,
            notes=(
                f"the longest of {count}; median {median(taken):.2f} s, shortest {taken[0]:.2f} s, from the start of "
                f"kubectl; from its end {after[0]:.2f} / {median(after):.2f} / {after[-1]:.2f} s",
                f"medians of the stages in ms: {_shown(typical)}",
                f"the longest one's: {_shown(stages[longest])}",
                f"{questions.asked:,} questions beside; {load_average()}",
                *(() if alive else ("A POD WAS RESTARTED",)),
                *failures,
            ),
            measured={"longest_seconds": taken[-1], "median_seconds": median(taken), "shortest_seconds": taken[0]}
            | {f"{name}, seconds": seconds for name, seconds in typical.items()},
        )
    ]


def _allowed(status: int, _body: bytes) -> str | None:
    return {200: "open", 400: "closed"}.get(status)


def _probe(gateway: NodeGateway, closed: bool) -> Manifest:
    models = [OTHER_MODEL] if closed else [MODEL, OTHER_MODEL]
    return gateway.policy("probe", priority=10_000, matches=[{"users": [ALICE]}], availableModels=models)


def _change(gateway: NodeGateway, world: World, questions: Questions, *, closed: bool) -> Change:
    manifest = json.dumps(_probe(gateway, closed))
    began = time.time()
    world.kube.kubectl("apply", "-f", "-", given=manifest)
    applied = time.time()
    wanted = "closed" if closed else "open"
    enforced = questions.wait_all(wanted, f"every pod is {wanted} to the probe")
    return Change(began=began, applied=applied, swapped=[_swapped(pod) for pod in questions.pods], enforced=enforced)


def _swapped(pod: Pod) -> float:
    """When the kubelet last put new files in the pod's configuration, in Unix seconds."""
    link = f"/var/lib/kubelet/pods/{pod.uid}/volumes/kubernetes.io~projected/config/..data"
    return os.lstat(link).st_mtime


def _stages(
    world: World, gateway: NodeGateway, pods: Sequence[Pod], changes: Sequence[Change]
) -> list[dict[str, float]]:
    """Of each change, in seconds; from the kubelet on those of the pod that was the last to answer by it."""
    written = [
        at
        for pod in world.operator.pods()
        for at, line in _log(world, OPERATOR_NAMESPACE, pod["metadata"]["name"])
        if f" {gateway.namespace}/{gateway.name}: configuration " in line
    ]
    loaded = {
        pod.name: [one for one in _log(world, gateway.namespace, pod.name) if '"config.loaded"' in one[1]]
        for pod in pods
    }
    return [_of_one(change, pods, written, loaded) for change in changes]


def _of_one(
    change: Change, pods: Sequence[Pod], written: Sequence[float], loaded: Mapping[str, Sequence[tuple[float, str]]]
) -> dict[str, float]:
    last = max(range(len(pods)), key=lambda index: change.enforced[index])
    swapped, enforced = change.swapped[last], change.enforced[last]
    found = {"kubectl": change.applied - change.began}
    secret = next((at for at in written if change.began < at < enforced), None)
    if secret is not None:
        found |= {
            "until the Secret is written": secret - change.applied,
            "until the files are swapped": swapped - secret,
        }
    load = next((one for one in loaded[pods[last].name] if swapped < one[0] < enforced + 1.0), None)
    if load is not None:
        milliseconds = float(json.loads(load[1]).get("ms", 0.0))
        found |= {"until they are loaded": load[0] - swapped, "of that loading": milliseconds / 1000}
        found["until the answer"] = enforced - load[0]
    return found | {"first pod to last": enforced - min(change.enforced)}


def _shown(stages: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {seconds * 1000:.0f}" for name, seconds in stages.items())


def _log(world: World, namespace: str, pod: str) -> Iterator[tuple[float, str]]:
    """Lines with the time at which the container runtime got them, in Unix seconds."""
    text = world.kube.kubectl("-n", namespace, "logs", pod, "--timestamps", "--since=30m")
    for line in text.splitlines():
        stamp, _, said = line.partition(" ")
        whole, _, fraction = stamp.rstrip("Z").partition(".")
        yield datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}"), said
