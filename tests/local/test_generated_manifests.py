"""Five hundred generated manifests, most of them broken: never a traceback, always lines."""

import random
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.local.running import BINDING, GATEWAY, POLICY, SECRET

from gateway_operator.local.building import Builder, RejectedError
from gateway_operator.local.judgement import judge
from gateway_operator.local.manifests import Problem

SEEDS = range(50)
FILES_PER_SEED = 10
ODD_VALUES: list[Any] = [
    None, True, -1, 0, 2**63, 1e300, 1.5, "", " ", "\u0000", "x" * 5000, "2027-06-01", "\ud83d\ude00", "../..", "*",
    [], {}, [[]], [None], {"": ""}, {"a": {"b": {"c": []}}}, "30s", "-1s", "1d", "http://[", "https://u:p@h/", "\u202e",
]  # fmt: skip
ODD_TEXT = [
    "\t", "\x00", "\u2028", "&a [*a]", "!!python/object:os.system x", "---", "...", "%TAG ! x", "{", "]", ": :",
    "<<: 1", "? ", "|+\n", "'", '"\\x"', "\ufeff", "- - -", "*x", "@", "`", "%", "\r", "=:", "~", ">-",
]  # fmt: skip


def mutated(value: Any, generator: random.Random) -> Any:
    """The manifest with one member somewhere removed, replaced, renamed or doubled."""
    if isinstance(value, dict) and value and generator.random() < 0.85:
        result = dict(value)
        key = generator.choice(list(result))
        action = generator.random()
        if action < 0.5:
            result[key] = mutated(result[key], generator)
        elif action < 0.6:
            del result[key]
        elif action < 0.75:
            result["".join(generator.choices(string.ascii_letters, k=4))] = result.pop(key)
        else:
            result[key] = generator.choice(ODD_VALUES)
        return result
    if isinstance(value, list) and value and generator.random() < 0.7:
        position = generator.randrange(len(value))
        return [mutated(item, generator) if number == position else item for number, item in enumerate(value)]
    return generator.choice(ODD_VALUES)


def generated(generator: random.Random) -> str:
    texts = [GATEWAY, BINDING, POLICY, SECRET]
    text = generator.choice(texts)
    if generator.random() < 0.6:
        manifest = yaml.safe_load(text)
        for _ in range(generator.randint(1, 3)):
            manifest = mutated(manifest, generator)
        return yaml.safe_dump(manifest, allow_unicode=True)
    for _ in range(generator.randint(1, 4)):
        position = generator.randrange(len(text))
        cut = position + generator.choice([0, 0, 1, 10])
        text = text[:position] + generator.choice(ODD_TEXT) + text[cut:]
    return text


def rejections(builder: Builder) -> Sequence[Problem]:
    try:
        builder.build().packed(sequence=1)
    except RejectedError as rejected:
        return rejected.problems
    return ()


@pytest.mark.parametrize("seed", SEEDS)
def test_lint_and_up_answer_every_manifest_with_lines(tmp_path: Path, seed: int) -> None:
    generator = random.Random(seed)
    for number in range(FILES_PER_SEED):
        directory = tmp_path / str(number)
        directory.mkdir()
        (directory / "sound.yaml").write_text("---\n".join([GATEWAY, BINDING, POLICY, SECRET]))
        name = generator.choice(["a.yaml", "a.yml", "a.json"])
        (directory / name).write_bytes(generated(generator).encode("utf-8", "surrogatepass"))
        judgement = judge([directory])
        for finding in judgement.findings:
            assert "\n" not in str(finding.problem)
            assert finding.problem.message
            assert finding.problem.line > 0 or finding.ref is not None or finding.problem.file
        builder = Builder(directory=directory, gateway_name=None, public_url="http://127.0.0.1:1")
        problems = rejections(builder)
        assert all(str(problem).startswith(str(tmp_path)) for problem in problems)
