"""GatewayPolicies → the list that a proxy goes through, and the base layer.

A policy that cannot be compiled stays in the list and denies the callers whom it was to match. A base layer that cannot
be compiled denies everyone: those who fall to it, and those of the other policies too, because every policy is laid
over it. What it was to close is not known then (its deny-lists, its models, its `access: Deny`), and a policy that says
nothing of a part would open it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway_config.callers import folded
from gateway_config.canonical import canonical_json, sha256_hex
from gateway_config.contract import Match, Policy, RateLimits
from gateway_operator.api.v1alpha1 import GatewayPolicy
from gateway_operator.api.v1alpha1 import gateway_policy as api
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.references import BindingRef
from gateway_operator.compiler.catalogue import Catalogue, unknown_model
from gateway_operator.compiler.findings import Finding, Severity, error, warning
from gateway_operator.compiler.inventory import BINDING, Checked
from gateway_operator.compiler.layers import ANY_UPSTREAM, Access, Layer, Statement, over
from gateway_operator.compiler.merge import desktop_problems, settings_problems
from gateway_operator.compiler.salvage import salvaged_matches, salvaged_priority
from gateway_operator.compiler.snapshot import ObjectRef

_ACCESS: Mapping[api.Access, Access] = {api.Access.ALLOW: "Allow", api.Access.DENY: "Deny"}
_NOT_IN_NAMES = re.compile(r"[^a-z0-9.-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What policies refer to."""

    gateway: ObjectRef
    catalogue: Catalogue
    upstream_models: Mapping[str, Mapping[str, str]]
    """Name of each upstream → the models that it serves."""
    bindings: frozenset[str]
    """Names of the gateway's bindings, those left out too."""
    has_store: bool
    identity_providers: frozenset[str]
    workloads: frozenset[str]
    """Names of those that the gateway has, those left out too."""


@dataclass(slots=True, kw_only=True)
class Draft:
    """A policy on its way."""

    checked: Checked[GatewayPolicy]
    name: str
    matches: tuple[Match, ...]
    priority: float
    statement: Statement
    invalid: str | None = None

    @property
    def order(self) -> tuple[Any, ...]:
        """Sorts what decides first: higher priority, then older, then by name."""
        return (-self.priority, *self.age)

    @property
    def age(self) -> tuple[Any, ...]:
        return (self.checked.resource.age, self.name)


@dataclass(slots=True)
class CompiledPolicies:
    policies: tuple[Policy, ...] = ()
    base: Policy | None = None
    settings_documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    statements: dict[str, tuple[Statement, ...]] = field(default_factory=dict)
    """Name of each policy → what it was merged from, the lowest layer first."""
    base_statements: tuple[Statement, ...] = ()
    findings: list[Finding] = field(default_factory=list)


def compile_policies(attached: Iterable[Checked[GatewayPolicy]], surroundings: Surroundings) -> CompiledPolicies:
    """All policies of one gateway, the broken ones too."""
    result = CompiledPolicies()
    drafts = [_draft(checked, surroundings, result.findings) for checked in attached]
    base_drafts = sorted((draft for draft in drafts if not draft.matches), key=lambda draft: draft.age)
    specific = sorted((draft for draft in drafts if draft.matches), key=lambda draft: draft.order)
    result.findings += _several_bases(base_drafts)
    result.findings += _empty_matches(base_drafts)
    result.findings += _same_priority(specific)

    finish = _Finisher(surroundings, result)
    broken_base = next((draft for draft in base_drafts if draft.invalid), None)
    result.base_statements = tuple(draft.statement for draft in base_drafts)
    base_layer = Layer()
    for draft in base_drafts:
        if broken_base is None:
            base_layer = over(base_layer, draft.statement.layer)
    if base_drafts:
        # Named after the youngest: in a base layer of several, its word is the last.
        result.base = finish(broken_base or base_drafts[-1], base_layer)
    policies = []
    for draft in specific:
        if broken_base is not None and draft.invalid is None:
            draft.invalid = f"the base layer {broken_base.name} that it is laid over is broken: {broken_base.invalid}"
        policies.append(finish(draft, over(base_layer, draft.statement.layer)))
        result.statements[draft.name] = (*result.base_statements, draft.statement)
    result.policies = tuple(policies)
    return result


def _draft(checked: Checked[GatewayPolicy], surroundings: Surroundings, findings: list[Finding]) -> Draft:
    name = _contract_name(checked.ref)
    problems = [finding for finding in checked.findings if finding.severity is Severity.ERROR]
    if checked.object is None:
        matches = salvaged_matches(checked.resource.manifest)
        priority = salvaged_priority(checked.resource.manifest)
        statement = Statement(checked.ref, Layer())
    else:
        spec = checked.object.spec
        matches = tuple(_match(match) for match in spec.matches)
        priority = spec.priority or 0
        problems = [*_semantic_problems(checked.ref, spec, surroundings)]
        findings += problems
        findings += _unknown_sources(checked.ref, spec, surroundings)
        statement = _statement(checked.ref, spec, surroundings, findings)
    invalid = "; ".join(f"{problem.path}: {problem.message}" for problem in problems[:3]) or None
    if checked.object is None and invalid is None:
        invalid = "it breaks its schema"
    return Draft(checked=checked, name=name, matches=matches, priority=priority, statement=statement, invalid=invalid)


def _contract_name(ref: ObjectRef) -> str:
    """`namespace/name`, in the form the contract asks for also where the manifest's own names are junk."""
    return "/".join(_NOT_IN_NAMES.sub("-", part) or "-" for part in (ref.namespace, ref.name))


def _match(match: api.Match) -> Match:
    return Match(
        groups=tuple(match.groups),
        users=tuple(map(folded, match.users)),
        email_domains=tuple(folded(domain).removeprefix("@") for domain in match.email_domains),
        workloads=tuple(match.workloads),
        identity_providers=tuple(match.identity_providers),
    )


def _semantic_problems(ref: ObjectRef, spec: api.GatewayPolicySpec, surroundings: Surroundings) -> list[Finding]:
    """What the schema cannot see and a policy cannot stand with."""
    problems = []
    if spec.settings is not None:
        problems += [
            error(ref, path, Reason.POLICY_INVALID, message) for path, message in settings_problems(spec.settings)
        ]
    if spec.desktop is not None:
        problems += [
            error(ref, path, Reason.POLICY_INVALID, message) for path, message in desktop_problems(spec.desktop)
        ]
    if spec.spend_limits and not surroundings.has_store:
        message = f"{surroundings.gateway} has no store to count spend in: set spec.store there"
        problems.append(error(ref, "spec.spendLimits", Reason.STORE_REQUIRED, message))
    return problems


def _unknown_sources(ref: ObjectRef, spec: api.GatewayPolicySpec, surroundings: Surroundings) -> Iterator[Finding]:
    """Identity providers and workloads of the matches that the gateway does not have: a slip of the pen, mostly."""
    gateway = surroundings.gateway
    for position, match in enumerate(spec.matches):
        for member, names, known, reason in (
            (
                "identityProviders",
                match.identity_providers,
                surroundings.identity_providers,
                Reason.IDENTITY_PROVIDER_UNKNOWN,
            ),
            ("workloads", match.workloads, surroundings.workloads, Reason.WORKLOAD_UNKNOWN),
        ):
            place = "oidc" if member == "identityProviders" else "workloads"
            for number, name in enumerate(names):
                if name not in known:
                    there = ", ".join(sorted(known)) or "nothing"
                    message = f'"{name}" is not in spec.identity.{place} of {gateway}, which holds {there}'
                    yield warning(ref, f"spec.matches[{position}].{member}[{number}]", reason, message)


def _statement(
    ref: ObjectRef, spec: api.GatewayPolicySpec, surroundings: Surroundings, findings: list[Finding]
) -> Statement:
    layer = Layer(
        access=None if spec.access is None else _ACCESS[spec.access],
        models=_models(ref, spec.available_models, surroundings, findings),
        upstreams=_upstreams(ref, spec.providers, surroundings, findings),
        settings=spec.settings,
        desktop=spec.desktop,
        rate_limits=None if spec.rate_limits is None else spec.rate_limits.model_dump(by_alias=True, exclude_none=True),
    )
    return Statement(ref, layer, tuple(spec.spend_limits))


def _models(
    ref: ObjectRef, names: Sequence[str] | None, surroundings: Surroundings, findings: list[Finding]
) -> tuple[str, ...] | None:
    """Canonical ids; a name that means no model grants nothing."""
    if names is None:
        return None
    models: dict[str, None] = {}
    for position, name in enumerate(names):
        canonical = surroundings.catalogue.names.canonical(name)
        if canonical is None:
            path = f"spec.availableModels[{position}]"
            findings.append(warning(ref, path, Reason.MODEL_UNKNOWN, f"{unknown_model(name)}; it grants nothing"))
        else:
            models[canonical] = None
    return tuple(models)


def _upstreams(
    ref: ObjectRef, providers: Sequence[BindingRef] | None, surroundings: Surroundings, findings: list[Finding]
) -> tuple[str, ...] | None:
    """Names of upstreams. One that cannot be used grants nothing, also when it is the only one."""
    if providers is None:
        return None
    if not providers:
        return ANY_UPSTREAM
    upstreams: dict[str, None] = {}
    for position, provider in enumerate(providers):
        path = f"spec.providers[{position}]"
        name = f"{provider.namespace or ref.namespace}/{provider.name}"
        if name in surroundings.upstream_models:
            upstreams[name] = None
        elif name in surroundings.bindings:
            message = f"{BINDING} {name} is left out, see its own findings; until it is repaired it grants nothing"
            findings.append(warning(ref, path, Reason.BINDING_LEFT_OUT, message))
        else:
            message = f"{BINDING} {name} does not exist or is not on {surroundings.gateway}"
            findings.append(error(ref, path, Reason.BINDING_NOT_FOUND, message, condition="ResolvedRefs"))
    return tuple(upstreams)


def _several_bases(drafts: Sequence[Draft]) -> list[Finding]:
    if len(drafts) < 2:
        return []
    names = ", ".join(draft.name for draft in drafts)
    message = (
        f"has no matches, so it is one of {len(drafts)} base policies, merged oldest first ({names}): where they "
        "disagree the younger wins; make them one"
    )
    return [warning(draft.checked.ref, "spec.matches", Reason.SEVERAL_BASE_POLICIES, message) for draft in drafts]


def _empty_matches(drafts: Iterable[Draft]) -> list[Finding]:
    """Warnings for policies that write an empty `matches`, as a template does that found nobody to name."""
    message = (
        "is an empty list, which is no restriction: the policy is a base policy and speaks of every caller; name the "
        "callers, or remove matches if everyone is meant"
    )
    return [
        warning(draft.checked.ref, "spec.matches", Reason.EMPTY_MATCHES, message)
        for draft in drafts
        if draft.checked.object is not None and "matches" in draft.checked.object.spec.model_fields_set
    ]


def _same_priority(drafts: Iterable[Draft]) -> list[Finding]:
    """Warnings for policies whose order only their age decides."""
    groups: dict[float, list[Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.invalid is None:
            groups[draft.priority].append(draft)
    findings = []
    for priority, group in groups.items():
        for position, draft in enumerate(group if len(group) > 1 else ()):
            other, order = (group[0], "after") if position else (group[1], "before")
            message = (
                f"{len(group)} policies have the priority {priority}; for callers that several match, the older "
                f"decides: this one comes {order} {other.name}; give them different priorities"
            )
            findings.append(warning(draft.checked.ref, "spec.priority", Reason.SAME_PRIORITY, message))
    return findings


def _rate_limits(layer: Layer) -> RateLimits:
    """0 is how a policy lifts a limit of the base layer."""
    given = layer.rate_limits or {}
    return RateLimits(
        requests_per_minute=given.get("requestsPerMinute") or None,
        tokens_per_minute=given.get("tokensPerMinute") or None,
        open_streams=given.get("openStreams") or None,
    )


class _Finisher:
    """Turns a draft and its merged layer into the contract's policy."""

    def __init__(self, surroundings: Surroundings, result: CompiledPolicies) -> None:
        self._surroundings = surroundings
        self._result = result
        self._digests: dict[tuple[int, tuple[str, ...] | None], str] = {}
        self._documents: list[Any] = []
        self._served: dict[tuple[str, ...] | None, frozenset[str]] = {}

    def __call__(self, draft: Draft, layer: Layer) -> Policy:
        if draft.invalid is not None:
            # Empty lists besides: a reader that overlooked `invalid` would still grant nothing.
            return Policy(name=draft.name, matches=draft.matches, invalid=draft.invalid, models=(), upstreams=())
        upstreams = None if layer.upstreams == ANY_UPSTREAM else layer.upstreams
        self._warn_of_unserved(draft, upstreams)
        return Policy(
            name=draft.name,
            matches=draft.matches,
            access=layer.access or "Allow",
            models=None if layer.models is None else tuple(sorted(layer.models)),
            upstreams=None if upstreams is None else tuple(sorted(upstreams)),
            settings=self._document(layer),
            rate_limits=_rate_limits(layer),
            desktop=None if layer.desktop is None else dict(layer.desktop),
        )

    def _document(self, layer: Layer) -> str | None:
        """The key of the managed settings; None when no policy of the caller gives any. `availableModels` goes in as
        written, by canonical id."""
        if layer.settings is None and layer.models is None:
            return None
        key = (id(layer.settings), layer.models)
        if key not in self._digests:
            document = dict(layer.settings or {})
            if layer.models is not None:
                document["availableModels"] = list(layer.models)
            digest = sha256_hex(canonical_json(document))
            self._digests[key] = digest
            self._documents.append(layer.settings)  # keeps the id its own
            self._result.settings_documents[digest] = document
        return self._digests[key]

    def _warn_of_unserved(self, draft: Draft, upstreams: tuple[str, ...] | None) -> None:
        """Warns of models that the policy itself names and no upstream open to its callers serves. Where none is open
        to them at all, its cause has been told."""
        models = draft.statement.layer.models
        if not models or not self._surroundings.upstream_models or upstreams == ():
            return
        served = self._served_by(upstreams)
        for model in models:
            if model not in served:
                message = f'no binding open to its callers serves "{model}": map it in a binding\'s spec.models'
                self._result.findings.append(
                    warning(draft.checked.ref, "spec.availableModels", Reason.MODEL_NOT_SERVED, message)
                )

    def _served_by(self, upstreams: tuple[str, ...] | None) -> frozenset[str]:
        if upstreams not in self._served:
            by_name = self._surroundings.upstream_models
            names = by_name if upstreams is None else upstreams
            self._served[upstreams] = frozenset().union(*(by_name[name] for name in names))
        return self._served[upstreams]
