"""Manifests → compiled gateways, for the commands that show what manifests lead to."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway_operator.cli import cluster
from gateway_operator.cli.output import Exit, console, fail, fail_unreadable

if TYPE_CHECKING:
    from gateway_operator.compiler import Compiled, ObjectRef
    from gateway_operator.local.manifests import Manifests

Directory = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DIR]", help="Manifests: *.yaml, *.yml, *.json; not recursive.", show_default="a cluster's, see below"
    ),
]
GatewayName = Annotated[
    str | None, typer.Option("--gateway", metavar="NAME", help="One gateway of several: NAME or NAMESPACE/NAME.")
]
SecretEnv = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME/KEY=VARIABLE",
        help="Take a value of a Secret in the gateway's namespace from the environment. Repeatable.",
    ),
]


def read(directory: Path | None, where: cluster.Where) -> "Manifests":
    """The directory's manifests, or the cluster's; ends the command when they cannot be used."""
    from gateway_operator.local.manifests import DirectoryUnreadableError, ManifestReader

    if directory is None:
        return where.manifests()
    where.refuse_beside(directory)
    try:
        manifests = ManifestReader([directory]).read()
    except DirectoryUnreadableError as error:
        fail(str(error), code=Exit.UNREADABLE)
    if manifests.problems:
        fail_unreadable(manifests.problems)
    return manifests


def compiled_gateway(manifests: "Manifests", gateway: "ObjectRef") -> "Compiled":
    """One gateway. Its errors go to standard error; without a configuration the command ends.

    A Secret or ConfigMap that is not in the files is taken to be in the cluster; a warning says so.
    """
    from rich.text import Text

    from gateway_operator.compiler import Severity, compile_gateway
    from gateway_operator.local import placeholders

    compiled = compile_gateway(manifests.snapshot, gateway)
    err = console(stderr=True)
    elsewhere = placeholders.ELSEWHERE if manifests.elsewhere else frozenset()
    missing = placeholders.missing(compiled.findings) if elsewhere else []
    for ref, path, message in missing:
        problem = manifests.problem(ref, path, f"{message} {manifests.elsewhere}; it is taken to be in the cluster")
        err.print(Text.assemble(("warning: ", "bold yellow"), str(problem)))
    if missing:
        compiled = compile_gateway(placeholders.with_placeholders(manifests.snapshot, compiled.findings), gateway)
    for finding in compiled.findings:
        if finding.severity == Severity.ERROR and finding.reason not in elsewhere:
            problem = manifests.problem(finding.ref, finding.path, finding.message)
            err.print(Text.assemble(("error: ", "bold red"), str(problem)))
    if compiled.configuration is None:
        raise typer.Exit(Exit.ERRORS)
    return compiled


def chosen(manifests: "Manifests", directory: Path | None, name: str | None) -> "ObjectRef":
    """The gateway that is meant; ends the command when that is not clear."""
    from gateway_operator.local.building import RejectedError, chosen_gateway

    try:
        return chosen_gateway(manifests.snapshot, name, where=str(directory or "the cluster's namespace"))
    except RejectedError as error:
        fail(str(error), code=Exit.UNREADABLE)
