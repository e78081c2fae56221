"""Directory → compiled gateways, for the commands that show what manifests lead to."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway_operator.cli.output import Exit, console, fail, fail_unreadable

if TYPE_CHECKING:
    from gateway_operator.compiler import Compiled, ObjectRef
    from gateway_operator.local.manifests import Manifests

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="Manifests: *.yaml, *.yml, *.json; not recursive.")]
GatewayName = Annotated[
    str | None, typer.Option("--gateway", metavar="NAME", help="One gateway of several: NAME or NAMESPACE/NAME.")
]


def read(directory: Path) -> "Manifests":
    """The directory's manifests; ends the command when they cannot be used."""
    from gateway_operator.local.manifests import DirectoryUnreadableError, ManifestReader

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
    missing = placeholders.missing(compiled.findings)
    for ref, path, message in missing:
        problem = manifests.problem(ref, path, f"{message} in these files; it is taken to be in the cluster")
        err.print(Text.assemble(("warning: ", "bold yellow"), str(problem)))
    if missing:
        compiled = compile_gateway(placeholders.with_placeholders(manifests.snapshot, compiled.findings), gateway)
    for finding in compiled.findings:
        if finding.severity == Severity.ERROR and finding.reason not in placeholders.ELSEWHERE:
            problem = manifests.problem(finding.ref, finding.path, finding.message)
            err.print(Text.assemble(("error: ", "bold red"), str(problem)))
    if compiled.configuration is None:
        raise typer.Exit(Exit.ERRORS)
    return compiled


def chosen(manifests: "Manifests", directory: Path, name: str | None) -> "ObjectRef":
    """The gateway that is meant; ends the command when that is not clear."""
    from gateway_operator.local.building import RejectedError, chosen_gateway

    try:
        return chosen_gateway(manifests.snapshot, name, where=str(directory))
    except RejectedError as error:
        fail(str(error), code=Exit.UNREADABLE)
