"""Snapshot → the configuration of one gateway, with findings as values.

Pure: no clock, no I/O, no globals. The same snapshot in any order gives the same bytes. A broken object leaves the
others standing: a broken binding or key is left out, a broken policy denies the callers whom it was to match (see
`policies`), and only a gateway that is broken itself has no configuration.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from gateway_config.contract import Configuration
from gateway_operator.api.v1alpha1 import GatewayDeployment, GatewayPolicy, ProviderBinding
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.compiler import gateway as gateway_parts
from gateway_operator.compiler.bindings import CompiledBinding, compile_binding
from gateway_operator.compiler.catalogue import gateway_catalogue
from gateway_operator.compiler.clients import client_findings, clients
from gateway_operator.compiler.findings import Finding, error, warning
from gateway_operator.compiler.inventory import GATEWAY, POLICY, Attachable, Checked, Inventory, Validation, validated
from gateway_operator.compiler.keys import admin_keys, developer_keys, stray_keys
from gateway_operator.compiler.layers import Statement
from gateway_operator.compiler.policies import Surroundings, compile_policies
from gateway_operator.compiler.references import GatewayName, admits, gateway_names
from gateway_operator.compiler.salvage import salvaged_gateways
from gateway_operator.compiler.sign_in import compile_sign_in
from gateway_operator.compiler.snapshot import ObjectRef, Snapshot
from gateway_operator.compiler.store import StoreDefault, compile_store, has_store
from gateway_operator.compiler.telemetry import compile_telemetry
from gateway_operator.compiler.urls import gateway_url_findings
from gateway_operator.compiler.workloads import compile_workloads

_Attached = TypeVar("_Attached", Checked[ProviderBinding], Checked[GatewayPolicy])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What `explain` needs besides the configuration: which objects gave each part."""

    policies: Mapping[str, tuple[Statement, ...]] = field(default_factory=dict)
    """Name of each policy → what it was merged from, the lowest layer first."""
    base: tuple[Statement, ...] = ()
    bindings_left_out: Mapping[str, str] = field(default_factory=dict)
    """Name of each binding of the gateway that serves nothing → why."""
    group_limit_mode: str = "Min"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """One gateway, compiled."""

    configuration: Configuration | None
    """None when the gateway itself is broken, refused or absent."""
    credentials: dict[str, str] = field(default_factory=dict, repr=False)
    """Credential values by the names the configuration gives them."""
    token_audiences: tuple[str, ...] = ()
    """Of the tokens of their service account that pods need as files. Sorted."""
    findings: tuple[Finding, ...] = ()
    """Sorted. Findings on the gateway and on every object that refers to it."""
    sources: Sources = Sources()


def gateways(snapshot: Snapshot) -> tuple[ObjectRef, ...]:
    """The gateways of a snapshot, broken ones too, sorted."""
    return tuple(sorted({resource.ref for resource in snapshot.resources if resource.ref.kind == GATEWAY}))


def compile_gateway(
    snapshot: Snapshot,
    gateway: ObjectRef,
    *,
    store_default: StoreDefault = "None",
    validation: Validation | None = None,
) -> Compiled:
    """The configuration of `gateway`. Never raises for what a manifest, Secret or ConfigMap holds.

    `store_default`: what a gateway without a store has; local mode says "Embedded", and may reach loopback unless the
    gateway says otherwise: it is served there itself. `validation`: remembers validated
    objects from one call to the next; without it everything is validated anew.
    """
    return _compile(Inventory(snapshot, validation), gateway, store_default)


def lint(
    snapshot: Snapshot, *, store_default: StoreDefault = "None", validation: Validation | None = None
) -> tuple[Finding, ...]:
    """Every finding on every object, also on those that belong to no gateway, sorted and without repetition."""
    inventory = Inventory(snapshot, validation)
    findings: set[Finding] = set()
    for gateway in inventory.gateways.values():
        findings.update(gateway.findings)
    named = set(inventory.gateways)
    for attached in inventory.attachable:
        findings.update(attached.findings)
        named.update(ObjectRef(GATEWAY, name.namespace, name.name) for name in _names_of(attached) or ())
    for ref in named:
        findings.update(_compile(inventory, ref, store_default).findings)
    findings.update(stray_keys(inventory.secrets, inventory.gateways))
    return tuple(sorted(findings))


def _compile(inventory: Inventory, ref: ObjectRef, store_default: StoreDefault) -> Compiled:
    checked = inventory.gateways.get(ref)
    if checked is None:
        return Compiled(configuration=None, findings=tuple(sorted(_gateway_not_found(inventory, ref))))
    findings = list(checked.findings)
    gateway = checked.object
    if gateway is None:
        return Compiled(configuration=None, findings=tuple(sorted(findings)))
    store = compile_store(gateway, ref, inventory.values, store_default)
    findings += store.findings
    sign_in = compile_sign_in(gateway, ref, inventory.values)
    findings += sign_in.findings
    workloads, problems = compile_workloads(gateway, ref)
    findings += problems
    findings += client_findings(gateway, ref)

    catalogue, problems = gateway_catalogue(gateway, ref)
    findings += problems
    egress, problems = gateway_parts.egress(gateway, ref, inventory.values, loopback_default=store_default != "None")
    findings += problems
    findings += gateway_url_findings(gateway, ref, egress)

    pods = store_default == "None"
    attached = _attached(inventory.bindings.values(), checked, inventory, findings)
    bindings = [
        compile_binding(each, gateway=ref, values=inventory.values, catalogue=catalogue, egress=egress, pods=pods)
        if each.object
        else _broken(each)
        for each in attached
    ]
    for binding in bindings:
        findings += binding.findings
    upstreams = sorted(
        (binding.upstream for binding in bindings if binding.upstream), key=lambda each: (-each.priority, each.name)
    )
    catalogue = catalogue.with_spellings(spelling for binding in bindings for spelling in binding.spellings)
    surroundings = Surroundings(
        gateway=ref,
        catalogue=catalogue,
        upstream_models={upstream.name: upstream.models for upstream in upstreams},
        bindings=frozenset(f"{each.ref.namespace}/{each.ref.name}" for each in attached),
        has_store=has_store(gateway, store_default),
        identity_providers=frozenset(provider.name for provider in gateway.spec.identity.oidc),
        workloads=frozenset(workload.name for workload in gateway.spec.identity.workloads),
    )
    policies = compile_policies(_attached(inventory.policies.values(), checked, inventory, findings), surroundings)
    findings += policies.findings
    keys, problems = developer_keys(inventory.secrets, gateway=ref, rules=gateway.spec.identity.developer_keys)
    findings += problems
    administrators, problems = admin_keys(inventory.secrets, gateway=ref)
    findings += problems
    telemetry, header_values, problems = compile_telemetry(gateway, ref, inventory.values)
    findings += problems
    findings += _lonely(ref, has_bindings=bool(attached), has_policies=bool(policies.policies or policies.base))

    configuration = Configuration(
        gateway=gateway_parts.identity(gateway, ref),
        limits=gateway_parts.limits(gateway),
        clients=clients(gateway),
        safeguards=gateway_parts.safeguards(gateway),
        billing_group_tag=gateway.spec.spend.billing_group_tag,
        egress=egress,
        models=catalogue.models,
        upstreams=tuple(upstreams),
        policies=policies.policies,
        base=policies.base,
        developer_keys=keys,
        subscription_passthrough=gateway.spec.identity.subscription_passthrough,
        settings_documents=policies.settings_documents,
        telemetry=telemetry,
        audit=gateway_parts.audit(gateway),
        identity_providers=tuple(sign_in.providers),
        workload_issuers=workloads,
        session=gateway_parts.session(gateway),
        store=store.store,
        admin_keys=administrators,
        admin_groups=tuple(sorted(gateway.spec.spend.admin_groups)),
    )
    return Compiled(
        configuration=None if store.refused or sign_in.refused else configuration,
        credentials={
            **{name: value for binding in bindings for name, value in binding.credentials.items()},
            **sign_in.credentials,
            **store.credentials,
            **header_values,
        },
        token_audiences=tuple(sorted({audience for each in bindings for audience in each.token_audiences})),
        findings=tuple(sorted(set(findings))),
        sources=Sources(
            policies=policies.statements,
            base=policies.base_statements,
            bindings_left_out=_left_out(bindings, findings),
            group_limit_mode=gateway.spec.spend.group_limit_mode,
        ),
    )


def _broken(checked: Checked[ProviderBinding]) -> CompiledBinding:
    """A binding that breaks its schema: left out, its findings are in `checked`."""
    return CompiledBinding(checked.ref)


def _names_of(checked: Attachable) -> list[GatewayName] | None:
    """The gateways an object refers to; None when that cannot be read."""
    if isinstance(checked.object, ProviderBinding | GatewayPolicy):
        return gateway_names(checked.object.spec.gateway_refs, checked.ref.namespace)
    salvaged = salvaged_gateways(checked.resource.manifest, checked.ref.namespace)
    if salvaged is None:
        return None
    return [
        GatewayName(namespace, name, f"spec.gatewayRefs[{position}]")
        for position, (namespace, name) in enumerate(salvaged)
    ]


def _attached(
    objects: Iterable[_Attached],
    gateway: Checked[GatewayDeployment],
    inventory: Inventory,
    findings: list[Finding],
) -> list[_Attached]:
    """The bindings or policies of a gateway: those that refer to it and that it lets in. Their findings are added.

    An object whose references cannot be read is taken to refer to every gateway that would let it in.
    """
    spec = validated(gateway).spec
    attached = []
    for checked in objects:
        policy = checked.ref.kind == POLICY
        names = _names_of(checked)
        mine = [name for name in names or () if (name.namespace, name.name) == gateway.ref[1:]]
        if names is not None and not mine:
            continue
        rule = spec.allowed_policies if policy else spec.allowed_bindings
        admitted = admits(
            rule,
            gateway_namespace=gateway.ref.namespace,
            namespace=checked.ref.namespace,
            labels=inventory.namespace_labels,
        )
        if not admitted and not mine:
            continue
        findings += checked.findings
        if admitted:
            attached.append(checked)
            continue
        field = "allowedPolicies" if policy else "allowedBindings"
        message = f"{gateway.ref} does not let in objects of namespace {checked.ref.namespace}: see its spec.{field}"
        findings += [error(checked.ref, name.path, Reason.NOT_ALLOWED_BY_GATEWAY, message) for name in mine]
    return attached


def _gateway_not_found(inventory: Inventory, ref: ObjectRef) -> list[Finding]:
    """Findings on the objects that refer to a gateway that is not there."""
    return [
        error(checked.ref, name.path, Reason.GATEWAY_NOT_FOUND, f"{ref} does not exist", condition="ResolvedRefs")
        for checked in inventory.attachable
        for name in _names_of(checked) or ()
        if (name.namespace, name.name) == ref[1:]
    ]


def _lonely(ref: ObjectRef, *, has_bindings: bool, has_policies: bool) -> list[Finding]:
    findings = []
    if not has_bindings:
        message = "no ProviderBinding refers to it in gatewayRefs: it cannot answer any request"
        findings.append(warning(ref, "", Reason.NO_BINDINGS, message))
    if not has_policies:
        message = "no GatewayPolicy refers to it in gatewayRefs: every caller is denied"
        findings.append(warning(ref, "", Reason.NO_POLICIES, message))
    return findings


def _left_out(bindings: Iterable[CompiledBinding], findings: Iterable[Finding]) -> dict[str, str]:
    listed = sorted(findings)
    return {
        f"{binding.ref.namespace}/{binding.ref.name}": "; ".join(
            finding.message for finding in listed if finding.ref == binding.ref
        )
        for binding in bindings
        if binding.upstream is None
    }
