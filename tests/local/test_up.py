"""`claude-gateway up`: manifests in, Claude answered, edits enforced, a clean end."""

import os
import signal
import time
from pathlib import Path

import pytest
from tests.local import running
from tests.local.running import SECRET, SMALLEST, ask, up, write, write_key


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return write(tmp_path / "manifests", SMALLEST)


@pytest.fixture
def key(manifests: Path) -> str:
    return write_key(manifests, "alice@corp.example", "engineering")


def test_a_developer_is_answered(manifests: Path, key: str) -> None:
    with up(manifests, "--demo") as gateway:
        status, message = ask(gateway.port, key)
        assert status == 200
        assert message["content"][0]["text"].startswith("This is the built-in demo upstream")
        gateway.until(lambda: any(line["event"] == "inference" for line in gateway.audit))
    line = next(line for line in gateway.audit if line["event"] == "inference")
    assert (line["email"], line["upstream"]) == ("alice@corp.example", "claude/anthropic")


def test_the_start_tells_what_is_served(manifests: Path, key: str) -> None:
    with up(manifests, "--demo") as gateway:
        assert gateway.row("gateway") == "claude/corp"
        assert gateway.row("upstream").startswith("claude/anthropic → the built-in demo")
        assert gateway.row("policy") == "claude/everyone: claude-haiku-5-5, claude-sonnet-5-5 (everyone)"
        assert gateway.row("keys") == "1 developer key: alice@corp.example"
        assert gateway.row("admin").startswith("http://127.0.0.1:")
        assert gateway.row("metrics").startswith("http://127.0.0.1:")
        assert f"  export ANTHROPIC_BASE_URL={gateway.url}" in gateway.lines
        assert "  claude --model claude-sonnet-5-5" in gateway.lines  # its own default is not granted here
        assert key not in "\n".join(gateway.lines)


def test_an_edit_is_enforced_without_a_restart(manifests: Path, key: str) -> None:
    with up(manifests, "--demo") as gateway:
        assert ask(gateway.port, key)[0] == 200
        write(manifests, {"policy.yaml": running.POLICY.replace(", claude-haiku-5-5", "")})
        told = gateway.until("reloaded: ")
        assert "1 policy, 1 upstream, 1 key, revision sha256:" in told
        assert told.endswith("ms (enforced)")
        status, message = ask(gateway.port, key)
        assert status == 400
        assert "claude-haiku-5-5" in message["error"]["message"]
        pid = gateway.proxy_pid()
        write_key(manifests, "bob@corp.example")
        gateway.until("2 keys")
        assert gateway.proxy_pid() == pid


def test_a_broken_edit_is_rejected_and_the_last_good_state_serves_on(manifests: Path, key: str) -> None:
    with up(manifests, "--demo") as gateway:
        broken = running.POLICY.replace("availableModels", "availableModel")
        write(manifests, {"policy.yaml": broken})
        told = gateway.until("rejected: ")
        assert f"{manifests}/policy.yaml:6: spec.availableModel: unknown field" in told
        assert 'did you mean "availableModels"?' in told
        gateway.until("the last good state serves on")
        assert ask(gateway.port, key)[0] == 200
        write(manifests, {"policy.yaml": "a: b: c"})
        assert f"{manifests}/policy.yaml:1: not YAML" in gateway.until("not YAML")
        assert ask(gateway.port, key)[0] == 200
        write(manifests, {"policy.yaml": running.POLICY})
        gateway.until("mended: ")
        write(manifests, {"policy.yaml": broken})
        gateway.until(lambda: sum("the last good state" in line for line in gateway.lines) == 3)
        write(manifests, {"policy.yaml": running.POLICY.replace("claude-sonnet-5-5, ", "")})
        gateway.until("mended and reloaded: ")


def test_a_broken_object_is_told_and_the_others_serve(manifests: Path, key: str) -> None:
    with up(manifests, "--demo") as gateway:
        other = running.POLICY.replace("everyone", "other").replace(
            "  availableModels", "  matches: [{groups: [x]}]\n  providers: [{name: absent}]\n  availableModels"
        )
        write(manifests, {"other.yaml": other})
        assert f"{manifests}/other.yaml:7: spec.providers[0]" in gateway.until("error: ")
        assert ask(gateway.port, key)[0] == 200
        (manifests / "other.yaml").unlink()
        gateway.until("settled: ")


def test_the_gateway_deleted_from_the_files_serves_on(manifests: Path, key: str) -> None:
    with up(manifests, "--demo") as gateway:
        (manifests / "gateway.yaml").unlink()
        gateway.until("rejected: ")
        assert ask(gateway.port, key)[0] == 200


def test_a_secret_value_comes_from_the_environment(manifests: Path, key: str) -> None:
    option = ("--secret-env", "anthropic/api-key=SOME_KEY")
    with up(manifests, *option, SOME_KEY="sk-ant-canary-11") as gateway:
        assert gateway.row("upstream").startswith("claude/anthropic → https://api.anthropic.com")
        credentials = manifests / ".state" / "config" / "credentials.json"
        assert "sk-ant-canary-11" in credentials.read_text()
        assert credentials.stat().st_mode & 0o077 == 0
        assert "sk-ant-canary-11" not in "\n".join(gateway.lines)


def test_the_demo_needs_no_secret_and_sends_none_out(manifests: Path, key: str) -> None:
    write(manifests, {"secret.yaml": SECRET})
    with up(manifests, "--demo"):
        assert "sk-ant-canary-7f3a" not in (manifests / ".state" / "config" / "credentials.json").read_text()


def test_the_demo_is_reached_without_the_forward_proxy(manifests: Path, key: str) -> None:
    write(manifests, {"gateway.yaml": running.GATEWAY + '  egress: {proxyURL: "http://127.0.0.1:9"}\n'})
    with up(manifests, "--demo") as gateway:
        assert ask(gateway.port, key)[0] == 200


def test_the_public_url_is_the_listen_address_unless_given(manifests: Path, key: str) -> None:
    with up(manifests, "--demo", "--public-url", "http://gateway.example:9000") as gateway:
        assert gateway.url == "http://gateway.example:9000"
        assert "  export ANTHROPIC_BASE_URL=http://gateway.example:9000" in gateway.lines
        assert "listening on 127.0.0.1:" in gateway.row("url")
    with up(manifests, "--demo", "--public-url", "https://Gateway.Example:443/") as gateway:
        assert gateway.url == "https://gateway.example"


def test_one_of_several_gateways(manifests: Path, key: str) -> None:
    write(manifests, {"second.yaml": running.GATEWAY.replace("corp,", "second,")})
    refused = running.run("up", manifests, "--demo")
    assert refused.returncode == 2
    assert running.lines_of(refused.stderr) == [
        f"error: {manifests}: holds several gateways: claude/corp, claude/second; choose one with --gateway NAME"
    ]
    with up(manifests, "--demo", "--gateway", "corp") as gateway:
        assert ask(gateway.port, key)[0] == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_streams_finish(manifests: Path, key: str, number: signal.Signals) -> None:
    with up(manifests, "--demo") as gateway:
        connection, response = running.stream(gateway.port, key, prompt=running.words(60))
        assert response.readline().startswith(b"event: message_start")
        gateway.process.send_signal(number)
        assert gateway.until("stopping: ").startswith("stopping: open streams: 1, they have five seconds")
        assert b"message_stop" in response.read()
        connection.close()
        assert gateway.ended() == 0


def test_a_terminal_sends_ctrl_c_to_both(manifests: Path, key: str) -> None:
    """The proxy gets the signal from the terminal; `up` must not send it a second one, which would cut the stream."""
    with up(manifests, "--demo") as gateway:
        connection, response = running.stream(gateway.port, key, prompt=running.words(60))
        response.readline()
        os.killpg(gateway.process.pid, signal.SIGINT)
        assert b"message_stop" in response.read()
        connection.close()
        assert gateway.ended() == 0


def test_a_second_ctrl_c_ends_at_once(manifests: Path, key: str) -> None:
    with up(manifests, "--demo") as gateway:
        connection, response = running.stream(gateway.port, key, prompt=running.words(195))
        response.readline()
        gateway.process.send_signal(signal.SIGINT)
        gateway.until("stopping: ")
        begun = time.monotonic()
        gateway.process.send_signal(signal.SIGINT)
        assert gateway.ended() == 0
        assert time.monotonic() - begun < 3
        connection.close()


def test_a_killed_up_leaves_no_proxy_behind(manifests: Path, key: str) -> None:
    with up(manifests, "--demo") as gateway:
        proxy = gateway.proxy_pid()
        os.kill(gateway.process.pid, signal.SIGKILL)
        gateway.until(lambda: not _alive(proxy))
    with up(manifests, "--demo") as again:
        assert ask(again.port, key)[0] == 200


def test_a_proxy_that_dies_ends_up(manifests: Path, key: str) -> None:
    with up(manifests, "--demo") as gateway:
        os.kill(gateway.proxy_pid(), signal.SIGKILL)
        assert "the proxy ended with exit code -9" in gateway.until("error: ")
        assert gateway.ended() == 1


def test_a_state_directory_has_one_user(manifests: Path, key: str) -> None:
    with up(manifests, "--demo") as gateway:
        second = running.run("up", manifests, "--demo", "--listen", "127.0.0.1:0")
        assert second.returncode == 1
        assert running.lines_of(second.stderr) == [
            f"error: the state directory {manifests}/.state is in use by another `claude-gateway up` "
            f"(process {gateway.process.pid}); end that one, or choose another with --state"
        ]
        assert ask(gateway.port, key)[0] == 200


def test_the_sequence_grows_over_restarts(manifests: Path, key: str) -> None:
    sequences = []
    for _ in range(2):
        with up(manifests, "--demo") as gateway:
            gateway.until(lambda: bool(gateway.audit))
            sequences.append(gateway.audit[0]["sequence"])
    assert sequences[1] > sequences[0]


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_policy_that_a_typing_mistake_would_drop_stays(manifests: Path, key: str) -> None:
    """A group that is not ours is a stranger's object; one that is meant to be ours is a mistake."""
    closed = SMALLEST["policy.yaml"].replace("name: everyone", "name: closed")
    closed += "  matches: [{groups: [engineering]}]\n  access: Deny\n"
    write(manifests, {"closed.yaml": closed})
    with up(manifests, "--demo") as gateway:
        assert ask(gateway.port, key)[0] == 403
        write(manifests, {"closed.yaml": closed.replace("claude-gateway.dev", "claude-gatway.dev")})
        gateway.until("closed.yaml:1: apiVersion: ")
        assert ask(gateway.port, key)[0] == 403
        write(manifests, {"closed.yaml": closed.replace("claude-gateway.dev/v1alpha1", "policies.example/v1")})
        gateway.until("note: ")
        gateway.until(lambda: ask(gateway.port, key)[0] == 200)


def test_git_passes_over_the_state_directory(manifests: Path) -> None:
    with up(manifests, "--demo"):
        assert (manifests / ".state/.gitignore").read_text() == "*\n"
