"""`claude-gateway status`."""

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gateway_operator.cli import cluster
from gateway_operator.cli.output import Exit, Format, console, fail, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console
    from rich.text import Text

    from gateway_operator.cli.overview import AttachedSeen, ConditionSeen, GatewaySeen
    from gateway_operator.kube.client import KubeClient

REVISION_DIGITS = len("sha256:") + 12
POLICIES_SHOWN = 10
"""Of those that hold; all that do not are shown."""


def status(
    gateway: Annotated[
        str | None, typer.Argument(metavar="[GATEWAY]", help="Its name.", show_default="every gateway")
    ] = None,
    namespace: cluster.Namespace = None,
    all_namespaces: cluster.AllNamespaces = False,
    context: cluster.Context = None,
    kubeconfig: cluster.Kubeconfig = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="For people or for scripts.")] = Format.TEXT,
) -> None:
    """Show gateways in a cluster at a glance.

    \b
    For each gateway: its conditions, its pods with the revision that each has loaded, its
    providers and policies, and recent events. A pod's revision is asked through the API
    server, which needs the permission to get pods/proxy.

    \b
    Examples:
      claude-gateway status
      claude-gateway status corp --namespace claude
      claude-gateway status -A -o json | jq -r '.gateways[] | select(.ready | not) | .name'

    \b
    Exit code: 0 when every gateway shown is Ready, 1 when one is not, 2 when there is none or the
    cluster cannot be read.
    """
    from gateway_operator.cli import overview

    cluster.one_namespace(namespace, all_namespaces=all_namespaces)

    async def look(client: "KubeClient") -> "tuple[Sequence[GatewaySeen], str | None]":
        where = None if all_namespaces else namespace or client.namespace
        return await overview.gateways_seen(client, namespace=where, name=gateway), where

    seen, where = cluster.with_client(look, kubeconfig=kubeconfig, context=context)
    if not seen:
        what = f"GatewayDeployment {gateway}" if gateway else "GatewayDeployment"
        place = f"namespace {where}; see --namespace and -A" if where else "the cluster"
        fail(f"there is no {what} in {place}", code=Exit.UNREADABLE)
    if output is Format.JSON:
        print_json({"gateways": [{**dataclasses.asdict(each), "ready": each.ready} for each in seen]})
    else:
        out = console()
        now = datetime.now(UTC)
        for number, each in enumerate(seen):
            if number:
                out.print()
            _print(out, each, now)
    if not all(each.ready for each in seen):
        raise typer.Exit(Exit.ERRORS)


def _print(out: "Console", gateway: "GatewaySeen", now: datetime) -> None:
    from rich.text import Text

    out.print(
        Text.assemble(
            (f"{gateway.namespace}/{gateway.name}", "bold"), "  ", _verdict(gateway.conditions), f"  {gateway.url}"
        )
    )
    counts = f"{gateway.ready_replicas}/{gateway.replicas} pods ready, {gateway.programmed_replicas} programmed"
    out.print(Text(f"  {_short(gateway.revision)}, {counts}"))
    for condition in gateway.conditions:
        out.print(Text.assemble("  ", (f"{condition.type:<16}", "cyan"), _state(condition)))
    _table(
        out,
        ("POD", "READY", "STATE", "RESTARTS", "STREAMS", "REVISION", "AGE"),
        [
            (
                pod.name,
                "yes" if pod.ready else "no",
                pod.state,
                str(pod.restarts),
                "-" if pod.open_streams is None else str(pod.open_streams),
                _short(pod.revision) + ("" if pod.revision in (None, gateway.revision) else " (behind)"),
                _age(pod.created, now),
            )
            for pod in gateway.pods
        ],
    )
    _attached(out, "PROVIDER", gateway.providers, shown=len(gateway.providers))
    _attached(out, "POLICY", gateway.policies, shown=POLICIES_SHOWN)
    _table(
        out,
        ("EVENT", "AGE", "OBJECT", "MESSAGE"),
        [(event.reason, _age(event.at, now), event.object, event.message) for event in gateway.events],
    )
    for note in gateway.notes:
        out.print(Text.assemble("  ", ("note: ", "dim"), note))


def _attached(out: "Console", title: str, objects: "Sequence[AttachedSeen]", *, shown: int) -> None:
    """What does not hold is always shown."""
    from rich.text import Text

    healthy = [each for each in objects if _holds(each.conditions)]
    rest = set(healthy[shown:])
    rows = [
        (
            f"{each.namespace}/{each.name}",
            *((each.detail,) if each.detail else ()),
            str(each.priority),
            _verdict(each.conditions),
            _why(each.conditions),
        )
        for each in objects
        if each not in rest
    ]
    type_column = ("TYPE",) if any(each.detail for each in objects) else ()
    _table(out, (title, *type_column, "PRIORITY", "STATE", ""), rows)
    if rest:
        out.print(Text(f"  and {len(rest)} more that are Ready", style="dim"))


def _table(out: "Console", columns: "Sequence[str]", rows: "Sequence[Sequence[str | Text]]") -> None:
    """Columns as wide as what they hold; the last one may be longer than the terminal is wide, and wraps."""
    from rich.text import Text

    if not rows:
        return
    lines = [
        [Text(column, style="cyan") for column in columns],
        *([Text("").append(cell) for cell in row] for row in rows),
    ]
    widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
    out.print()
    for line in lines:
        for cell, width in zip(line[:-1], widths, strict=False):
            cell.pad_right(width - len(cell))
        out.print(Text("  ").append_text(Text("  ").join(line)))


def _holds(conditions: "Iterable[ConditionSeen]") -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in conditions)


def _verdict(conditions: "Sequence[ConditionSeen]") -> "Text":
    from rich.text import Text

    ready = next((each for each in conditions if each.type == "Ready"), None)
    if ready is not None and ready.status == "True":
        return Text("Ready", style="green")
    if ready is None or ready.status == "Unknown":
        return Text("Unknown", style="yellow")
    return Text("Not ready", style="red")


def _state(condition: "ConditionSeen") -> "Text":
    from rich.text import Text

    style = {"True": "green", "False": "red"}.get(condition.status, "yellow")
    reason = "" if condition.reason == condition.type else condition.reason
    text = ": ".join(part for part in (reason, condition.message) if part)
    return Text.assemble((f"{condition.status:<8}", style), text)


def _why(conditions: "Sequence[ConditionSeen]") -> str:
    """The first condition that does not hold, in the order in which they build on each other."""
    failing = next((each for each in conditions if each.status != "True"), None)
    return f"{failing.reason}: {failing.message}" if failing is not None else ""


def _short(revision: str | None) -> str:
    return revision[:REVISION_DIGITS] if revision else "no revision"


def _age(moment: str, now: datetime) -> str:
    """As kubectl writes it: `45s`, `12m`, `7h`, `3d`."""
    try:
        seconds = max(0, int((now - datetime.fromisoformat(moment)).total_seconds()))
    except ValueError:
        return "-"
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
