"""How commands speak: one clear line for an error, colour where a person reads, JSON where a script does."""

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from gateway_operator.local.manifests import Problem


class Exit:
    """Exit codes that commands share."""

    OK = 0
    ERRORS = 1
    UNREADABLE = 2


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


class Markup(StrEnum):
    YAML = "yaml"
    JSON = "json"


def console(*, stderr: bool = False) -> "Console":
    """Where a command speaks to a person. A reader that has gone is a BrokenPipeError, as for `print`."""
    from rich.console import Console

    class PipedConsole(Console):
        def on_broken_pipe(self) -> None:
            raise

    return PipedConsole(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def fail(message: str, *, code: int = Exit.ERRORS) -> NoReturn:
    """Ends the command with one line on standard error."""
    from rich.text import Text

    console(stderr=True).print(Text.assemble(("error: ", "bold red"), message))
    raise typer.Exit(code)


def fail_unreadable(problems: "tuple[Problem, ...]") -> NoReturn:
    """Ends the command with a line for each problem."""
    from rich.text import Text

    err = console(stderr=True)
    for problem in problems:
        err.print(Text.assemble(("error: ", "bold red"), str(problem)))
    raise typer.Exit(Exit.UNREADABLE)
