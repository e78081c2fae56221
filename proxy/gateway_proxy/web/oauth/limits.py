"""How often one address may begin a sign-in and enter a code. Each pod counts for itself: with n pods it is up to n
times as often, against 25,000,000,000 codes."""

import time
from typing import Final

from gateway_config.contract import Clients
from gateway_proxy.access.addresses import limited_as
from gateway_proxy.access.windows import SlidingWindow
from gateway_proxy.web import refusals

_SECONDS: Final = 600.0


class SignInLimits:
    """Of one process."""

    def __init__(self) -> None:
        self._device_authorizations = SlidingWindow(1, _SECONDS)
        self._code_submissions = SlidingWindow(1, _SECONDS)

    def admit_sign_in(self, client: str, limits: Clients) -> None:
        """Raises GatewayError (429)."""
        window = self._device_authorizations
        window.limit = limits.device_authorizations_per_10_minutes
        wait = window.admit(limited_as(client), time.monotonic())
        if wait is not None:
            raise refusals.too_many_sign_ins(wait)

    def admit_code(self, client: str, limits: Clients) -> None:
        """Raises GatewayError (429)."""
        window = self._code_submissions
        window.limit = limits.code_submissions_per_10_minutes
        wait = window.admit(limited_as(client), time.monotonic())
        if wait is not None:
            raise refusals.too_many_codes(wait)
