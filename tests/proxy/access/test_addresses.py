"""Client addresses: what trusted proxies say is believed, what anyone else says is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from gateway_config.contract import Clients
from gateway_proxy.access.addresses import MAX_HOPS, AddressRules, Origin, limited_as, plain

BALANCERS = ("10.0.0.0/8", "fd00::/8")


def origin(peer: str, *forwarded: str, trusted: tuple[str, ...] = BALANCERS, **lists: tuple[str, ...]) -> Origin:
    headers = CIMultiDictProxy(CIMultiDict([("x-forwarded-for", value) for value in forwarded]))
    rules = AddressRules(Clients(trusted_proxies=trusted, **lists))
    found = rules.origin(peer, headers)
    assert rules.origin(peer, headers) == found, "remembered as found"
    return found


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.7",), "203.0.113.7"),
        ("203.0.113.7", ("198.51.100.1",), "203.0.113.7"),
        ("10.0.0.1", ("198.51.100.1, 203.0.113.7",), "203.0.113.7"),
        ("10.0.0.1", ("198.51.100.1", "203.0.113.7"), "203.0.113.7"),
        ("10.0.0.1", ("198.51.100.1, 203.0.113.7, 10.0.0.2",), "203.0.113.7"),
        ("10.0.0.1", ("203.0.113.7,10.0.0.3 ,\t10.0.0.2",), "203.0.113.7"),
        ("10.0.0.1", ("10.9.9.9, 10.0.0.2",), "10.9.9.9"),
        ("10.0.0.1", ("junk, 203.0.113.7",), "203.0.113.7"),
        ("10.0.0.1", ("203.0.113.7, unknown",), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.7, ",), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.7:49152",), "203.0.113.7"),
        ("10.0.0.1", ("[2001:db8::7]:49152",), "2001:db8::7"),
        ("10.0.0.1", ("2001:DB8:0::7",), "2001:db8::7"),
        ("10.0.0.1", ("::ffff:203.0.113.7",), "203.0.113.7"),
        ("::ffff:10.0.0.1", ("203.0.113.7",), "203.0.113.7"),
        ("fd00::1", ("203.0.113.7",), "203.0.113.7"),
        ("fe80::1%eth0", (), "fe80::1"),
        ("10.0.0.1", ("203.0.113.007",), "10.0.0.1"),
        ("", ("203.0.113.7",), ""),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_has(
    peer: str, forwarded: tuple[str, ...], client: str
) -> None:
    assert origin(peer, *forwarded).client == client


def test_nobody_is_believed_without_trusted_proxies() -> None:
    assert origin("10.0.0.1", "203.0.113.7", trusted=()).client == "10.0.0.1"


def test_hops_are_bounded() -> None:
    hops = [f"10.0.1.{number}" for number in range(MAX_HOPS)]
    assert origin("10.0.0.1", ", ".join(["203.0.113.7", *hops])).client == "10.0.1.0"


@given(spoofed=st.lists(st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=40), max_size=40))
def test_whatever_the_client_writes_the_trusted_proxy_has_the_last_word(spoofed: list[str]) -> None:
    assert origin("10.0.0.1", *spoofed, "203.0.113.7, 10.0.0.2").client == "203.0.113.7"


@pytest.mark.parametrize(
    ("client", "admitted"),
    [
        ("192.0.2.1", True),
        ("192.0.2.200", False),
        ("192.0.2.130", False),
        ("198.51.100.1", False),
        ("2001:db8::1", True),
        ("2001:db8:dead::1", False),
        ("::ffff:192.0.2.1", True),
        ("", False),
    ],
)
def test_denied_beats_allowed(client: str, admitted: bool) -> None:
    allowed, denied = ("192.0.2.0/24", "2001:db8::/32"), ("192.0.2.128/25", "2001:db8:dead::/48")
    assert origin(client, allow_cidrs=allowed, deny_cidrs=denied).admitted is admitted


def test_without_an_allow_list_every_address_that_is_not_denied_may_come() -> None:
    assert origin("203.0.113.7", deny_cidrs=("192.0.2.0/24",)).admitted
    assert not origin("192.0.2.9", deny_cidrs=("192.0.2.9",)).admitted


def test_the_rule_looks_at_the_client_and_not_at_the_proxy() -> None:
    inside = {"allow_cidrs": ("10.0.0.0/8",)}
    assert not origin("10.0.0.1", "203.0.113.7", **inside).admitted
    assert origin("10.0.0.1", "10.5.5.5", **inside).admitted


def test_an_ipv6_client_is_limited_with_its_whole_network() -> None:
    assert limited_as("192.0.2.1") == "192.0.2.1"
    assert limited_as("2001:db8:1:2:3:4:5:6") == limited_as("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert limited_as("2001:db8:1:3::1") != limited_as("2001:db8:1:2::1")
    assert limited_as("") == ""


def test_a_socket_s_address_is_plain() -> None:
    assert [plain("::ffff:192.0.2.1"), plain("::1"), plain("")] == ["192.0.2.1", "::1", ""]
