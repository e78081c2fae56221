"""Ports for servers that cannot be told to take any free one, and ports where nobody answers."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

_FIRST, _LAST = 20_000, 32_000
"""Below the ports that Linux gives to connections and to sockets without a wish (32768 to 60999): what is free here
stays free until it is asked for by number."""
_given: set[int] = set()


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago. None is given twice."""
    while True:
        port = random.randint(_FIRST, _LAST)
        if port in _given:
            continue
        _given.add(port)
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port


@contextmanager
def refusing_port(host: str = "127.0.0.1") -> Iterator[int]:
    """A port that refuses connections while the block runs: it is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind((host, 0))
        yield int(taken.getsockname()[1])
