"""A whole check: every upstream of a bundle, a JSON line for each thing that is found."""

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvloop

from gateway_config import bundle as bundles
from gateway_config.bundle import Bundle, BundleError
from gateway_config.contract import Upstream
from gateway_config.models import ModelNames
from gateway_config.upstream_credentials import values_of
from gateway_proxy.checks.answers import cleaner
from gateway_proxy.checks.probe import Kind, Outcome, probe
from gateway_proxy.checks.selection import Selection, selection
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.providers import Pools, UpstreamClient, build
from gateway_proxy.telemetry import logs

log = logging.getLogger(__name__)

UPSTREAMS_AT_ONCE: Final = 8
EXIT_FAILED: Final = 1
EXIT_UNREADABLE: Final = 2
_OF_THE_WHOLE_UPSTREAM: Final = frozenset(
    {
        *("Connect", "ConnectTimeout", "ConnectionRefused", "NameNotFound", "TLS", "CertificateUntrusted"),
        *("ForwardProxy", "ForwardProxyUnreachable", "AddressRefused", "Credential", "Timeout"),
    }
)
"""Reasons for which the next model would fail as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    config: Path
    models: Sequence[str] = ()
    """As somebody writes them; empty: those that policies open."""
    all_models: bool = False
    seconds: float
    """For each request."""
    log_level: str = "warning"


def run(options: CheckOptions) -> int:
    """Checks and ends; returns the exit status."""
    listener = logs.start(options.log_level)
    try:
        bundle = bundles.read(options.config)
        return uvloop.run(_Check(bundle, options).run())
    except BundleError as error:
        sys.stderr.write(f"claude-gateway-proxy: {error}\n")
        return EXIT_UNREADABLE
    finally:
        listener.stop()


class _Check:
    def __init__(self, bundle: Bundle, options: CheckOptions) -> None:
        self._bundle = bundle
        self._options = options
        self._failed = 0
        self._slots = asyncio.Semaphore(UPSTREAMS_AT_ONCE)
        self._clean: Callable[[str], str] = cleaner(bundle.credentials.values())

    async def run(self) -> int:
        configuration = self._bundle.configuration
        names = ModelNames(configuration.models)
        named = {name: names.canonical(name) for name in self._options.models}
        for unknown in [name for name, canonical in named.items() if canonical is None]:
            self._failed += 1
            self._tell("model_unknown", model=unknown)
        known = frozenset(canonical for canonical in named.values() if canonical is not None)
        pools = Pools()
        outbound = Outbound(configuration.egress, pools)
        try:
            await asyncio.gather(
                *(
                    self._upstream(
                        upstream,
                        selection(configuration, upstream, named=known, everything=self._options.all_models),
                        outbound=outbound,
                        pools=pools,
                    )
                    for upstream in configuration.upstreams
                    if known or not named
                )
            )
        finally:
            pools.close()
        self._tell("end", failed=self._failed)
        return EXIT_FAILED if self._failed else 0

    async def _upstream(self, upstream: Upstream, chosen: Selection, *, outbound: Outbound, pools: Pools) -> None:
        try:
            await self._checked(upstream, chosen, outbound, pools)
        except Exception as error:
            # A fault in one provider's code does not keep the others from being checked.
            log.exception("the check of %s failed", upstream.name, extra={"event": "check.failed"})
            self._unusable(upstream, f"a fault of this program: {type(error).__name__}: {error}")

    async def _checked(self, upstream: Upstream, chosen: Selection, outbound: Outbound, pools: Pools) -> None:
        async with self._slots:
            self._tell(
                "upstream",
                upstream=upstream.name,
                models={model: upstream.models[model] for model in chosen.tried},
                left_out=list(chosen.left_out),
                note=chosen.note,
            )
            try:
                client = await asyncio.to_thread(self._client, upstream, outbound, pools)
            except ValueError as error:
                self._unusable(upstream, str(error))
                return
            client.prepare()
            await self._models(client, chosen.tried)

    def _client(self, upstream: Upstream, outbound: Outbound, pools: Pools) -> UpstreamClient:
        """Raises ValueError."""
        values = [self._bundle.credentials[value.name] for value in values_of(upstream.credential)]
        return build(upstream, values, outbound=outbound, pools=pools)

    async def _models(self, client: UpstreamClient, models: Sequence[str]) -> None:
        answered_whole = False
        for number, model in enumerate(models):
            outcome = await self._ask(client, "Stream", model)
            if not outcome.good:
                if outcome.reason in _OF_THE_WHOLE_UPSTREAM or outcome.status == 401:
                    self._tell("not_tried", upstream=client.name, models=list(models[number + 1 :]))
                    return
                continue
            if not answered_whole:
                # A right of its own at Bedrock; one model shows it for all.
                answered_whole = (await self._ask(client, "Message", model)).good
            if client.counts(client.models[model]):
                await self._ask(client, "CountTokens", model)

    async def _ask(self, client: UpstreamClient, kind: Kind, model: str) -> Outcome:
        outcome = await probe(client, kind=kind, model=model, seconds=self._options.seconds)
        # Clients do without a number of tokens: it is told, and no failure.
        if not outcome.good and kind != "CountTokens":
            self._failed += 1
        self._tell(
            "call",
            upstream=client.name,
            model=model,
            kind=kind,
            ok=outcome.good,
            status=outcome.status,
            reason=outcome.reason,
            code=self._clean(outcome.code),
            message=self._clean(outcome.message),
            request_id=self._clean(outcome.request_id),
            milliseconds=round(outcome.milliseconds, 1),
        )
        return outcome

    def _unusable(self, upstream: Upstream, why: str) -> None:
        self._failed += 1
        self._tell("unusable", upstream=upstream.name, message=self._clean(why))

    def _tell(self, event: str, **members: Any) -> None:
        # Each at once: whoever reads shows how far the check is.
        sys.stdout.write(json.dumps({"event": event, **members}) + "\n")
        sys.stdout.flush()
