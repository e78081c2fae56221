"""What it costs to know where a request comes from, and to count it against its user's limits, in this process."""

import time
from collections.abc import Sequence
from statistics import median

from multidict import CIMultiDict, CIMultiDictProxy

from bench.bench import Bench
from bench.microseconds import result, seconds_each
from bench.report import Result
from gateway_config.callers import Caller
from gateway_config.contract import Clients, RateLimits
from gateway_proxy.access.addresses import AddressRules
from gateway_proxy.access.rate_limits import RateLimiter
from gateway_proxy.identity.principal import Principal
from gateway_proxy.spend.usage import Usage

NETWORKS = 64
CALLS = 500
USERS = 5_000
BALANCER = "10.0.0.1"


def where_and_how_much(bench: Bench) -> Sequence[Result]:
    rounds = 9 if bench.quick else 41
    return [*_addresses(rounds), _limits(rounds)]


def _addresses(rounds: int) -> Sequence[Result]:
    allowed = tuple(f"192.0.{number}.0/24" for number in range(NETWORKS))
    clients = Clients(trusted_proxies=("10.0.0.0/8",), allow_cidrs=allowed)
    headers = [_forwarded_for(number) for number in range(CALLS)]
    warm = AddressRules(clients)
    cached = median(seconds_each(range(CALLS), lambda number: warm.origin(BALANCER, headers[0])) for _ in range(rounds))

    def cold() -> float:
        rules = AddressRules(clients)
        return seconds_each(range(CALLS), lambda number: rules.origin(BALANCER, headers[number]))

    note = f"through two trusted proxies, {NETWORKS} allowed networks"
    return [
        result("access", "client's address judged, seen before", cached, mark=3, notes=(note,)),
        result(
            "access",
            "client's address judged, never seen",
            median(cold() for _ in range(rounds)),
            mark=60,
            notes=(note,),
        ),
    ]


def _forwarded_for(number: int) -> CIMultiDictProxy[str]:
    """Of one of many clients in the last network that is allowed."""
    hops = f"192.0.{NETWORKS - 1}.{number % 256}, 10.0.{number // 256}.2"
    return CIMultiDictProxy(CIMultiDict([("X-Forwarded-For", hops)]))


def _limits(rounds: int) -> Result:
    limiter, usage = RateLimiter(), Usage(input_tokens=900, output_tokens=300)
    users = [Principal(caller=Caller(user=f"user-{number}@corp.example")) for number in range(USERS)]
    limits = RateLimits(requests_per_minute=1_000_000, tokens_per_minute=1_000_000_000, open_streams=1_000)

    def one(number: int) -> None:
        admission = limiter.admit(
            users[number * 7919 % USERS],
            limits,
            live_pods=3,
            body_bytes=200_000,
            max_tokens=32_000,
            now=time.monotonic(),
        )
        admission.settle(usage, time.monotonic())
        admission.end()

    seconds = median(seconds_each(range(CALLS), one) for _ in range(rounds))
    return result("access", "request counted against three limits", seconds, mark=15, notes=(f"{USERS:,} users",))
