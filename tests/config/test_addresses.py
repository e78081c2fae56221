"""Which addresses a gateway refuses to connect to, in every spelling that leads there."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_config.addresses import literal, refused_address, refused_host

REFUSED = {
    "169.254.169.254": "the metadata service of a cloud",
    "100.100.100.200": "the metadata service of a cloud",
    "168.63.129.16": "the metadata service of a cloud",
    "fd00:ec2::254": "the metadata service of a cloud",
    "fd20:ce::254": "the metadata service of a cloud",
    "169.254.170.2": "a link-local address",
    "fe80::1": "a link-local address",
    "fe80::1%eth0": "a link-local address",
    "224.0.0.1": "a multicast address",
    "ff02::1": "a multicast address",
    "0.0.0.0": "an unspecified address",
    "0.1.2.3": "an unspecified address",
    "::": "an unspecified address",
    "255.255.255.255": "a reserved address",
    "240.0.0.1": "a reserved address",
    "127.0.0.1": "a loopback address",
    "127.255.0.9": "a loopback address",
    "::1": "a loopback address",
}
ALLOWED = (
    *("10.0.0.1", "172.16.5.4", "192.168.1.1", "100.64.0.1", "fd12:3456::1", "8.8.8.8", "2606:4700::1111"),
    *("64:ff9b::8.8.8.8", "64:ff9b::10.0.0.1", "::ffff:10.1.2.3", "2002:808:808::1", "64:ff9b:1::10.1.2.3"),
)
INSIDE = (
    *("::ffff:{}", "::{}", "64:ff9b::{}", "::ffff:0:{}", "64:ff9b:1::{}", "2001:db8::5efe:{}", "fd00::200:5efe:{}"),
)


@pytest.mark.parametrize(("address", "kind"), REFUSED.items())
def test_an_address_that_is_refused(address: str, kind: str) -> None:
    refusal = refused_address(ipaddress.ip_address(address), allow_loopback=False)
    assert refusal is not None
    assert refusal.what == f"{address} is {kind}"
    assert ("allowLoopback" in refusal.way_out) == (kind == "a loopback address")


@pytest.mark.parametrize("address", ALLOWED)
def test_private_and_public_addresses_are_allowed(address: str) -> None:
    assert refused_address(ipaddress.ip_address(address), allow_loopback=False) is None


@pytest.mark.parametrize("form", INSIDE)
@pytest.mark.parametrize("address", [one for one in REFUSED if ":" not in one and not one.startswith("0.")])
def test_it_is_refused_inside_an_ipv6_address(form: str, address: str) -> None:
    refusal = refused_address(ipaddress.ip_address(form.format(address)), allow_loopback=False)
    assert refusal is not None


@pytest.mark.parametrize(
    "address",
    [
        "2002:a9fe:a9fe::1",  # 6to4
        "2001:0:808:808::5601:5601",  # Teredo: the client's address is inverted
        "64:ff9b:1:a9fe:a9:fe00::",  # local NAT64, /48
        "64:ff9b:1:ffa9:fe:a9fe::",  # /56
        "64:ff9b:1:ffff:a9:fea9:fe00:0",  # /64
        "64:ff9b:1:ffff:ffff:ffff:a9fe:a9fe",  # /96
    ],
)
def test_the_metadata_service_in_every_tunnel(address: str) -> None:
    refusal = refused_address(ipaddress.ip_address(address), allow_loopback=True)
    assert refusal is not None
    assert f"(inside {address})" in refusal.what


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.9.9.9"])
def test_loopback_where_it_is_allowed(address: str) -> None:
    assert refused_address(ipaddress.ip_address(address), allow_loopback=True) is None


@pytest.mark.parametrize("address", [one for one, kind in REFUSED.items() if kind != "a loopback address"])
def test_allowing_loopback_allows_nothing_else(address: str) -> None:
    assert refused_address(ipaddress.ip_address(address), allow_loopback=True) is not None


@pytest.mark.parametrize(
    ("host", "what"),
    [
        ("2852039166", "169.254.169.254"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("0251.0376.0251.0376", "169.254.169.254"),
        ("169.254.43518", "169.254.169.254"),
        ("127.1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("[64:ff9b::169.254.169.254]", "169.254.169.254"),
        ("[::1]", "::1"),
        ("Metadata.Google.Internal.", "metadata.google.internal"),
        ("metadata.azure.internal", "metadata.azure.internal"),
        ("localhost", "localhost"),
        ("LOCALHOST.", "localhost"),
        ("app.localhost", "app.localhost"),
    ],
)
def test_a_host_that_is_refused_without_a_look_up(host: str, what: str) -> None:
    refusal = refused_host(host, allow_loopback=False)
    assert refusal is not None
    assert refusal.what.split(" ")[0] == what


@pytest.mark.parametrize("host", ["api.anthropic.com", "collector", "localhost.corp.example", "10.0.0.1", "[fd00::1]"])
def test_a_host_of_which_only_a_look_up_can_tell(host: str) -> None:
    assert refused_host(host, allow_loopback=False) is None


def test_localhost_where_loopback_is_allowed() -> None:
    assert refused_host("localhost", allow_loopback=True) is None


@given(st.integers(0, 2**32 - 1), st.sampled_from(INSIDE))
def test_an_ipv6_form_is_never_milder_than_the_address_in_it(number: int, form: str) -> None:
    plain = ipaddress.IPv4Address(number)
    wrapped = ipaddress.ip_address(form.format(plain))
    inner_zero = number >> 24 == 0  # which the forms without a prefix of their own take for no IPv4 address
    if refused_address(plain, allow_loopback=False) is not None and not inner_zero:
        assert refused_address(wrapped, allow_loopback=False) is not None


@given(st.text(max_size=40))
def test_any_text_as_a_host(text: str) -> None:
    refused_host(text, allow_loopback=False)
    literal(text)
