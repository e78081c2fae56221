"""`claude-gateway render`."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway_operator.cli import compiled as compiling
from gateway_operator.cli.output import Markup, fail, print_json

if TYPE_CHECKING:
    from gateway_operator.compiler import Compiled, ObjectRef


def render(
    directory: compiling.Directory,
    gateway: compiling.GatewayName = None,
    output: Annotated[Markup, typer.Option("--output", "-o", help="How to write it.")] = Markup.YAML,
) -> None:
    """Show the compiled configuration and the Kubernetes objects that manifests lead to.

    \b
    For each gateway: the configuration that its proxies act on, with every default and merge
    resolved, and the Secrets that carry it. Values of Secrets are masked. This version writes the
    Secrets only; Deployments, Services and the other children come with the operator.

    \b
    Examples:
      claude-gateway render manifests/
      claude-gateway render manifests/ -o json | jq '.gateways[0].configuration.policies[].name'

    \b
    Exit code: 0; 1 when a gateway cannot be compiled; 2 unreadable.
    """
    from gateway_operator.compiler import gateways

    manifests = compiling.read(directory)
    refs = gateways(manifests.snapshot) if gateway is None else ()
    rendered = [
        _gateway(ref, compiling.compiled_gateway(manifests, ref))
        for ref in refs or [compiling.chosen(manifests, directory, gateway)]
    ]
    if output is Markup.JSON:
        print_json({"gateways": rendered})
        return
    for part in rendered:
        _write_yaml(f"{part['gateway']}: compiled configuration, revision {part['revision']}", part["configuration"])
        for document in part["objects"]:
            _write_yaml(None, document)


def _gateway(ref: "ObjectRef", compiled: "Compiled") -> dict[str, Any]:
    from gateway_config import bundle
    from gateway_config.canonical import document, revision_of
    from gateway_operator.local.secret_manifests import config_secrets

    assert compiled.configuration is not None, "compiled_gateway() sees to it"
    plain = document(compiled.configuration)
    try:
        files = bundle.pack(compiled.configuration, credentials=compiled.credentials, sequence=1)
    except bundle.BundleError as error:
        fail(f"{ref}: {error}")
    return {
        "gateway": f"{ref.namespace}/{ref.name}",
        "revision": revision_of(plain),
        "configuration": json.loads(plain),
        "objects": config_secrets(ref, files, credentials=compiled.credentials),
    }


def _write_yaml(comment: str | None, value: Any) -> None:
    import yaml

    text = yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=120)
    sys.stdout.write(f"---\n{f'# {comment}' + chr(10) if comment else ''}{text}")
