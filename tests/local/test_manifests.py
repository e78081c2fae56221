"""A directory of manifests becomes a snapshot, or lines that say what is wrong and where."""

import base64
from pathlib import Path

import pytest
from tests.local.running import BINDING, GATEWAY, POLICY, SECRET, SMALLEST, write

from gateway_operator.compiler import ObjectRef
from gateway_operator.local.manifests import ManifestReader, Manifests


def read(directory: Path) -> Manifests:
    return ManifestReader([directory]).read()


def problems(directory: Path) -> list[str]:
    return [str(problem).removeprefix(f"{directory}/") for problem in read(directory).problems]


def test_the_three_kinds_secrets_and_config_maps(tmp_path: Path) -> None:
    config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca, namespace: claude}\ndata: {ca.crt: pem}\n"
    snapshot = read(write(tmp_path, SMALLEST | {"s.yml": SECRET, "c.yaml": config_map})).snapshot
    assert {resource.ref.kind for resource in snapshot.resources} == {
        "GatewayDeployment",
        "ProviderBinding",
        "GatewayPolicy",
    }
    assert snapshot.secrets[0].data == {"api-key": b"sk-ant-canary-7f3a"}
    assert snapshot.config_maps[0].data == {"ca.crt": "pem"}


def test_which_files_are_read(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": GATEWAY, ".b.yaml": "{", "c.txt": "{", "d.yaml~": "{", "#e.yaml#": "{"})
    write(tmp_path / "below", {"f.yaml": "{"})
    write(tmp_path / "g.yaml", {"h.yaml": "{"})
    manifests = read(tmp_path)
    assert manifests.problems == ()
    assert len(manifests.snapshot.resources) == 1


def test_json(tmp_path: Path) -> None:
    document = (
        '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},\n "data": {"k": "'
        + base64.b64encode(b"\xff").decode()
        + '"}, "stringData": {"emoji": "\\ud83d\\ude00"}}'
    )
    secret = read(write(tmp_path, {"s.json": document})).snapshot.secrets[0]
    assert (secret.namespace, dict(secret.data)) == ("default", {"k": b"\xff", "emoji": "😀".encode()})


def test_string_data_wins_over_data(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: b2xk}\nstringData: {k: new}\n"
    assert read(write(tmp_path, {"s.yaml": text})).snapshot.secrets[0].data == {"k": b"new"}


def test_lists_are_taken_apart(tmp_path: Path) -> None:
    items = "".join(f"- {line}" if number == 0 else f"  {line}" for number, line in enumerate(POLICY.splitlines(True)))
    text = f"apiVersion: v1\nkind: List\nitems:\n{items}{items.replace('everyone', 'others')}"
    manifests = read(write(tmp_path, {"list.yaml": text}))
    assert [resource.ref.name for resource in manifests.snapshot.resources] == ["everyone", "others"]
    ref = ObjectRef("GatewayPolicy", "claude", "others")
    assert str(manifests.problem(ref, "spec.availableModels[1]", "x")).endswith(
        "list.yaml:15: spec.availableModels[1]: x"
    )


def test_a_typed_list_gives_its_kind_to_its_items(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: SecretList\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\n"
    assert [secret.name for secret in read(write(tmp_path, {"l.yaml": text})).snapshot.secrets] == ["a", "b"]


def test_age_is_file_name_and_position(tmp_path: Path) -> None:
    second = POLICY.replace("everyone", "second")
    third = POLICY.replace("everyone", "third")
    manifests = read(write(tmp_path, {"b.yaml": f"{POLICY}---\n{second}", "a.yaml": third}))
    by_age = sorted(manifests.snapshot.resources, key=lambda resource: resource.age)
    assert [resource.ref.name for resource in by_age] == ["third", "everyone", "second"]


def test_a_namespace_gives_its_labels(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: claude, labels: {team: platform}}\n"
    labels = read(write(tmp_path, {"n.yaml": text, "g.yaml": GATEWAY})).snapshot.namespace_labels
    assert labels["claude"] == {"team": "platform", "kubernetes.io/metadata.name": "claude"}


def test_other_kinds_are_skipped_with_a_note(tmp_path: Path) -> None:
    text = f"{GATEWAY}---\n# web\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\n"
    manifests = read(write(tmp_path, {"a.yaml": text}))
    assert [str(note) for note in manifests.notes] == [
        f"{tmp_path}/a.yaml:9: skipped: Deployment of apps/v1 has no meaning without a cluster"
    ]
    assert manifests.problems == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GATEWAY.replace("corp", "Corp"), "a.yaml:3: metadata.name: 'Corp' is not a name"),
        (GATEWAY.replace("claude}", "a/b}"), "a.yaml:3: metadata.namespace: 'a/b' is not a namespace"),
        (GATEWAY.replace("name: corp, ", ""), "a.yaml:3: metadata.name: is required"),
        (GATEWAY.replace("name: corp", "name: 5"), "a.yaml:3: metadata.name: 5 is not a name"),
        (GATEWAY.replace("metadata: {name: corp, namespace: claude}\n", ""), "a.yaml:1: metadata: is required"),
        ("- 1\n", "a.yaml:1: a Kubernetes object must stand here, not a list"),
        ("text\n", "a.yaml:1: a Kubernetes object must stand here, not a string"),
        ("a: 1\nb: 2\n", "a.yaml:1: apiVersion: is required"),
        ("apiVersion: 1\nkind: Secret\n", "a.yaml:1: apiVersion: must be a string"),
        (SECRET.replace("api-key", "api/key"), "a.yaml:4: stringData.api/key: 'api/key' is not a key"),
        (SECRET + "type: 1\n", "a.yaml:5: type: must be a string"),
        (
            SECRET.replace("stringData: {api-key: sk-ant-canary-7f3a}", "stringData: [a]"),
            "a.yaml:4: stringData: must be",
        ),
        (SECRET + "data:\n  x: !!binary aGk=\n", "a.yaml:6: data.x: unknown tag !!binary"),
        (f"{GATEWAY}---\n{POLICY}  x: 1\n  x: 2\n", 'a.yaml:14: spec.x: the key "x" stands twice, first on line 13'),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    found = problems(write(tmp_path, {"a.yaml": text}))
    assert found[0].startswith(told)


def test_an_object_twice_names_both_places(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": GATEWAY, "b.yaml": f"# again\n{GATEWAY}"})
    assert problems(tmp_path) == [
        f"b.yaml:4: metadata.name: GatewayDeployment claude/corp stands twice, first in {tmp_path}/a.yaml:3"
    ]


def test_a_file_too_large(tmp_path: Path) -> None:
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(16 * 1024 * 1024 + 1)
    assert problems(tmp_path) == ["a.yaml: is larger than 16 MiB; split it"]


def test_a_secret_too_large(tmp_path: Path) -> None:
    text = SECRET.replace("sk-ant-canary-7f3a", "x" * (1024 * 1024 + 1))
    assert problems(write(tmp_path, {"a.yaml": text}))[0].startswith("a.yaml:4: stringData: holds 1048577 bytes")


def test_links_as_a_mounted_config_map_has_them(tmp_path: Path) -> None:
    write(tmp_path / "..2026", {"a.yaml": GATEWAY})
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert len(read(tmp_path).snapshot.resources) == 1


def test_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeff" + f"{GATEWAY}---\n{BINDING}".replace("\n", "\r\n")
    (tmp_path / "a.yaml").write_bytes(text.encode())
    manifests = read(tmp_path)
    assert manifests.problems == ()
    assert len(manifests.snapshot.resources) == 2
    ref = ObjectRef("ProviderBinding", "claude", "anthropic")
    assert manifests.problem(ref, "spec.type", "x").line == 12


def test_an_unchanged_document_is_the_same_object_again(tmp_path: Path) -> None:
    """What the speed of a reload stands on."""
    write(tmp_path, {"a.yaml": f"{GATEWAY}---\n{POLICY}"})
    reader = ManifestReader([tmp_path])
    before = {resource.ref: resource.manifest for resource in reader.read().snapshot.resources}
    write(tmp_path, {"a.yaml": f"{GATEWAY}---\n{POLICY}# more\n", "b.yaml": SECRET})
    after = {resource.ref: resource.manifest for resource in reader.read().snapshot.resources}
    gateway = ObjectRef("GatewayDeployment", "claude", "corp")
    assert before[gateway] is after[gateway]


def test_the_signature_changes_with_every_file(tmp_path: Path) -> None:
    reader = ManifestReader([tmp_path])
    signatures = {reader.signature()}
    write(tmp_path, {"a.yaml": GATEWAY})
    signatures.add(reader.signature())
    write(tmp_path, {"a.yaml": GATEWAY + "#"})
    signatures.add(reader.signature())
    (tmp_path / "a.yaml").unlink()
    signatures.add(reader.signature())
    assert len(signatures) == 3
