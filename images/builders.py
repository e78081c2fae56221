"""The programs that build images: docker and buildah, behind one shape."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from images.commands import CommandError, Report, run

PASSED_ON = ("PIP_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
"""Build arguments that are taken from the environment, where they are set."""
CERTIFICATES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
"""The first of them that names a file gives the builds the certificates that package downloads are checked with."""


class Builder(Protocol):
    """What the builds need. All methods but `why_not` and `has` raise `CommandError`."""

    name: str

    def why_not(self) -> str | None:
        """Why it cannot be used here; None where it can."""

    def has(self, image: str) -> bool: ...

    def pull(self, image: str, report: Report) -> None: ...

    def build(self, dockerfile: str, *, image: str, base: str, labels: Mapping[str, str], report: Report) -> None:
        """Builds from the current folder."""

    def take_in(self, root: Path, image: str, report: Report) -> None:
        """Makes an image of one layer from the tar of a root file system."""

    def identity(self, image: str) -> str:
        """The digest of the image's configuration, without `sha256:`."""

    def layers(self, image: str) -> list[str]:
        """Digests of the unpacked layers, the lowest first."""

    def save(self, image: str, archive: Path, report: Report) -> None:
        """Writes an OCI archive that names the image."""


def choose(asked: str | None) -> Builder:
    """The builder that was asked for, else the first that works here. Raises `CommandError`."""
    builders: dict[str, Builder] = {builder.name: builder for builder in (Docker(), Buildah())}
    if asked:
        if asked not in builders:
            raise CommandError(f"IMAGE_BUILDER={asked}: it is {' or '.join(builders)}")
        reason = builders[asked].why_not()
        if reason:
            raise CommandError(f"IMAGE_BUILDER={asked} cannot be used: {reason}")
        return builders[asked]
    reasons = {}
    for builder in builders.values():
        reasons[builder.name] = builder.why_not()
        if reasons[builder.name] is None:
            return builder
    told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    raise CommandError(
        f"nothing to build images with. {told}.\nStart docker, or on Debian and Ubuntu: apt-get install -y buildah"
    )


def _build_arguments(base: str, labels: Mapping[str, str]) -> list[str]:
    arguments = ["--build-arg", f"BASE={base}"]
    for name in PASSED_ON:
        if os.environ.get(name):
            arguments += ["--build-arg", name]  # the value stays off the command line, where everybody could read it
    for name in CERTIFICATES:
        if os.path.isfile(os.environ.get(name, "")):  # noqa: PTH113  an empty path is `.`
            arguments += ["--secret", f"id=ca.crt,src={os.environ[name]}"]
            break
    if os.path.isfile(os.environ.get("PIP_CONFIG_FILE", "")):  # noqa: PTH113
        arguments += ["--secret", f"id=pip.conf,src={os.environ['PIP_CONFIG_FILE']}"]
    for name, value in labels.items():
        arguments += ["--label", f"{name}={value}"]
    return arguments


def _succeeds(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _silent(_: str) -> None:
    """For commands that are over at once."""


class Docker:
    name = "docker"

    def why_not(self) -> str | None:
        if not shutil.which("docker"):
            return "not installed"
        return None if _succeeds(["docker", "version"]) else "its daemon does not answer (docker version)"

    def has(self, image: str) -> bool:
        return _succeeds(["docker", "image", "inspect", image])

    def pull(self, image: str, report: Report) -> None:
        run(["docker", "pull", "--quiet", image], what=f"pulling {image}", report=report)

    def build(self, dockerfile: str, *, image: str, base: str, labels: Mapping[str, str], report: Report) -> None:
        command = ["docker", "build", "--file", dockerfile, "--tag", image, *_build_arguments(base, labels), "."]
        run(command, what=f"building {image}", report=report, environment={"DOCKER_BUILDKIT": "1"})

    def take_in(self, root: Path, image: str, report: Report) -> None:
        run(["docker", "import", str(root), image], what=f"importing {image}", report=report)

    def identity(self, image: str) -> str:
        return str(self._inspected(image)["Id"]).removeprefix("sha256:")

    def layers(self, image: str) -> list[str]:
        return list(self._inspected(image)["RootFS"]["Layers"])

    def save(self, image: str, archive: Path, report: Report) -> None:
        run(["docker", "save", "--output", str(archive), image], what=f"saving {image}", report=report)

    @staticmethod
    def _inspected(image: str) -> Any:
        lines = run(["docker", "image", "inspect", image], what=f"looking at {image}", report=_silent)
        return json.loads("\n".join(lines))[0]


class Buildah:
    name = "buildah"

    def why_not(self) -> str | None:
        if not shutil.which("buildah"):
            return "not installed"
        return None if _succeeds(["buildah", "images", "--quiet"]) else "it does not work here (buildah images)"

    @property
    def _environment(self) -> dict[str, str]:
        """`chroot` asks for neither systemd nor a network of its own: it works in containers and virtual machines."""
        return {"BUILDAH_ISOLATION": os.environ.get("BUILDAH_ISOLATION", "chroot")}

    def has(self, image: str) -> bool:
        return _succeeds(["buildah", "inspect", "--type", "image", image])

    def pull(self, image: str, report: Report) -> None:
        run(["buildah", "pull", "--quiet", image], what=f"pulling {image}", report=report)

    def build(self, dockerfile: str, *, image: str, base: str, labels: Mapping[str, str], report: Report) -> None:
        command = ["buildah", "build", "--layers", "--network", "host", "--file", dockerfile, "--tag", image]
        command += [*_build_arguments(base, labels), "."]
        run(command, what=f"building {image}", report=report, environment=self._environment)

    def take_in(self, root: Path, image: str, report: Report) -> None:
        container = self._buildah("from", "scratch")[-1]
        try:
            run(["buildah", "add", "--quiet", container, str(root), "/"], what=f"importing {image}", report=report)
            self._buildah("config", "--cmd", "/bin/sh", container)
            run(["buildah", "commit", "--quiet", container, image], what=f"writing {image}", report=report)
        finally:
            self._buildah("rm", container)

    def identity(self, image: str) -> str:
        return str(self._inspected(image)["FromImageID"])

    def layers(self, image: str) -> list[str]:
        return list(self._inspected(image)["OCIv1"]["rootfs"]["diff_ids"])

    def save(self, image: str, archive: Path, report: Report) -> None:
        target = f"oci-archive:{archive}:{image}"
        run(["buildah", "push", "--quiet", image, target], what=f"saving {image}", report=report)

    def _inspected(self, image: str) -> Any:
        return json.loads("\n".join(self._buildah("inspect", "--type", "image", image)))

    def _buildah(self, *arguments: str) -> list[str]:
        return run(["buildah", *arguments], what=f"buildah {arguments[0]}", report=_silent)
