"""What the built images hold: one plane each, nothing to build or install with, and not much."""

import re
import subprocess
from pathlib import Path

import pytest

from images.archives import Archive
from images.builders import choose

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "images"
ENVIRONMENT = "opt/claude-gateway"
MEGABYTE = 1_000_000
PROXY_LIMIT = 130
PLANES = {"claude-gateway-proxy": "gateway_proxy", "claude-gateway-operator": "gateway_operator"}


@pytest.fixture(scope="module", params=PLANES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def archive(name: str) -> Archive:
    return Archive(FOLDER / f"{name}.tar")


@pytest.fixture(scope="module")
def packages(archive: Archive) -> set[str]:
    """The names in the environment's site-packages."""
    pattern = re.compile(rf"{ENVIRONMENT}/lib/python3\.\d+/site-packages/([^/]+)")
    return {found[1] for path in archive.files if (found := pattern.match(path))}


def test_an_image_holds_one_plane(name: str, packages: set[str]) -> None:
    assert packages & {"gateway_config", *PLANES.values()} == {"gateway_config", PLANES[name]}


def test_nothing_installs_or_tests_in_an_image(packages: set[str]) -> None:
    unwanted = {"pip", "setuptools", "wheel", "pytest", "mypy", "ruff", "hypothesis", "anthropic", "tests"}
    assert packages & unwanted == set()


def test_the_proxy_has_no_kubernetes_client() -> None:
    files = Archive(FOLDER / "claude-gateway-proxy.tar").files
    assert [
        path for path in files if re.search(r"site-packages/(kubernetes|kopf|yaml|typer|rich)/__init__", path)
    ] == []


def test_no_compiler_is_in_an_image(archive: Archive) -> None:
    assert [path for path in archive.files if re.search(r"bin/(gcc|cc|c\+\+|clang|ld|make|rustc|go)$", path)] == []


def test_it_runs_as_a_number_that_owns_no_file(archive: Archive) -> None:
    user = archive.config["config"]["User"]
    assert user == "65532:65532"
    assert [path for path, member in archive.files.items() if 65532 in (member.uid, member.gid)] == []


def test_ours_is_written_by_root_alone_and_read_by_all(archive: Archive) -> None:
    ours = {path: one.mode for path, one in archive.files.items() if path.startswith(ENVIRONMENT) and not one.issym()}
    assert {path: oct(mode) for path, mode in ours.items() if mode & 0o022 or not mode & 0o004} == {}


def test_every_module_of_ours_is_compiled(name: str, archive: Archive) -> None:
    files = set(archive.files)
    sources = {path for path in files if f"/site-packages/{PLANES[name]}/" in path and path.endswith(".py")}
    assert len(sources) > 20
    compiled = {re.sub(r"__pycache__/([^/.]+)\.cpython-\d+\.pyc$", r"\1.py", path) for path in files}
    assert sources - compiled == set()


def test_the_image_says_what_it_is(name: str, archive: Archive) -> None:
    labels = archive.config["config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == name
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", labels["org.opencontainers.image.version"])


def test_the_proxy_is_small() -> None:
    archive = Archive(FOLDER / "claude-gateway-proxy.tar")
    base = archive.config["config"]["Labels"]["org.opencontainers.image.base.name"]
    size = sum(layer.size for layer in archive.above(choose(None).layers(base))) / MEGABYTE
    print(f"claude-gateway-proxy: {size:.0f} MB over its base, of {PROXY_LIMIT}")  # noqa: T201
    assert size < PROXY_LIMIT


def test_the_clouds_credentials_work_with_what_is_left_of_their_libraries(tmp_path: Path) -> None:
    """Parts of them stay out of the image: see proxy/Dockerfile."""
    Archive(FOLDER / "claude-gateway-proxy.tar").unpack(tmp_path)
    script = Path(__file__).with_name("cloud_libraries.py").read_text()
    command = ["chroot", str(tmp_path), f"/{ENVIRONMENT}/bin/python3", "-P", "-"]
    done = subprocess.run(command, input=script, capture_output=True, text=True)
    assert done.stdout == "all there\n", done.stderr
