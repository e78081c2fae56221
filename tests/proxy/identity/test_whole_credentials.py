"""What is presented is hashed whole, and compared with nothing as text: a comparison that ends at the first wrong
letter would tell by its time how many were right."""

import asyncio
import hashlib
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from tests.proxy.configurations import ALICE_KEY, BOB_KEY, developer_key

from gateway_config.contract import AdminKey
from gateway_proxy.config.live import LiveConfiguration
from gateway_proxy.errors import GatewayError
from gateway_proxy.identity.developer_keys import DeveloperKeys
from gateway_proxy.identity.sessions import codes
from gateway_proxy.web.admin.callers import KEY_PREFIX, Admin, admin_of

ADMIN_KEY = KEY_PREFIX + "a" * 43
_PUBLIC = frozenset({KEY_PREFIX})
"""What all credentials of a kind begin with."""


class Presented(str):
    """Text that can be hashed by the cryptographic kind and measured. Whoever compares it fails the test."""

    __slots__ = ()

    def _compared(self, *_: object) -> NoReturn:
        raise AssertionError("a credential was compared as text")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = _compared
    __hash__ = _compared  # type: ignore[assignment]
    endswith = find = index = rfind = rindex = count = partition = split = _compared  # type: ignore[assignment]

    def startswith(self, prefix: Any, *_: Any) -> bool:
        assert prefix in _PUBLIC
        return str.startswith(self, prefix)

    def __getitem__(self, key: Any) -> str:
        return Presented(str.__getitem__(self, key))


@pytest.mark.parametrize(
    "compare",
    [
        lambda text: text == ALICE_KEY,
        lambda text: [ALICE_KEY].index(text),
        lambda text: text in {ALICE_KEY: 1},
        lambda text: text.startswith("cgk_a"),
        lambda text: text[:8] == ALICE_KEY[:8],
    ],
)
def test_a_comparison_would_be_seen(compare: Any) -> None:
    with pytest.raises(AssertionError):
        compare(Presented(ALICE_KEY))


def test_developer_keys() -> None:
    keys = DeveloperKeys([developer_key(), developer_key(BOB_KEY, user="bob")])
    found = keys.find(Presented(BOB_KEY))
    assert found is not None
    assert found.caller.user == "bob"
    assert keys.find(Presented(BOB_KEY[:-1] + "~")) is None


def admin(presented: str) -> Admin:
    key = AdminKey(name="claude/ops", holder="ops@corp.example", sha256=hashlib.sha256(ADMIN_KEY.encode()).hexdigest())
    live = cast("LiveConfiguration", SimpleNamespace(configuration=SimpleNamespace(admin_keys=(key,))))
    headers = CIMultiDictProxy(CIMultiDict({"x-api-key": presented}))
    return asyncio.run(admin_of(live, headers))


def test_admin_keys() -> None:
    assert admin(Presented(ADMIN_KEY)).audit_fields["key"] == "claude/ops"
    with pytest.raises(GatewayError):
        admin(Presented(ADMIN_KEY[:-1] + "b"))


@pytest.mark.parametrize("make", [codes.new_device_code, codes.new_refresh_token])
def test_device_codes_and_refresh_tokens_are_looked_for_by_their_digest(make: Any) -> None:
    """The store has nothing else of them: `test_the_store_holds_nothing_to_compare_with`."""
    code = make()
    assert codes.digest(Presented(code)) == hashlib.sha256(code.encode()).digest()
