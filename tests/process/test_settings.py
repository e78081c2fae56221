"""Options of `claude-gateway operator`: what they accept, and that each is an environment variable too."""

import os
import subprocess
import sys

import pytest

from gateway_operator.settings import Settings, SettingsError, labels_of, names_of


def operator(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "gateway_operator.cli.main", "operator", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )


def test_help_teaches_every_option_and_its_variable() -> None:
    text = " ".join(operator("--help").stdout.split())
    options = [word for word in text.split() if word.startswith("--") and word != "--help"]
    assert len(set(options)) >= 12
    for option in set(options):
        variable = f"CLAUDE_GATEWAY_OPERATOR_{option[2:].replace('-', '_').upper()}"
        assert variable in text, f"{option} has no variable"
    for word in ("Lease", "/readyz", "Exit code", "Examples"):
        assert word in text


@pytest.mark.parametrize(
    ("option", "value"),
    [("namespaces", "Claude"), ("log-level", "loud"), ("listen", "8080"), ("image-pull-policy", "Sometimes")],
)
def test_a_value_that_cannot_be_used_is_named_with_the_way_out(option: str, value: str) -> None:
    by_option = operator(f"--{option}={value}")
    variable = f"CLAUDE_GATEWAY_OPERATOR_{option.replace('-', '_').upper()}"
    by_variable = operator(**{variable: value})
    for ended in (by_option, by_variable):
        assert ended.returncode == 2
        assert value in ended.stderr
        assert "write" in ended.stderr


def test_without_a_cluster_the_message_says_where_it_was_looked_for() -> None:
    ended = operator("--kubeconfig=/nowhere/config", "--listen=127.0.0.1:0")
    assert ended.returncode == 2
    assert "/nowhere/config" in ended.stderr


def test_lists_are_read_from_one_value() -> None:
    assert names_of(" a, b,a,", option="--namespaces") == ("a", "b")
    assert labels_of("app=operator,team=x", option="--labels") == {"app": "operator", "team": "x"}
    with pytest.raises(SettingsError, match="--labels"):
        labels_of("app", option="--labels")
    assert Settings().scopes == (None,)
    assert Settings(namespaces=("a", "b")).scopes == ("a", "b")
