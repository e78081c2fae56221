"""The Secrets that carry a configuration: what lies where, in which order they are written, what people see."""

import base64
import json

from tests.children.gateways import CANARY, REVISION, UID, bundle_files

from gateway_operator import names
from gateway_operator.children import config_secrets, surplus_config_secrets
from gateway_operator.children.secrets import masked
from gateway_operator.compiler import ObjectRef

CORP = ObjectRef("GatewayDeployment", "claude", "corp")


def test_the_index_is_written_last() -> None:
    secrets = config_secrets(CORP, UID, bundle_files(3))
    found = [secret["metadata"]["name"] for secret in secrets]
    assert found == ["corp-config-1", "corp-config-2", "corp-credentials", "corp-config"]
    assert set(secrets[-1]["data"]) == {"index.json", "part-0"}


def test_every_file_is_in_exactly_one_of_them() -> None:
    files = bundle_files(8)
    carried: dict[str, bytes] = {}
    for secret in config_secrets(CORP, UID, files):
        for key, value in secret["data"].items():
            assert key not in carried
            carried[key] = base64.b64decode(value)
    assert carried == files


def test_they_are_told_by_their_labels_and_the_revision_by_an_annotation() -> None:
    secrets = config_secrets(CORP, UID, bundle_files(1))
    for secret in secrets:
        assert secret["metadata"]["labels"] == names.child_labels("corp")
        assert secret["metadata"]["ownerReferences"][0]["uid"] == UID
    assert secrets[-1]["metadata"]["annotations"] == {names.REVISION_ANNOTATION: REVISION}


def test_parts_beyond_the_configurations_end_are_surplus() -> None:
    surplus = [name for _, name in surplus_config_secrets(CORP, bundle_files(6))]
    assert surplus == ["corp-config-6", "corp-config-7"]
    assert surplus_config_secrets(CORP, bundle_files(8)) == []


def test_people_see_sizes_and_the_index() -> None:
    shown = json.dumps([masked(secret) for secret in config_secrets(CORP, "", bundle_files(1))])
    assert CANARY not in shown
    assert base64.b64encode(CANARY.encode()).decode()[:12] not in shown
    assert REVISION in shown
