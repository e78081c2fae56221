"""What the Dockerfiles may take into an image: each plane's own packages and locked libraries, and nothing else."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = {
    "proxy": {
        "proxy/gateway_config",
        "proxy/gateway_proxy",
        "requirements/proxy.lock",
        "images/strip_libraries.py",
    },
    "operator": {"proxy/gateway_config", "operator/gateway_operator", "requirements/operator.lock"},
}
BUILD_FILES = {"images/lay_out.py", "pyproject.toml", "LICENSE"}


def dockerfile(plane: str) -> str:
    return (ROOT / plane / "Dockerfile").read_text()


def copied(plane: str) -> set[str]:
    """Everything that comes from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", dockerfile(plane), re.MULTILINE)
    return {source for line in lines for source in line.split()[:-1]}


@pytest.mark.parametrize("plane", IMAGES)
def test_an_image_takes_its_own_plane_and_the_contract(plane: str) -> None:
    assert copied(plane) == IMAGES[plane] | BUILD_FILES


@pytest.mark.parametrize("plane", IMAGES)
def test_the_context_holds_what_is_copied_and_little_else(plane: str) -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied(plane) <= let_in
    assert let_in == {source for one in IMAGES for source in copied(one)}


@pytest.mark.parametrize("plane", IMAGES)
def test_the_user_is_a_number_and_not_root(plane: str) -> None:
    assert re.findall(r"^USER (.+)$", dockerfile(plane), re.MULTILINE) == ["65532:65532"]


@pytest.mark.parametrize("plane", IMAGES)
def test_libraries_are_wheels_pinned_by_hash(plane: str) -> None:
    assert "--require-hashes" in dockerfile(plane)
    assert "--only-binary=:all:" in dockerfile(plane)


@pytest.mark.parametrize("plane", IMAGES)
def test_every_stage_stands_on_the_base_that_was_chosen(plane: str) -> None:
    assert set(re.findall(r"^FROM (\S+)", dockerfile(plane), re.MULTILINE)) == {"${BASE}"}
