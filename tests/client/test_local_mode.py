"""The main job on one machine: a directory of manifests goes in, a developer's Claude Code gets its answer, and an edit
is enforced without a restart."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.client.claude_code import ClaudeCode, install
from tests.standins.gateway import eventually
from tests.standins.ports import free_port
from tests.standins.raw_client import fetch

pytestmark = pytest.mark.timeout(1000)
"""The first test may have to install the client."""

COMMAND = str(Path(sys.executable).with_name("claude-gateway"))
EXAMPLE = Path(__file__).parents[2] / "examples" / "01-smallest"


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "manifests"))


@pytest.fixture
def key(manifests: Path) -> str:
    """A developer's key, as `key create` says it once."""
    create = [COMMAND, "key", "create", "alice@corp.example", "--gateway", "corp", "--namespace", "claude"]
    done = subprocess.run(create, capture_output=True, text=True, check=True, timeout=60)
    (manifests / "key-alice.yaml").write_text(done.stdout)
    (said,) = [word for word in done.stderr.split() if word.startswith("cgk_")]
    assert said not in done.stdout
    return said


@pytest.fixture
def port(manifests: Path, key: str, tmp_path: Path) -> Iterator[int]:
    """Where `up --demo` listens."""
    number = free_port()
    with (tmp_path / "up.log").open("wb") as log:
        listen = f"127.0.0.1:{number}"
        process = subprocess.Popen(
            [COMMAND, "up", str(manifests), "--demo", "--listen", listen, "--state", str(tmp_path / "state")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            eventually(lambda: answers(number), what="the gateway ready", deadline=60)
            yield number
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
    assert key not in (tmp_path / "up.log").read_text()


def answers(port: int) -> bool:
    try:
        return fetch(port, "GET", "/readyz").status == 200
    except OSError:
        return False


def test_from_manifests_to_an_answer_to_an_enforced_edit(manifests: Path, key: str, port: int, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    claude, url = ClaudeCode(install(), home), f"http://127.0.0.1:{port}"

    def ask(prompt: str, *arguments: str) -> str:
        return claude.ask(prompt, *arguments, base_url=url, environment={"ANTHROPIC_AUTH_TOKEN": key}).stdout

    assert "demo upstream" in ask("Say hello", "--model", "sonnet")
    tool = ask("Call a tool", "--model", "claude-sonnet-5-5", "--allowedTools", "Bash")
    assert "The tool answered" in tool

    for path in manifests.glob("*.yaml"):
        text = path.read_text()
        path.write_text(text.replace("[claude-sonnet-5-5, claude-haiku-5-5]", "[claude-haiku-5-5]"))
    headers = [("x-api-key", key)]
    eventually(
        lambda: (
            [model["id"] for model in fetch(port, "GET", "/v1/models", headers=headers).json()["data"]]
            == ["claude-haiku-5-5"]
        ),
        what="the edit enforced",
    )
    assert "is not open to you on this gateway" in ask("Say hello", "--model", "sonnet")
    assert "demo upstream" in ask("Say hello", "--model", "haiku")
