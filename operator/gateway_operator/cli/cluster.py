"""What the commands share that read a live cluster: their options, the connection, and how a refusal is told."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from gateway_operator.cli.output import Exit, fail

if TYPE_CHECKING:
    from gateway_operator.kube.client import KubeClient

Result = TypeVar("Result")

Context = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Read the cluster of this kubeconfig context.", show_default="the current one"),
]
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", metavar="NAME", help="In the cluster.", show_default="the context's own"),
]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In the cluster: every namespace.")]
Kubeconfig = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The kubeconfig.", show_default="$KUBECONFIG, ~/.kube/config")
]


def with_client(
    work: "Callable[[KubeClient], Awaitable[Result]]", *, kubeconfig: Path | None, context: str | None
) -> Result:
    """What `work` returns, given a client of the cluster; ends the command when the cluster says no."""
    from gateway_operator.kube import access
    from gateway_operator.kube.errors import KubeError

    async def run() -> Result:
        async with await access.connected(kubeconfig=kubeconfig, context=context) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except KubeError as error:
        fail(f"the cluster cannot be read: {error}", code=Exit.UNREADABLE)
    except OSError as error:
        fail(f"the kubeconfig cannot be used: {error}", code=Exit.UNREADABLE)
