"""`claude-gateway explain`."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway_operator.cli import cluster
from gateway_operator.cli import compiled as compiling
from gateway_operator.cli.output import Exit, Format, console, fail, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from gateway_config.callers import Caller
    from gateway_config.contract import IdentityProvider, WorkloadIssuer
    from gateway_operator.compiler import Explanation
    from gateway_operator.compiler.explain import Hop

LABEL_WIDTH = 10
_LIMITS = {
    "requestsPerMinute": "requests a minute",
    "tokensPerMinute": "tokens a minute",
    "openStreams": "requests at once",
}


def explain(
    user: Annotated[str, typer.Option(metavar="USER", help="The user's id or email address.")],
    directory: compiling.Directory = None,
    group: Annotated[list[str] | None, typer.Option(metavar="GROUP", help="A group of theirs. Repeatable.")] = None,
    email: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Their email address, where the id is something else.")
    ] = None,
    identity_provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="The identity provider that they signed in with.")
    ] = None,
    workload: Annotated[
        str | None, typer.Option(metavar="NAME", help="The workload whose token a CI job or a pod presents.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Also show the route of this model.")] = None,
    gateway: compiling.GatewayName = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="For people or for scripts.")] = Format.TEXT,
    context: cluster.Context = None,
    namespace: cluster.Namespace = None,
    all_namespaces: cluster.AllNamespaces = False,
    kubeconfig: cluster.Kubeconfig = None,
) -> None:
    """Tell what one caller may do, and which object says so.

    \b
    Shows the policy that decides, the models, the caps, the upstreams that are tried for a model,
    and for a refusal the sentence that the developer reads. Without a DIR, with --context,
    --namespace or -A, for the gateway in a cluster.

    \b
    Examples:
      claude-gateway explain manifests/ --user bob@corp.example --group contractors
      claude-gateway explain manifests/ --user alice --group engineering --model claude-opus-5-5
      claude-gateway explain manifests/ --user 00u1 --email a@corp.example --identity-provider okta
      claude-gateway explain manifests/ --user ci:corp/app --group ci --workload github
      claude-gateway explain --namespace claude --user alice --group engineering
      claude-gateway explain manifests/ --user alice -o json | jq -r '.models[].id'

    \b
    Exit code: 0, for a caller who is denied too; 1 when the gateway cannot be compiled; 2 unreadable.
    """
    from gateway_config.callers import Caller
    from gateway_operator.compiler import explain as explained

    where = cluster.Where(context=context, kubeconfig=kubeconfig, namespace=namespace, all_namespaces=all_namespaces)
    manifests = compiling.read(directory, where)
    ref = compiling.chosen(manifests, directory, gateway)
    compiled = compiling.compiled_gateway(manifests, ref)
    caller = Caller(
        user=user,
        email=email,
        groups=frozenset(group or ()),
        workload=workload,
        identity_provider=identity_provider,
    )
    assert compiled.configuration is not None, "else the command has ended"
    _check_known("--identity-provider", identity_provider, compiled.configuration.identity_providers)
    _check_known("--workload", workload, compiled.configuration.workload_issuers)
    explanation = explained(compiled, caller, model)
    if output is Format.JSON:
        print_json(_plain(explanation))
        return
    out = console()
    for line in _lines(explanation):
        out.print(line)


def _check_known(option: str, name: str | None, known: "Sequence[IdentityProvider | WorkloadIssuer]") -> None:
    names = [each.name for each in known]
    if name is not None and name not in names:
        fail(f"{option} {name}: the gateway has {', '.join(names) or 'none'}", code=Exit.UNREADABLE)


def _plain(value: Any) -> Any:
    """Dataclasses, named tuples and sets as JSON has them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return str(value)
    if isinstance(value, frozenset | set):
        return sorted(map(_plain, value))
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value


def _lines(explanation: "Explanation") -> "list[Text]":
    from rich.text import Text

    caller = explanation.caller
    groups = f" ({', '.join(sorted(caller.groups))})" if caller.groups else " (no groups)"
    rows = [("caller", f"{caller.user}{groups}{_origin(caller)}"), ("gateway", explanation.gateway)]
    rows.append(("policy", _policy(explanation)))
    rows += [("", f"passed over: {passed.policy}: {passed.why}") for passed in explanation.passed_over]
    rows.append(("access", explanation.access + _source(explanation, "access")))
    if explanation.sentence is not None:
        rows.append(("", f"every request is answered: {explanation.sentence}"))
    rows += _model_rows(explanation)
    rows += _limit_rows(explanation)
    rows += [
        (
            "cap",
            f"{cap.period} ${cap.amount_usd} {cap.kind}{'' if cap.in_force else ' (not in force)'} from {cap.source}",
        )
        for cap in explanation.caps
    ]
    rows += _settings_rows(explanation)
    rows += _route_rows(explanation)
    lines = []
    last = ""
    for label, text in rows:
        shown = "" if label == last else label
        last = label or last
        style = {"Allow": "green", "Deny": "red"}.get(text.partition(" ")[0], "")
        lines.append(Text.assemble((f"{shown:<{LABEL_WIDTH}}", "cyan"), (text, style)))
    return lines


def _origin(caller: "Caller") -> str:
    parts = [
        f", {word} {value}"
        for word, value in (
            ("email", caller.email),
            ("signed in with", caller.identity_provider),
            ("workload", caller.workload),
        )
        if value
    ]
    return "".join(parts)


def _policy(explanation: "Explanation") -> str:
    if explanation.policy is None:
        return "none matches, and there is no base layer"
    return f"{explanation.policy}{' (base layer: no policy matches)' if explanation.layer == 'Base' else ''}"


def _source(explanation: "Explanation", part: str) -> str:
    refs = explanation.sources.get(part, ())
    return f"  from {' and '.join(f'{ref.namespace}/{ref.name}' for ref in refs)}" if refs else "  by default"


def _model_rows(explanation: "Explanation") -> list[tuple[str, str]]:
    if explanation.access == "Deny":
        return []
    rows = [("models", f"{len(explanation.models) or 'none'}{_source(explanation, 'availableModels')}")]
    rows += [
        (
            "models",
            f"  {model.id}  {'via ' + ', '.join(model.upstreams) if model.upstreams else 'served by no upstream'}",
        )
        for model in explanation.models
    ]
    return rows


def _limit_rows(explanation: "Explanation") -> list[tuple[str, str]]:
    return [
        ("limit", f"{most} {_LIMITS[name]}{_source(explanation, f'rateLimits.{name}')}")
        for name, most in explanation.rate_limits.items()
    ]


def _settings_rows(explanation: "Explanation") -> list[tuple[str, str]]:
    names = [name for name in explanation.sources if name.startswith("settings.")]
    rows = [("settings", f"{name.removeprefix('settings.')}{_source(explanation, name)}") for name in names]
    if explanation.desktop is not None:
        rows.append(("desktop", f"configured{_source(explanation, 'desktop')}"))
    return rows


def _hop_details(hop: "Hop") -> str:
    share = f", {hop.share:.0%} of the sessions (weight {hop.weight})" if hop.share < 1 else ""
    most = f", at most {hop.max_concurrent_requests} requests at once in a pod" if hop.max_concurrent_requests else ""
    failures = f"{hop.failures_before_cool_down} failure{'s' if hop.failures_before_cool_down > 1 else ''}"
    return f"{share}{most}, behind the others for {hop.cool_down_seconds:g} s after {failures}"


def _route_rows(explanation: "Explanation") -> list[tuple[str, str]]:
    answer = explanation.model
    if answer is None:
        return []
    known = f"{answer.asked} is {answer.id}" if answer.id and answer.id != answer.asked else answer.asked
    rows = [("route", known)]
    rows += [
        ("route", f"  {number}. {hop.upstream} as {hop.model} (priority {hop.priority}){_hop_details(hop)}")
        for number, hop in enumerate(answer.route, 1)
    ]
    rows += [("route", f"  not {skipped.upstream}: {skipped.why}") for skipped in answer.skipped]
    if answer.sentence is not None:
        rows.append(("route", f"Deny  refused: {answer.sentence}"))
    return rows
