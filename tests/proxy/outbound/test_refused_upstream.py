"""An upstream at an address that is refused: the next one answers, and the administrator is told."""

from pathlib import Path

from tests.proxy import kubelet
from tests.proxy.configurations import ALICE_KEY, LOOPBACK, configuration, files, upstream
from tests.proxy.processes import ProxyProcess, proxy
from tests.standins.anthropic_upstream import API_KEY, AnthropicUpstream
from tests.standins.raw_client import Response, fetch

from gateway_config.contract import Configuration, Egress

BODY = b'{"model":"claude-sonnet-5-5"}'
METADATA = upstream("metadata", base_url="http://169.254.169.254/latest", priority=200, credential=API_KEY)


def mounted(directory: Path, compiled: Configuration) -> Path:
    kubelet.project(directory, files(compiled, credential=API_KEY))
    return directory


def ask(running: ProxyProcess) -> Response:
    running.until_ready()
    headers = [("x-api-key", ALICE_KEY), ("content-type", "application/json"), ("anthropic-version", "2023-06-01")]
    return fetch(running.port(), "POST", "/v1/messages", headers=headers, body=BODY)


def test_the_next_one_answers(tmp_path: Path) -> None:
    with AnthropicUpstream() as server:
        served = upstream("anthropic", base_url=server.url, credential=API_KEY)
        compiled = configuration(upstreams=(METADATA, served), egress=LOOPBACK)
        with proxy(mounted(tmp_path / "config", compiled)) as running:
            assert ask(running).status == 200
            line = running.event("upstream.failed")
            assert (line["level"], line["upstream"], line["reason"]) == ("error", "claude/metadata", "AddressRefused")
            assert "169.254.169.254 is the metadata service of a cloud" in line["message"]
            counted = 'attempts_failed_total{reason="AddressRefused",upstream="claude/metadata"} 1.0'
            assert counted.encode() in running.get("/metrics", listener="metrics").body
        assert len(server.requests) == 1


def test_alone_it_is_a_failure_like_any_other(tmp_path: Path) -> None:
    compiled = configuration(upstreams=(METADATA,), egress=LOOPBACK)
    with proxy(mounted(tmp_path / "config", compiled)) as running:
        answer = ask(running)
        assert (answer.status, answer.error) == (502, ("api_error", "all upstreams failed (1 attempted)"))


def test_loopback_is_refused_by_default_and_by_name(tmp_path: Path) -> None:
    with AnthropicUpstream() as server:
        by_name = upstream(base_url=server.url.replace("127.0.0.1", "localhost"), credential=API_KEY)
        with proxy(mounted(tmp_path / "config", configuration(upstreams=(by_name,), egress=Egress()))) as running:
            assert ask(running).status == 502
            assert "set spec.egress.allowLoopback" in running.event("upstream.failed")["message"]
        assert server.requests == []
