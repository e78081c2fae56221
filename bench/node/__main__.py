"""`python -m bench.node`, inside a node: measures there, and prints the results as JSON. See `bench.rows.node`."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from tests.node.kubernetes import ApiError, CommandFailedError, Kube, state_folder
from tests.standins.anthropic_upstream import AnthropicUpstream

from bench.node import credential, enforcement, installation, revocation, rollouts
from bench.node.world import ADDRESS, World
from bench.processes import MeasurementError
from bench.report import Result, as_json

# the installation first: a node is new only once
PARTS: dict[str, Callable[[World], Sequence[Result]]] = {
    "install": installation.helm_to_ready,
    "policy": enforcement.apply_to_enforced,
    "credential": credential.rotate_to_used,
    "revocation": revocation.revoke_to_refused,
    "rollouts": rollouts.streams_kept,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.node", description="Measures on the node that we are in.")
    parser.add_argument("--only", metavar="PART[,PART]", default=",".join(PARTS), help="of %(default)s")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a look, not a measurement")
    options = parser.parse_args(arguments)
    parts = options.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    state = state_folder()
    if state is None:
        parser.error("run it inside of a node: tests/cluster/cluster exec .venv/bin/python -m bench.node")
    began = time.monotonic()

    def progress(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  node: {text}", file=sys.stderr, flush=True)

    results: list[Result] = []
    with AnthropicUpstream(host=ADDRESS) as upstream, World(Kube(state), upstream, options.quick, progress) as world:
        for name, measure in PARTS.items():
            if name not in parts:
                continue
            try:
                found = measure(world)
            except (MeasurementError, TimeoutError, ApiError, CommandFailedError) as error:
                found = [Result(row="node", work=f"on a node: {name}", ours="", mark="?", notes=(str(error)[:600],))]
            for result in found:
                progress(": ".join([result.work, result.ours, *result.notes]))
            results += found
    print(as_json(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
