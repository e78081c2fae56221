"""`claude-gateway`: the command line. Commands import what they need when they run, so that `--help` is quick."""

import os
import signal
import sys
from typing import Annotated, NoReturn

import typer

from gateway_operator.cli import check, explain, key, lint, models, operator, render, session, status, up

PROGRAM = "claude-gateway"
DEBUG_VARIABLE = "CLAUDE_GATEWAY_DEBUG"
USAGE_EXIT = 2

app = typer.Typer(
    name=PROGRAM,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command(name="up")(up.up)
app.command(name="operator")(operator.operator)
app.command(name="lint")(lint.lint)
app.command(name="render")(render.render)
app.command(name="explain")(explain.explain)
app.command(name="models")(models.models)
app.command(name="check")(check.check)
app.command(name="status")(status.status)
app.add_typer(key.app, name="key")
app.add_typer(session.app, name="session")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"claude-gateway {version('claude-gateway-operator')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Runs an organization's Claude Code gateways from manifests.

    \b
    A gateway on this machine, answered by a built-in demo:
      claude-gateway up examples/01-smallest --demo
    The same, answered by the Anthropic API:
      claude-gateway up examples/01-smallest --secret-env anthropic/api-key=ANTHROPIC_API_KEY
    A key for a developer:
      claude-gateway key create alice@corp.example --group engineering --gateway corp > key-alice.yaml
    What a pipeline checks before it applies manifests:
      claude-gateway lint manifests/
    What one person may do, and which object says so:
      claude-gateway explain manifests/ --user bob@corp.example --group contractors
    The models of each binding, and what its upstream calls them:
      claude-gateway models manifests/
    A real call to every upstream, with the way out of what fails:
      claude-gateway check manifests/
    A cluster's gateways at a glance:
      claude-gateway status --all-namespaces
    Everybody who is signed in, and signing one of them out:
      claude-gateway session list
      claude-gateway session revoke --user bob@corp.example

    `claude-gateway COMMAND --help` shows what a command does. NO_COLOR turns colour off.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """The console script."""
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        _end_as_its_reader_did()
    sys.exit(code)


def _run() -> int:
    """Runs the command that the arguments name, and gives its exit code."""
    try:
        code = app(prog_name=PROGRAM, standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except SystemExit as end:
        # Typer takes a broken pipe of a command for itself, and ends with 1.
        if isinstance(end.__context__, BrokenPipeError):
            raise end.__context__ from None
        raise
    except Exception as error:  # the boundary: a person gets a line; the variable brings the traceback
        # Typer brings its own copy of click, so its errors are known by what they can do.
        if hasattr(error, "format_message"):
            return _usage(error.format_message(), getattr(error, "ctx", None))
        if os.environ.get(DEBUG_VARIABLE):
            raise
        text = " ".join(str(error).split()) or type(error).__name__
        print(f"error: {text} (a fault of this program; {DEBUG_VARIABLE}=1 shows where)", file=sys.stderr)
        return 1
    return code if isinstance(code, int) else 0


def _end_as_its_reader_did() -> NoReturn:
    """A reader that has seen enough (`head`, a pager) ends a command without a word, as it ends every other program.

    Only here, at the end: a command that lets SIGPIPE kill it is killed by each connection that its peer closes.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    raise AssertionError("SIGPIPE ends a process")


def _usage(message: str, context: typer.Context | None) -> int:
    """Tells a mistake in the arguments, and gives its exit code."""
    where = f"; see {context.command_path} --help" if context is not None else ""
    print(f"error: {message.rstrip('.')}{where}", file=sys.stderr)
    # `up` says with 2 that the manifests are at fault, so a mistake in its options is a 1.
    return 1 if context is not None and context.info_name == "up" else USAGE_EXIT


if __name__ == "__main__":
    main()
