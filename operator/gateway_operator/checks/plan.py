"""From manifests to what the proxy is given to check: the upstreams and their credentials, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway_config.contract import Configuration, Upstream
from gateway_config.upstream_credentials import (
    AWSCredential,
    EntraCredential,
    FederatedCredential,
    GoogleCredential,
    values_of,
)
from gateway_operator import names
from gateway_operator.checks.facts import Facts
from gateway_operator.checks.results import Binding
from gateway_operator.compiler import Compiled, Finding, ObjectRef, Severity, StoreDefault, compile_gateway
from gateway_operator.local import overrides, placeholders
from gateway_operator.local.manifests import Manifests, Problem

_BINDING = "ProviderBinding"
_MISSING = frozenset({"SecretNotFound", "SecretKeyNotFound"})
POD_CONFIG = "/etc/claude-gateway"
"""Where pods have their configuration."""


class PlanError(Exception):
    """The gateway itself cannot be compiled."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    gateway: ObjectRef
    configuration: Configuration
    credentials: dict[str, str] = field(repr=False)
    bindings: tuple[Binding, ...]
    """Every one of the gateway; those with a problem are not in the configuration."""


def plan(
    manifests: Manifests,
    gateway: ObjectRef,
    *,
    secret_values: Sequence[overrides.SecretValue] = (),
    from_files: bool,
    pod_identity: bool,
) -> Plan:
    """`from_files`: the manifests are a directory's, where a Secret may be missing that the cluster has.
    `pod_identity`: bindings that use the pod's identity are tried with this machine's. Raises PlanError."""
    snapshot = overrides.with_secret_values(manifests.snapshot, secret_values, namespace=gateway.namespace)
    # As `up`: a store that is not there is of no account here.
    default: StoreDefault = "Embedded" if from_files else "None"
    compiled = compile_gateway(snapshot, gateway, store_default=default)
    others = [finding for finding in compiled.findings if finding.ref.kind != _BINDING]
    if any(finding.reason in placeholders.ELSEWHERE for finding in others):
        # Secrets of sign-ins, stores and collectors: nothing of it is used.
        snapshot = placeholders.with_placeholders(snapshot, others)
        compiled = compile_gateway(snapshot, gateway, store_default=default)
    configuration = compiled.configuration
    if configuration is None:
        raise PlanError([_place(manifests, each) for each in compiled.findings if each.severity == Severity.ERROR])
    here = tuple(
        each for each in configuration.upstreams if pod_identity or not _is_of_the_pod(each, compiled.credentials)
    )
    return Plan(
        gateway=gateway,
        configuration=_of_upstreams(configuration, here),
        credentials={
            value.name: compiled.credentials[value.name] for each in here for value in values_of(each.credential)
        },
        bindings=tuple(_bindings(manifests, compiled, configuration, here, from_files=from_files, gateway=gateway)),
    )


def _of_upstreams(configuration: Configuration, upstreams: tuple[Upstream, ...]) -> Configuration:
    """What a check needs: no secret is written down that it does not use."""
    without = {"settings": None, "desktop": None}
    base = configuration.base
    return Configuration(
        gateway=configuration.gateway,
        limits=configuration.limits,
        egress=configuration.egress,
        models=configuration.models,
        upstreams=upstreams,
        policies=tuple(policy.model_copy(update=without) for policy in configuration.policies),
        base=base.model_copy(update=without) if base is not None else None,
    )


def _bindings(
    manifests: Manifests,
    compiled: Compiled,
    configuration: Configuration,
    here: Sequence[Upstream],
    *,
    from_files: bool,
    gateway: ObjectRef,
) -> list[Binding]:
    resources = {
        f"{each.ref.namespace}/{each.ref.name}": each
        for each in manifests.snapshot.resources
        if each.ref.kind == _BINDING
    }
    found: list[Binding] = []
    for upstream in configuration.upstreams:
        binding = Binding(facts=Facts.of(resources[upstream.name], upstream))
        if upstream not in here:
            binding.skipped = True
            binding.problem, binding.way_out = _only_in_a_pod(binding.facts, gateway)
        found.append(binding)
    served = {upstream.name for upstream in configuration.upstreams}
    errors: dict[str, Finding] = {}
    for finding in sorted(compiled.findings, key=lambda each: each.severity):  # errors come first
        name = f"{finding.ref.namespace}/{finding.ref.name}"
        told = finding.severity == Severity.ERROR or name in compiled.sources.bindings_left_out
        if finding.ref.kind == _BINDING and name not in served and told:
            errors.setdefault(name, finding)
    for name in sorted(errors):
        facts = Facts.of(resources[name])
        problem, way_out = _left_out(manifests, errors[name], facts, from_files=from_files)
        missing = errors[name].reason in _MISSING
        found.append(Binding(facts=facts, problem=problem, way_out=way_out, without_secret=missing))
    return found


def _left_out(manifests: Manifests, finding: Finding, facts: Facts, *, from_files: bool) -> tuple[str, str]:
    """What is wrong with a binding that is not in the configuration, and the way out."""
    place = _place(manifests, finding)
    if finding.reason not in _MISSING:
        what = "what the Secret holds" if finding.reason == "SecretInvalid" else "the field"
        return f"the gateway leaves the binding out: {place}", f"mend {what}; `claude-gateway lint` judges it again"
    if from_files:
        return str(place), (
            f"put the Secret into the directory, take its value from the environment, {facts.secret_env}, or check the "
            f"cluster that has it: claude-gateway check --namespace {finding.ref.namespace}"
        )
    if manifests.elsewhere:
        return f"{place} {manifests.elsewhere}", (
            f"check as somebody who may read Secrets in {finding.ref.namespace}: kubectl auth can-i get secrets "
            f"-n {finding.ref.namespace}"
        )
    return str(place), f"make the Secret in the namespace {finding.ref.namespace}, or name another one"


def _only_in_a_pod(facts: Facts, gateway: ObjectRef) -> tuple[str, str]:
    return (
        f"{facts.path(facts.credential_field)}: the identity is the pod's, and this is none of its pods",
        f"check inside one: kubectl exec -n {gateway.namespace} deploy/{gateway.name} -c proxy -- "
        f"claude-gateway-proxy --config {POD_CONFIG} --check; or with the identity that this machine has: "
        "--pod-identity",
    )


def _is_of_the_pod(upstream: Upstream, credentials: Mapping[str, str]) -> bool:
    """Whether the credential is, or begins with, what a pod alone has."""
    match upstream.credential:
        case AWSCredential(access_key=None) | GoogleCredential(service_account=None) | EntraCredential(client=None):
            return True
        case FederatedCredential():
            return True
        case GoogleCredential(service_account=value) if value is not None:
            # A workload identity pool's file names the token of the pod's service account.
            return names.TOKENS_DIRECTORY in credentials[value.name]
        case _:
            return False


def _place(manifests: Manifests, finding: Finding) -> Problem:
    return manifests.problem(finding.ref, finding.path, finding.message)
