"""`claude-gateway check`."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway_operator.cli import cluster
from gateway_operator.cli import compiled as compiling
from gateway_operator.cli.output import Exit, Format, console, fail, fail_unreadable, print_json

if TYPE_CHECKING:
    from gateway_operator.checks.plan import Plan
    from gateway_operator.checks.process import Wanted
    from gateway_operator.checks.results import Results

MAX_SECONDS = 600.0


def check(
    directory: compiling.Directory = None,
    gateway: compiling.GatewayName = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="Try this model. Repeatable.",
            show_default="up to four that policies open, the newest and cheapest",
        ),
    ] = None,
    all_models: Annotated[bool, typer.Option("--all-models", help="Try every model that some policy opens.")] = False,
    secret_env: compiling.SecretEnv = None,
    pod_identity: Annotated[
        bool,
        typer.Option("--pod-identity", help="Try bindings of the pod's identity with the one that this machine has."),
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, max=MAX_SECONDS, help="For each request.")
    ] = 30.0,
    output: Annotated[Format, typer.Option("--output", "-o", help="For people or for scripts.")] = Format.TEXT,
    context: cluster.Context = None,
    namespace: cluster.Namespace = None,
    all_namespaces: cluster.AllNamespaces = False,
    kubeconfig: cluster.Kubeconfig = None,
) -> None:
    """Ask every upstream for one token, and tell the way out of what fails.

    \b
    Each binding is called from this machine by the code that serves requests: with its
    credential, in its region, through the gateway's forward proxy. A streamed message of one
    token is asked for with each model, one that is not streamed with the first, and a count of
    tokens. This costs a few tokens. A binding that is broken does not keep the others from being
    tried. Without a DIR, with --context, --namespace or -A, for the gateway in a cluster, whose
    Secrets you must be allowed to read. What uses a pod's own identity is checked in a pod:
      kubectl exec -n claude deploy/corp -c proxy -- \\
        claude-gateway-proxy --config /etc/claude-gateway --check

    \b
    Examples:
      claude-gateway check manifests/
      claude-gateway check manifests/ --secret-env anthropic/api-key=ANTHROPIC_API_KEY
      claude-gateway check --context production --namespace claude --gateway corp
      claude-gateway check manifests/ --model claude-opus-5-5 --timeout 60
      claude-gateway check manifests/ -o json | jq '.bindings[].calls[] | select(.ok | not)'

    \b
    Exit code: 0 every binding answers, or is for a pod to check; 1 something failed, or nothing
    could be tried; 2 manifests that cannot be used.
    """
    from gateway_operator.checks.plan import PlanError, plan
    from gateway_operator.checks.process import Wanted
    from gateway_operator.local.overrides import OptionError, secret_value

    where = cluster.Where(context=context, kubeconfig=kubeconfig, namespace=namespace, all_namespaces=all_namespaces)
    try:
        values = [secret_value(option) for option in secret_env or ()]
    except OptionError as error:
        fail(str(error), code=Exit.UNREADABLE)
    manifests = compiling.read(directory, where)
    ref = compiling.chosen(manifests, directory, gateway)
    try:
        planned = plan(
            manifests, ref, secret_values=values, from_files=directory is not None, pod_identity=pod_identity
        )
    except PlanError as error:
        fail_unreadable(error.problems)
    if not planned.bindings:
        fail(f"no ProviderBinding refers to the gateway {ref.namespace}/{ref.name}")
    results = _checked(planned, Wanted(models=model or (), all_models=all_models, seconds=timeout))
    from gateway_operator.cli import check_table

    if output is Format.JSON:
        print_json(check_table.document(f"{ref.namespace}/{ref.name}", results))
    else:
        check_table.show(console(), results)
    if results.failed or not results.tried:
        raise typer.Exit(Exit.ERRORS)


def _checked(planned: "Plan", wanted: "Wanted") -> "Results":
    """Runs the check, with a line that moves where a person looks on."""
    from gateway_config.bundle import BundleError
    from gateway_operator.checks import process
    from gateway_operator.checks.results import Results

    results = Results.about(planned.bindings)
    if not planned.configuration.upstreams:
        return results
    err = console(stderr=True)
    try:
        if err.is_terminal:
            with err.status("starting") as line:
                asyncio.run(process.run(planned, wanted, _progress(results, line.update)))
        else:
            asyncio.run(process.run(planned, wanted, results.take))
    except asyncio.CancelledError:
        raise typer.Exit(128 + 15) from None
    except (process.CheckError, BundleError, OSError) as error:
        fail(str(error))
    return results


def _progress(results: "Results", show: Callable[[str], object]) -> Callable[[Mapping[str, Any]], None]:
    def take(line: Mapping[str, Any]) -> None:
        results.take(line)
        if line.get("event") in ("upstream", "call"):
            done = sum(len(binding.calls) for binding in results.bindings.values())
            model = f" {line['model']}" if "model" in line else ""
            show(f"{done} request{'s' if done != 1 else ''} done, last: {line['upstream']}{model}")

    return take
