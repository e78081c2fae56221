"""The rows of the table, each a function from a Bench to its results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.bench import Bench
from bench.report import Result
from bench.rows import (
    access,
    clouds,
    failover,
    identity,
    latency,
    node,
    operator,
    outage,
    preparation,
    relay,
    reload,
    sse,
    startup,
    streams,
)


@dataclass(frozen=True)
class Row:
    name: str
    about: str
    measure: Callable[[Bench], Sequence[Result]]


ROWS = (
    Row("relay-1k", "1 KB requests per second over 32 connections, beside the baseline and nginx", relay.one_kilobyte),
    Row("relay-200k", "200 KB requests per second, the same way", relay.two_hundred_kilobytes),
    Row("sessions", "1 KB requests over a session beside those with a developer key", relay.sessions),
    Row("identity", "microseconds for a session's token, and for a caller's policy among 1,000", identity.who_and_what),
    Row("access", "microseconds for a client's address, and for the limits of a user", access.where_and_how_much),
    Row("body", "a 200 KB body read, checked and edited, beside orjson.loads", preparation.read_and_edited),
    Row("sigv4", "milliseconds for the signature of a 200 KB request to AWS", preparation.signed),
    Row("sse-cpu", "CPU time per relayed event, 30 ms apart, beside nginx", sse.cpu_per_event),
    Row("first-byte", "time to first byte that the gateway adds on one connection", latency.first_byte),
    Row("failover", "what a dead first upstream adds once it cools down", failover.dead_first),
    Row("clouds-1k", "1 KB requests per second through clouds, beside Anthropic", clouds.one_kilobyte),
    Row("clouds-200k", "200 KB requests per second, the same way", clouds.two_hundred_kilobytes),
    Row("clouds-streams", "streams of 50 events per second, the same way", clouds.streams),
    Row("clouds-cpu", "CPU time per relayed event through clouds, beside Anthropic", clouds.cpu_per_event),
    Row("streams", "2,000 open streams: loss, memory, delay", streams.two_thousand),
    Row("startup", "`up` to ready on one core; memory of the proxy at rest", startup.to_ready),
    Row("reload", "edit on disk to enforced with 1,000 policies; 100 reloads under load", reload.edits),
    Row("operator-rest", "memory and CPU of the operator at rest, with 10 gateways", operator.at_rest),
    Row("operator-large", "the operator with 1,000 gateways and 10,000 policies on an API server", operator.large),
    Row("outage", "two minutes without the API server, with a real proxy and changes meanwhile", outage.away),
    Row(
        "node",
        "a whole node: first install, apply to enforced, credentials, rollouts with open streams",
        node.on_a_node,
    ),
)
