"""The same certificates of servers are accepted with every Python that the project supports."""

import ssl

import pytest
from tests.standins.authorities import TRAITS, Authority, Traits

from gateway_config import server_certificates

HOST = "127.0.0.1"


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Raises `ssl.SSLCertVerificationError` as the client does."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=HOST),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)


def meet(authority: Authority, *, trusted: Authority) -> None:
    shake_hands(authority.server(HOST), server_certificates.trusting(cadata=trusted.pem))


@pytest.mark.parametrize("traits", TRAITS.values(), ids=TRAITS)
def test_an_authority_is_accepted_as_it_is(traits: Traits) -> None:
    authority = Authority(traits)
    meet(authority, trusted=authority)


@pytest.mark.parametrize("traits", TRAITS.values(), ids=TRAITS)
def test_so_is_an_intermediate_one_with_its_root_or_without(traits: Traits) -> None:
    root = Authority(traits)
    intermediate = Authority(traits, issuer=root)
    meet(intermediate, trusted=root)
    meet(intermediate, trusted=intermediate)


def test_others_are_refused() -> None:
    authority = Authority()
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        meet(authority, trusted=Authority())
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        shake_hands(authority.server("127.0.0.2"), server_certificates.trusting(cadata=authority.pem))


@pytest.mark.parametrize("key_usage", [True, False])
def test_who_is_no_authority_vouches_for_nobody(key_usage: bool) -> None:
    root = Authority()
    server = Authority(Traits(is_authority=False, key_usage=key_usage), issuer=root)
    with pytest.raises(ssl.SSLCertVerificationError, match="invalid CA certificate"):
        meet(server, trusted=root)
