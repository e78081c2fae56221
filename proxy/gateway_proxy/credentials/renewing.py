"""Values that expire: fetched beside the requests, and again ahead of their end."""

import asyncio
import logging
import time
import traceback
import weakref
from collections.abc import Awaitable, Callable
from typing import Final, Generic, NamedTuple, TypeVar

from gateway_proxy.upstream.errors import CredentialError

log = logging.getLogger(__name__)

T = TypeVar("T")

AHEAD_SECONDS: Final = 600.0
"""How long before its end a value is renewed, or a quarter of its life where that is shorter: metadata services hand
out the same token until few minutes of it are left, and what is left is quartered again."""
RETRY_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""After a first failure, a second, and so on."""
_LOG_SECONDS: Final = 60.0
"""How often the same failure is told of."""
_REFUSED_SECONDS: Final = 30.0
"""A value younger than this is not fetched anew because an upstream refuses it."""


class Fetched(NamedTuple, Generic[T]):
    value: T
    expires_at: float | None
    """In unix seconds; None: never."""


class Counts:
    """Of one binding, through all of its clients."""

    __slots__ = ("failures", "renewals")

    def __init__(self) -> None:
        self.renewals = self.failures = 0


class Renewing(Generic[T]):
    """A value that expires: one fetch at a time, in the background, ahead of its end; while that fails the value
    serves on until it has expired. Made in a thread, used on the event loop alone.

    Nothing but its owner keeps it: timers hold weak references, so that it ends with the client that a reload drops.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_failed_in_a_row",
        "_failure",
        "_fetch",
        "_fetched",
        "_fetched_at",
        "_own",
        "_task",
        "_timer",
        "_told",
        "counts",
        "upstream",
        "what",
    )

    def __init__(
        self, fetch: Callable[[], Awaitable[Fetched[T]]], *, what: str, clock: Callable[[], float] = time.time
    ) -> None:
        """`fetch` ends in bounded time, and raises CredentialError. `what` names the credential in log lines."""
        self._fetch = fetch
        self.what = what
        self.upstream = ""
        """The binding whose it is, for log lines."""
        self.counts = Counts()
        self._clock = clock
        self._fetched: Fetched[T] | None = None
        self._fetched_at = 0.0
        self._own = False
        """Whether the value was fetched here, and not by the one before."""
        self._failure: str | None = None
        """Why the last fetch failed; None when it did not."""
        self._failed_in_a_row = 0
        self._told: tuple[str, float] = "", 0.0
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Renewing {self.what} failing={self.failing}>"

    @property
    def current(self) -> T | None:
        """The value while it is good."""
        fetched = self._fetched
        if fetched is None or (fetched.expires_at is not None and fetched.expires_at <= self._clock()):
            return None
        return fetched.value

    @property
    def expires_at(self) -> float | None:
        """Of the value that there is, in unix seconds."""
        return self._fetched.expires_at if self._fetched is not None else None

    @property
    def failing(self) -> bool:
        """Whether the last fetch failed, whatever there is from before."""
        return self._failure is not None

    def prepare(self) -> None:
        """Begins to fetch now; nothing where the value is there, on its way, or to be tried again in a moment."""
        if not self._own and self._failure is None:
            self._begin()

    def take_over(self, before: "Renewing[T]", *, value: bool) -> None:
        """Goes on counting where another one of the same binding ended. `value`: its value serves until the first one
        of this is there, so that a rotated secret lets no request wait; to be given only where it goes to the same
        place as the same identity."""
        self.counts = before.counts
        if value:
            self._fetched = before._fetched

    async def get(self) -> T:
        """The value, waited for where it has never been there. Raises CredentialError: at once while fetches fail,
        for other upstreams can answer meanwhile."""
        self.prepare()
        value = self.current
        if value is not None:
            return value
        if self._failure is None:
            # Who waits may be cancelled; the fetch is everybody's.
            await asyncio.shield(self._begin())
            value = self.current
            if value is not None:
                return value
        raise CredentialError(self._failure or f"{self.what}: it expired as soon as it was there")

    def refused(self) -> None:
        """The upstream says that the value is no good: a new one is fetched, unless this one is new or all there will
        ever be. It serves on meanwhile, for upstreams refuse for other reasons too."""
        renews = self.expires_at is not None and self._failure is None
        if renews and self._clock() - self._fetched_at >= _REFUSED_SECONDS:
            self._begin()

    def _begin(self) -> asyncio.Task[None]:
        if self._task is None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._task = asyncio.get_running_loop().create_task(self._renew())
        return self._task

    async def _renew(self) -> None:
        try:
            fetched = await self._fetch()
            now = self._clock()
            if fetched.expires_at is not None and fetched.expires_at <= now:
                raise CredentialError(f"{self.what}: what came has expired already; is this machine's clock right?")
        except CredentialError as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001 - nobody awaits this task
            # Its text may hold secrets, and so is told nowhere.
            where = traceback.extract_tb(error.__traceback__)[-1]
            self._failed(
                f"{self.what}: a bug of the gateway: {type(error).__name__} in {where.name}, line {where.lineno}"
            )
        else:
            self._succeeded(fetched, now)
        finally:
            self._task = None

    def _succeeded(self, fetched: Fetched[T], now: float) -> None:
        again = self._failure is not None
        self._fetched, self._fetched_at, self._own = fetched, now, True
        self._failure, self._failed_in_a_row, self._told = None, 0, ("", 0.0)
        self.counts.renewals += 1
        left = None
        if fetched.expires_at is not None:
            left = fetched.expires_at - now
            self._later(max(left - AHEAD_SECONDS, left * 0.75))
        log.info(
            "upstream %s: %s: fetched%s%s",
            self.upstream,
            self.what,
            " again" if again else "",
            f", good for {left:.0f} s" if left is not None else "",
            extra={"event": "credential.renewed", "upstream": self.upstream},
        )

    def _failed(self, failure: str) -> None:
        self._failure = failure
        self.counts.failures += 1
        self._later(RETRY_SECONDS[min(self._failed_in_a_row, len(RETRY_SECONDS) - 1)])
        self._failed_in_a_row += 1
        now = self._clock()
        good = self.current is not None
        told, told_at = self._told
        if told == f"{good}{failure}" and now - told_at < _LOG_SECONDS:
            return
        self._told = f"{good}{failure}", now
        log.log(
            logging.WARNING if good else logging.ERROR,
            "upstream %s: %s%s",
            self.upstream,
            failure,
            "; the one before serves on" if good else "",
            extra={"event": "credential.failed", "upstream": self.upstream, "serves_on": good},
        )

    def _later(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, _due, weakref.ref(self))


def _due(reference: "weakref.ref[Renewing[T]]") -> None:
    renewing = reference()
    if renewing is not None:
        renewing._timer = None
        renewing._begin()
