"""Our packages are laid out as pip would install them, and readable for the image's user whatever the checkout says."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """The laid out proxy, from a checkout that only its owner can read."""
    checkout = tmp_path / "build"
    shutil.copytree(ROOT / "proxy" / "gateway_config", checkout / "packages" / "gateway_config")
    shutil.copytree(ROOT / "proxy" / "gateway_proxy", checkout / "packages" / "gateway_proxy")
    for name in ("images/lay_out.py", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    for path in checkout.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    out = tmp_path / "environment"
    packages = [checkout / "packages" / name for name in ("gateway_config", "gateway_proxy")]
    command = [sys.executable, checkout / "lay_out.py", "--command", "claude-gateway-proxy", "--out", out, *packages]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, umask=0o077)
    assert done.returncode == 0, done.stderr
    return out


def library(environment: Path) -> Path:
    (found,) = environment.glob("lib/python3.*/site-packages")
    return found


def test_everybody_may_read_and_nobody_else_write(environment: Path) -> None:
    modes = {path: path.stat().st_mode & 0o777 for path in (environment, *environment.rglob("*"))}
    executable = environment / "bin" / "claude-gateway-proxy"
    wrong = {
        str(path): oct(mode)
        for path, mode in modes.items()
        if mode != (0o755 if path.is_dir() or path == executable else 0o644)
    }
    assert wrong == {}


def test_every_module_is_compiled_and_the_compiled_one_is_taken(environment: Path) -> None:
    sources = list(library(environment).rglob("*.py"))
    assert len(sources) > 50
    missing = [source for source in sources if not list((source.parent / "__pycache__").glob(f"{source.stem}.*.pyc"))]
    assert missing == []
    config = library(environment) / "gateway_config" / "__init__.py"
    (compiled,) = config.parent.glob("__pycache__/__init__.*.pyc")
    assert int.from_bytes(compiled.read_bytes()[4:8], "little") == 0b01, "unchecked: by hash, never looked up"


def test_the_distribution_says_its_version(environment: Path) -> None:
    (found,) = importlib.metadata.distributions(name="claude-gateway-operator", path=[str(library(environment))])
    assert found.version == importlib.metadata.version("claude-gateway-operator")
    assert [entry.name for entry in found.entry_points] == ["claude-gateway-proxy"]


def test_the_command_starts_the_program_with_the_images_python(environment: Path) -> None:
    command = environment / "bin" / "claude-gateway-proxy"
    assert command.read_text().startswith("#!/opt/claude-gateway/bin/python3")
    done = subprocess.run(
        [sys.executable, "-P", command, "--version"],
        env=os.environ | {"PYTHONPATH": str(library(environment))},
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"claude-gateway-proxy {importlib.metadata.version('claude-gateway-operator')}\n"
