"""ProviderBindings → upstreams, their models resolved."""

from typing import Any, Final
from urllib.parse import urlsplit

from gateway_config.contract import Egress, Health, Timeouts, Upstream
from gateway_operator.api.v1alpha1 import ProviderBinding
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.provider_binding import ProviderBindingSpec
from gateway_operator.compiler.catalogue import Catalogue, unknown_model
from gateway_operator.compiler.filters import request_filters
from gateway_operator.compiler.findings import Finding, warning
from gateway_operator.compiler.inventory import Checked, validated
from gateway_operator.compiler.providers import ROOMS, Keyring, Room, UnusableError
from gateway_operator.compiler.references import Values, host_of
from gateway_operator.compiler.snapshot import ObjectRef
from gateway_operator.compiler.urls import plain_http_finding, url_finding

_ARN: Final = "arn:"
_FOREIGN: Final = (
    "the pods' identity is the gateway's, and a binding of another namespace may not send what it gets to an address "
    "of its own: remove baseURL, or take a credential of a Secret"
)


class CompiledBinding:
    """What became of one binding: an upstream with its credential's values, or None and the findings that say why."""

    __slots__ = ("credentials", "findings", "ref", "spellings", "token_audiences", "upstream")

    def __init__(self, ref: ObjectRef) -> None:
        self.ref = ref
        self.upstream: Upstream | None = None
        self.credentials: dict[str, str] = {}
        """For the credentials file."""
        self.token_audiences: tuple[str, ...] = ()
        """Of the service account's tokens that it needs pods to have."""
        self.spellings: list[tuple[str, str]] = []
        """(canonical id, ARN) of models that clients may name as the upstream does."""
        self.findings: list[Finding] = []


def compile_binding(
    checked: Checked[ProviderBinding],
    *,
    gateway: ObjectRef,
    values: Values,
    catalogue: Catalogue,
    egress: Egress,
    pods: bool,
) -> CompiledBinding:
    """One valid binding of this gateway. `pods`: whether it runs in pods, which get their service account's tokens."""
    result = CompiledBinding(checked.ref)
    spec = validated(checked).spec
    room = ROOMS[spec.type]
    member = room.member(spec)
    place = room.place(member)
    base_url = place.base_url.rstrip("/")
    models, findings = _models(checked.ref, spec, catalogue, room, member)
    result.findings += findings
    filters, findings = request_filters(checked.ref, spec.request_filters, spec.type, catalogue)
    result.findings += findings
    unfit = room.region_warning(member)
    if unfit is not None:
        result.findings.append(warning(checked.ref, f"{room.path}.{unfit.field}", unfit.reason, unfit.message))
    result.spellings = [(model, name) for model, name in models.items() if name.startswith(_ARN)]
    path = f"{room.path}.baseURL"
    refused = url_finding(checked.ref, path, base_url, egress)
    if refused is not None:
        result.findings.append(refused)
        return result
    insecure = plain_http_finding(checked.ref, path, base_url, "the credential and every prompt")
    result.findings += [finding for finding in (insecure, _incomplete(room, checked.ref, path, base_url)) if finding]
    foreign = checked.ref.namespace != gateway.namespace
    keyring = Keyring(ref=checked.ref, values=values, egress=egress, base_url=base_url, pods=pods, foreign=foreign)
    try:
        credential = room.credential(member, keyring)
        if foreign and keyring.by_the_pods and base_url != room.own_address(member):
            raise UnusableError(path, Reason.POD_IDENTITY_NOT_ALLOWED, _FOREIGN)
    except UnusableError as problem:
        result.findings.append(problem.finding(checked.ref))
        return result
    result.findings += keyring.findings
    result.credentials = keyring.kept
    result.token_audiences = tuple(keyring.audiences)
    result.upstream = Upstream(
        name=f"{checked.ref.namespace}/{checked.ref.name}",
        type=spec.type.value,
        priority=spec.priority,
        weight=spec.weight,
        base_url=base_url,
        region=place.region,
        project_id=place.project_id,
        workspace_id=place.workspace_id,
        credential=credential,
        models=models,
        filters=filters,
        forward_user_identity=spec.forward_user_identity,
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


def _incomplete(room: Room[Any], ref: ObjectRef, path: str, base_url: str) -> Finding | None:
    """A warning where an address at one of the provider's own hosts lacks the path that all of them have."""
    for suffix, complete in room.complete_path.items():
        if host_of(base_url).endswith(suffix) and not urlsplit(base_url).path:
            message = f"every request to {host_of(base_url)} fails without {complete}: write {base_url}{complete}"
            return warning(ref, path, Reason.BASE_URL_INCOMPLETE, message)
    return None


def _models(
    ref: ObjectRef, spec: ProviderBindingSpec, catalogue: Catalogue, room: Room[Any], member: Any
) -> tuple[dict[str, str], list[Finding]]:
    """Canonical id → upstream id. A listed model overrides the catalogue's id for it."""
    findings: list[Finding] = []
    place = room.place(member)
    defaults = {builtin.model.id: room.upstream_id(builtin, spec.type, place) for builtin in catalogue.builtin()}
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
            unfit = room.model_warning(member, entry.upstream_id or "")
            if unfit is not None:
                path = f"spec.models[{position}].{unfit.field}"
                findings.append(warning(ref, path, unfit.reason, unfit.message))
    if not models:
        findings.append(warning(ref, "spec.models", Reason.NO_MODELS, "the binding serves no model"))
    return models, findings
