"""Text and people as columns hold them."""

import json
from typing import Any

from gateway_config.callers import folded
from gateway_proxy.identity.person import Person


def plain(text: str) -> str:
    """Without what a database refuses: NUL and lone surrogates become U+FFFD, so foreign text is never an error."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def lookup_key(text: str) -> str:
    """How a user id or an address is looked for: whatever its case, as policies compare it."""
    return folded(plain(text))


def dumped_groups(groups: tuple[str, ...]) -> str:
    return json.dumps([plain(group) for group in groups], ensure_ascii=False)


def loaded_groups(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def dumped_person(person: Person) -> str:
    return json.dumps(
        {
            "provider": plain(person.provider),
            "subject": plain(person.subject),
            "user": plain(person.user),
            "email": None if person.email is None else plain(person.email),
            "groups": [plain(group) for group in person.groups],
        },
        ensure_ascii=False,
    )


def loaded_person(text: str) -> Person:
    value: dict[str, Any] = json.loads(text)
    return Person(
        provider=value["provider"],
        subject=value["subject"],
        user=value["user"],
        email=value["email"],
        groups=tuple(value["groups"]),
    )
