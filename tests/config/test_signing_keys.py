"""Session signing keys travel with the credentials, under a digest in the configuration."""

from pathlib import Path

import pytest
from tests.config.test_bundle import example, reason, write

from gateway_config import bundle
from gateway_config.canonical import document, revision_of, sha256_hex
from gateway_config.contract import Configuration, SigningKey

VALUE = "c2lnbmluZy1rZXktY2FuYXJ5"


def signing_key(value: str = VALUE, **members: str) -> SigningKey:
    plain = {"kid": "k1", "name": "signing.keys/k1", "sha256": sha256_hex(value.encode()), "use": "Sign", **members}
    return SigningKey.model_validate(plain)


def with_keys(*keys: SigningKey) -> tuple[Configuration, dict[str, str]]:
    configuration, credentials = example()
    return configuration.model_copy(update={"signing_keys": keys}), credentials | {"signing.keys/k1": VALUE}


def test_keys_arrive(tmp_path: Path) -> None:
    configuration, credentials = with_keys(signing_key())
    read = bundle.read(write(tmp_path, bundle.pack(configuration, credentials=credentials, sequence=1)))
    (key,) = read.configuration.signing_keys
    assert read.credentials[key.name] == VALUE
    assert VALUE not in document(configuration).decode()


def test_without_keys_nothing_is_said_of_them() -> None:
    configuration, _ = example()
    assert b"signing_keys" not in document(configuration)


@pytest.mark.parametrize("change", [{"use": "Verify"}, {"kid": "k2"}], ids=str)
def test_the_revision_follows_the_keys(change: dict[str, str]) -> None:
    before, _ = with_keys(signing_key())
    after, _ = with_keys(signing_key(**change))
    assert revision_of(document(before)) != revision_of(document(after))


@pytest.mark.parametrize("value", ["another", None])
def test_a_key_of_another_revision_is_waited_for(tmp_path: Path, value: str | None) -> None:
    configuration, credentials = with_keys(signing_key())
    credentials.pop("signing.keys/k1")
    if value:
        credentials["signing.keys/k1"] = value
    assert (
        reason(write(tmp_path, bundle.pack(configuration, credentials=credentials, sequence=1))) == "ConfigIncomplete"
    )
