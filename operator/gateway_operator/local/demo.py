"""What `make demo` runs: a gateway from the smallest example, a developer key, one streamed answer, and how to go on.

DEMO_PORT is the port (8080). With ANTHROPIC_API_KEY set, the Anthropic API answers, else the built-in demo upstream.
ONESHOT=1 ends after the answer.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from gateway_operator.local import addresses, key_manifests, reports
from gateway_operator.local.terminal import rendered_audit

EXAMPLE = Path("examples/01-smallest")
USER = "you@corp.example"
MODEL = "claude-haiku-5-5"
CODING_MODEL = "claude-sonnet-5-5"
"""The example's policy grants these two; Claude Code by itself would ask for another."""
PROMPT = "In two sentences: what does a gateway between developers and a model do?"
ANSWER_SECONDS = 120.0
END_SECONDS = 15.0
SIGNAL_ARRIVES_SECONDS = 0.5


class DemoError(Exception):
    """Ends the demo with one line."""


def main() -> int:
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    # SIGTERM ends as Ctrl-C does, so that the gateway behind is ended as well.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with tempfile.TemporaryDirectory(prefix="claude-gateway-demo-") as scratch:
            _demo(console, Path(scratch))
    except DemoError as error:
        Console(stderr=True, highlight=False, soft_wrap=True, markup=False).print(f"demo: {error}", style="bold red")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _demo(console: Console, scratch: Path) -> None:
    listen = _listen()
    if not EXAMPLE.is_dir():
        raise DemoError(f"{EXAMPLE} is not here; run it from the top of the repository")
    manifests = scratch / "gateway"
    shutil.copytree(EXAMPLE, manifests)
    key = key_manifests.new_key()
    manifest = key_manifests.manifest(key, user=USER, groups=["engineering"], gateway="corp", namespace="claude")
    (manifests / "key-you.yaml").write_text(manifest)
    real = bool(os.environ.get("ANTHROPIC_API_KEY", "").strip())
    answered_by = ["--secret-env", "anthropic/api-key=ANTHROPIC_API_KEY"] if real else ["--demo"]
    with _Up(["up", str(manifests), "--listen", str(listen), *answered_by], console) as gateway:
        gateway.until_ready()
        console.print("Claude Gateway demo", style="bold")
        console.print(f"  gateway   claude/corp at {listen.url}, from {EXAMPLE}/")
        demo = "the built-in demo upstream (with ANTHROPIC_API_KEY set: Claude)"
        console.print(f"  answers   {'the Anthropic API' if real else demo}")
        console.print(f"  key       of {USER}, made for this run")
        console.print()
        console.print(f"{USER} → {MODEL}: ", style="cyan", end="")
        console.print(PROMPT)
        for piece in _answer(listen, key):
            console.print(piece, end="", style="green")
            console.file.flush()
        console.print("\n")
        if os.environ.get("ONESHOT", "") not in ("", "0"):
            return
        console.print("Start Claude Code against it, in another terminal:", style="bold")
        for line in reports.connect_lines(listen.url, key, model=CODING_MODEL):
            console.print(f"  {line}")
        console.print("\nEach request shows up here. Ctrl-C ends the demo.", style="dim")
        gateway.shows_requests = True
        gateway.until_ended()


def _listen() -> addresses.Address:
    port = os.environ.get("DEMO_PORT", "").strip() or "8080"
    try:
        return addresses.free(addresses.parse(f"127.0.0.1:{port}"), option="DEMO_PORT")
    except addresses.AddressError as error:
        example = "make demo DEMO_PORT=8090"
        raise DemoError(f"{error}; for example {example}") from None


class _Up:
    """`claude-gateway up` as a child; what it says is shown only when it fails."""

    def __init__(self, arguments: list[str], console: Console) -> None:
        self.shows_requests = False
        self._console = console
        self._stopping = threading.Event()
        self._arguments = [sys.executable, "-P", "-m", "gateway_operator.cli.main", *arguments]
        self._said: list[str] = []
        self._ready = threading.Event()

    def __enter__(self) -> "_Up":
        self._process = subprocess.Popen(
            self._arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        threading.Thread(target=self._show_audit, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            # Through a terminal, Ctrl-C has reached it as well, and a second signal would cut what still streams.
            if not self._stopping.wait(SIGNAL_ARRIVES_SECONDS):
                self._process.terminate()
            self._process.wait(END_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        assert self._process.stderr is not None, "a pipe was asked for"
        for raw in self._process.stderr:
            line = raw.decode(errors="replace").rstrip()
            self._said.append(line)
            del self._said[:-50]
            if "ready in" in line:
                self._ready.set()
            elif line.startswith("stopping"):
                self._stopping.set()
        self._ready.set()
        self._stopping.set()

    def _show_audit(self) -> None:
        assert self._process.stdout is not None, "a pipe was asked for"
        for line in self._process.stdout:
            text = rendered_audit(line) if self.shows_requests else None
            if text is not None:
                self._console.print(text)

    def until_ready(self) -> None:
        self._ready.wait(60.0)
        self._check()

    def until_ended(self) -> None:
        self._process.wait()
        self._check()

    def _check(self) -> None:
        code = self._process.poll()
        if code is None and self._reader.is_alive():
            return
        self._process.wait(END_SECONDS)
        errors = [line.removeprefix("error: ") for line in self._said if line.startswith("error: ")]
        raise DemoError(errors[-1] if errors else f"the gateway ended with exit code {self._process.returncode}")


def _answer(listen: addresses.Address, key: str) -> Iterator[str]:
    """The text of one streamed answer, as it comes."""
    body = {"model": MODEL, "max_tokens": 300, "stream": True, "messages": [{"role": "user", "content": PROMPT}]}
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", "anthropic-version": "2023-06-01"}
    connection = http.client.HTTPConnection(listen.host, listen.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", "/v1/messages", json.dumps(body), headers)
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            raise DemoError(f"the request was answered with {response.status}: {_message(response.read())}")
        yield from _texts(response)
    except (OSError, http.client.HTTPException) as error:
        raise DemoError(f"the request failed: {error}") from None
    finally:
        connection.close()


def _texts(response: http.client.HTTPResponse) -> Iterator[str]:
    for line in response:
        if not line.startswith(b"data:"):
            continue
        event = json.loads(line.removeprefix(b"data:"))
        if event.get("type") == "error":
            raise DemoError(f"the answer broke off: {event['error'].get('message')}")
        if event.get("type") == "content_block_delta" and event["delta"].get("type") == "text_delta":
            yield event["delta"]["text"]


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
