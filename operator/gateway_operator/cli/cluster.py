"""What the commands share that read a live cluster: their options, the connection, and how a refusal is told."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from gateway_operator.cli.output import Exit, fail

if TYPE_CHECKING:
    from gateway_operator.kube.client import KubeClient
    from gateway_operator.local.manifests import Manifests

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


def one_namespace(namespace: str | None, *, all_namespaces: bool) -> None:
    """Ends the command where both one namespace and all of them are asked for."""
    if namespace is not None and all_namespaces:
        fail(f"--namespace {namespace} or --all-namespaces, not both: leave out one of the two", code=Exit.UNREADABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The options that say which part of which cluster is read in place of a directory."""

    context: str | None
    kubeconfig: Path | None
    namespace: str | None
    all_namespaces: bool

    @property
    def given(self) -> bool:
        return self.all_namespaces or any(part is not None for part in (self.context, self.kubeconfig, self.namespace))

    def refuse_beside(self, directory: Path) -> None:
        """Ends the command where both a directory and a cluster are asked for."""
        if self.given:
            fail(f"{directory} or a cluster, not both: leave out one of the two", code=Exit.UNREADABLE)

    def manifests(self) -> "Manifests":
        """The cluster's objects; ends the command where nobody asked for a cluster, or it cannot be read."""
        from gateway_operator.cli import live

        one_namespace(self.namespace, all_namespaces=self.all_namespaces)
        if not self.given:
            fail("say what to read: DIR, or a cluster by --context, --namespace or -A", code=Exit.UNREADABLE)
        return with_client(
            lambda client: live.manifests(
                client, namespace=None if self.all_namespaces else self.namespace or client.namespace
            ),
            kubeconfig=self.kubeconfig,
            context=self.context,
        )
