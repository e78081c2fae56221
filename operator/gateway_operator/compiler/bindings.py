"""ProviderBindings → upstreams, their models resolved."""

from typing import Literal

from gateway_config.canonical import sha256_hex
from gateway_config.contract import Egress, Health, StaticCredential, Timeouts, Upstream
from gateway_operator.api.v1alpha1 import ProviderBinding
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.provider_binding import ProviderBindingSpec
from gateway_operator.api.v1alpha1.providers import Anthropic
from gateway_operator.api.v1alpha1.references import SecretKeyRef
from gateway_operator.compiler.catalogue import Catalogue
from gateway_operator.compiler.findings import Finding, error, warning
from gateway_operator.compiler.inventory import Checked, validated
from gateway_operator.compiler.references import UnresolvedError, Values
from gateway_operator.compiler.snapshot import ObjectRef
from gateway_operator.compiler.urls import plain_http_finding, url_finding

DEFAULT_BASE_URL = "https://api.anthropic.com"
_BASE_URL = "spec.anthropic.baseURL"
CredentialKind = Literal["ApiKey", "OAuthToken"]


class CompiledBinding:
    """What became of one binding: an upstream with its credential's values, or None and the findings that say why."""

    __slots__ = ("credentials", "findings", "ref", "upstream")

    def __init__(self, ref: ObjectRef) -> None:
        self.ref = ref
        self.upstream: Upstream | None = None
        self.credentials: dict[str, str] = {}
        """For the credentials file."""
        self.findings: list[Finding] = []


def compile_binding(
    checked: Checked[ProviderBinding], *, values: Values, catalogue: Catalogue, egress: Egress
) -> CompiledBinding:
    """One valid binding of this gateway."""
    result = CompiledBinding(checked.ref)
    spec = validated(checked).spec
    if spec.anthropic is None:
        _leave_out(result, checked, "spec.type", f"{spec.type} is not served by this version: the binding is left out")
        return result
    base_url = (spec.anthropic.base_url or DEFAULT_BASE_URL).rstrip("/")
    models, findings = _models(checked.ref, spec, catalogue)
    result.findings += findings
    refused = url_finding(checked.ref, _BASE_URL, base_url, egress)
    if refused is not None:
        result.findings.append(refused)
        return result
    insecure = plain_http_finding(checked.ref, _BASE_URL, base_url, "the credential and every prompt")
    if insecure is not None:
        result.findings.append(insecure)
    found = _credential(result, checked, spec.anthropic, base_url=base_url, values=values)
    if found is None:
        return result
    kind, value = found
    name = f"{checked.ref.namespace}/{checked.ref.name}"
    result.credentials = {name: value}
    result.upstream = Upstream(
        name=name,
        type="Anthropic",
        priority=spec.priority,
        weight=spec.weight,
        base_url=base_url,
        credential=StaticCredential(kind=kind, name=name, sha256=sha256_hex(value.encode())),
        models=models,
        timeouts=Timeouts(
            connect_seconds=spec.timeouts.connect.seconds,
            first_byte_seconds=spec.timeouts.first_byte.seconds,
            idle_seconds=spec.timeouts.idle.seconds,
        ),
        health=Health(
            failures_before_cool_down=spec.health.failures_before_cool_down,
            cool_down_seconds=spec.health.cool_down.seconds,
        ),
        max_concurrent_requests=spec.max_concurrent_requests,
    )
    return result


def _credential(
    result: CompiledBinding,
    checked: Checked[ProviderBinding],
    anthropic: Anthropic,
    *,
    base_url: str,
    values: Values,
) -> tuple[CredentialKind, str] | None:
    credentials: tuple[tuple[str, SecretKeyRef | None, CredentialKind], ...] = (
        ("apiKeySecretRef", anthropic.api_key_secret_ref, "ApiKey"),
        ("oauthTokenSecretRef", anthropic.oauth_token_secret_ref, "OAuthToken"),
    )
    for field, ref, kind in credentials:
        if ref is None:
            continue
        try:
            return kind, values.credential(checked.ref.namespace, ref, url=base_url)
        except UnresolvedError as problem:
            path = f"spec.anthropic.{field}"
            result.findings.append(error(checked.ref, path, problem.reason, str(problem), condition="ResolvedRefs"))
            return None
    message = "workload identity is not served by this version: the binding is left out"
    _leave_out(result, checked, "spec.anthropic.workloadIdentity", message)
    return None


def _leave_out(result: CompiledBinding, checked: Checked[ProviderBinding], path: str, message: str) -> None:
    """Says so once: validation may have warned of the same field."""
    if all(finding.path != path for finding in checked.findings):
        result.findings.append(warning(checked.ref, path, Reason.NOT_IMPLEMENTED, message))


def _models(ref: ObjectRef, spec: ProviderBindingSpec, catalogue: Catalogue) -> tuple[dict[str, str], list[Finding]]:
    """Canonical id → upstream id. A listed model overrides the catalogue's id for it."""
    findings: list[Finding] = []
    defaults = dict(catalogue.default_upstream_ids(spec.type))
    models = {} if spec.only_listed_models else dict(defaults)
    listed: dict[str, int] = {}
    for position, entry in enumerate(spec.models):
        path = f"spec.models[{position}].id"
        canonical = catalogue.names.canonical(entry.id)
        if canonical is None:
            findings.append(warning(ref, path, Reason.MODEL_UNKNOWN, unknown_model(entry.id)))
        elif listed.setdefault(canonical, position) != position:
            first = listed[canonical]
            message = f'"{entry.id}" names the same model as spec.models[{first}]: the first one counts'
            findings.append(warning(ref, path, Reason.MODEL_DUPLICATE, message))
        else:
            models[canonical] = entry.upstream_id or defaults.get(canonical, canonical)
    if not models:
        findings.append(warning(ref, "spec.models", Reason.NO_MODELS, "the binding serves no model"))
    return models, findings


def unknown_model(name: str) -> str:
    return (
        f'"{name}" is no model of this gateway: check the spelling, or name it in spec.models.custom of the '
        "GatewayDeployment"
    )
