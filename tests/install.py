"""Everything that the tests install for themselves, ahead of them: `python -m tests.install`.

A test that misses something installs it all the same; but it has two minutes for that, every other test that needs it
waits, and nobody hears how far it is.
"""

import subprocess
import sys
from collections.abc import Callable

from tests.client import claude_code
from tests.cluster.programs import CONTROL_PLANE, BuildError, ensure
from tests.npm_packages import TESTS
from tests.oidc_provider import provider
from tests.standins import chromium, postgres

PACKAGES = ("nginx=nginx-light", "tmux=tmux")


def _programs() -> None:
    ensure((*CONTROL_PLANE, "helm", "kubeconform"), report=_say)


def _packages() -> None:
    subprocess.run([TESTS / "packages", "install", *PACKAGES], check=True)


STEPS: dict[str, Callable[[], object]] = {
    "the Kubernetes programs": _programs,
    "Postgres": postgres.programs,
    "nginx and tmux": _packages,
    "Chromium": chromium.install,
    "Claude Code": claude_code.install,
    "an OpenID provider": provider.install,
}


def main() -> None:
    """Tells what cannot be installed and goes on: the tests that need it fail with the way out, all others pass."""
    for name, install in STEPS.items():
        _say(f"for the tests: {name}")
        try:
            install()
        except (BuildError, subprocess.CalledProcessError, AssertionError, SystemExit) as error:
            _say(f"{name} cannot be installed: {error}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
