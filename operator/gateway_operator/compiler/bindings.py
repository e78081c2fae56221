"""ProviderBindings → upstreams, their models resolved."""

from typing import Any

from gateway_config.canonical import sha256_hex
from gateway_config.contract import Credential, Timeouts, Upstream
from gateway_operator.compiler.catalogue import Catalogue
from gateway_operator.compiler.findings import Finding, error, warning
from gateway_operator.compiler.inventory import Checked
from gateway_operator.compiler.references import Unresolved, Values
from gateway_operator.compiler.snapshot import ObjectRef

DEFAULT_BASE_URL = "https://api.anthropic.com"
_CREDENTIALS = (
    ("api_key_secret_ref", "apiKeySecretRef", "ApiKey", "api-key"),
    ("oauth_token_secret_ref", "oauthTokenSecretRef", "OAuthToken", "oauth-token"),
)
"""Attribute, field, kind of the credential, the Secret's key when none is named."""


class CompiledBinding:
    """What became of one binding: an upstream with its credential's value, or None and the findings that say why."""

    __slots__ = ("findings", "ref", "upstream", "value")

    def __init__(self, ref: ObjectRef) -> None:
        self.ref = ref
        self.upstream: Upstream | None = None
        self.value = ""
        self.findings: list[Finding] = []


def compile_binding(checked: Checked, *, values: Values, catalogue: Catalogue) -> CompiledBinding:
    """One valid binding of this gateway."""
    result = CompiledBinding(checked.ref)
    spec = checked.object.spec
    if str(spec.type) != "Anthropic":
        _leave_out(result, checked, "spec.type", f"{spec.type} is not served by this version: the binding is left out")
        return result
    base_url = (spec.anthropic.base_url or DEFAULT_BASE_URL).rstrip("/")
    models, findings = _models(checked.ref, spec, catalogue)
    result.findings += findings
    found = _credential(result, checked, base_url=base_url, values=values)
    if found is None:
        return result
    kind, result.value = found
    name = f"{checked.ref.namespace}/{checked.ref.name}"
    result.upstream = Upstream(
        name=name,
        type="Anthropic",
        priority=spec.priority,
        base_url=base_url,
        credential=Credential(kind=kind, name=name, sha256=sha256_hex(result.value.encode())),
        models=models,
        timeouts=Timeouts(
            connect_seconds=spec.timeouts.connect.seconds,
            first_byte_seconds=spec.timeouts.first_byte.seconds,
            idle_seconds=spec.timeouts.idle.seconds,
        ),
    )
    return result


def _credential(result: CompiledBinding, checked: Checked, *, base_url: str, values: Values) -> tuple[Any, str] | None:
    anthropic = checked.object.spec.anthropic
    for attribute, field, kind, default_key in _CREDENTIALS:
        ref = getattr(anthropic, attribute)
        if ref is None:
            continue
        try:
            return kind, values.credential(checked.ref.namespace, ref, default_key=default_key, url=base_url)
        except Unresolved as problem:
            path = f"spec.anthropic.{field}"
            result.findings.append(
                error(checked.ref, path, problem.reason, str(problem), condition="ResolvedRefs")
            )
            return None
    message = "workload identity is not served by this version: the binding is left out"
    _leave_out(result, checked, "spec.anthropic.workloadIdentity", message)
    return None


def _leave_out(result: CompiledBinding, checked: Checked, path: str, message: str) -> None:
    """Says so once: validation may have warned of the same field."""
    if all(finding.path != path for finding in checked.findings):
        result.findings.append(warning(checked.ref, path, "NotImplemented", message))


def _models(ref: ObjectRef, spec: Any, catalogue: Catalogue) -> tuple[dict[str, str], list[Finding]]:
    """Canonical id → upstream id. A listed model overrides the catalogue's id for it."""
    findings: list[Finding] = []
    models = {} if spec.only_listed_models else dict(catalogue.default_upstream_ids(str(spec.type)))
    listed: dict[str, int] = {}
    for position, entry in enumerate(spec.models):
        path = f"spec.models[{position}].id"
        canonical = catalogue.names.canonical(entry.id)
        if canonical is None:
            findings.append(warning(ref, path, "ModelUnknown", unknown_model(entry.id)))
        elif listed.setdefault(canonical, position) != position:
            first = listed[canonical]
            message = f'"{entry.id}" names the same model as spec.models[{first}]: the first one counts'
            findings.append(warning(ref, path, "ModelDuplicate", message))
        else:
            models[canonical] = entry.upstream_id or models.get(canonical) or _default_id(catalogue, spec, canonical)
    if not models:
        findings.append(warning(ref, "spec.models", "NoModels", "the binding serves no model"))
    return models, findings


def _default_id(catalogue: Catalogue, spec: Any, canonical: str) -> str:
    return dict(catalogue.default_upstream_ids(str(spec.type))).get(canonical, canonical)


def unknown_model(name: str) -> str:
    return (
        f'"{name}" is no model of this gateway: check the spelling, or name it in spec.models.custom of the '
        "GatewayDeployment"
    )
