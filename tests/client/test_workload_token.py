"""Claude Code in a CI job: a script tells it the job's own token, anew when that has grown old."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.client.claude_code import Answer, ClaudeCode, install
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import Gateway
from tests.standins.identity_provider import IdentityProvider
from tests.standins.manifests import policy, smallest

pytestmark = pytest.mark.timeout(1000)
"""The first test may have to install the client."""

AUDIENCE = "https://claude.corp.example"


@pytest.fixture
def issuer() -> Iterator[IdentityProvider]:
    with IdentityProvider() as server:
        yield server


@pytest.fixture
def claude(tmp_path: Path) -> ClaudeCode:
    home = tmp_path / "home"
    (home / ".claude").mkdir(parents=True)
    return ClaudeCode(install(), home)


def load(gateway: Gateway, upstream: AnthropicUpstream, issuer: IdentityProvider) -> None:
    rule = {"match": {"repository_owner": "corp"}, "user": "ci:{repository}", "groups": ["ci"]}
    workload = {"name": "ci", "issuer": issuer.issuer, "audience": AUDIENCE, "rules": [rule]}
    jobs = policy("jobs", matches=[{"workloads": ["ci"]}])
    gateway.load(smallest(upstream.url, jobs, identity={"workloads": [workload]}))


def ask(claude: ClaudeCode, gateway: Gateway, token: str) -> Answer:
    """As a job whose helper tells the token; the client puts it into both headers."""
    (claude.home / "token").write_text(token)
    settings = {"apiKeyHelper": f"cat {claude.home}/token"}
    (claude.home / ".claude" / "settings.json").write_text(json.dumps(settings))
    return claude.ask("Say hello", base_url=gateway.url, environment={})


def test_a_job_s_helper_tells_its_token(
    claude: ClaudeCode, gateway: Gateway, upstream: AnthropicUpstream, issuer: IdentityProvider
) -> None:
    load(gateway, upstream, issuer)
    token = issuer.workload_token(AUDIENCE, repository="corp/app", repository_owner="corp")
    answer = ask(claude, gateway, token)
    assert (answer.exit_code, answer.stdout.strip()) == (0, "Hello from the upstream."), answer
    line = gateway.wait_for_audit(1)[-1]
    assert (line["auth"], line["sub"], line["workload"]) == ("workload_token", "ci:corp/app", "ci")
    assert token not in repr(upstream.last)


def test_a_token_for_somebody_else_says_which_to_ask_for(
    claude: ClaudeCode, gateway: Gateway, upstream: AnthropicUpstream, issuer: IdentityProvider
) -> None:
    load(gateway, upstream, issuer)
    token = issuer.workload_token("https://other.example", repository="corp/app", repository_owner="corp")
    answer = ask(claude, gateway, token)
    assert answer.exit_code != 0
    assert f"ask ci for one with the audience {AUDIENCE}" in answer.stdout + answer.stderr
    assert upstream.requests == []
