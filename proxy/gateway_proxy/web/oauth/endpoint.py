"""What the sign-in paths have in common: what a handler is given, and how its refusals look to whom."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from gateway_proxy import errors
from gateway_proxy.client_request import ClientRequest
from gateway_proxy.config.live import LiveConfiguration
from gateway_proxy.errors import GatewayError
from gateway_proxy.identity.oidc.failures import IdentityProviderError, ProviderUnavailableError
from gateway_proxy.identity.sessions import codes
from gateway_proxy.identity.sessions.signing import NoSigningKeyError
from gateway_proxy.inference.intake import Intake
from gateway_proxy.server import Handler
from gateway_proxy.services import Services
from gateway_proxy.store import StoreUnavailableError
from gateway_proxy.telemetry.audit import refusal_line
from gateway_proxy.telemetry.sign_in_lines import event_line
from gateway_proxy.web import pages, refusals
from gateway_proxy.web.oauth import forms
from gateway_proxy.web.oauth.errors import in_oauth_form
from gateway_proxy.web.oauth.limits import SignInLimits
from gateway_proxy.web.responses import Response

if TYPE_CHECKING:
    from gateway_proxy.store.store import Store

log = logging.getLogger(__name__)

Audience = Literal["Client", "Browser", "Admin"]
"""Who reads the answers: OAuth's JSON, a page, or the Anthropic envelope."""
_UNCOUNTED: Final = frozenset({"SignInPending"})
"""Answers that are no refusals: clients wait with them."""
_TITLES: Final[Mapping[int, str]] = {
    403: "That is not allowed",
    404: "Nobody signs in here",
    429: "Too many attempts",
    503: "Not just now",
}


@dataclass(slots=True)
class Visit:
    """One request to one of these paths."""

    request: ClientRequest
    services: Services
    live: LiveConfiguration
    fields: dict[str, str]
    """Of the query for GET, of the body for POST."""
    now: float
    endpoints: "Endpoints"

    @property
    def store(self) -> "Store":
        """Raises GatewayError (503)."""
        store = self.services.store
        if store is None:
            raise refusals.sign_in_not_ready()
        return store

    @property
    def public_url(self) -> str:
        return self.live.configuration.gateway.public_url

    @property
    def limits(self) -> SignInLimits:
        return self.endpoints.limits

    async def finished(self, work: Callable[[], Coroutine[Any, Any, Response]], *, of: str) -> Response:
        """Brings work to its end although the client goes: what an identity provider gives out, it gives once.

        `of`: the code or token that the work uses up. Who comes with the same one meanwhile gets the same answer.
        """
        return await self.endpoints.finished(work, codes.digest(of))

    async def body(self, max_bytes: int) -> bytes:
        """Raises GatewayError: 408, 413, 415, 429, 400."""
        held = self.live.configuration.limits.max_buffered_bytes
        return await self.endpoints.intake.read(self.request, max_bytes=max_bytes, max_held=held)

    def tell(self, event: str, **members: str | int | None) -> None:
        """One audit line."""
        request = self.request
        self.services.audit.write(
            event_line(event, request_id=request.request_id, client=request.client, members=members)
        )


Answer = Callable[[Visit], Awaitable[Response]]


class Endpoints:
    """Makes handlers of answers. Of one process."""

    def __init__(self, services: Services, intake: Intake) -> None:
        self._services = services
        self.intake = intake
        self.limits = SignInLimits()
        self._unfinished: dict[bytes, asyncio.Task[Response]] = {}

    def handler(self, audience: Audience, methods: Mapping[str, Answer]) -> Handler:
        """HEAD is answered as GET: the server leaves the body out."""
        answers = dict(methods)
        if "GET" in answers:
            answers["HEAD"] = answers["GET"]

        async def handle(request: ClientRequest) -> None:
            response: Response | None
            try:
                answer = answers.get(request.method)
                if answer is None:
                    raise errors.method_not_allowed(tuple(answers))
                response = await answer(await self._visit(request, audience))
            except GatewayError as error:
                response = self._refused(error, request, audience)
            except StoreUnavailableError:
                response = self._refused(refusals.store_unavailable(), request, audience)
            except NoSigningKeyError:
                response = self._refused(refusals.sign_in_not_ready(), request, audience)
            except IdentityProviderError as error:
                response = self._provider_failed(error, request)
            if response is None:
                return
            request.reply(response.status, response.body, response.headers)

        return handle

    async def finished(self, work: Callable[[], Coroutine[Any, Any, Response]], key: bytes) -> Response:
        task = self._unfinished.get(key)
        if task is None:
            task = self._unfinished[key] = asyncio.create_task(work())
            task.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(task)

    def _done(self, key: bytes, task: "asyncio.Task[Response]") -> None:
        del self._unfinished[key]
        if not task.cancelled():
            task.exception()  # who asked may have gone, and then nobody else is told

    async def _visit(self, request: ClientRequest, audience: Audience) -> Visit:
        services = self._services
        live = services.configuration()
        if audience != "Admin" and not live.configuration.identity_providers:
            raise refusals.sign_in_not_configured()
        if request.method == "POST" and audience != "Admin":
            held = live.configuration.limits.max_buffered_bytes
            fields = await forms.read(request, self.intake, max_held=held)
        else:
            fields = forms.fields(request.query)
        return Visit(request, services, live, fields, time.time(), self)

    def _refused(self, error: GatewayError, request: ClientRequest, audience: Audience) -> Response | None:
        """What to answer; None where it has been answered in the Anthropic envelope."""
        services = self._services
        if error.reason not in _UNCOUNTED:
            services.metrics.refused(error.reason)
        if error.status in (401, 403, 429):
            line = refusal_line(error, request_id=request.request_id, path=request.path, client=request.client)
            if audience == "Admin":
                line["event"] = "admin.denied"
            services.audit.write(line)
        if audience == "Client" and error.status != 404:
            return in_oauth_form(error)
        if audience == "Browser":
            return page_of(error, request.request_id)
        request.refuse(error)
        return None

    def _provider_failed(self, error: IdentityProviderError, request: ClientRequest) -> Response:
        self._services.metrics.refused(error.reason)
        log.warning(
            "a sign-in failed: %s",
            error.detail,
            extra={"event": "sign_in.failed", "reason": error.reason, "request_id": request.request_id},
        )
        away = isinstance(error, ProviderUnavailableError)
        return pages.error(
            "Not just now" if away else "You are not signed in",
            error.sentence,
            status=503 if away else 403,
            reference=request.request_id,
        )


def page_of(error: GatewayError, request_id: str) -> Response:
    """A refusal as a person sees it."""
    wait = error.headers.get("retry-after")
    sentence = f"{error.message[:1].upper()}{error.message[1:]}."
    title = _TITLES.get(error.status, "That did not work")
    page = pages.error(
        title, sentence, status=error.status, retry_after=float(wait) if wait else None, reference=request_id
    )
    return Response(page.status, page.body, {**error.headers, **page.headers})
