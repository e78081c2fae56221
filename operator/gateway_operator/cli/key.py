"""`claude-gateway key`."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway_operator.cli.output import Exit, fail

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def root(context: typer.Context) -> None:
    """Developer keys, and keys for the Admin API."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def create(
    user: Annotated[str, typer.Argument(metavar="USER", help="Whose key it is; an email address or another id.")],
    gateway: Annotated[str, typer.Option(metavar="NAME", help="The gateway that takes it.")],
    group: Annotated[
        list[str] | None, typer.Option(metavar="GROUP", help="A group that policies know. Repeatable.")
    ] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="A key for the Admin API, which `claude-gateway session` uses; no model.")
    ] = False,
    namespace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The gateway's namespace.", show_default="left to kubectl; `default` in `up`"
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="A period (90d, 12h), a day (2027-06-01) or a time (RFC 3339).", show_default="never"
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of the Secret.", show_default="key- (or admin-key-) and the user's name"),
    ] = None,
) -> None:
    """Make a developer key, or with --admin a key for the Admin API.

    \b
    Writes the Secret to apply to standard output, and the key once to standard error. The
    Secret holds only a hash: whoever loses the key needs a new one.

    \b
    Examples:
      claude-gateway key create alice@corp.example --group engineering --gateway corp > key-alice.yaml
      claude-gateway key create ci --gateway corp --namespace claude --expires 90d | kubectl apply -f -
      claude-gateway key create ops@corp.example --admin --gateway corp > admin-key-ops.yaml

    \b
    Exit code: 0; 1 when a name or a time cannot be used, 2 for a mistake in the options.
    """
    from gateway_operator.local import key_manifests

    if admin and group:
        fail("--group: an admin key has no groups; leave out --admin or --group", code=Exit.UNREADABLE)
    key = key_manifests.new_admin_key() if admin else key_manifests.new_key()
    now = datetime.now(UTC)
    try:
        when = key_manifests.expiry(expires, now=now) if expires is not None else None
        if admin:
            manifest = key_manifests.admin_manifest(
                key, holder=user, gateway=gateway, namespace=namespace, expires=when, name=name
            )
        else:
            manifest = key_manifests.manifest(
                key, user=user, groups=group or [], gateway=gateway, namespace=namespace, expires=when, name=name
            )
    except key_manifests.InvalidKeyRequestError as error:
        fail(str(error))
    sys.stdout.write(manifest)
    # Only once the manifest has been written: a key without its hash is of no use.
    sys.stdout.flush()
    if sys.stderr.isatty():
        sys.stderr.write(f"\nThe key of {user}, shown only now:\n\n  {key}\n\n")
        variable = "CLAUDE_GATEWAY_ADMIN_KEY" if admin else "ANTHROPIC_AUTH_TOKEN"
        sys.stderr.write(f"  export {variable}={key}\n")
    else:
        sys.stderr.write(f"{key}\n")
