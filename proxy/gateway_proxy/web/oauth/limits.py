"""How often one address may begin a sign-in, enter a code and come back with one, or show tokens of nobody. Each pod
counts for itself: with n pods it is up to n times as often, against 25,000,000,000 codes."""

import time
from typing import Final

from gateway_config.contract import Clients
from gateway_proxy.access.addresses import limited_as
from gateway_proxy.access.windows import SlidingWindow
from gateway_proxy.web import refusals

_SECONDS: Final = 600.0
UNKNOWN_TOKENS: Final = 600
"""Each is a call of the store. One a second: no office comes near it, not even when its gateway's store was lost."""


class UnknownTokens:
    """Limits who comes with tokens and device codes that nobody gave out; the others cost nothing here."""

    def __init__(self) -> None:
        self._window = SlidingWindow(UNKNOWN_TOKENS, _SECONDS)

    def admit(self, client: str) -> None:
        """Before the store is asked. Raises GatewayError (429)."""
        wait = self._window.wait(limited_as(client), time.monotonic())
        if wait is not None:
            raise refusals.too_many_unknown_tokens(wait)

    def count(self, client: str) -> None:
        self._window.admit(limited_as(client), time.monotonic())


class SignInLimits:
    """Of one process."""

    def __init__(self) -> None:
        self._device_authorizations = SlidingWindow(1, _SECONDS)
        self._code_submissions = SlidingWindow(1, _SECONDS)
        self._callbacks = SlidingWindow(1, _SECONDS)
        self.tokens = UnknownTokens()
        """At `/oauth/token`."""
        self.sign_outs = UnknownTokens()
        """At `/oauth/revoke`."""

    def admit_sign_in(self, client: str, limits: Clients) -> None:
        """Raises GatewayError (429)."""
        window = self._device_authorizations
        window.limit = limits.device_authorizations_per_10_minutes
        wait = window.admit(limited_as(client), time.monotonic())
        if wait is not None:
            raise refusals.too_many_sign_ins(wait)

    def admit_code(self, client: str, limits: Clients) -> None:
        """Raises GatewayError (429)."""
        self._admit_code(self._code_submissions, client, limits)

    def admit_callback(self, client: str, limits: Clients) -> None:
        """Each asks the identity provider or is written down, and follows a code that was entered: the same limit.
        Raises GatewayError (429)."""
        self._admit_code(self._callbacks, client, limits)

    @staticmethod
    def _admit_code(window: SlidingWindow, client: str, limits: Clients) -> None:
        window.limit = limits.code_submissions_per_10_minutes
        wait = window.admit(limited_as(client), time.monotonic())
        if wait is not None:
            raise refusals.too_many_codes(wait)
