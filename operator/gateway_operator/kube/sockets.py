"""The sockets of a session: none stays silent with a peer that is gone, and none outlives its session."""

import asyncio
import contextlib
import socket
import weakref
from typing import Any, Final

_LOOK_SECONDS: Final = 0.001
_END_SECONDS: Final = 1.0
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 60000))


class Sockets:
    """A socket factory, as aiohttp's connector takes it, that knows which of its sockets are open."""

    def __init__(self) -> None:
        self._made: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def __call__(self, address: Any) -> socket.socket:
        """A socket that notices within a minute that its peer is gone. Watches are silent for minutes."""
        made = socket.socket(family=address[0], type=address[1], proto=address[2])
        self._made.add(made)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            if hasattr(socket, option):  # Linux has them all
                made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        return made

    async def end(self) -> None:
        """Ends what its session has left open.

        A request that is cancelled while its connection begins may leave one that nobody owns: asyncio overlooks the
        close of a TLS transport whose protocol has not heard of it yet, and lets the handshake go on.
        """
        for each in self._open():
            with contextlib.suppress(OSError):  # not connected yet, or not any more
                each.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                while self._open():  # noqa: ASYNC110  a socket tells nobody that it was closed
                    await asyncio.sleep(_LOOK_SECONDS)

    def _open(self) -> list[socket.socket]:
        return [each for each in self._made if each.fileno() != -1]
