"""Clients that ask without end."""

import itertools
import threading

from tests.standins import messages
from tests.standins.gateway import Gateway, eventually
from tests.standins.raw_client import connect

BODY = b'{"model":"claude-sonnet-5-5","max_tokens":9,"messages":[]}'
STREAMED = BODY.replace(b'"max_tokens"', b'"stream":true,"max_tokens"')


class Clients:
    """Some that ask without end, each on a connection of its own, by turns for a message and for a stream."""

    def __init__(self, gateway: Gateway, count: int, *, streamed: bytes = b"".join(messages.events())) -> None:
        """`streamed`: what a stream is, from its first event to its last."""
        self._streamed = streamed
        self.failures: list[str] = []
        self.served = 0
        self._gateway = gateway
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def wait_for_more(self) -> None:
        """Every one of them has asked anew, and been answered."""
        goal = self.served + 3 * len(self._threads)
        eventually(lambda: self.served >= goal or self.failures, what="requests that were answered")

    def _ask(self) -> None:
        with connect(self._gateway.port) as connection:
            for body in itertools.cycle((BODY, STREAMED)):
                if self._stop.is_set():
                    return
                answer = connection.request("POST", "/v1/messages", headers=self._gateway.headers(), body=body)
                if answer.status != 200 or (body is STREAMED and answer.body != self._streamed):
                    self.failures.append(f"{answer}")
                self.served += 1
