"""`claude-gateway operator`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway_operator.cli.output import Exit, fail

_PREFIX = "CLAUDE_GATEWAY_OPERATOR_"
_LEVELS = ("debug", "info", "warning", "error")


def _option(name: str, help_text: str, *, metavar: str, show_default: str | bool = True) -> "typer.models.OptionInfo":
    """Every option is an environment variable too, so that a chart need not compose a command."""
    option: typer.models.OptionInfo = typer.Option(
        f"--{name}",
        metavar=metavar,
        help=help_text,
        envvar=_PREFIX + name.replace("-", "_").upper(),
        show_default=show_default,
    )
    return option


def operator(
    namespaces: Annotated[
        str,
        _option(
            "namespaces",
            "Namespaces to look after, separated by commas. One namespace's gateways then take objects of these only.",
            metavar="NAMES",
            show_default="the whole cluster",
        ),
    ] = "",
    operator_namespace: Annotated[
        str,
        _option(
            "operator-namespace",
            "Where the Lease is kept, and where gateways expect this operator's pods.",
            metavar="NAME",
            show_default="the pod's own, or the kubeconfig context's",
        ),
    ] = "",
    operator_pod_labels: Annotated[
        str,
        _option(
            "operator-pod-labels",
            "Labels of the operator's pods, by which NetworkPolicies let them reach the gateways' admin ports.",
            metavar="KEY=VALUE,...",
            show_default="app.kubernetes.io/name=claude-gateway-operator",
        ),
    ] = "",
    identity: Annotated[
        str,
        _option(
            "identity",
            "Name under which the Lease is held: unique to this pod, and the same after a restart of its container.",
            metavar="NAME",
            show_default="the host name, which is the pod's name",
        ),
    ] = "",
    lease_name: Annotated[str, _option("lease-name", "Name of the Lease.", metavar="NAME")] = "claude-gateway-operator",
    proxy_image: Annotated[
        str,
        _option(
            "proxy-image",
            "Image of the proxy, for gateways that name none.",
            metavar="IMAGE",
            show_default="claude-gateway-proxy of this version",
        ),
    ] = "",
    image_pull_policy: Annotated[
        str,
        _option(
            "image-pull-policy",
            "Always, IfNotPresent or Never, for the proxies' pods.",
            metavar="POLICY",
            show_default="Kubernetes' own",
        ),
    ] = "",
    listen: Annotated[
        str, _option("listen", "Address of /livez, /readyz and /metrics; port 0 takes a free one.", metavar="HOST:PORT")
    ] = ":8080",
    resync_seconds: Annotated[
        float,
        _option(
            "resync-seconds", "Seconds from one look at everything to the next, a tenth more or less.", metavar="N"
        ),
    ] = 600.0,
    workers: Annotated[int, _option("workers", "Gateways that are worked on at once.", metavar="N")] = 16,
    crd_wait_seconds: Annotated[
        float,
        _option("crd-wait-seconds", "Seconds to wait for the CRDs of this version before ending.", metavar="N"),
    ] = 60.0,
    log_level: Annotated[str, _option("log-level", "debug, info, warning or error.", metavar="LEVEL")] = "info",
    kubeconfig: Annotated[
        Path | None,
        _option(
            "kubeconfig",
            "Access to the cluster.",
            metavar="PATH",
            show_default="the pod's service account, else KUBECONFIG, else ~/.kube/config",
        ),
    ] = None,
    context: Annotated[
        str | None,
        _option("context", "Context of the kubeconfig.", metavar="NAME", show_default="its current one"),
    ] = None,
) -> None:
    """Run the control plane: what the chart runs in a cluster.

    \b
    Watches GatewayDeployments, ProviderBindings and GatewayPolicies, runs the gateways they describe,
    and writes what became of them into their status. Any number may run: one holds the Lease and works,
    the others wait for it and are ready.

    \b
    Examples:
      claude-gateway operator
      claude-gateway operator --namespaces claude,claude-staging --operator-namespace claude
      claude-gateway operator --kubeconfig ~/.kube/config --context test --listen 127.0.0.1:0

    \b
    Every option is an environment variable too, as shown beside it.
    /livez fails when a part without which the process is no use has ended. /readyz says what is waited for.
    Standard error carries the log, one JSON object a line.

    \b
    Exit code: 0 after SIGTERM or Ctrl-C, 1 a part of it failed, 2 options or credentials cannot be used,
    3 the CRDs are missing or of another version, 4 the Lease was lost (nothing is written any more).
    """
    import logging

    from gateway_operator.local.addresses import AddressError, parse
    from gateway_operator.main import main
    from gateway_operator.settings import Settings, SettingsError, labels_of, names_of

    if log_level.lower() not in _LEVELS:
        fail(f"--log-level {log_level}: write {', '.join(_LEVELS)}", code=Exit.UNREADABLE)
    try:
        settings = Settings(
            namespaces=names_of(namespaces, option="--namespaces"),
            operator_namespace=operator_namespace,
            operator_pod_labels=labels_of(operator_pod_labels, option="--operator-pod-labels"),
            identity=identity,
            lease_name=lease_name,
            proxy_image=proxy_image,
            image_pull_policy=image_pull_policy,
            listen=parse(listen),
            resync=resync_seconds,
            workers=workers,
            crd_wait=crd_wait_seconds,
            log_level=logging.getLevelNamesMapping()[log_level.upper()],
            kubeconfig=kubeconfig,
            context=context,
        )
    except (AddressError, SettingsError) as error:
        fail(str(error), code=Exit.UNREADABLE)
    raise typer.Exit(main(settings))
