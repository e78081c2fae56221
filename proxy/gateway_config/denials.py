"""The sentences with which a gateway refuses a caller: said by the proxy, foretold by `explain`."""

from collections.abc import Iterable

_QUOTED_CHARACTERS = 100
_LISTED_NAMES = 12


def quoted(text: str) -> str:
    """Client text made fit for a message: bounded, printable, in quotation marks."""
    shown = "".join(character if character.isprintable() else "\ufffd" for character in text[:_QUOTED_CHARACTERS])
    return f'"{shown}…"' if len(text) > _QUOTED_CHARACTERS else f'"{shown}"'


def no_policy() -> str:
    return "no policy of this gateway covers you: ask your gateway's administrator to grant you access"


def access_denied(policy: str) -> str:
    return f"the gateway policy {policy} denies you access: ask your gateway's administrator"


def policy_invalid(policy: str) -> str:
    return (
        f"the gateway policy {policy} that decides for you is broken, so access is denied until it is repaired: "
        "tell your gateway's administrator"
    )


def model_not_allowed(name: str, allowed: Iterable[str] = ()) -> str:
    """`allowed`: canonical ids of the models the caller may use; a few of them are named."""
    return _model(name, "is not open to you on this gateway", allowed)


def model_unknown(name: str, allowed: Iterable[str] = ()) -> str:
    return _model(name, "is not known to this gateway", allowed)


def model_without_upstream(name: str) -> str:
    """The caller may use the model, but no upstream open to them serves it."""
    return (
        f"model {quoted(name)} is open to you, but no upstream of this gateway serves it: choose another model "
        "(/model in Claude Code) or tell your gateway's administrator"
    )


def _model(name: str, what: str, allowed: Iterable[str]) -> str:
    names = list(allowed)
    if not names:
        return f"model {quoted(name)} {what}, and no other is: ask your gateway's administrator"
    more = f" and {len(names) - _LISTED_NAMES} more" if len(names) > _LISTED_NAMES else ""
    return (
        f"model {quoted(name)} {what}: use {', '.join(names[:_LISTED_NAMES])}{more} (/model in Claude Code), "
        "or ask your gateway's administrator for it"
    )
