"""The pages on upstreams: each type has one, and each names every credential that its binding can have."""

import json
import re
from pathlib import Path

import pytest

from gateway_operator.api.v1alpha1 import providers
from gateway_operator.compiler.catalogue import bedrock_regions
from gateway_operator.compiler.filters import builtin_filters

PAGES = Path(__file__).parents[2] / "docs" / "providers"
BY_TYPE = {
    "anthropic.md": providers.Anthropic,
    "bedrock.md": providers.Bedrock,
    "claude-platform-aws.md": providers.ClaudePlatformAWS,
    "vertex-ai.md": providers.VertexAI,
    "foundry.md": providers.Foundry,
}
README = (PAGES / "README.md").read_text()
_JSON = re.compile(r"```json\n(.*?)```", re.DOTALL)
_SECTIONS = (
    "## Set up",
    "## Credentials",
    "## Least privilege",
    "## Regions and ids",
    "## What is different through it",
)
_CREDENTIAL = re.compile(r"SecretRef$|^podIdentity$|^workloadIdentity$|^entra$|^roleARN$|^impersonate$")


@pytest.mark.parametrize("page", sorted(BY_TYPE))
def test_it_says_all_that_somebody_must_know(page: str) -> None:
    text = (PAGES / page).read_text()
    assert [section for section in _SECTIONS if f"\n{section}\n" not in text] == []
    assert "\n## Not proven against the real" in text
    assert f"]({page})" in README


@pytest.mark.parametrize(("page", "member"), BY_TYPE.items(), ids=BY_TYPE)
def test_it_names_every_credential(page: str, member: type[providers.Model]) -> None:
    text = (PAGES / page).read_text()
    fields = [field.alias or name for name, field in member.model_fields.items()]
    named = [field for field in fields if _CREDENTIAL.search(field)]
    assert named
    assert [field for field in named if f"`{field}" not in text and f"{field}:" not in text] == []


@pytest.mark.parametrize("page", sorted(BY_TYPE))
def test_roles_can_be_copied(page: str) -> None:
    for block in _JSON.findall((PAGES / page).read_text()):
        json.loads(block)


def test_the_regions_of_bedrocks_profiles_are_the_catalogues() -> None:
    rows = re.findall(r"^\| `([a-z-]+)\.` \| ([a-z0-9, -]+) \|$", (PAGES / "bedrock.md").read_text(), re.MULTILINE)
    assert [(prefix, frozenset(regions.split(", "))) for prefix, regions in rows] == list(bedrock_regions().items())


def test_every_built_in_filter_is_listed_with_its_upstreams() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| ([A-Za-z, ]+?)(?: \(some models\))? \| (.+) \|$", README, re.MULTILINE)
    listed = [(name, entry["types"], entry["what"]) for name, entry in builtin_filters().items()]
    assert [(name, types.split(", "), what) for name, types, what in rows] == listed


def test_every_type_has_a_page() -> None:
    assert {page.name for page in PAGES.glob("*.md")} == {"README.md", *BY_TYPE}
