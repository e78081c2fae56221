"""What `up` tells at its start and after a reload."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from gateway_config.contract import Configuration, Policy
from gateway_operator.local.addresses import Address
from gateway_operator.local.building import Build
from gateway_operator.local.terminal import Part, Terminal

LISTED = 5
"""Objects named one by one; the rest is a number."""
REVISION_CHARACTERS = len("sha256:") + 12


class KnowsModels(Protocol):
    """The demo upstream, as far as a reload concerns it."""

    models: Collection[str]


class Ports(Protocol):
    admin: Address
    metrics: Address


def upstream_models(build: Build) -> set[str]:
    """Every model id under which an upstream may be asked."""
    return {name for upstream in build.configuration.upstreams for name in upstream.models.values()}


def started(
    terminal: Terminal, build: Build, *, directory: Path, listen: Address, demo: bool, ports: Ports, seconds: float
) -> None:
    configuration = build.configuration
    rows: list[tuple[str, str]] = [("gateway", f"{build.gateway.namespace}/{build.gateway.name}")]
    public_url = configuration.gateway.public_url
    rows.append(("url", public_url if public_url == listen.url else f"{public_url}, listening on {listen}"))
    rows += [("upstream", line) for line in _upstreams(configuration, demo=demo)]
    rows += [("policy", line) for line in _policies(configuration)]
    rows.append(("keys", _keys(configuration)))
    rows += [("sign-in", f"{provider.name} → {provider.issuer}") for provider in configuration.identity_providers]
    rows += [("workload", f"{issuer.name} → {issuer.issuer}") for issuer in configuration.workload_issuers]
    rows.append(("admin", f"{ports.admin.url}/status"))
    rows.append(("metrics", f"{ports.metrics.url}/metrics"))
    terminal.say(("Claude Gateway", "bold"), (f"  ready in {seconds:.2f} s", "dim"))
    named = ""
    for name, value in rows:
        terminal.say((f"  {name if name != named else '':<10}", "cyan"), value)
        named = name
    terminal.say("")
    terminal.say(("Start Claude Code against it", "bold"))
    for line in connect_lines(public_url, "KEY", model=model_to_name(build.configuration)):
        terminal.say(f"  {line}")
    key_command = f"claude-gateway key create YOU --gateway {build.gateway.name} --namespace {build.gateway.namespace}"
    terminal.say((f"  a KEY is made by: {key_command} > {directory}/key-you.yaml", "dim"))
    if configuration.identity_providers:
        terminal.say(f"  or /login, in a client whose managed settings hold {login_settings(public_url)}")
        terminal.say((f"  the identity provider's redirect URI is {public_url}/oauth/callback", "dim"))
    terminal.say("")
    terminal.say((f"An edit in {directory} is enforced at once. Ctrl-C ends.", "dim"))


def connect_lines(url: str, key: str, *, model: str | None) -> list[str]:
    """What a developer types."""
    claude = f"claude --model {model}" if model else "claude"
    return [f"export ANTHROPIC_BASE_URL={url}", f"export ANTHROPIC_AUTH_TOKEN={key}", claude]


def login_settings(url: str) -> str:
    """What a device's managed settings hold where people sign in, as JSON."""
    return json.dumps({"forceLoginMethod": "gateway", "forceLoginGatewayUrl": url})


def model_to_name(configuration: Configuration) -> str | None:
    """A model that the base layer grants, where it grants only some: Claude Code's own default may be another one."""
    base = configuration.base
    if base is None or base.models is None:
        return None
    return next((model.id for model in configuration.models if model.id in base.models), None)


def reloaded(terminal: Terminal, build: Build, *, revision: str, seconds: float, mended: bool) -> None:
    configuration = build.configuration
    policies = len(configuration.policies) + (configuration.base is not None)
    parts: list[Part] = [("mended and reloaded: " if mended else "reloaded: ", "green")]
    parts.append(
        f"{_count(policies, 'policy', 'policies')}, {_count(len(configuration.upstreams), 'upstream')}, "
        f"{_count(len(configuration.developer_keys), 'key')}, revision {revision[:REVISION_CHARACTERS]}… "
        f"in {seconds * 1000:.0f} ms (enforced)"
    )
    terminal.say(*parts)


def plain_log(line: str) -> str:
    """The message of a line of the proxy's log."""
    try:
        record = json.loads(line)
    except ValueError:
        return line.strip()
    return str(record.get("message", line)) if isinstance(record, dict) else line.strip()


def _upstreams(configuration: Configuration, *, demo: bool) -> list[str]:
    lines = [
        f"{upstream.name} → {'the built-in demo' if demo else upstream.base_url}"
        f" ({_count(len(upstream.models), 'model')})"
        for upstream in configuration.upstreams
    ]
    return _shortened(lines) or ["none: every request will fail"]


def _policies(configuration: Configuration) -> list[str]:
    policies = [*configuration.policies, *([configuration.base] if configuration.base else [])]
    return _shortened([_policy(policy) for policy in policies]) or ["none: every caller is denied"]


def _policy(policy: Policy) -> str:
    if policy.invalid:
        return f"{policy.name}: denies its callers, it is broken"
    if policy.access == "Deny":
        return f"{policy.name}: denies"
    models = "every model" if policy.models is None else ", ".join(policy.models) or "no model"
    return f"{policy.name}: {models}{'' if policy.matches else ' (everyone)'}"


def _keys(configuration: Configuration) -> str:
    keys = configuration.developer_keys
    if not keys:
        return "none yet"
    users = sorted({key.user for key in keys})
    more = f" and {len(users) - LISTED} more" if len(users) > LISTED else ""
    return f"{_count(len(keys), 'developer key')}: {', '.join(users[:LISTED])}{more}"


def _shortened(lines: list[str]) -> list[str]:
    more = [f"and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    return [*lines[:LISTED], *more]


def _count(number: int, singular: str, plural: str | None = None) -> str:
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
