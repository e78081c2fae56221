"""One gateway: read everything, compile it, write what differs, and say what came of it."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, Protocol

from gateway_config.bundle import BundleError
from gateway_config.contract import SigningKey
from gateway_operator import names
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.children import ChildSettings
from gateway_operator.compiler import Compiled, ObjectRef, Validation, compile_gateway
from gateway_operator.compiler.findings import error
from gateway_operator.kube.client import Object, Reader
from gateway_operator.kube.resources import ResourceKind
from gateway_operator.reconcile.apply import Client, Writer
from gateway_operator.reconcile.fetch import Gathered, Referrers, confirm_missing, gather
from gateway_operator.reconcile.held import held_objects
from gateway_operator.reconcile.observer import Observation
from gateway_operator.reconcile.outcome import Outcome
from gateway_operator.reconcile.pods import PodState
from gateway_operator.reconcile.revision import Packed, Revision, live_revision, pack
from gateway_operator.reconcile.run import Run, State, gone
from gateway_operator.reconcile.signing_record import SigningRecord, SigningStep

REMEMBERED_GATEWAYS: Final = 32
"""Whose validated objects are kept; those of others are validated again. 10,000 models take 200 MB."""
CONCURRENT_COMPILATIONS: Final = 2
"""They hold the interpreter: more at once only means that each takes longer."""


class PodObserver(Protocol):
    """What of the observer a reconcile uses."""

    def want(self, gateway: ObjectRef, *, sequence: int | None, token: str) -> None: ...

    def forget(self, gateway: ObjectRef) -> None: ...

    def observations(self, gateway: ObjectRef) -> Mapping[str, Observation]: ...


class Pods(Protocol):
    """What of the table of pods a reconcile uses. Every pod is in it before the first reconcile begins."""

    def of(self, gateway: ObjectRef) -> tuple[PodState, ...]: ...


class WritingClient(Client, Reader, Protocol):
    """The client, as far as it is used."""

    async def get(
        self, kind: ResourceKind, namespace: str | None, name: str, *, managed_fields: bool = False
    ) -> Object | None: ...


class GatewayReconciler:
    """Belongs to one event loop. A gateway must not be reconciled twice at once; different ones may."""

    def __init__(
        self,
        *,
        client: WritingClient,
        settings: ChildSettings,
        fanout: Referrers,
        observer: PodObserver,
        pods: Pods,
        on_outcome: Callable[[Outcome], None],
        namespaces: tuple[str, ...] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`namespaces`: those that may be looked into; empty: all. `clock`: Unix seconds."""
        self._client = client
        self._settings = settings
        self._fanout = fanout
        self._observer = observer
        self._pods = pods
        self._on_outcome = on_outcome
        self._namespaces = namespaces
        self._clock = clock
        self._states: dict[ObjectRef, State] = {}
        self._validations: OrderedDict[ObjectRef, Validation] = OrderedDict()
        self._compilations = asyncio.Semaphore(CONCURRENT_COMPILATIONS)

    def serve(self, kinds: frozenset[ResourceKind]) -> None:
        """Tells which of the optional kinds the API server has."""
        self._settings = replace(self._settings, serves=kinds)

    async def reconcile(self, gateway: ObjectRef, reader: Reader | None = None) -> float | None:
        """Seconds until the gateway should be looked at again, if ever. `reader` may share what it read with others.

        Raises `KubeError`s: then something could not be read or written, and the whole has to be done again.
        """
        reader = reader or self._client
        gathered = await gather(gateway, reader=reader, referrers=self._fanout, watched=self._namespaces)
        state = self._states.get(gateway)
        counted = frozenset({gateway}) if state is None else state.counted
        await confirm_missing(counted, gathered, reader=self._client)
        compiled = await self._compiled(gathered)
        if not gathered.uid:
            self._forget(gateway)
            self._on_outcome(gone(gathered, compiled))
            return None
        if state is None or state.uid != gathered.uid:
            state = self._states[gateway] = State(uid=gathered.uid)
        state.counted = gathered.counted
        run = Run(
            gathered=gathered,
            compiled=compiled,
            state=state,
            reader=reader,
            writer=Writer(
                client=self._client,
                gateway=gateway,
                uid=gathered.uid,
                settled=state.settled,
                restraint=state.restraint,
            ),
            settings=self._settings,
            now=int(self._clock()),
        )
        signing = SigningRecord(client=self._client, gateway=gateway, uid=gathered.uid)
        await self._write(run, signing)
        self._on_outcome(run.outcome())
        return run.again

    async def _write(self, run: Run, signing: SigningRecord) -> None:
        gateway, state = run.gathered.gateway, run.state
        own = await run.read_own()
        before = live_revision(own.get(names.config_secret(gateway.name)))
        state.newest = max(state.newest, before.sequence if before else 0)
        run.revision = before
        live_signing = own.get(names.signing_secret(gateway.name))
        model, configuration = run.gathered.model, run.compiled.configuration
        if model is None or configuration is None:
            run.token = signing.token(live_signing)
            run.settle(before=before, after=None)
            self._observe(run)
            await run.read_deployment()
            return
        step = await signing.advance(
            live_signing,
            now=run.now,
            session=model.spec.session,
            loaded=lambda keys: self._loaded(gateway, state, keys),
        )
        run.take(step)
        packed = await self._packed(run, step, before)
        if packed is not None:
            if not state.compared and before is not None and packed.revision != before:
                first = own.get(names.config_secret(gateway.name))
                held = await held_objects(gateway, first, reader=self._client)
                await confirm_missing(held, run.gathered, reader=self._client)
            state.compared = True
            await run.write_config(packed, own)
        run.settle(before=before, after=run.revision if packed and run.revision == packed.revision else None)
        self._observe(run)
        if packed is not None and run.revision == packed.revision:
            assert step.record is not None, "packed with it"
            published = step.record.published()
            if state.keys is None or state.keys[0] != published:
                state.keys = (published, packed.revision.sequence)
        if run.revision is None or not run.token:
            await run.read_deployment()  # pods would wait for a configuration that cannot be written
            return
        await run.write_children(model)

    async def _compiled(self, gathered: Gathered) -> Compiled:
        validation = self._validations.pop(gathered.gateway, None) or Validation()
        async with self._compilations:
            compiled = await asyncio.to_thread(
                compile_gateway, gathered.snapshot, gathered.gateway, validation=validation
            )
        if gathered.uid:
            self._validations[gathered.gateway] = validation
            while len(self._validations) > REMEMBERED_GATEWAYS:
                self._validations.popitem(last=False)
        return compiled

    async def _packed(self, run: Run, step: SigningStep, before: Revision | None) -> Packed | None:
        if step.record is None or run.compiled.configuration is None:
            return None
        try:
            async with self._compilations:
                return await asyncio.to_thread(
                    pack,
                    run.compiled.configuration,
                    credentials=run.compiled.credentials,
                    signing=step.record,
                    live=before,
                    newest_known=run.state.newest,
                    now=run.now,
                )
        except BundleError as too_large:
            message = f"{too_large}; the last one that fitted stays in force"
            run.findings.append(error(run.gathered.gateway, "", Reason.CONFIG_TOO_LARGE, message))
            return None

    def _observe(self, run: Run) -> None:
        sequence = run.revision.sequence if run.revision else None
        run.state.newest = max(run.state.newest, sequence or 0)
        self._observer.want(run.gathered.gateway, sequence=sequence, token=run.token)

    def _loaded(self, gateway: ObjectRef, state: State, keys: tuple[SigningKey, ...]) -> bool:
        """Whether every pod that serves, or may serve again, has loaded exactly these keys. One that never had a
        configuration starts with the newest."""
        if state.keys is None or state.keys[0] != keys:
            return False
        observations = self._observer.observations(gateway)
        for pod in self._pods.of(gateway):
            seen = observations.get(pod.uid)
            if pod.terminating or (seen is not None and seen.has(state.keys[1])):
                continue
            if pod.ready or (seen is not None and seen.sequence is not None):
                return False
        return True

    def _forget(self, gateway: ObjectRef) -> None:
        self._states.pop(gateway, None)
        self._validations.pop(gateway, None)
        self._observer.forget(gateway)
