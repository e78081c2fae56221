"""The way of an inference request through the gateway: who, what they may, the body, an upstream, the answer, the
account of it."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from gateway_proxy import errors
from gateway_proxy.access.rate_limits import Admission, RateLimiter
from gateway_proxy.client_request import ClientRequest
from gateway_proxy.config.holder import Holder
from gateway_proxy.drain import Drain
from gateway_proxy.errors import GatewayError
from gateway_proxy.identity.principal import Principal
from gateway_proxy.inference.attempts import Answer, Decision
from gateway_proxy.inference.calls import call_of
from gateway_proxy.inference.headers import passed_headers
from gateway_proxy.inference.intake import Intake
from gateway_proxy.inference.relay import EventRelay, RawRelay
from gateway_proxy.inference.routing import Router
from gateway_proxy.messages import safeguards, tags
from gateway_proxy.messages.body import scan
from gateway_proxy.policy.effective import AllowedModel
from gateway_proxy.spend.meter import StreamMeter, Usage, meter_json, meter_json_at_once
from gateway_proxy.telemetry.audit import AuditLog, inference_line, refusal_line
from gateway_proxy.telemetry.metrics import Metrics
from gateway_proxy.timeouts import Timeouts

DEBUG_HEADER: Final = "x-gateway-debug"
"""With the value 1, an admin who signed in is told which upstream answered."""
CLIENT_GONE: Final = 499
"""What audit lines and metrics say for a client that left before its answer began."""


class Inference:
    """Handlers of the inference paths. One for the process."""

    def __init__(
        self,
        holder: Holder,
        *,
        audit: AuditLog,
        metrics: Metrics,
        drain: Drain,
        timeouts: Timeouts,
        live_pods: Callable[[], int] = lambda: 1,
    ) -> None:
        """`live_pods`: how many pods share the limits of users, this one included."""
        self.holder = holder
        self.audit = audit
        self.metrics = metrics
        self.drain = drain
        self.timeouts = timeouts
        self.live_pods = live_pods
        self.rate_limiter = RateLimiter()
        self.intake = Intake()
        self.router = Router(ping_seconds=timeouts.ping)

    def messages(self, request: ClientRequest) -> Awaitable[None]:
        """`POST /v1/messages`."""
        return self._run(request, metered=True)

    def count_tokens(self, request: ClientRequest) -> Awaitable[None]:
        """`POST /v1/messages/count_tokens`."""
        return self._run(request, metered=False)

    def _run(self, request: ClientRequest, *, metered: bool) -> Awaitable[None]:
        if request.method != "POST":
            error = errors.method_not_allowed(("POST",))
            self.metrics.refused(error.reason)
            raise error
        return _Run(self, request, metered=metered).serve()


class _Run:
    """One request on its way."""

    __slots__ = (
        "_admission",
        "_allowed",
        "_answer",
        "_began",
        "_billing",
        "_counting",
        "_decision",
        "_ending",
        "_first_byte",
        "_inference",
        "_metered",
        "_model",
        "_principal",
        "_relay",
        "_request",
        "_stream",
        "_tells_upstream",
    )

    def __init__(self, inference: Inference, request: ClientRequest, *, metered: bool) -> None:
        self._inference = inference
        self._request = request
        self._metered = metered
        self._began = monotonic()
        self._first_byte: float | None = None
        self._principal: Principal | None = None
        self._model: str | None = None
        self._stream = False
        self._admission: Admission | None = None
        self._allowed: AllowedModel | None = None
        self._billing: tags.Billing | None = None
        self._decision: Decision | None = None
        """None where there is nothing to choose."""
        self._tells_upstream = False
        """Whether the client is told which upstream answered."""
        self._answer: Answer | None = None
        self._relay: EventRelay | RawRelay | None = None
        self._ending: GatewayError | None = None
        self._counting: asyncio.Future[Usage] | None = None
        """A long answer's usage, while a thread reads it."""

    async def serve(self) -> None:
        inference, request = self._inference, self._request
        inference.drain.register(self)
        try:
            live = inference.holder.current
            if live is None:
                raise errors.not_ready()
            headers = request.headers
            principal = await live.authenticate(headers.get("Authorization"), headers.get("x-api-key"))
            self._principal = principal
            policy = live.policy_of(principal)
            configuration = live.configuration
            limits = configuration.limits
            body = inference.intake.at_once(request, max_bytes=limits.max_request_bytes)
            if body is None:
                body = await inference.intake.read(
                    request, max_bytes=limits.max_request_bytes, max_held=limits.max_buffered_bytes
                )
            members = scan(body)
            model = self._model = members.model()
            allowed = policy.model(model)
            if configuration.safeguards == "Refuse":
                safeguards.refuse(members, headers)
            if configuration.billing_group_tag is not None:
                self._billing = tags.billing(members, configuration.billing_group_tag, principal.caller)
            if policy.rate_limits is not None:
                self._admission = inference.rate_limiter.admit(
                    principal,
                    policy.rate_limits,
                    live_pods=inference.live_pods(),
                    body_bytes=len(body),
                    max_tokens=members.max_tokens if self._metered else 0,
                    now=monotonic(),
                )
            self._allowed = allowed
            self._stream = members.stream
            if configuration.admin_groups and headers.get(DEBUG_HEADER) == "1":
                self._tells_upstream = live.is_admin(principal)
            if len(allowed.routes) > 1:
                self._decision = Decision()
            call = call_of(
                request,
                members,
                principal=principal,
                model=model,
                canonical=allowed.id,
                counts=not self._metered,
                keeps_tags=configuration.billing_group_tag is None,
            )
            self._answer = await inference.router.answer(allowed, request, call, decision=self._decision)
            if not self._replied():
                await self._relayed()
            if self._counting is not None:
                await asyncio.shield(self._counting)
        except GatewayError as error:
            self._refused(error)
            raise
        except asyncio.CancelledError:
            self._cancelled()
            raise
        finally:
            inference.drain.unregister(self)
            if self._admission is not None:
                self._end_admission(self._admission)
            answer = self._answer
            if answer is not None:
                answer.close()

    def _end_admission(self, admission: Admission) -> None:
        if self._counting is None or self._counting.done():
            admission.settle(None, monotonic())  # unless the account of the answer did it
        admission.end()

    def end_with_error(self, error: GatewayError) -> None:
        """The gateway is going down: a stream gets the error in-band, whoever waits for an answer gets it as one."""
        if self._relay is not None:
            self._relay.end_with_error(error)
        elif not self._request.started:
            self._ending = error
            self._request.cancel()

    def _replied(self) -> bool:
        """Sends an answer that is there whole; False where it is still to come."""
        answer, request = self._answer, self._request
        assert answer is not None
        head, body = answer.head, answer.body
        self._first_byte = monotonic()
        if body is None:
            return False
        framing = b"" if head.status in (204, 304) else b"content-length: %d\r\n" % len(body)
        request.write(request.head(head.status, self._lines(answer), framing) + body)
        self._account_whole(body)
        return True

    def _lines(self, answer: Answer) -> list[bytes]:
        """The header lines of an upstream's answer for the client."""
        lines = passed_headers(answer.head)
        if self._tells_upstream:
            told = f"x-gateway-upstream: {answer.route.client.name}"
            if self._decision is not None:
                told += f"; attempts={self._decision.attempts}; why={self._decision.why}"
            lines.append(f"{told}\r\n".encode())
        return lines

    async def _relayed(self) -> None:
        answer, request = self._answer, self._request
        assert answer is not None
        head = answer.head
        lines = self._lines(answer)
        if answer.events:
            meter = StreamMeter()
            events = EventRelay(request, answer.exchange, meter, timeouts=self._inference.timeouts)
            self._relay = events
            try:
                await events.run(head.status, lines, ping=answer.silent)
            finally:
                usage = meter.usage() if self._metered else None
                self._account(usage, events.outcome or "client_gone")
            return
        raw = self._relay = RawRelay(request, answer.exchange, timeouts=self._inference.timeouts)
        try:
            await raw.run(head.status, lines)
        finally:
            if raw.outcome == "completed" and raw.body is not None:
                self._account_whole(raw.body)
            else:
                self._account(None, raw.outcome or "client_gone")

    def _account_whole(self, body: bytes) -> None:
        """The account of an answer that went to the client whole."""
        head = self._answer.head if self._answer is not None else None
        if head is None or head.status != 200 or not self._metered:
            self._account(None, "completed")
            return
        raw_encoding = head.get(b"content-encoding")
        encoding = raw_encoding.decode("latin-1") if raw_encoding is not None else None
        usage = meter_json_at_once(body, encoding)
        if usage is not None:
            self._account(usage, "completed")
            return
        self._counting = asyncio.get_running_loop().run_in_executor(None, meter_json, body, encoding)
        # Not by this task: it may be cancelled before the thread is done, and the answer was given all the same.
        self._counting.add_done_callback(self._counted)

    def _counted(self, counting: "asyncio.Future[Usage]") -> None:
        if not counting.cancelled():
            self._account(counting.result(), "completed")

    def _account(self, usage: Usage | None, outcome: str) -> None:
        """One audit line and the series of the route, for a request that an upstream answered."""
        answer = self._answer
        assert answer is not None
        seconds = monotonic() - self._began
        first_byte = self._first_byte - self._began if self._first_byte is not None else None
        head = answer.head
        if self._admission is not None:
            self._admission.settle(usage, monotonic())
        answer.route.series.finished(head.status, seconds, first_byte, usage)
        if outcome == "client_gone":
            self._inference.metrics.client_gone()
        if self._billing is not None and self._billing.group is not None:
            self._inference.metrics.billing.answered(self._billing.group, usage)
        self._write_line(head.status, outcome, answer=answer, seconds=seconds, first_byte=first_byte, usage=usage)

    def _refused(self, error: GatewayError) -> None:
        """One audit line for an answer of our own."""
        inference, request = self._inference, self._request
        inference.metrics.refused(error.reason)
        session = request.headers.get("x-claude-code-session-id")
        if self._allowed is not None and self._principal is not None:
            self._unanswered(error.status, "upstreams_failed")
            return
        inference.audit.write(
            refusal_line(
                error,
                request_id=request.request_id,
                path=request.path,
                principal=self._principal,
                model=self._model,
                session_id=session,
                client=request.client,
            )
        )

    def _cancelled(self) -> None:
        """The client has gone, or the drain is over."""
        if self._ending is not None:
            self._request.closes = True
            self._request.refuse(self._ending)
            self._request.close()
        if self._answer is not None and self._first_byte is not None:
            return
        if self._ending is None:
            self._inference.metrics.client_gone()
        if self._allowed is not None:
            if self._ending is not None:
                self._unanswered(self._ending.status, "drained")
            else:
                self._unanswered(CLIENT_GONE, "client_gone")
        elif self._ending is not None:
            self._refused(self._ending)

    def _unanswered(self, status: int, outcome: str) -> None:
        """The audit line of a request that no upstream answered."""
        self._write_line(status, outcome, seconds=monotonic() - self._began)

    def _write_line(
        self,
        status: int,
        outcome: str,
        *,
        seconds: float,
        answer: Answer | None = None,
        first_byte: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        request, principal, allowed = self._request, self._principal, self._allowed
        assert principal is not None
        assert allowed is not None
        upstream_id = None
        if answer is not None:
            upstream_id = answer.head.get(b"request-id") or answer.head.get(b"x-amzn-requestid")
        self._inference.audit.write(
            inference_line(
                request_id=request.request_id,
                principal=principal,
                path=request.path,
                model=allowed.id,
                upstream=answer.route.client.name if answer is not None else None,
                upstream_request_id=upstream_id.decode("latin-1") if upstream_id is not None else None,
                status=status,
                milliseconds=seconds * 1000,
                first_byte_milliseconds=first_byte * 1000 if first_byte is not None else None,
                usage=usage,
                stream=self._stream,
                session_id=request.headers.get("x-claude-code-session-id"),
                client=request.client,
                billing=self._billing,
                decision=self._decision,
                outcome=outcome,
            )
        )
