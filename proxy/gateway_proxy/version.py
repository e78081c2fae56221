"""The version of the running program."""

from importlib.metadata import PackageNotFoundError, version


def _installed() -> str:
    try:
        return version("claude-gateway-operator")
    except PackageNotFoundError:
        return "unknown"


VERSION = _installed()
