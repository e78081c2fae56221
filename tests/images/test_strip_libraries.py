"""Shared libraries lose what no loader reads, and work as before."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from images import strip_libraries

SCRIPT = Path(strip_libraries.__file__)
LIBRARIES = {
    "uvloop": "import uvloop; uvloop.new_event_loop().close()",
    "orjson": "import orjson; assert orjson.loads(orjson.dumps([1.5])) == [1.5]",
    "cryptography": (
        "import cryptography; from cryptography.hazmat.primitives import hashes\n"
        "assert hashes.Hash(hashes.SHA256()).finalize().hex().startswith('e3b0c442')"
    ),
    "pydantic_core": "import pydantic_core; assert pydantic_core.from_json(b'[1]') == [1]",
    "greenlet": "import greenlet; assert greenlet.greenlet(lambda: 5).switch() == 5",
}
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="images have the libraries of Linux")


@LINUX
@pytest.mark.parametrize("name", LIBRARIES)
def test_a_stripped_library_does_what_it_did(name: str, tmp_path: Path) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    package = tmp_path / name
    shutil.copytree(Path(spec.origin).parent, package)
    before = sum(path.stat().st_size for path in package.rglob("*.so"))
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 0 < sum(path.stat().st_size for path in package.rglob("*.so")) < before
    command = [sys.executable, "-c", f"{LIBRARIES[name]}\nprint({name}.__file__)"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.stdout == f"{package / '__init__.py'}\n", done.stderr


@LINUX
def test_nothing_is_cut_off_twice(tmp_path: Path) -> None:
    spec = importlib.util.find_spec("orjson.orjson")
    assert spec is not None
    assert spec.origin is not None
    path = Path(shutil.copy(spec.origin, tmp_path))
    assert strip_libraries.strip(path) > 0
    whole = path.read_bytes()
    assert strip_libraries.strip(path) == 0
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF", b"\x7fELF\x01\x01" + bytes(200), b"!<arch>\n" * 20, b"INPUT(libc.so.6)"]
)
def test_what_is_no_such_library_is_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "some.so"
    path.write_bytes(content)
    assert strip_libraries.strip(path) == 0
    assert path.read_bytes() == content
