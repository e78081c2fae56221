"""Every value that a configuration refers to is waited for: client secrets, accounts, the store's URL, headers."""

from pathlib import Path
from typing import Any

import pytest
from tests.config.test_bundle import example, reason, write

from gateway_config import bundle
from gateway_config.canonical import sha256_hex
from gateway_config.contract import Destination, GoogleGroups, IdentityProvider, Store, Telemetry
from gateway_config.parts import Value

TEXT = "value-canary"
VALUE = Value(name="a/value", sha256=sha256_hex(TEXT.encode()))
OKTA = IdentityProvider(name="okta", issuer="https://corp.okta.com", client_id="0oa1")

REFERENCES: dict[str, dict[str, Any]] = {
    "a client secret": {"identity_providers": (OKTA.model_copy(update={"client_secret": VALUE}),)},
    "a service account": {
        "identity_providers": (
            OKTA.model_copy(update={"google_groups": GoogleGroups(service_account=VALUE, admin_email="a@b.example")}),
        )
    },
    "the store's URL": {"store": Store(type="Postgres", url=VALUE)},
    "a header": {
        "telemetry": Telemetry(
            destinations=(Destination(name="otlp", endpoint="https://otlp", headers={"authorization": VALUE}),)
        )
    },
}


@pytest.mark.parametrize("members", REFERENCES.values(), ids=REFERENCES)
def test_a_value_of_another_revision_is_waited_for(tmp_path: Path, members: dict[str, Any]) -> None:
    configuration, credentials = example()
    configuration = configuration.model_copy(update=members)
    sound = bundle.pack(configuration, credentials={**credentials, VALUE.name: TEXT}, sequence=1)
    assert bundle.read(write(tmp_path / "sound", sound)).credentials[VALUE.name] == TEXT
    for number, others in enumerate(({}, {VALUE.name: "another"})):
        broken = bundle.pack(configuration, credentials={**credentials, **others}, sequence=1)
        assert reason(write(tmp_path / str(number), broken)) == "ConfigIncomplete"
