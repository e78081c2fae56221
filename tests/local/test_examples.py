"""Every example is sound, explains itself, and runs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.local import running
from tests.local.running import up, write, write_key

from gateway_operator.local.judgement import judge

SECRETS = {
    "05-sign-in": {"corp-idp/client-secret": "anything"},
    "06-postgres": {"gateway-db/url": "postgresql://gateway@127.0.0.1:1/gateway", "okta/client-secret": "anything"},
}
"""What an example needs besides the demo: neither the identity provider nor the database is there, and keys serve."""
EXAMPLES = sorted(path for path in Path("examples").iterdir() if path.is_dir())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_lint_has_warnings_at_most(example: Path) -> None:
    judgement = judge([example])
    assert judgement.errors == 0, judgement.findings
    assert {finding.reason for finding in judgement.findings} <= {"SecretNotFound", "SinglePod"}
    assert (example / "README.md").read_text().startswith("# ")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_it_runs_with_the_demo_upstream(example: Path, tmp_path: Path) -> None:
    manifests = write(tmp_path / "m", {path.name: path.read_text() for path in example.glob("*.yaml")})
    (manifests / "gateway.yaml").write_text(
        # The demo upstream is on this machine, where no forward proxy reaches it.
        (manifests / "gateway.yaml").read_text().replace("[.corp.example]", "[.corp.example, 127.0.0.1]")
    )
    key = write_key(manifests, "alice@corp.example", "engineering", expires=datetime.now(UTC) + timedelta(days=30))
    options, variables = [], {}
    for number, (name, value) in enumerate(SECRETS.get(example.name, {}).items()):
        variables[f"SECRET_{number}"] = value
        options.append(f"--secret-env={name}=SECRET_{number}")
    with up(manifests, "--demo", *options, **variables) as gateway:
        status, answer = running.ask(gateway.port, key)
        assert status == 200, answer
