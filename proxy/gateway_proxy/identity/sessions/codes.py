"""Codes and tokens that are nothing but chance, and what is kept of them."""

import hashlib
import re
import secrets
from typing import Final

USER_CODE_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so that no words come about (RFC 8628, section 6.1)."""
_USER_CODE: Final = re.compile(f"[{USER_CODE_LETTERS}]{{8}}")
_MAX_TYPED: Final = 64
"""Characters of a typed code that are looked at."""


def new_device_code() -> str:
    """256 bits."""
    return f"cgd_{secrets.token_urlsafe(32)}"


def new_refresh_token() -> str:
    """256 bits."""
    return f"cgr_{secrets.token_urlsafe(32)}"


def new_id(prefix: str) -> str:
    """For what is named in URLs and audit lines; no secret."""
    return f"{prefix}_{secrets.token_hex(12)}"


def new_user_code() -> str:
    """`XXXX-XXXX`, 2.5e10 of them."""
    letters = "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def user_code_as_typed(text: str) -> str | None:
    """The code that somebody typed in any case, with or without dash and spaces; None where it cannot be one."""
    letters = re.sub(r"[\s\-]", "", text[:_MAX_TYPED]).upper()
    return f"{letters[:4]}-{letters[4:]}" if _USER_CODE.fullmatch(letters) else None


def digest(code: str) -> bytes:
    """What the store keeps of a code: with 256 bits of chance, a plain SHA-256 tells nothing."""
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()
