"""Requests on their way in and out."""

from typing import Annotated

from pydantic import Field

from gateway_operator.api.v1alpha1.addresses import DirectHost, Network, ProxyURL
from gateway_operator.api.v1alpha1.base import Model, Rule, doc
from gateway_operator.api.v1alpha1.lists import set_list
from gateway_operator.api.v1alpha1.references import CARef

_Networks = Annotated[list[Network], Field(max_length=128), set_list()]


class SignInRateLimits(Model):
    """Limits for each client address, against guessing."""

    device_authorizations_per_10_minutes: Annotated[
        int, doc("Sign-ins that may be begun, in ten minutes.", example=60, ge=1, le=100_000)
    ] = 30
    code_submissions_per_10_minutes: Annotated[
        int, doc("Codes that may be entered, in ten minutes.", example=20, ge=1, le=100_000)
    ] = 10


class HTTP(Model):
    """What is taken in over HTTP."""

    trusted_proxies: Annotated[
        _Networks,
        doc(
            "Addresses whose `X-Forwarded-For` is believed: load balancers and ingress controllers. Default: none.",
            example=["10.0.0.0/8"],
        ),
    ] = []
    allow_cidrs: Annotated[
        _Networks, doc("Addresses that may use the gateway. Default: any.", example=["10.0.0.0/8"])
    ] = []
    deny_cidrs: Annotated[
        _Networks, doc("Addresses that may not; stronger than `allowCIDRs`. Default: none.", example=["192.0.2.0/24"])
    ] = []
    max_request_bytes: Annotated[
        int, doc("Largest request body, in bytes; above it 413.", example=33554432, ge=1024, le=1 << 30)
    ] = 32 * 1024 * 1024
    max_buffered_bytes: Annotated[
        int,
        doc(
            "Bodies being read at once in a pod, in bytes; above it 429 with Retry-After.",
            example=268435456,
            ge=1024,
            le=1 << 38,
        ),
    ] = 256 * 1024 * 1024
    sign_in_rate_limits: Annotated[
        SignInRateLimits,
        doc(
            "Limits of the sign-in pages. Default: in ten minutes, 30 sign-ins begun and 10 codes entered.",
            example={"codeSubmissionsPer10Minutes": 20},
        ),
    ] = SignInRateLimits()

    object_rules = (
        Rule(
            cel="self.maxRequestBytes <= self.maxBufferedBytes",
            message=(
                "maxBufferedBytes (default 268435456) must not be below maxRequestBytes (default 33554432), "
                "or the largest request could never be read"
            ),
            holds=lambda it: it.max_request_bytes <= it.max_buffered_bytes,
            path=".maxBufferedBytes",
        ),
    )


class Egress(Model):
    """How the gateway reaches upstreams, identity providers and collectors."""

    proxy_url: Annotated[
        ProxyURL,
        doc("Forward proxy for outgoing connections. Default, and when empty: none.", example="http://proxy.corp:3128"),
    ] = ""
    no_proxy: Annotated[
        list[DirectHost],
        doc(
            "What is reached without it: a name, `.suffix`, an address or a CIDR. Default: none.",
            example=[".svc", "10.0.0.0/8"],
            max_length=128,
        ),
        set_list(),
    ] = []
    ca_ref: Annotated[
        CARef | None,
        doc(
            "Certificates trusted besides the system's. Default: none.",
            example={"kind": "ConfigMap", "name": "corp-ca", "key": "ca.crt"},
        ),
    ] = None
    allow_loopback: Annotated[
        bool,
        doc(
            "Whether URLs in these resources may lead to loopback addresses. Metadata and link-local "
            "addresses never may.",
            example=True,
        ),
    ] = False
