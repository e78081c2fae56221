"""`claude-gateway session`."""

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway_operator.cli.output import Exit, Format, console, fail, print_json

if TYPE_CHECKING:
    from gateway_operator.cli.admin_api import AdminAPI

PATH: Final = "/v1/organizations/sessions"

URL = Annotated[
    str | None, typer.Option(metavar="URL", help="The gateway's public URL.", show_default="$CLAUDE_GATEWAY_URL")
]
CAFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Certificates (PEM) to trust besides the system's.")]

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def root(context: typer.Context) -> None:
    """Who is signed in, and signing them out."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(name="list")
def list_(
    user: Annotated[str | None, typer.Option(metavar="USER", help="Of this user: their id or email address.")] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="At most so many.", show_default="all")] = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="For people or for scripts.")] = Format.TEXT,
    url: URL = None,
    ca_file: CAFile = None,
) -> None:
    """List sign-ins, revoked and expired ones too while the gateway still knows them.

    \b
    Asks the gateway at --url with the admin key in CLAUDE_GATEWAY_ADMIN_KEY.

    \b
    Examples:
      export CLAUDE_GATEWAY_URL=https://claude.corp.example
      claude-gateway session list
      claude-gateway session list --user alice@corp.example
      claude-gateway session list -o json | jq -r '.data[] | select(.revoked_at == null) | .id'

    \b
    Exit code: 0; 1 when the gateway refuses or cannot be reached, 2 for a mistake in the options.
    """
    api = _api(url, ca_file)
    rows = api.rows(PATH, {} if user is None else {"user": user}, limit=limit)
    if output is Format.JSON:
        print_json({"data": list(rows)})
    else:
        _print_table(rows, now=datetime.now(UTC))


@app.command()
def revoke(
    session: Annotated[str | None, typer.Argument(metavar="[ID]", help="One sign-in.", show_default=False)] = None,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Every sign-in of this user: their id or email address.")
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Every sign-in of everybody.")] = False,
    output: Annotated[Format, typer.Option("--output", "-o", help="For people or for scripts.")] = Format.TEXT,
    url: URL = None,
    ca_file: CAFile = None,
) -> None:
    """Sign people out: one sign-in by its ID, every one of a user, or all.

    \b
    Every pod refuses the session within two seconds. Whoever the identity provider still lets in
    can sign in again: disable the account there first.

    \b
    Examples:
      claude-gateway session revoke --user alice@corp.example
      claude-gateway session revoke ses_4f0c1a2b3d5e6f7081920a1b
      claude-gateway session revoke --all

    \b
    Exit code: 0, also when there was nothing to revoke; 1 when the gateway refuses or cannot be
    reached, 2 for a mistake in the options.
    """
    targets: list[dict[str, Any]] = []
    if session is not None:
        targets.append({"id": session})
    if user is not None:
        targets.append({"user": user})
    if everybody:
        targets.append({"all": True})
    if len(targets) != 1 or "" in targets[0].values():
        fail("say whom to sign out: an ID, --user USER or --all, one of them", code=Exit.UNREADABLE)
    answer = _api(url, ca_file).call("POST", f"{PATH}/revoke", body=targets[0])
    if output is Format.JSON:
        print_json(answer)
        return
    count = answer.get("revoked")
    print(f"{count} {'session' if count == 1 else 'sessions'} revoked")


def _api(url: str | None, ca_file: Path | None) -> "AdminAPI":
    from gateway_operator.cli import admin_api

    return admin_api.AdminAPI(
        url or os.environ.get(admin_api.URL_VARIABLE), os.environ.get(admin_api.KEY_VARIABLE), ca_file=ca_file
    )


HEADINGS: Final = ("ID", "USER", "EMAIL", "PROVIDER", "SIGNED IN", "LAST USED", "STATE")


def _print_table(rows: Iterable[Mapping[str, Any]], *, now: datetime) -> None:
    """Never cut to the width of a terminal: the ID is what `revoke` takes."""
    from rich.text import Text

    lines: list[tuple[tuple[str, ...], str]] = [(HEADINGS, "bold")]
    for row in rows:
        state, style = _state(row, now)
        cells = (
            *(_printable(row.get(member)) for member in ("id", "user", "email", "provider")),
            _shown(_moment(row.get("created_at"))),
            _shown(_moment(row.get("last_used_at"))),
            state,
        )
        lines.append((cells, style))
    if len(lines) == 1:
        print("nobody is signed in")
        return
    widths = [max(len(cells[column]) for cells, _ in lines) for column in range(len(HEADINGS) - 1)]
    out = console()
    for cells, style in lines:
        padded = "".join(f"{cell:<{width}}  " for cell, width in zip(cells, widths, strict=False))
        out.print(Text.assemble((padded, "bold" if style == "bold" else ""), (cells[-1], style)))


def _state(row: Mapping[str, Any], now: datetime) -> tuple[str, str]:
    revoked, expires = _moment(row.get("revoked_at")), _moment(row.get("expires_at"))
    if revoked is not None:
        return f"revoked {_shown(revoked)}", "red"
    if expires is not None and expires <= now:
        return f"expired {_shown(expires)}", "yellow"
    return f"until {_shown(expires)}", "green"


def _moment(value: Any) -> datetime | None:
    """Of an RFC 3339 time or Unix seconds; None where there is none."""
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return when if when is None or when.tzinfo is not None else when.replace(tzinfo=UTC)


def _shown(when: datetime | None) -> str:
    return "-" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%MZ}"


def _printable(value: Any) -> str:
    """What an identity provider says of a person must not move a terminal's cursor."""
    text = "-" if value in (None, "") else str(value)
    return "".join(character if character.isprintable() else "?" for character in text)
