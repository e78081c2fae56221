"""Listen addresses: read from the command line, tried before they are given to the proxy."""

import errno
import re
import socket
from typing import NamedTuple

from gateway_operator.api.v1alpha1.addresses import normal_origin

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # looked up, never bound by default


_PUBLIC_URL = re.compile(r"(https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)/?", re.ASCII)


class AddressError(Exception):
    """An address that cannot be listened on, or pointed at."""


class Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Where a client on this machine reaches it."""
        reachable = Address(_WILDCARDS.get(self.host, self.host), self.port)
        return f"http://{reachable}"


def parse(text: str) -> Address:
    """`127.0.0.1:8080`, `[::1]:8080`, `:8080` for every interface. Raises AddressError."""
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535 or (":" in bare) != (bare != host):
        raise AddressError(f"{text!r} is not an address to listen on; write HOST:PORT, for example 127.0.0.1:8080")
    return Address(bare or "0.0.0.0", int(port))  # noqa: S104  # `:8080` asks for it


def public_url(text: str) -> str:
    """An origin in the one spelling of the compiler's. Raises AddressError."""
    try:
        if _PUBLIC_URL.fullmatch(text) is not None:
            return normal_origin(text)
    except ValueError:  # a port above 65535, or what is no address in brackets
        pass
    raise AddressError(
        f"--public-url {text}: write scheme, host and, if need be, port, for example http://10.0.0.5:8080"
    )


def free(address: Address, *, option: str) -> Address:
    """The address, known to be free; port 0 becomes a free port.

    Raises AddressError, which names `option` as the way out.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise AddressError(f"{address.host!r} is not a host of this machine: {error.strerror}; see {option}") from None
    family, kind, protocol, _, target = found[0]
    with socket.socket(family, kind, protocol) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(target)
            trial.listen()
        except OSError as error:
            raise AddressError(_explained(address, error, option)) from None
        return Address(address.host, trial.getsockname()[1])


def _explained(address: Address, error: OSError, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port in use: another program listens on {address}; choose another address with {option}"
    if error.errno == errno.EACCES:
        return f"{address} needs privileges; choose a port above 1023 with {option}"
    return f"{address} cannot be listened on: {error.strerror}; choose another address with {option}"
