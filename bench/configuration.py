"""The configuration that the measured gateway runs, written as the kubelet writes a bundle."""

import base64
import hashlib
import shutil
import time
from pathlib import Path

from bench import payloads
from bench.providers import ANTHROPIC, CREDENTIAL, Provider
from gateway_config import bundle, contract
from gateway_proxy.identity.person import Person
from gateway_proxy.identity.sessions.signing import SigningKeys
from gateway_proxy.identity.sessions.tokens import SessionTokens

KEY = "cgk_" + "b" * 43
"""The load's developer key."""
PROBE_KEY = "cgk_" + "p" * 43
"""A key of a user of their own, whose policy the reload rows edit."""

SIGNING_KEY = base64.urlsafe_b64encode(b"s" * 32).decode().rstrip("=")
PROVIDER = "corporate"
"""The identity provider of the load's session."""

CREDENTIALS = {"signing.k1": SIGNING_KEY}

OTHER_MODEL = "claude-haiku-5-5"


def gateway(
    *,
    upstream: str,
    policies: int,
    probe_allowed: bool = True,
    dead_first: str | None = None,
    provider: Provider = ANTHROPIC,
) -> contract.Configuration:
    """A gateway with `policies` policies; the load's caller is matched in the middle of them, the probe's last.
    `dead_first`: the address of an upstream before the other."""
    addresses = (
        {"claude/anthropic": upstream} if dead_first is None else {"claude/dead": dead_first, "claude/z": upstream}
    )
    return contract.Configuration(
        gateway=contract.GatewayIdentity(namespace="claude", name="corp", public_url="https://claude.corp.example"),
        limits=contract.Limits(max_request_bytes=32 << 20, max_buffered_bytes=256 << 20, drain_seconds=600),
        egress=contract.Egress(allow_loopback=True),
        models=tuple(
            contract.Model(
                id=name,
                display_name=name,
                description="",
                max_input_tokens=1_000_000,
                created_at="2027-01-01T00:00:00Z",
            )
            for name in (payloads.MODEL, OTHER_MODEL)
        ),
        upstreams=tuple(
            provider.upstream(
                address,
                name=name,
                priority=-position,
                models=(payloads.MODEL, OTHER_MODEL),
                timeouts=contract.Timeouts(connect_seconds=1, first_byte_seconds=120, idle_seconds=300),
            )
            for position, (name, address) in enumerate(addresses.items())
        ),
        policies=tuple(_policy(number, policies, probe_allowed=probe_allowed) for number in range(policies)),
        developer_keys=(
            contract.DeveloperKey(
                name="claude/key-load", sha256=_digest(KEY), user="load@corp.example", groups=(f"team-{policies // 2}",)
            ),
            contract.DeveloperKey(name="claude/key-probe", sha256=_digest(PROBE_KEY), user="probe@corp.example"),
        ),
        signing_keys=(contract.SigningKey(kid="k1", name="signing.k1", sha256=_digest(SIGNING_KEY), use="Sign"),),
        identity_providers=(
            contract.IdentityProvider(name=PROVIDER, issuer="https://idp.corp.example", client_id="claude-gateway"),
        ),
    )


def session_token(*, policies: int) -> str:
    """Of a person whom the policies match as they match the load's key."""
    configuration = gateway(upstream="127.0.0.1:1", policies=policies)
    tokens = SessionTokens(configuration, SigningKeys(configuration.signing_keys, CREDENTIALS), revoked=())
    group = f"team-{policies // 2}"
    person = Person(
        provider=PROVIDER, subject="load", user="load@corp.example", email="load@corp.example", groups=(group,)
    )
    return tokens.mint("load", person, now=time.time())


class Mount:
    """A bundle directory laid as the kubelet lays it: a link is swapped to a folder that was written before."""

    def __init__(
        self,
        directory: Path,
        *,
        upstream: str,
        policies: int,
        dead_first: str | None = None,
        provider: Provider = ANTHROPIC,
    ) -> None:
        self._provider = provider
        self.directory = directory
        self._dead_first = dead_first
        self._upstream = upstream
        self._policies = policies
        self._next = directory

    def prepare(self, *, sequence: int, probe_allowed: bool = True) -> None:
        """Writes the next bundle beside the one in force."""
        self._next = self.directory / f"..{sequence}"
        self._next.mkdir(parents=True)
        compiled = gateway(
            upstream=self._upstream,
            policies=self._policies,
            probe_allowed=probe_allowed,
            dead_first=self._dead_first,
            provider=self._provider,
        )
        credentials = CREDENTIALS | {CREDENTIAL: self._provider.secret(self._upstream)}
        files = bundle.pack(compiled, credentials=credentials, sequence=sequence)
        for name, content in files.items():
            (self._next / name).write_bytes(content)

    def swap(self, _probe_allowed: bool = True) -> None:
        """Puts the prepared bundle in force, and removes the one before."""
        data, link = self.directory / "..data", self.directory / "..data_tmp"
        old = data.resolve() if data.is_symlink() else None
        link.symlink_to(self._next.name)
        link.replace(data)
        for file in self._next.iterdir():
            visible = self.directory / file.name
            if not visible.is_symlink():
                visible.symlink_to(Path("..data") / file.name)
        if old is not None:
            shutil.rmtree(old)


def _policy(number: int, count: int, *, probe_allowed: bool) -> contract.Policy:
    if number == count - 1:
        match = contract.Match(users=("probe@corp.example",))
        return contract.Policy(
            name=f"claude/policy-{number}", matches=(match,), models=(payloads.MODEL if probe_allowed else OTHER_MODEL,)
        )
    match = contract.Match(groups=(f"team-{number}",), email_domains=("corp.example",))
    return contract.Policy(
        name=f"claude/policy-{number}", matches=(match,), models=tuple(sorted((payloads.MODEL, OTHER_MODEL)))
    )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
