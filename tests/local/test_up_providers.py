"""`claude-gateway up` with a provider of every type, whose Secret's values come from the environment."""

from pathlib import Path

import pytest
import yaml
from tests.local import running
from tests.local.running import POLICY, up, write, write_key
from tests.standins.manifests import deployment
from tests.standins.providers import EVERY_TYPE, PROVIDERS


@pytest.mark.parametrize("provider_type", EVERY_TYPE)
def test_a_request_through_an_upstream_of_every_type(provider_type: str, tmp_path: Path) -> None:
    with PROVIDERS[provider_type]() as provider:
        options, variables, objects = [], {}, []
        for manifest in provider.manifests():
            if manifest["kind"] != "Secret":
                objects.append(manifest)
                continue
            name = manifest["metadata"]["name"]
            for key, value in manifest["stringData"].items():
                variable = f"VALUE_{len(variables)}"
                variables[variable] = value
                options.append(f"--secret-env={name}/{key}={variable}")
        assert options
        objects.insert(0, deployment(**provider.spec))
        manifests = write(tmp_path / "m", {"objects.yaml": yaml.safe_dump_all(objects), "policy.yaml": POLICY})
        key = write_key(manifests, "alice@corp.example", "engineering")
        with up(manifests, *options, **variables) as gateway:
            status, answer = running.ask(gateway.port, key, model="claude-sonnet-5-5")
            assert (status, answer.get("type")) == (200, "message"), answer
            said = "\n".join(gateway.lines)
        assert provider.problems == []
        assert provider.last.method == "POST"
        assert not [value for value in variables.values() if value in said]
