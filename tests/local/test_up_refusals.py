"""What keeps `up` from starting: one clear line, and an exit code that says whose fault it is."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.local import running
from tests.local.running import BINDING, GATEWAY, POLICY, SECRET, SMALLEST, write


def refused(directory: Path, *arguments: str, code: int, **variables: str) -> str:
    """The one line."""
    result = running.run("up", directory, "--listen", "127.0.0.1:0", *arguments, **variables)
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    lines = running.lines_of(result.stderr)
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return write(tmp_path / "m", SMALLEST)


def test_no_directory(tmp_path: Path) -> None:
    assert refused(tmp_path / "absent", code=2) == f"{tmp_path}/absent: no such file or directory"


def test_a_file_for_a_directory(manifests: Path) -> None:
    assert refused(manifests / "gateway.yaml", code=2).endswith("gateway.yaml: not a directory")


def test_no_gateway(manifests: Path) -> None:
    (manifests / "gateway.yaml").unlink()
    assert refused(manifests, code=2) == f"{manifests}: holds no GatewayDeployment"


def test_another_gateway_than_there_is(manifests: Path) -> None:
    expected = f"{manifests}: holds no gateway 'x', only claude/corp; see --gateway"
    assert refused(manifests, "--gateway", "x", code=2) == expected


def test_a_missing_secret(manifests: Path) -> None:
    assert refused(manifests, code=2) == (
        f"{manifests}/binding.yaml:8: spec.anthropic.apiKeySecretRef: Secret claude/anthropic does not exist; "
        "its value may also come from the environment: --secret-env NAME/KEY=VARIABLE"
    )


def test_no_binding(manifests: Path) -> None:
    (manifests / "binding.yaml").unlink()
    told = refused(manifests, code=2)
    assert told == f"{manifests}: no usable ProviderBinding refers to the gateway claude/corp"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("policy.yaml", POLICY.replace("gatewayRefs", "gatewayRef"), ":5: spec.gatewayRef: unknown field"),
        ("policy.yaml", POLICY + "  access: Perhaps\n", ":7: spec.access: "),
        ("policy.yaml", POLICY + "  access: Allow\n  access: Deny\n", ":8: spec.access: the key"),
        ("policy.yaml", POLICY.replace("v1alpha1", "v9"), ":1: apiVersion: the version 'v9' is not known"),
        (
            "policy.yaml",
            POLICY.replace("claude-gateway.dev", "claude-gatway.dev"),
            ":1: apiVersion: 'claude-gatway.dev/",
        ),
        ("policy.yaml", POLICY.replace("claude-gateway.dev/", ""), ":1: apiVersion: 'v1alpha1' is not the group of a "),
        ("policy.yaml", POLICY.replace("GatewayPolicy", "GatewayPolice"), ":2: kind: claude-gateway.dev has no kind"),
        ("policy.yaml", POLICY.replace("kind: GatewayPolicy\n", ""), ":1: kind: is required"),
        ("twice.yaml", POLICY, ":3: metadata.name: GatewayPolicy claude/everyone stands twice, first in "),
        ("bad.yaml", "a:\n\tb: 1\n", ":2: a tab indents this line; YAML takes only spaces"),
        ("bad.yaml", "a: [1, 2\nb: 3\n", ":2: not YAML: "),
        ("bad.json", '{"kind": }', ":1: not JSON: "),
        (
            "secret.yaml",
            SECRET.replace("sk-ant-canary-7f3a", "12345"),
            ":4: stringData.api-key: must be a string, a number",
        ),
        ("secret.yaml", SECRET.replace("stringData", "data"), ":4: data.api-key: is not base64"),
        ("secret.yaml", SECRET.replace("stringData", "stringdata"), ":4: stringdata: unknown field"),
    ],
)
def test_files_that_cannot_be_used(manifests: Path, name: str, text: str, told: str) -> None:
    write(manifests, {name: text})
    result = running.run("up", manifests, "--demo", "--listen", "127.0.0.1:0")
    assert result.returncode == 2
    lines = [line for line in running.lines_of(result.stderr) if f"{name}{told}" in line]
    assert len(lines) == 1, result.stderr
    assert "sk-ant-canary" not in result.stderr
    assert "Traceback" not in result.stderr


def test_bytes_that_are_not_utf8(manifests: Path) -> None:
    (manifests / "latin.yaml").write_bytes(b"a: 1\nname: caf\xe9\n")
    told = refused(manifests, "--demo", code=2)
    assert told == f"{manifests}/latin.yaml:2: is not UTF-8: the byte 0xe9 does not belong there"


def test_utf16(manifests: Path) -> None:
    (manifests / "wide.yaml").write_bytes("a: 1\n".encode("utf-16"))
    assert refused(manifests, "--demo", code=2) == f"{manifests}/wide.yaml:1: is UTF-16; save it as UTF-8"


def test_an_unreadable_file(manifests: Path) -> None:
    (manifests / "loop.yaml").symlink_to("loop.yaml")
    told = refused(manifests, "--demo", code=2)
    assert told == f"{manifests}/loop.yaml: cannot be read: too many levels of symbolic links"


def test_a_port_in_use(manifests: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = running.run("up", manifests, "--demo", "--listen", f"127.0.0.1:{port}")
    assert result.returncode == 1
    assert running.lines_of(result.stderr) == [
        f"error: port in use: another program listens on 127.0.0.1:{port}; choose another address with --listen"
    ]


@pytest.mark.parametrize("listen", ["8080", "127.0.0.1:http", "127.0.0.1:70000", "::1:8080", "nowhere.invalid:80"])
def test_an_address_that_is_none(manifests: Path, listen: str) -> None:
    told = refused(manifests, "--demo", "--listen", listen, code=1)
    assert "127.0.0.1:8080" in told or "--listen" in told


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("anthropic/api-key=UNSET_VARIABLE", "the environment variable UNSET_VARIABLE is not set"),
        ("anthropic/api-key=EMPTY_VARIABLE", "the environment variable EMPTY_VARIABLE is empty"),
        ("anthropic=UNSET_VARIABLE", "write NAME/KEY=VARIABLE"),
        ("anthropic/api-key", "write NAME/KEY=VARIABLE"),
    ],
)
def test_a_secret_value_that_is_not_there(manifests: Path, option: str, told: str) -> None:
    assert told in refused(manifests, "--secret-env", option, code=1, EMPTY_VARIABLE="")


@pytest.mark.parametrize(
    "url",
    [
        "claude.corp.example",
        "http://a b",
        "http://u:p@a",
        "http://a/path",
        "ftp://a",
        "http://a:65536",
        "http://[::g]",
        "",
    ],
)
def test_a_public_url_that_is_none(manifests: Path, url: str) -> None:
    told = refused(manifests, "--demo", "--public-url", url, code=1)
    assert told == (f"--public-url {url}: write scheme, host and, if need be, port, for example http://10.0.0.5:8080")


def test_a_state_directory_that_holds_something_else(manifests: Path, tmp_path: Path) -> None:
    """`config` is a common name, and what is not of the bundle would be swept away."""
    write(tmp_path / "project" / "config", {"settings.ini": "mine"})
    told = refused(manifests, "--demo", "--state", str(tmp_path / "project"), code=1)
    assert told.startswith(f"{tmp_path}/project/config holds 'settings.ini', which would be removed")
    assert told.endswith("choose another directory with --state")
    assert (tmp_path / "project/config/settings.ini").read_text() == "mine"


def test_a_lock_that_leads_elsewhere(manifests: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (manifests / "state").mkdir()
    (manifests / "state/lock").symlink_to(tmp_path / "precious")
    refused(manifests, "--demo", "--state", f"{manifests}/state", code=1)
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_mistake_in_the_options(manifests: Path) -> None:
    assert refused(manifests, "--lissten", "x", code=1).startswith("No such option")


@pytest.mark.parametrize("make", [lambda path: path.write_text(""), lambda path: path.symlink_to("/proc/nowhere")])
def test_a_state_directory_that_cannot_be_made(manifests: Path, make: Callable[[Path], object]) -> None:
    make(manifests / "state")
    told = refused(manifests, "--demo", "--state", f"{manifests}/state", code=1)
    assert told.startswith(f"the state directory {manifests}/state cannot be used: ")
    assert told.endswith("; choose another with --state")


def test_what_has_no_meaning_here_is_noted(tmp_path: Path) -> None:
    manifests = write(tmp_path / "m", {"gateway.yaml": GATEWAY, "binding.yaml": BINDING})
    write(manifests, {"web.yaml": "# web\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"})
    result = running.run("up", manifests)
    assert result.returncode == 2
    (manifests / "secret.yaml").write_text(SECRET)
    os.mkfifo(manifests / "pipe.yaml")
    assert refused(manifests, code=2) == (
        f"{manifests}/pipe.yaml: is not a regular file; manifests are read from files only"
    )
