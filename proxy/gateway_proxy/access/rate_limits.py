"""What a user may ask for in a minute, and at once.

Everything is counted in this pod's memory: no request waits for a store. Each pod enforces its share of a limit by the
number of live pods, so together they enforce the limit wherever requests are spread over them; without a store every
pod counts as the only one. A request is let in on an estimate of its tokens, which stands until the answer's end and is
then replaced by what was used.
"""

import hashlib
import math
from itertools import islice
from typing import Final

from gateway_config.callers import folded
from gateway_config.contract import RateLimits
from gateway_proxy import errors
from gateway_proxy.access.windows import Counts
from gateway_proxy.identity.principal import Principal
from gateway_proxy.spend.usage import CHARACTERS_PER_TOKEN, Usage

MINUTE: Final = 60.0
MAX_USERS: Final = 20_000
"""Limited users that a pod remembers, some twenty megabytes. Beyond it the ones without an open request are forgotten,
those who were silent for a minute first; a forgotten one begins a new minute."""
FIRST_OUTPUT: Final = 1000
"""Output tokens that a user's first request counts for; then their recent mean."""
_LEARNING: Final = 0.2
"""Weight of the newest answer in a recent mean."""
_BUSY_SECONDS: Final = 5
"""`Retry-After` where only the end of another request makes room: nobody knows when that is."""


class _User:
    """What one user has asked for."""

    __slots__ = ("input_per_byte", "open", "output", "requests", "reserved", "tokens")

    def __init__(self) -> None:
        self.open = 0
        """Requests in progress."""
        self.requests: Counts | None = None
        self.tokens: Counts | None = None
        self.reserved = 0
        """Tokens that requests in progress are estimated at."""
        self.input_per_byte = 1 / CHARACTERS_PER_TOKEN
        """Tokens that count, of a byte of request: a session that is read from the prompt cache has few."""
        self.output = float(FIRST_OUTPUT)

    def idle(self, now: float) -> bool:
        return not (
            self.open
            or (self.requests is not None and self.requests.at(now))
            or (self.tokens is not None and self.tokens.at(now))
        )


class Admission:
    """A request that was let in. Its reservation ends with `settle`, its place among the open ones with `end`."""

    __slots__ = ("_body_bytes", "_open", "_reserved", "_settled", "_user")

    def __init__(self, user: _User, *, reserved: int, body_bytes: int) -> None:
        self._user = user
        self._reserved = reserved
        self._body_bytes = body_bytes
        self._open = True
        self._settled = False
        user.open += 1
        user.reserved += reserved

    def settle(self, usage: Usage | None, now: float) -> None:
        """Counts what the answer used in place of the estimate; None: nothing. Only the first call counts."""
        if self._settled:
            return
        self._settled = True
        user = self._user
        user.reserved -= self._reserved
        if usage is None or usage.empty or user.tokens is None:
            return
        taken = usage.input_tokens + usage.cache_creation_5m_input_tokens + usage.cache_creation_1h_input_tokens
        user.tokens.add(now, taken + usage.output_tokens)
        user.output += (usage.output_tokens - user.output) * _LEARNING
        user.input_per_byte += (taken / max(self._body_bytes, 1) - user.input_per_byte) * _LEARNING

    def end(self) -> None:
        if self._open:
            self._open = False
            self._user.open -= 1


class RateLimiter:
    """The counts of a process. They outlive a configuration: a reload gives nobody a new minute."""

    __slots__ = ("_strangers", "_users")

    def __init__(self) -> None:
        self._users: dict[str, _User] = {}
        self._strangers: dict[str, _User] = {}
        """Subscription logins, whose names nobody checked: whoever invents many pushes out only others like them."""

    def __len__(self) -> int:
        return len(self._users) + len(self._strangers)

    def admit(
        self,
        principal: Principal,
        limits: RateLimits,
        *,
        live_pods: int,
        body_bytes: int,
        max_tokens: int | None,
        now: float,
    ) -> Admission:
        """Lets a request in and counts it. Raises GatewayError (429), and then counts nothing.

        `now` is in seconds of a clock that only goes forward. `max_tokens`: None where the request gives none, 0 for
        one that costs no tokens.
        """
        user = self._user(principal, now)
        most = limits.open_streams
        if most is not None and user.open >= _share(most, live_pods):
            raise errors.too_many_open(most, _BUSY_SECONDS)
        if limits.requests_per_minute is not None:
            self._check_requests(user, limits.requests_per_minute, live_pods, now)
        reserved = 0
        if limits.tokens_per_minute is not None and max_tokens != 0:
            reserved = self._tokens_of(user, limits.tokens_per_minute, live_pods, body_bytes, max_tokens, now)
        if user.requests is not None:
            user.requests.add(now, 1)
        return Admission(user, reserved=reserved, body_bytes=body_bytes)

    def _check_requests(self, user: _User, limit: int, live_pods: int, now: float) -> None:
        counts = user.requests
        if counts is None:
            counts = user.requests = Counts(MINUTE)
        share = _share(limit, live_pods)
        if counts.at(now) >= share:
            raise errors.request_rate_limit(limit, _whole(counts.seconds_until(now, share - 1)))

    def _tokens_of(
        self, user: _User, limit: int, live_pods: int, body_bytes: int, max_tokens: int | None, now: float
    ) -> int:
        """The estimate for a request, which fits beside what counts by now. Whoever has nothing counting may go: a
        request that is larger than the limit could never be sent otherwise."""
        counts = user.tokens
        if counts is None:
            counts = user.tokens = Counts(MINUTE)
        output = user.output if max_tokens is None else min(user.output, max_tokens)
        estimate = int(body_bytes * user.input_per_byte + output) + 1
        share = _share(limit, live_pods)
        counted = counts.at(now)
        if counted + user.reserved and counted + user.reserved + estimate > share:
            most = max(share - user.reserved - estimate, 0)
            wait = _whole(counts.seconds_until(now, most)) if counted > most else _BUSY_SECONDS
            raise errors.token_rate_limit(limit, wait)
        return estimate

    def _user(self, principal: Principal, now: float) -> _User:
        caller = principal.caller
        if caller is not None:
            users, key = self._users, folded(caller.user)
        else:
            authorization = principal.passthrough_authorization or ""
            users, key = self._strangers, hashlib.sha256(authorization.encode("utf-8", "surrogatepass")).hexdigest()
        found = users.get(key)
        if found is None:
            if len(users) >= MAX_USERS:
                _make_room(users, now)
            found = users[key] = _User()
        return found


def _share(limit: int, live_pods: int) -> int:
    return -(-limit // max(live_pods, 1))


def _whole(seconds: float) -> int:
    return max(math.ceil(seconds), 1)


def _make_room(users: dict[str, _User], now: float) -> None:
    """Forgets a tenth of the users at the least, as far as they have nothing open."""
    for key in [key for key, user in users.items() if user.idle(now)]:
        del users[key]
    surplus = len(users) - MAX_USERS * 9 // 10
    if surplus > 0:
        for key in [*islice((key for key, user in users.items() if not user.open), surplus)]:
            del users[key]
