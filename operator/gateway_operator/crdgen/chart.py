"""The CRDs as templates of the Helm chart: switched by `crds.enabled`, kept at an uninstall by `crds.keep`."""

from typing import Final

HEADER: Final = "{{- /* Written by `make crds` from the models in operator/gateway_operator/api; edit those. */}}\n"
_METADATA: Final = "metadata:\n"
_ADDED: Final = """\
  labels:
    {{- include "claude-gateway-operator.labels" . | nindent 4 }}
  {{- if or .Values.crds.keep .Values.crds.annotations }}
  annotations:
    {{- if .Values.crds.keep }}
    helm.sh/resource-policy: keep
    {{- end }}
    {{- with .Values.crds.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
"""


def as_template(definition: str) -> str:
    """The template for a definition's YAML. Text of the models that looks like a template's action stays text.

    Raises `ValueError` for YAML without `metadata` at its top.
    """
    head, metadata, rest = definition[definition.index("apiVersion:") :].partition(f"\n{_METADATA}")
    if not metadata:
        raise ValueError("the definition has no metadata at its top")
    body = f"{_literal(head)}\n{_METADATA}{_ADDED}{_literal(rest)}"
    return f"{HEADER}{{{{- if .Values.crds.enabled }}}}\n{body}{{{{- end }}}}\n"


def _literal(text: str) -> str:
    return text.replace("{{", '{{ "{{" }}')
