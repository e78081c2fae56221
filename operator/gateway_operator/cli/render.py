"""`claude-gateway render`."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway_operator.cli import cluster
from gateway_operator.cli import compiled as compiling
from gateway_operator.cli.output import Markup, fail, print_json

if TYPE_CHECKING:
    from gateway_operator.api.v1alpha1 import GatewayDeployment
    from gateway_operator.children import ChildSettings, Manifest
    from gateway_operator.compiler import Compiled, ObjectRef, Snapshot


def render(
    directory: compiling.Directory = None,
    gateway: compiling.GatewayName = None,
    output: Annotated[Markup, typer.Option("--output", "-o", help="How to write it.")] = Markup.YAML,
    image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="Image of gateways that name none. Default: this version's."),
    ] = None,
    context: cluster.Context = None,
    namespace: cluster.Namespace = None,
    all_namespaces: cluster.AllNamespaces = False,
    kubeconfig: cluster.Kubeconfig = None,
) -> None:
    """Show the compiled configuration and the Kubernetes objects that manifests lead to.

    \b
    For each gateway: the configuration that its proxies act on, with every default and merge
    resolved, and every object that the operator makes for it, in the order in which it makes them.
    Values of Secrets are masked. A cluster is taken that has the Gateway API and the Prometheus
    operator; without the latter there is no ServiceMonitor and no Service for it. The revision in
    a cluster is another one: it covers the session signing keys, which lie there only.

    \b
    Examples:
      claude-gateway render manifests/
      claude-gateway render --context staging --namespace claude
      claude-gateway render manifests/ -o json | jq '.gateways[0].configuration.policies[].name'
      claude-gateway render manifests/ -o json | jq '.gateways[].objects[] | select(.kind == "Ingress")'

    \b
    Exit code: 0; 1 when a gateway cannot be compiled; 2 unreadable.
    """
    from gateway_operator.compiler import gateways

    where = cluster.Where(context=context, kubeconfig=kubeconfig, namespace=namespace, all_namespaces=all_namespaces)
    manifests = compiling.read(directory, where)
    refs = gateways(manifests.snapshot) if gateway is None else ()
    settings = _settings(image)
    rendered = [
        _gateway(ref, compiling.compiled_gateway(manifests, ref), manifests.snapshot, settings)
        for ref in refs or [compiling.chosen(manifests, directory, gateway)]
    ]
    if output is Markup.JSON:
        print_json({"gateways": rendered})
        return
    for part in rendered:
        _write_yaml(f"{part['gateway']}: compiled configuration, revision {part['revision']}", part["configuration"])
        for document in part["objects"]:
            _write_yaml(None, document)


def _settings(image: str | None) -> "ChildSettings":
    """Of an operator installed by its chart with nothing changed."""
    from importlib.metadata import version

    from gateway_operator import names
    from gateway_operator.children import OPTIONAL_KINDS, ChildSettings

    return ChildSettings(
        image=image or f"{names.PROXY}:{version('claude-gateway-operator')}",
        operator_namespace="claude-gateway-system",
        operator_pod_labels={names.NAME_LABEL: names.MANAGER},
        serves=OPTIONAL_KINDS,
    )


def _gateway(ref: "ObjectRef", compiled: "Compiled", snapshot: "Snapshot", settings: "ChildSettings") -> dict[str, Any]:
    from gateway_config import bundle
    from gateway_config.canonical import document, revision_of
    from gateway_operator.children import children

    assert compiled.configuration is not None, "compiled_gateway() sees to it"
    plain = document(compiled.configuration)
    try:
        files = bundle.pack(compiled.configuration, credentials=compiled.credentials, sequence=1)
    except bundle.BundleError as error:
        fail(f"{ref}: {error}")
    made = children(
        _validated(ref, snapshot), ref=ref, uid="", settings=settings, token_audiences=compiled.token_audiences
    )
    return {
        "gateway": f"{ref.namespace}/{ref.name}",
        "revision": revision_of(plain),
        "configuration": json.loads(plain),
        "objects": [*_secrets(ref, files, compiled), *made.wanted],
    }


def _secrets(ref: "ObjectRef", files: dict[str, bytes], compiled: "Compiled") -> "list[Manifest]":
    """Masked: those with the configuration, and the one that the operator makes up by itself."""
    from gateway_config.bundle import CREDENTIALS_FILE
    from gateway_operator import names
    from gateway_operator.children.secrets import ADMIN_TOKEN_FILE, config_secrets, masked

    hints = {CREDENTIALS_FILE: ", ".join(sorted(compiled.credentials)) or "none"}
    signing = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": names.signing_secret(ref.name),
            "namespace": ref.namespace,
            "labels": names.child_labels(ref.name),
        },
        "type": "Opaque",
        "stringData": {ADMIN_TOKEN_FILE: "(masked, made by the operator, as the session signing keys are)"},
    }
    return [signing, *(masked(secret, hints=hints) for secret in config_secrets(ref, "", files))]


def _validated(ref: "ObjectRef", snapshot: "Snapshot") -> "GatewayDeployment":
    """The gateway's model: the compiler has found it valid."""
    from gateway_operator.api.v1alpha1 import GatewayDeployment, validate

    manifest = next(resource.manifest for resource in snapshot.resources if resource.ref == ref)
    gateway = validate(manifest)
    assert isinstance(gateway, GatewayDeployment)
    return gateway


def _write_yaml(comment: str | None, value: Any) -> None:
    import yaml

    class Plain(yaml.CSafeDumper):
        """Without anchors: objects that share a part are written out."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    text = yaml.dump(value, Dumper=Plain, sort_keys=False, allow_unicode=True, width=120)
    sys.stdout.write(f"---\n{f'# {comment}' + chr(10) if comment else ''}{text}")
