"""The models and the API server give the same verdict on manifests that nobody wrote by hand.

Each accepted case is a seed; one field of it is left out, or gets a value that is at, beside or far from what it takes.
The choice is drawn from a fixed seed, so that a failure repeats.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from tests.cluster.api_client import ApiClient

from gateway_operator.api.v1alpha1 import InvalidObject, validate

SEEDS = sorted(Path(__file__).with_name("cases").rglob("accepted-*.yaml"))
MANIFESTS = 500
REMOVED = object()

TEXTS: tuple[str, ...] = (
    *(
        "",
        " ",
        "a",
        "A",
        "-a",
        "a-",
        "a.b",
        "a..b",
        "a b",
        "a\n",
        "\n",
        "é",
        "٣",
        "{x}",
        "[x]",
        "*",
        "@",
        "a@b",
        "a@@b",
    ),
    *("a" * length for length in (52, 53, 63, 64, 253, 254, 256, 257, 512, 4000)),
    *("0", "1", "-1", "1.5", "1e3", "1.", ".5", "0.1234567", "1234567890", "100%", "101%", "5Mi", "5mi", "1e6Mi"),
    *("0s", "1ms", "5s", "1h30m", "5d", "1.5h", "s", "5S", "1µs", "99999h", "999999h"),
    *("null", "true", "None", "Same", "Selector", "Deny", "RS256", "None\n"),
    *("https://x", "https://x/", "http://x", "HTTPS://x", "https://X.Example:443", "https://x:0", "https://x:65536"),
    *(
        "https://u:p@x",
        "https://x?y",
        "https://x#y",
        "https://x/a b",
        "https://[::1]",
        "https://[::g]",
        "https://[1.2.3.4]",
    ),
    *(
        "https://[fe80::1%25eth0]",
        "http://127.0.0.1",
        "http://localhost:80/",
        "http://localhostx",
        "https://ex\u0430mple",
    ),
    *(
        "10.0.0.1",
        "10.0.0.0/8",
        "10.0.0.1/8",
        "10.0.0.0/08",
        "010.0.0.0/8",
        "::/0",
        "::ffff:1.2.3.4",
        "fe80::%1/64",
        "1/8",
    ),
    *("arn:aws:iam::123456789012:role/x", "arn:aws:iam::1:role/x", "kubernetes.io/x", "claude-gateway.dev/x", "a/b/c"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 100, 101, 1000, 1001, 10**6, 10**6 + 1, 2**31, 2**53, 1.0, 1.5, -0.5),
    *([], {}, ["a"], ["a", "a"], [None], [[]], [{}], {"a": "b"}, {"a": 1}, {"a": None}, {"": "b"}, {"a b": "c"}),
    *({"claude-gateway.dev/x": "y"}, {f"k{number}": "v" for number in range(600)}, [f"v{n}" for n in range(2000)]),
    *TEXTS,
)

Place = tuple[str | int, ...]


def _places(value: Any, at: Place) -> Iterator[Place]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in members:
        yield (*at, step)
        yield from _places(member, (*at, step))


def _around(value: Any, choice: random.Random) -> Any:
    """Something close to `value`: one more, one twice, an unknown member."""
    if isinstance(value, list) and value:
        return choice.choice([[*value, value[0]], value * 300, [*value, None], value[1:]])
    if isinstance(value, dict):
        return choice.choice([value | {"surprise": 1}, value | {"a": "b"}, value | {"name": None}])
    if isinstance(value, str):
        return choice.choice([value.upper(), value + "\n", value + " ", value * 50, value + "."])
    return -value if isinstance(value, int | float) else value


def _changed(seed: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    manifest = copy.deepcopy(seed)
    owner: Any = manifest
    for step in place[:-1]:
        owner = owner[step]
    if value is REMOVED:
        del owner[place[-1]]
    else:
        owner[place[-1]] = value
    return manifest


def _manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    choice = random.Random(3)
    seeds = [yaml.safe_load(path.read_text()) for path in SEEDS]
    for _ in range(MANIFESTS):
        seed = choice.choice(seeds)
        place = choice.choice(list(_places(seed["spec"], ("spec",))))
        present: Any = seed
        for step in place:
            present = present[step]
        value = choice.choice([REMOVED, _around(present, choice), *choice.choices(VALUES, k=8)])
        shown = "removed" if value is REMOVED else f"= {value!r}"[:80]
        yield f"{seed['kind']} {'.'.join(map(str, place))} {shown}", _changed(seed, place, value)


def _violations(manifest: dict[str, Any]) -> list[str] | None:
    try:
        validate(manifest)
    except InvalidObject as refused:
        return [f"{path}: {message}" for path, message in refused.violations]
    return None


def test_generated_manifests_meet_the_same_verdict(api: ApiClient) -> None:
    namespaces = {yaml.safe_load(path.read_text())["metadata"].get("namespace", "default") for path in SEEDS}
    for namespace in namespaces:
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    differences = []
    refused = 0
    for what, manifest in _manifests():
        refusal = api.create(manifest, dry_run=True).refusal
        violations = _violations(manifest)
        refused += refusal is not None
        if (refusal is None) != (violations is None):
            differences.append(f"{what}\n  API server: {refusal}\n  models: {violations}")
        elif violations is not None and not all(violations or [""]):
            differences.append(f"{what}\n  refused without a word")
    assert not differences, "\n".join(differences)
    assert 0.2 * MANIFESTS < refused < 0.98 * MANIFESTS, "the generated manifests are too much alike"
