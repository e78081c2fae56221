"""What credentials are made of, and what they become."""

from pathlib import Path

from gateway_proxy.upstream.errors import CredentialError


def fits_a_header(value: str) -> bool:
    """Whether it can stand in a header as a token does."""
    return bool(value) and value.isascii() and value.isprintable() and " " not in value


def bearer(token: object, *, what: str) -> bytes:
    """The header line, without its end. Raises CredentialError where that is no token; the text never holds it."""
    if not isinstance(token, str) or not fits_a_header(token):
        raise CredentialError(f"{what}: what came as a token is none")
    return b"authorization: Bearer " + token.encode()


def pod_token(path: str, what: str) -> str:
    """The pod's token, to be read anew each time, for the kubelet renews it. Raises CredentialError."""
    try:
        text = Path(path).read_text().strip()
    except (OSError, ValueError) as error:
        raise CredentialError(f"{what}: the pod's token {path} cannot be read: {type(error).__name__}") from None
    if not fits_a_header(text):
        raise CredentialError(f"{what}: {path} holds no token")
    return text
