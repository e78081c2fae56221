"""Who an identity provider's claims speak of, and whether the configuration lets them in."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway_config.callers import folded
from gateway_config.contract import IdentityProvider
from gateway_proxy.identity.oidc import claims as values
from gateway_proxy.identity.oidc.claims import ClaimError
from gateway_proxy.identity.oidc.failures import SignInRefusedError
from gateway_proxy.identity.person import Person

MAX_GROUPS: Final = 10_000
"""Of one person. More is refused: a group that is left out could be the one that a policy denies."""


def person_of(provider: IdentityProvider, claims: Mapping[str, Any], *, groups: Sequence[str] | None = None) -> Person:
    """The person; `groups` where they were read elsewhere than in the claims. Raises SignInRefusedError."""
    try:
        subject = values.text(claims, "sub")
        user = values.text(claims, provider.user_claim)
        email = values.text(claims, provider.email_claim)
        if groups is None:
            groups = _groups(provider, claims)
    except ClaimError as error:
        raise _unreadable(provider, str(error)) from error
    if not subject or not user:
        raise SignInRefusedError(
            "UserClaimMissing",
            f"{provider.name} does not tell this gateway who you are. Ask your gateway's administrator.",
            f"{provider.name}: the token has no {provider.user_claim if subject else 'sub'}: "
            "ask for a scope that brings it, or name another claim in claims.user",
        )
    if email is not None:
        _check_email(provider, email, claims)
    person = Person(
        provider=provider.name,
        subject=subject,
        user=provider.user_prefix + user,
        email=email,
        groups=tuple(dict.fromkeys(provider.group_prefix + group for group in groups)),
    )
    _check_allowed(provider, person)
    return person


def has_all(provider: IdentityProvider, claims: Mapping[str, Any]) -> bool:
    """Whether every claim that the configuration names is there."""
    names = (provider.user_claim, provider.email_claim, *provider.group_claims)
    return all(values.find(claims, name) is not None for name in names)


def forgets(provider: IdentityProvider, claims: Mapping[str, Any], person: Person, known: Person | None) -> bool:
    """Whether `person`, made of these claims, may lack what is true of them: a claim is absent, and with it a group or
    the address that the person was `known` by. Where nothing is known, every absent group claim counts."""
    in_claims = provider.group_claims if provider.google_groups is None else ()
    absent = any(values.find(claims, name) is None for name in in_claims)
    if known is None:
        return absent
    if known.email is not None and person.email is None:
        return True
    return absent and not set(known.groups).issubset(person.groups)


def _groups(provider: IdentityProvider, claims: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for name in provider.group_claims:
        found += values.texts(claims, name, most=MAX_GROUPS)
        if len(found) > MAX_GROUPS:
            raise ClaimError(f"the group claims have more than {MAX_GROUPS} values")
    return found


def _unreadable(provider: IdentityProvider, problem: str) -> SignInRefusedError:
    return SignInRefusedError(
        "ClaimUnreadable",
        f"What {provider.name} tells of you cannot be used here. Ask your gateway's administrator.",
        f"{provider.name}: {problem}",
    )


def _check_email(provider: IdentityProvider, email: str, claims: Mapping[str, Any]) -> None:
    name, _, domain = email.rpartition("@")
    if not name or not domain or " " in email:
        raise _unreadable(provider, f"{provider.email_claim} is no email address")
    verified = claims.get("email_verified", True)
    if verified is not True and not (isinstance(verified, str) and verified.lower() == "true"):
        raise SignInRefusedError(
            "EmailNotVerified",
            f"Your email address is not verified at {provider.name}. Verify it there and sign in again.",
            f"{provider.name}: email_verified is there and not true",
        )


def _check_allowed(provider: IdentityProvider, person: Person) -> None:
    domains, groups = provider.allowed_email_domains, provider.allowed_groups
    domain = folded(person.email).rpartition("@")[2] if person.email else None
    if domains and domain not in domains:
        raise SignInRefusedError(
            "EmailDomainNotAllowed",
            f"Accounts of your email's domain may not use this gateway. Sign in at {provider.name} with another "
            "account, or ask your gateway's administrator.",
            f"{provider.name}: the domain {domain or '(no email)'} is not among allowedEmailDomains",
        )
    if groups and set(groups).isdisjoint(person.groups):
        raise SignInRefusedError(
            "GroupNotAllowed",
            "You are in none of the groups that may use this gateway. Ask your gateway's administrator to be added to "
            "one.",
            f"{provider.name}: none of the person's {len(person.groups)} groups is among allowedGroups",
        )
