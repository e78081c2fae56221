"""kopf, reduced to what it is here for: telling of every event of the three kinds."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import kopf
from kopf._core.engines.peering import Identity

from gateway_operator.handlers import gateway_deployments, gateway_policies, provider_bindings
from gateway_operator.handlers.intake import Intake
from gateway_operator.kube.access import kopf_login
from gateway_operator.kube.connection import Access
from gateway_operator.names import MANAGER

_IDLE_SECONDS = 0.01
"""How long kopf keeps a task with the last state for each object that had an event. With its own 5 s, a first list of
11,000 objects takes 230 MB in place of 80 MB."""
_CHUNK = 100
"""Objects of a list that kopf asks for at once and holds until all had their event. With its own 500, the start
takes 16 MB more from about 2,000 objects on."""
_RETRIES = (0.2, 0.5, 1, 1, 2, 2, 3, 5, 5, 10, 10, 20)
"""Seconds between attempts at a list, before kopf gives up and the process ends."""
_END_SECONDS = 2.0
"""For kopf to come to its end."""
_IDENTITY: Final = Identity(MANAGER)
"""For peering, which is off. Left out, kopf asks for the user's name, which a user without an account has not."""


class _NoDifferences(kopf.DiffBaseStorage):
    """Nothing is compared and nothing kept: half of kopf's time for an event."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        return None


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True  # neither CRDs nor namespaces are watched
    settings.posting.enabled = False
    settings.process.ultimate_exiting_timeout = None
    settings.persistence.diffbase_storage = _NoDifferences()
    settings.queueing.idle_timeout = _IDLE_SECONDS
    settings.queueing.exit_timeout = 1.0
    settings.watching.inactivity_timeout = 70
    settings.watching.connect_timeout = 10
    settings.watching.server_timeout = 600
    settings.watching.chunk_size = _CHUNK
    settings.networking.request_timeout = 60
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = _RETRIES
    return settings


async def run(*, access: Access, intake: Intake, namespaces: tuple[str, ...], on_started: Callable[[], None]) -> None:
    """Runs until cancelled; raises what ends kopf. It ends orderly by itself only for a signal that reaches it before
    `on_started`, which is called once kopf has put its own signal handlers in place of ours."""
    registry = kopf.OperatorRegistry()  # without kopf's own ways to log in
    kopf.on.login(registry=registry)(kopf_login(access))
    for kind in (gateway_deployments, provider_bindings, gateway_policies):
        kind.register(registry, intake)
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
        identity=_IDENTITY,
    )
    on_started()
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        # Not by kopf's own run_tasks(): after a failure it may wait without an end, deaf, for watches of its own that
        # missed their cancellation, and it cancels whatever else this process has begun since
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_END_SECONDS)
