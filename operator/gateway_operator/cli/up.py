"""`claude-gateway up`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway_operator.cli import STARTED
from gateway_operator.cli import compiled as compiling


def up(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Manifests: *.yaml, *.yml, *.json; not recursive.")],
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where developers connect; port 0 takes a free one.")
    ] = "127.0.0.1:8080",
    state: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Directory for what this gateway keeps.", show_default="DIR/.state"),
    ] = None,
    gateway: compiling.GatewayName = None,
    public_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The URL that developers use.", show_default="the listen address"),
    ] = None,
    secret_env: compiling.SecretEnv = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Answer with the built-in demo upstream; no credential is needed.")
    ] = False,
) -> None:
    """Run one gateway on this machine, without a cluster.

    \b
    Reads the manifests in DIR, serves them, and enforces every edit at once. An edit that is
    broken is rejected with file, line and field, and the last good state serves on. Ctrl-C gives
    open streams five seconds; a second one ends at once.

    \b
    Examples:
      claude-gateway up examples/01-smallest --demo
      claude-gateway up manifests/ --secret-env anthropic/api-key=ANTHROPIC_API_KEY
      claude-gateway up manifests/ --gateway corp --listen 0.0.0.0:8080 --public-url http://10.0.0.5:8080

    \b
    Standard output carries the audit log, one JSON line for each request, when it is not a terminal.
    Exit code: 0 after Ctrl-C, 2 when the manifests cannot be used at the start, 1 otherwise.
    """
    from gateway_operator.local import up as local

    options = local.Options(
        directory=directory,
        listen=listen,
        state=state,
        gateway=gateway,
        public_url=public_url,
        secret_env=tuple(secret_env or ()),
        demo=demo,
        begun=STARTED,
    )
    raise typer.Exit(local.run(options))
