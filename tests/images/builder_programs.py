"""Scripts in place of docker, buildah and debootstrap, which note what they are asked, and `images/build` on them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.standins.archives import write_archive

ROOT = Path(__file__).parents[2]
PROGRAM = """#!/bin/bash
echo "${{0##*/}} $*" >> {folder}/calls
{body}
"""
# an image is there when a file of its name is, with / and : made _
BUILDAH = """
[ ! -e {folder}/no-buildah ] || exit 1
here() {{ [ -e "{folder}/store/$(tr /: __ <<< "$1")" ]; }}
case "$1" in
inspect) here "$4" && cat {folder}/inspected ;;
pull) echo "no such host" >&2; [ -e {folder}/registry ] ;;
build) if [ -e {folder}/broken ]; then echo "pip says no" >&2; exit 1; fi
    for word; do [ "$before" = --tag ] && touch "{folder}/store/$(tr /: __ <<< "$word")"; before=$word; done
    [ "${{PIP_INDEX_URL:-}}" = "" ] || echo "index given" >> {folder}/calls ;;
push) target=${{4#oci-archive:}}; cp {folder}/image.tar "${{target%%:*}}" ;;
from) echo container-1 ;;
commit) touch "{folder}/store/$(tr /: __ <<< "$4")" ;;
esac
"""
DOCKER = "[ ! -e {folder}/no-docker ]"
DEBOOTSTRAP = (
    'mkdir -p "$4"/var/cache/apt "$4"/var/lib/apt/lists "$4"/usr/share/{{doc,man,locale,info}}; touch "$4"/python'
)


class Machine:
    """A machine with these programs and no others that build images; docker does not run there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.archives = folder / "archives"
        self.path = folder / "path"
        self.path.mkdir()
        (folder / "store").mkdir()
        (folder / "no-docker").touch()
        for name, body in {"buildah": BUILDAH, "docker": DOCKER, "debootstrap": DEBOOTSTRAP}.items():
            script = self.path / name
            script.write_text(PROGRAM.format(folder=folder, body=body.format(folder=folder)))
            script.chmod(0o755)
        self.image("the first")

    def image(self, content: str) -> None:
        """What the next build makes."""
        identity = write_archive(self.folder / "image.tar", name="localhost/claude-gateway-proxy:dev", Labels=content)
        inspected = f'{{"FromImageID": "{identity}", "OCIv1": {{"rootfs": {{"diff_ids": []}}}}}}'
        (self.folder / "inspected").write_text(inspected)

    def say(self, name: str) -> None:
        """Sets one of the switches that the scripts look at."""
        (self.folder / name).touch()

    def has(self, image: str) -> None:
        """Puts an image into the builder's store."""
        self.say(f"store/{image.replace('/', '_').replace(':', '_')}")

    def build(self, *images: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`images/build`, of the proxy unless others are named."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "SSL_", "REQUESTS_"))}
        given = {
            "PATH": f"{self.path}:{os.environ['PATH']}",
            "IMAGES_OUT": str(self.archives),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            **environment,
        }
        command = [str(ROOT / "images" / "build"), *(images or ("claude-gateway-proxy",))]
        return subprocess.run(command, env=kept | given, capture_output=True, text=True, timeout=100)

    def calls(self, *wanted: str) -> list[str]:
        """What was asked of the programs since the last look, as far as it begins with one of these."""
        log = self.folder / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line for line in lines if not wanted or line.startswith(wanted)]
