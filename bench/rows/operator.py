"""What the operator costs: with a large fleet of gateways, and at rest with a small one. API server only, no nodes."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from tests.cluster.api_server import ApiServer
from tests.cluster.audit_log import counted
from tests.control_plane.pods import kubelet

from bench import fleet
from bench.bench import Bench
from bench.fleet import Fleet
from bench.operator_process import NAMESPACE, operator
from bench.processes import MeasurementError, cpu_seconds
from bench.report import Result
from gateway_operator.kube.resources import SECRETS
from gateway_operator.names import config_secret

LARGE, LARGE_QUICK = Fleet(namespaces=100, gateways=10, policies=10), Fleet(namespaces=10, gateways=10, policies=10)
SMALL = Fleet(namespaces=2, gateways=5, policies=5)
PODS = 2
"""Of each gateway at rest."""
MARK_MB, MARK_CHANGE, MARK_SYNCED = 320, 1.0, 60
MARK_REST_MB, MARK_REST_CORE = 110, 0.01
FIRST_SYNC_SECONDS = 1_200.0
RESYNC_SECONDS = 60
RESYNC_INTERVAL = 600
"""The default of `--resync-seconds`: what the share of a core at rest is reckoned with."""


def large(bench: Bench) -> Sequence[Result]:
    """A fleet that is made first and synced once; then the operator starts anew beside it, as after an upgrade."""
    size = LARGE_QUICK if bench.quick else LARGE
    changes = 5 if bench.quick else 20
    with _server(bench, size) as server:
        folder = bench.scratch()
        bench.progress("a first operator makes every child and status")
        with operator(server, folder=folder, core=bench.cores.subject) as first:
            first.wait_for_rounds(1, seconds=FIRST_SYNC_SECONDS)
            first_seconds = first.metric("synced_seconds")
            first.wait_for_rest(seconds=120)
            first_most = first.memory().most
        bench.progress("another operator starts beside them")
        began = time.monotonic()
        with operator(server, folder=folder, core=bench.cores.subject, resync_seconds=RESYNC_SECONDS) as subject:
            subject.process.until(lambda: subject.metric("synced_seconds") > 0, seconds=FIRST_SYNC_SECONDS, every=0.1)
            seconds = time.monotonic() - began
            written = len(subject.writes())
            subject.wait_for_rest(seconds=60)
            bench.progress("a full resync")
            rounds, cpu = subject.rounds, cpu_seconds([subject.pid])
            subject.wait_for_rounds(rounds + 1, seconds=300)
            cpu = cpu_seconds([subject.pid]) - cpu
            resync_seconds = subject.metric("resync_seconds")
            idle_writes = subject.writes()
            bench.progress(f"{changes} changes")
            taken = [_change(server, size, number) for number in range(changes)]
            memory = subject.memory()
    work = f"{size.namespaces * size.gateways:,} gateways, {size.objects(size.policies):,} policies"
    return [
        Result(
            row="operator-large",
            work=f"operator, {work}: memory",
            ours=f"{memory.most:.0f} MB",
            mark=f"< {MARK_MB} MB",
            met=memory.most < MARK_MB,
            notes=(
                f"the most it ever had resident, from its start over a full resync to {changes} changes; "
                f"{memory.now:.0f} MB at the end; {first_most:.0f} MB the most while every child was made",
            ),
            measured={"most_mb": memory.most, "end_mb": memory.now, "first_most_mb": first_most},
        ),
        Result(
            row="operator-large",
            work="  start to synced",
            ours=f"{seconds:.0f} s",
            mark=f"< {MARK_SYNCED} s",
            met=seconds < MARK_SYNCED,
            notes=(
                f"{written} writes; the first operator of all, which made every child and status, took "
                f"{first_seconds:.0f} s from its Lease",
            ),
            measured={"seconds": seconds, "writes": written, "first_seconds": first_seconds},
        ),
        Result(
            row="operator-large",
            work="  writes of a full resync",
            ours=f"{len(idle_writes)}",
            mark="0",
            met=not idle_writes,
            notes=(
                f"it took {resync_seconds:.0f} s and {cpu:.1f} s of a core",
                *((f"writes: {dict(counted(idle_writes))}",) if idle_writes else ()),
            ),
            measured={"writes": len(idle_writes), "seconds": resync_seconds, "cpu_seconds": cpu},
        ),
        Result(
            row="operator-large",
            work="  policy edited to configuration and status written",
            ours=f"{max(taken):.2f} s",
            mark=f"< {MARK_CHANGE:.0f} s",
            met=max(taken) < MARK_CHANGE,
            notes=(f"the longest of {changes}; median {median(taken):.2f} s",),
            measured={"longest_seconds": max(taken), "median_seconds": median(taken)},
        ),
    ]


def at_rest(bench: Bench) -> Sequence[Result]:
    """Ten gateways with two pods each, which answer the operator as proxies do."""
    seconds = 30 if bench.quick else 180
    with (
        _server(bench, SMALL) as server,
        kubelet(server, folder=bench.scratch()) as node,
        operator(server, folder=bench.scratch(), core=bench.cores.subject) as subject,
    ):
        subject.wait_for_rounds(1, seconds=120)
        round_cpu = cpu_seconds([subject.pid])
        for namespace in SMALL.namespace_names():
            for gateway in SMALL.gateway_names():
                node.run(namespace, gateway, count=PODS)
        subject.wait_for_rest(seconds=60)
        bench.progress(f"{seconds} s of rest")
        before, began = cpu_seconds([subject.pid]), time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - began
        rest = (cpu_seconds([subject.pid]) - before) / passed
        writes = subject.writes()
        memory = subject.memory()
    # the start is dearer than any later round, so this is an upper bound
    share = rest + round_cpu / RESYNC_INTERVAL
    return [
        Result(
            row="operator-rest",
            work="operator at rest, 10 gateways: memory",
            ours=f"{memory.now:.0f} MB",
            mark=f"< {MARK_REST_MB} MB",
            met=memory.now < MARK_REST_MB,
            notes=(f"{memory.most:.0f} MB the most it ever had",),
            measured={"mb": memory.now, "most_mb": memory.most},
        ),
        Result(
            row="operator-rest",
            work="  share of a core",
            ours=f"{share:.2%}",
            mark=f"< {MARK_REST_CORE:.0%}",
            met=share < MARK_REST_CORE,
            notes=(
                f"{rest:.2%} over {passed:.0f} s between two resyncs, with {len(writes)} writes, and a resync's share, "
                f"taken as the whole start: {round_cpu:.1f} s of CPU every {RESYNC_INTERVAL} s",
            ),
            measured={"share": share, "between_resyncs": rest, "start_cpu_seconds": round_cpu, "writes": len(writes)},
        ),
    ]


@contextlib.contextmanager
def _server(bench: Bench, size: Fleet) -> Iterator[ApiServer]:
    with fleet.api_server() as server:
        bench.progress(f"{size.namespaces * size.gateways} gateways are created")
        server.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}).accepted()
        fleet.create(server, size)
        yield server


def _change(server: ApiServer, size: Fleet, number: int) -> float:
    """Seconds from the edit of a policy until its gateway's configuration holds it and its status says so."""
    namespace = size.namespace_names()[number * 7 % size.namespaces]
    gateway = size.gateway_names()[number % size.gateways]
    policy = fleet.policy(namespace, gateway, number % size.policies)
    api = server.client
    secret = SECRETS.path(namespace, config_secret(gateway))
    version = api.get(secret)["metadata"]["resourceVersion"]
    began = time.monotonic()
    generation = fleet.patch(api, policy, {"spec": {"availableModels": ["claude-haiku-5-5"]}})["metadata"]["generation"]
    while not (api.get(secret)["metadata"]["resourceVersion"] != version and _observed(api.read(policy)) == generation):
        if time.monotonic() - began > 60:
            raise MeasurementError(f"policy {namespace}/{policy['metadata']['name']} was not reconciled in a minute")
        time.sleep(0.01)
    return time.monotonic() - began


def _observed(live: dict[str, Any]) -> Any:
    return live.get("status", {}).get("observedGeneration")
