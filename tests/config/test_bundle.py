"""A bundle on its way: packed, split, swapped by a kubelet, torn, damaged."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.config.strategies import configurations

from gateway_config import bundle
from gateway_config.bundle import BundleError
from gateway_config.canonical import canonical_json, document, revision_of, sha256_hex
from gateway_config.contract import Configuration

SECRET = "sk-ant-canary-5f0e"
Made = tuple[Configuration, dict[str, str]]


def write(directory: Path, files: dict[str, bytes]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return directory


def swap(mount: Path, files: dict[str, bytes], *, side: str) -> None:
    """What a kubelet does: a new directory, then one rename of `..data`."""
    write(mount / f"..{side}", files)
    link = mount / "..data_tmp"
    link.symlink_to(f"..{side}")
    link.replace(mount / "..data")
    for name in files:
        if not (mount / name).is_symlink():
            (mount / name).symlink_to(f"..data/{name}")


def reason(directory: Path) -> str:
    with pytest.raises(BundleError) as caught:
        bundle.read(directory)
    return caught.value.reason


def example(*, padding: int = 0) -> Made:
    value = SECRET
    upstream = {
        "name": "claude/anthropic",
        "type": "Anthropic",
        "priority": 0,
        "base_url": "https://api.anthropic.com",
        "credential": {"kind": "ApiKey", "name": "claude/anthropic", "sha256": sha256_hex(value.encode())},
        "models": {"m": "m"},
        "timeouts": {"connect_seconds": 5, "first_byte_seconds": 120, "idle_seconds": 300},
    }
    # Random text does not compress: hexadecimal digits to about half.
    noise = random.Random(1).randbytes(padding).hex()
    configuration = Configuration.model_validate_json(
        canonical_json(
            {
                "gateway": {"namespace": "claude", "name": "corp", "public_url": "https://claude.corp.example"},
                "limits": {"max_request_bytes": 1, "max_buffered_bytes": 1, "drain_seconds": 0},
                "models": [{"id": "m", "display_name": "M", "created_at": "1970-01-01T00:00:00Z"}],
                "upstreams": [upstream],
                "settings_documents": {sha256_hex(noise.encode()): {"noise": noise}},
            }
        )
    )
    return configuration, {"claude/anthropic": value}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(configurations(), st.integers(0, 2**40))
def test_what_is_packed_is_read(tmp_path: Path, made: Made, sequence: int) -> None:
    configuration, credentials = made
    files = bundle.pack(configuration, credentials=credentials, sequence=sequence)
    assert files == bundle.pack(configuration, credentials=credentials, sequence=sequence)
    read = bundle.read(write(tmp_path, files))
    assert (read.configuration, read.credentials, read.index.sequence) == (configuration, credentials, sequence)
    assert read.index.revision == revision_of(document(configuration))


def test_a_large_document_is_split_into_parts_of_a_secret(tmp_path: Path) -> None:
    configuration, credentials = example(padding=3_000_000)
    files = bundle.pack(configuration, credentials=credentials, sequence=1)
    parts = [name for name in files if name.startswith("part-")]
    assert parts == ["part-0", "part-1", "part-2", "part-3"]
    assert all(len(data) <= 1024 * 1024 for data in files.values())
    assert bundle.read(write(tmp_path, files)).configuration == configuration


def test_a_document_beyond_eight_parts_is_refused_with_the_way_out() -> None:
    configuration, credentials = example(padding=8_000_000)
    with pytest.raises(BundleError, match="split the gateway") as caught:
        bundle.pack(configuration, credentials=credentials, sequence=1)
    assert caught.value.reason == "ConfigTooLarge"


def test_credentials_beyond_one_secret_are_refused() -> None:
    configuration, credentials = example()
    with pytest.raises(BundleError, match="credentials take") as caught:
        bundle.pack(configuration, credentials=credentials | {"x/y": "k" * 1_000_000}, sequence=1)
    assert caught.value.reason == "ConfigTooLarge"


def test_nothing_there_yet(tmp_path: Path) -> None:
    assert reason(tmp_path) == "ConfigMissing"
    assert reason(tmp_path / "absent") == "ConfigMissing"


@pytest.mark.parametrize("contract", [2, 99, 0])
def test_an_unknown_contract_says_so_before_anything_else(tmp_path: Path, contract: int) -> None:
    write(tmp_path, {"index.json": canonical_json({"contract": contract, "shape": "of a later version"})})
    assert reason(tmp_path) == "ContractUnknown"


def test_a_swap_shows_one_side_or_the_other(tmp_path: Path) -> None:
    old, credentials = example()
    new = old.model_copy(update={"subscription_passthrough": True})
    swap(tmp_path, bundle.pack(old, credentials=credentials, sequence=1), side="one")
    assert bundle.read(tmp_path).index.sequence == 1
    swap(tmp_path, bundle.pack(new, credentials=credentials, sequence=2), side="two")
    assert bundle.read(tmp_path).configuration == new


@pytest.mark.parametrize("stale", ["index.json", "part-0", "credentials.json"])
def test_files_of_two_revisions_side_by_side_are_told(tmp_path: Path, stale: str) -> None:
    old, credentials = example()
    new = old.model_copy(
        update={
            "subscription_passthrough": True,
            "upstreams": (
                old.upstreams[0].model_copy(
                    update={
                        "credential": old.upstreams[0].credential.model_copy(update={"sha256": sha256_hex(b"rotated")})
                    }
                ),
            ),
        }
    )
    before = bundle.pack(old, credentials=credentials, sequence=1)
    after = bundle.pack(new, credentials={"claude/anthropic": "rotated"}, sequence=2)
    assert reason(write(tmp_path, after | {stale: before[stale]})) == "ConfigIncomplete"


def test_a_part_that_has_not_arrived(tmp_path: Path) -> None:
    configuration, credentials = example(padding=2_000_000)
    files = bundle.pack(configuration, credentials=credentials, sequence=1)
    write(tmp_path, {name: data for name, data in files.items() if name != "part-1"})
    assert reason(tmp_path) == "ConfigIncomplete"


def test_the_side_that_was_read_may_vanish_meanwhile(tmp_path: Path) -> None:
    configuration, credentials = example()
    swap(tmp_path, bundle.pack(configuration, credentials=credentials, sequence=1), side="one")
    (tmp_path / "..one" / "part-0").unlink()
    assert reason(tmp_path) == "ConfigIncomplete"


def test_odd_things_in_place_of_files(tmp_path: Path) -> None:
    configuration, credentials = example()
    files = bundle.pack(configuration, credentials=credentials, sequence=1)
    (tmp_path / "a" / "index.json").mkdir(parents=True)
    assert reason(tmp_path / "a") == "ConfigIncomplete"
    write(tmp_path / "b", {name: data for name, data in files.items() if name != "part-0"})
    (tmp_path / "b" / "part-0").mkdir()
    assert reason(tmp_path / "b") == "ConfigIncomplete"
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "index.json").symlink_to("index.json")
    assert reason(tmp_path / "c") == "ConfigIncomplete"


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_is_an_error_of_its_own_kind(tmp_path: Path, data: st.DataObject) -> None:
    configuration, credentials = example(padding=200)
    files = bundle.pack(configuration, credentials=credentials, sequence=1)
    name = data.draw(st.sampled_from(sorted(files)))
    original = files[name]
    start = data.draw(st.integers(0, len(original)))
    length = data.draw(st.integers(0, 8))
    damaged = original[:start] + data.draw(st.binary(max_size=8)) + original[start + length :]
    write(tmp_path, files | {name: damaged})
    try:
        read = bundle.read(tmp_path)
    except BundleError as caught:
        problem = caught
    else:
        # Only numbers that no digest covers may have changed: the sequence in the index.
        assert (read.configuration, read.credentials) == (configuration, credentials)
        return
    assert problem.reason in {"ConfigCorrupt", "ConfigIncomplete", "ContractUnknown"}
    assert SECRET not in str(problem)


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"contract":true}',
        b'{"contract":1}',
        b'{"contract":1,"revision":"sha256:0","sequence":-1,"parts":[],"credentials":""}',
    ],
)
def test_an_index_without_its_form(tmp_path: Path, index: bytes) -> None:
    assert reason(write(tmp_path, {"index.json": index})) == "ConfigCorrupt"


def forged(configuration: Configuration, credentials: object, *, plain: bytes | None = None) -> dict[str, bytes]:
    """A bundle whose digests fit, whatever it holds."""
    import gzip

    plain = document(configuration) if plain is None else plain
    part, secrets = gzip.compress(plain, mtime=0), canonical_json(credentials)
    index = {
        "contract": 1,
        "revision": revision_of(plain),
        "sequence": 1,
        "parts": [sha256_hex(part)],
        "credentials": sha256_hex(secrets),
    }
    return {"index.json": canonical_json(index), "part-0": part, "credentials.json": secrets}


@pytest.mark.parametrize("credentials", [None, [], "text", {"claude/anthropic": 5}, {"claude/anthropic": None}])
def test_credentials_without_their_form(tmp_path: Path, credentials: object) -> None:
    configuration, _ = example()
    assert reason(write(tmp_path, forged(configuration, credentials))) == "ConfigCorrupt"


def test_credentials_that_utf8_cannot_hold(tmp_path: Path) -> None:
    configuration, _ = example()
    files = forged(configuration, {})
    lone = json.dumps({"claude/anthropic": "\ud800"}).encode()
    index = json.loads(files["index.json"]) | {"credentials": sha256_hex(lone)}
    files |= {"credentials.json": lone, "index.json": canonical_json(index)}
    assert reason(write(tmp_path, files)) == "ConfigIncomplete"


@pytest.mark.parametrize("plain", [b"{}", b"null", b'{"contract":2}', b'{"contract":1,"new_rule":{}}', b"\xff"])
def test_a_document_that_does_not_fit_the_contract(tmp_path: Path, plain: bytes) -> None:
    configuration, credentials = example()
    assert reason(write(tmp_path, forged(configuration, credentials, plain=plain))) == "ConfigCorrupt"


def test_a_document_that_inflates_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration, credentials = example()
    monkeypatch.setattr(bundle, "MAX_DOCUMENT_BYTES", 10_000)
    assert reason(write(tmp_path, forged(configuration, credentials, plain=b" " * 1_000_000))) == "ConfigCorrupt"


def test_neither_bundle_nor_error_shows_a_credential(tmp_path: Path) -> None:
    configuration, credentials = example()
    files = bundle.pack(configuration, credentials=credentials, sequence=1)
    assert SECRET not in repr(bundle.read(write(tmp_path, files)))
    assert all(SECRET.encode() not in data for name, data in files.items() if name != "credentials.json")
