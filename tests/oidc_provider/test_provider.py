"""The whole OpenID provider answers as the tests expect it to, over plain HTTP and over TLS."""

import json
import ssl
import urllib.request
from pathlib import Path

import pytest
import trustme
from tests.oidc_provider.provider import openid_provider

pytestmark = pytest.mark.timeout(300)
"""The first test may have to install it."""

REDIRECT = "http://127.0.0.1:1/oauth/callback"


def test_discovery_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    pem = tmp_path / "provider.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with openid_provider(redirect_uri=REDIRECT, certificate=pem) as provider:
        where = f"{provider.issuer}/.well-known/openid-configuration"
        with urllib.request.urlopen(where, context=context, timeout=20) as answer:
            assert json.load(answer)["issuer"] == provider.issuer


def test_a_user_who_left_is_removed() -> None:
    with openid_provider(redirect_uri=REDIRECT) as provider:
        provider.remove("alice")
