"""Lays our own packages out as an installed distribution: what `pip install` would do, without a build backend.

Runs inside the image build, with the image's own Python and nothing but the standard library:

    lay_out.py --command claude-gateway-proxy --out /build/environment packages/gateway_config packages/gateway_proxy

makes DIR/lib/pythonX.Y/site-packages with the packages, compiled, and the distribution's metadata, and DIR/bin with
the command, to be copied over a virtual environment at /opt/claude-gateway.
"""

import argparse
import compileall
import shutil
import sys
import tomllib
from pathlib import Path
from py_compile import PycInvalidationMode

ENVIRONMENT = "/opt/claude-gateway"
SOURCES = Path(__file__).parent

COMMAND = """\
#!{environment}/bin/python3 -P
import sys

from {module} import {function}

sys.exit({function}())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Lay our packages out as an installed distribution.")
    parser.add_argument("--command", required=True, help="which of [project.scripts] the image has")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("packages", type=Path, nargs="+")
    given = parser.parse_args()
    project = tomllib.loads((SOURCES / "pyproject.toml").read_text())["project"]
    library = given.out / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for package in given.packages:
        # Contents only: the mode of a file in somebody's checkout must not decide whether a pod can read it.
        shutil.copytree(package, library / package.name, copy_function=shutil.copyfile)
    lay_out_metadata(library, project, given.command)
    lay_out_command(given.out / "bin" / given.command, project["scripts"][given.command])
    # The file system is read-only where this runs, and the bytes are never edited: no need to look at times.
    if not compileall.compile_dir(
        library,
        quiet=1,
        stripdir=str(given.out),
        prependdir=ENVIRONMENT,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    ):
        sys.exit("lay_out.py: the packages do not compile")
    for path in (given.out, *given.out.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)


def lay_out_metadata(library: Path, project: dict[str, object], command: str) -> None:
    """`importlib.metadata` finds the version by it, and scanners find the distribution."""
    name, version = project["name"], project["version"]
    folder = library / f"{str(name).replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n")
    (folder / "INSTALLER").write_text("image\n")
    scripts = project["scripts"]
    assert isinstance(scripts, dict)
    (folder / "entry_points.txt").write_text(f"[console_scripts]\n{command} = {scripts[command]}\n")
    (folder / "licenses").mkdir()
    shutil.copyfile(SOURCES / "LICENSE", folder / "licenses" / "LICENSE")


def lay_out_command(path: Path, entry_point: str) -> None:
    module, _, function = entry_point.partition(":")
    path.parent.mkdir(parents=True)
    path.write_text(COMMAND.format(environment=ENVIRONMENT, module=module, function=function))


if __name__ == "__main__":
    main()
