"""Why somebody is not signed in: they may not, or the identity provider cannot tell now.

Each holds two texts. `sentence` is for the developer, on a page or in a terminal; it holds nothing that a provider
sent. `detail` is for the administrator's log, without a secret; it may quote the provider, bounded and on one line.
"""

from typing import Literal

from gateway_proxy.identity.oidc.claims import one_line

Reason = Literal[
    "ClaimUnreadable",
    "EmailDomainNotAllowed",
    "EmailNotVerified",
    "GroupNotAllowed",
    "GroupsLeftOut",
    "IdentityProviderMisconfigured",
    "IdentityProviderRefused",
    "IdentityProviderUnavailable",
    "IdentityTokenInvalid",
    "NotInDirectory",
    "SignInCodeRefused",
    "UserClaimMissing",
]
"""Stable: metrics and audit lines carry them."""


class IdentityProviderError(Exception):
    """Any of these."""

    def __init__(self, reason: Reason, sentence: str, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.sentence = sentence
        self.detail = one_line(detail)


class SignInRefusedError(IdentityProviderError):
    """This person is not let in, or not by this attempt. Trying the same again does not help."""


class ProviderRefusedError(SignInRefusedError):
    """Who signed in earlier is out: the provider gives nothing for them any more, or the rules let them in no more."""


class ProviderUnavailableError(IdentityProviderError):
    """Nothing is known now. It says nothing about the person, so whoever is signed in may stay so for a while."""

    def __init__(self, reason: Reason, detail: str, *, refresh_token: str | None = None) -> None:
        sentence = "The identity provider does not answer as it should. Try again in a minute."
        super().__init__(reason, sentence, detail)
        self.refresh_token = refresh_token
        """A refresh token that the provider gave before something failed. The one sent may be used up: keep this."""


def unreachable(detail: str) -> ProviderUnavailableError:
    """No answer, or one that says that the provider is at fault."""
    return ProviderUnavailableError("IdentityProviderUnavailable", detail)


def misconfigured(detail: str) -> ProviderUnavailableError:
    """An answer that an administrator has to look at: here or at the provider, something is set up wrong."""
    return ProviderUnavailableError("IdentityProviderMisconfigured", detail)
