"""`claude-gateway models`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway_operator.cli import cluster
from gateway_operator.cli import compiled as compiling
from gateway_operator.cli.output import Format, console, print_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from gateway_operator.compiler.offering import Offer, OfferedModel, Offering

COLUMNS = ("MODEL", "UPSTREAM ID", "NAME", "CONTEXT", "LISTED", "POLICIES")
_MILLION = 1_000_000
_THOUSAND = 1_000


def models(
    directory: compiling.Directory = None,
    gateway: compiling.GatewayName = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="For people or for scripts.")] = Format.TEXT,
    context: cluster.Context = None,
    namespace: cluster.Namespace = None,
    all_namespaces: cluster.AllNamespaces = False,
    kubeconfig: cluster.Kubeconfig = None,
) -> None:
    """List the models of each binding, and what its upstream calls them.

    \b
    For each binding, in the order of priority: the id that clients ask for, the id that the
    upstream gets (at Bedrock with the prefix of its region's inference profile), the name and the
    context window that clients are told, whether GET /v1/models shows it to callers whose policy
    names no models, and the policies that let a request for it go there. Any spelling of a model
    means the same one: claude-haiku-4-5, claude-haiku-4-5@20251001, claude-haiku-4-5[1m],
    eu.anthropic.claude-haiku-4-5-20251001-v1:0. Another id is written into a binding's
    spec.models[].upstreamID, a model of your own into the gateway's spec.models.custom. No
    upstream is asked; claude-gateway check does that.

    \b
    Examples:
      claude-gateway models manifests/
      claude-gateway models --context production --namespace claude --gateway corp
      claude-gateway models manifests/ -o json | jq -r '.bindings[].models[].upstreamID'
      claude-gateway models manifests/ -o json | jq '.bindings[] | {name, models: [.models[].id]}'

    \b
    Exit code: 0; 1 when the gateway cannot be compiled; 2 unreadable.
    """
    from gateway_operator.compiler.offering import offering

    where = cluster.Where(context=context, kubeconfig=kubeconfig, namespace=namespace, all_namespaces=all_namespaces)
    manifests = compiling.read(directory, where)
    ref = compiling.chosen(manifests, directory, gateway)
    found = offering(compiling.compiled_gateway(manifests, ref))
    if output is Format.JSON:
        print_json({"gateway": f"{ref.namespace}/{ref.name}", **_document(found)})
    else:
        _show(console(), found)


def _document(found: "Offering") -> dict[str, Any]:
    return {
        "bindings": [
            {
                "name": offer.binding,
                "type": offer.type,
                "region": offer.region or None,
                "priority": offer.priority,
                "models": [
                    {
                        "id": model.id,
                        "upstreamID": model.upstream_id,
                        "displayName": model.display_name,
                        "maxInputTokens": model.max_input_tokens,
                        "listed": model.listed,
                        "policies": list(model.policies),
                    }
                    for model in offer.models
                ],
            }
            for offer in found.offers
        ],
        "leftOut": [{"name": name, "why": why} for name, why in found.left_out],
        "notServed": list(found.unserved),
    }


def _show(out: "Console", found: "Offering") -> None:
    from rich.text import Text

    for number, offer in enumerate(found.offers):
        if number:
            out.print()
        out.print(_heading(offer))
        if offer.models:
            _table(out, offer.models)
        else:
            out.print(Text("  serves no model", style="yellow"))
    if found.left_out or found.unserved:
        out.print()
    for name, why in found.left_out:
        out.print(Text.assemble(("left out: ", "yellow"), (name, "bold"), f": {why}"))
    if found.unserved:
        out.print(Text.assemble(("not served: ", "yellow"), ", ".join(found.unserved)))


def _heading(offer: "Offer") -> "Text":
    from rich.text import Text

    count = f"{len(offer.models)} model{'' if len(offer.models) == 1 else 's'}"
    facts = [f"{offer.type} {offer.region}".strip(), f"priority {offer.priority}", count]
    return Text.assemble((offer.binding, "bold"), f"  {', '.join(facts)}")


def _table(out: "Console", models: "Sequence[OfferedModel]") -> None:
    from rich.text import Text

    rows = [[Text(title, style="cyan") for title in COLUMNS]]
    for model in models:
        style = "" if model.listed else "dim"
        cells = (
            model.id,
            model.upstream_id,
            model.display_name,
            _context(model.max_input_tokens),
            "yes" if model.listed else "no",
        )
        policies = (", ".join(model.policies), style) if model.policies else ("none", "yellow")
        rows.append([*(Text(cell, style=style) for cell in cells), Text(*policies)])
    widths = [max(len(row[number]) for row in rows) for number in range(len(COLUMNS))]
    for row in rows:
        for cell, width in zip(row[:-1], widths, strict=False):
            cell.pad_right(width - len(cell))
        out.print(Text("  ") + Text("  ").join(row))


def _context(tokens: int | None) -> str:
    if tokens is None:
        return "-"
    for unit, size in (("M", _MILLION), ("K", _THOUSAND)):
        if tokens % size == 0:
            return f"{tokens // size}{unit}"
    return str(tokens)
