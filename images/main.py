"""Building both images, and their archives."""

import argparse
import os
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from images import debian
from images.archives import Archive, identity_of
from images.builders import Builder, choose
from images.commands import CommandError, Report

ROOT = Path(__file__).parents[1]
ARCHIVES = "build/images"
DEFAULT_BASE = "python:3.13-slim"
DEBIAN = "debian"
MEGABYTE = 1_000_000

EPILOG = f"""
environment:
  IMAGE_BUILDER   docker or buildah; default: docker where its daemon answers, else buildah
  BASE            what the images stand on: any image with Python 3.11 to 3.13 as `python3` and its venv module;
                  `{DEBIAN}` makes one with debootstrap. Default: {DEFAULT_BASE},
                  or `{DEBIAN}` where no registry gives that
  REGISTRY, TAG   the images' names: REGISTRY/claude-gateway-operator:TAG; default: localhost and dev
  IMAGES_OUT      the folder of the archives; default: {ARCHIVES}
  PIP_INDEX_URL, PIP_CONFIG_FILE, PIP_CERT, HTTPS_PROXY   reach the builds where they are set
  DEBIAN_MIRROR   where debootstrap takes its packages from

examples:
  images/build
  IMAGE_BUILDER=buildah BASE={DEBIAN} images/build claude-gateway-proxy
  BASE=registry.corp.example/python:3.13-slim REGISTRY=registry.corp.example/claude TAG=0.1.0 images/build
"""


@dataclass(frozen=True, slots=True)
class Image:
    """One of ours."""

    name: str
    dockerfile: str

    def reference(self, registry: str, tag: str) -> str:
        return f"{registry.rstrip('/')}/{self.name}:{tag}"


IMAGES = (
    Image("claude-gateway-operator", "operator/Dockerfile"),
    Image("claude-gateway-proxy", "proxy/Dockerfile"),
)


def main() -> int:
    names = [image.name for image in IMAGES]
    parser = argparse.ArgumentParser(
        prog="images/build",
        description="Build the images of operator and proxy, and write each as an OCI archive to build/images/.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=f"default: {' '.join(names)}")
    given = parser.parse_args()
    if unknown := [name for name in given.images if name not in names]:
        parser.error(f"no such image: {' '.join(unknown)}; there are {' '.join(names)}")
    os.chdir(ROOT)
    environment = os.environ
    try:
        build(
            [image for image in IMAGES if not given.images or image.name in given.images],
            builder=choose(environment.get("IMAGE_BUILDER")),
            base=environment.get("BASE", ""),
            registry=environment.get("REGISTRY") or "localhost",
            tag=environment.get("TAG") or "dev",
            folder=Path(environment.get("IMAGES_OUT") or ARCHIVES),
            report=say,
        )
    except CommandError as error:
        say(f"images/build: {error}")
        return 1
    return 0


def build(
    images: list[Image], *, builder: Builder, base: str, registry: str, tag: str, folder: Path, report: Report
) -> None:
    """Builds the images, and their archives in `folder`, from the repository's root. Raises `CommandError`."""
    standing_on = base_image(builder, base, report)
    version = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
    labels = {
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.base.name": standing_on,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for image in images:
        started = time.monotonic()
        name = image.reference(registry, tag)
        report(f"building {name} with {builder.name} on {standing_on} ...")
        builder.build(image.dockerfile, image=name, base=standing_on, labels=labels, report=report)
        archive = folder / f"{image.name}.tar"
        save(builder, name, archive, report)
        layers = Archive(archive).above(builder.layers(standing_on))
        size = sum(layer.size for layer in layers) / MEGABYTE
        seconds = time.monotonic() - started
        report(f"built {name} in {seconds:.0f} s: {size:.0f} MB over its base; {archive}")


def base_image(builder: Builder, asked: str, report: Report) -> str:
    """What the images stand on. Raises `CommandError`."""
    if asked == DEBIAN:
        return debian.base(builder, report)
    wanted = asked or DEFAULT_BASE
    if builder.has(wanted):
        return wanted
    try:
        builder.pull(wanted, report)
    except CommandError as error:
        if asked:
            raise CommandError(f"{error}\nBASE={DEBIAN} makes a base with debootstrap") from None
        if reason := debian.why_not():
            raise CommandError(f"{error}\nName another base with BASE. Debian's cannot be made: {reason}") from None
        report(f"{wanted} cannot be pulled: taking a Debian base made with debootstrap. BASE names another one")
        return debian.base(builder, report)
    return wanted


def save(builder: Builder, name: str, archive: Path, report: Report) -> None:
    """Writes the archive, unless it holds this very image under this name already."""
    if identity_of(archive) == builder.identity(name) and name in Archive(archive).names:
        return
    part = archive.with_suffix(".part")
    part.unlink(missing_ok=True)
    builder.save(name, part, report)
    part.rename(archive)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201
