"""What the command line says of itself, and of mistakes in its arguments."""

import os
import pty
import shlex
import signal
import subprocess

import pytest
from tests.local import running
from tests.local.running import CLI

COMMANDS = (
    *("", "up", "lint", "render", "explain", "models", "check", "status"),
    *("key create", "session list", "session revoke"),
)


@pytest.mark.parametrize("arguments", [name.split() for name in (*COMMANDS, "key", "session")], ids=" ".join)
def test_every_command_has_help(arguments: list[str]) -> None:
    result = running.run(*arguments, "--help")
    assert result.returncode == 0
    assert "Usage: " in result.stdout
    assert result.stderr == ""
    assert not set("│╭╰─━┃") & set(result.stdout)
    if arguments not in ([], ["key"], ["session"]):
        assert "Examples:" in result.stdout


def test_without_a_command_help_is_shown() -> None:
    result = running.run()
    assert result.returncode == 0
    assert "claude-gateway up examples/01-smallest --demo" in result.stdout


def test_version() -> None:
    result = running.run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("claude-gateway 0.")


def test_completion_is_for_the_shell_that_asks() -> None:
    asked = f"{shlex.join(CLI)} --show-completion; exit $?"  # not the last command, which bash would become
    result = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, env=running.environment())
    assert result.returncode == 0, result.stderr
    assert "complete -o" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nope"], 2, "error: No such command 'nope'; see claude-gateway --help"),
        (["lint"], 2, "error: say what to read: DIR, or a cluster by --context, --namespace or -A"),
        (["up"], 1, "error: Missing argument 'DIR'; see claude-gateway up --help"),
        (["lint", ".", "-o", "xml"], 2, "error: Invalid value for '--output' / '-o'"),
        (["session", "revoke"], 2, "error: say whom to sign out: an ID, --user USER or --all, one of them"),
        (["session", "list"], 2, "error: say which gateway: --url, or its public URL in CLAUDE_GATEWAY_URL"),
        (["key", "create", "a"], 2, "error: Missing option '--gateway'; see claude-gateway key create --help"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], code: int, told: str) -> None:
    result = running.run(*arguments)
    assert result.returncode == code
    assert result.stdout == ""
    lines = running.lines_of(result.stderr)
    assert len(lines) == 1
    assert lines[0].startswith(told)


@pytest.mark.parametrize(
    "arguments",
    [
        ["render", "examples/01-smallest"],  # in one piece, at the end
        ["explain", "examples/01-smallest", "--user", "bob@corp.example"],  # line by line
        ["--help"],
    ],
)
def test_a_reader_that_has_seen_enough_ends_a_command_quietly(arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [*CLI, *arguments]
    result = subprocess.run(
        command, stdout=write, stderr=subprocess.PIPE, text=True, check=False, env=running.environment()
    )
    os.close(write)
    assert result.returncode == -signal.SIGPIPE
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr


def test_a_mistake_told_to_nobody_is_no_traceback_either() -> None:
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run(
        [*CLI, "lint", "no-such-folder"], stdout=write, stderr=write, check=False, env=running.environment()
    )
    os.close(write)
    assert result.returncode == -signal.SIGPIPE


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_is_for_people(variables: dict[str, str], coloured: bool) -> None:
    parent, child = pty.openpty()
    environment = running.environment(**variables, TERM="xterm-256color")
    subprocess.run([*CLI, "lint", "examples/01-smallest"], stdout=child, stderr=child, check=True, env=environment)
    os.close(child)
    shown = b""
    try:
        while piece := os.read(parent, 4096):
            shown += piece
    except OSError:
        pass  # how Linux says that a terminal has closed
    os.close(parent)
    assert (b"33m" in shown) is coloured
    assert b"warning: " in shown
    assert b"\x1b" not in running.run("lint", "examples/01-smallest").stdout.encode()
