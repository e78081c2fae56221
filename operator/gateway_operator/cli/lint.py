"""`claude-gateway lint`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway_operator.cli import cluster
from gateway_operator.cli.output import Exit, Format, console, print_json

if TYPE_CHECKING:
    from gateway_operator.local.judgement import Judgement


def lint(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[DIR]...", help="Read together, as one cluster's objects.", show_default="a cluster's, see below"
        ),
    ] = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="For people or for scripts.")] = Format.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors.")] = False,
    context: cluster.Context = None,
    namespace: cluster.Namespace = None,
    all_namespaces: cluster.AllNamespaces = False,
    kubeconfig: cluster.Kubeconfig = None,
) -> None:
    """Tell what is wrong with manifests: schema, rules, and how objects fit together.

    \b
    Each finding comes with file, line and field. Nothing is contacted for a DIR: a Secret that
    is not in it is a warning, because it may lie in the cluster only. Without a DIR, with
    --context, --namespace or -A, the objects of a cluster are judged.

    \b
    Examples:
      claude-gateway lint manifests/
      claude-gateway lint gateways/ policies/ --strict
      claude-gateway lint --context production -A
      claude-gateway lint manifests/ -o json | jq '.findings[] | select(.severity == "Error")'

    \b
    Exit code: 0 clean or warnings only (with --strict: 1), 1 errors, 2 unreadable.
    """
    from gateway_operator.local.judgement import judge, judged

    where = cluster.Where(context=context, kubeconfig=kubeconfig, namespace=namespace, all_namespaces=all_namespaces)
    if directories:
        where.refuse_beside(directories[0])
        judgement = judge(directories)
    else:
        judgement = judged(where.manifests())
    if output is Format.JSON:
        print_json(_document(judgement))
    else:
        _print(judgement)
    if judgement.unreadable:
        raise typer.Exit(Exit.UNREADABLE)
    if judgement.errors or (strict and judgement.warnings):
        raise typer.Exit(Exit.ERRORS)


def _document(judgement: "Judgement") -> dict[str, Any]:
    return {
        "findings": [
            {
                "severity": finding.severity,
                "reason": finding.reason,
                "file": finding.problem.file or None,
                "line": finding.problem.line or None,
                "kind": finding.ref.kind if finding.ref else None,
                "namespace": finding.ref.namespace if finding.ref else None,
                "name": finding.ref.name if finding.ref else None,
                "field": finding.problem.field,
                "message": finding.problem.message,
            }
            for finding in judgement.findings
        ],
        "notes": [str(note) for note in judgement.notes],
        "objects": judgement.objects,
        "errors": judgement.errors,
        "warnings": judgement.warnings,
    }


def _print(judgement: "Judgement") -> None:
    from rich.text import Text

    out = console()
    for note in judgement.notes:
        out.print(Text.assemble(("note: ", "dim"), str(note)))
    for finding in judgement.findings:
        style = "bold red" if finding.severity == "Error" else "bold yellow"
        out.print(
            Text.assemble(
                (f"{finding.severity.lower()}: ", style), str(finding.problem), (f" ({finding.reason})", "dim")
            )
        )
    style = "red" if judgement.errors else "yellow" if judgement.warnings else "green"
    out.print(Text(_summary(judgement), style=style))


def _summary(judgement: "Judgement") -> str:
    def count(number: int, noun: str) -> str:
        return f"{number} {noun}{'' if number == 1 else 's'}"

    objects = count(judgement.objects, "object")
    if not judgement.findings:
        return f"{objects}, nothing to remark"
    return f"{objects}, {count(judgement.errors, 'error')}, {count(judgement.warnings, 'warning')}"
