"""A gateway as a directory of manifests, for the rows that measure `claude-gateway up`."""

import hashlib
from pathlib import Path

from bench import payloads
from bench.configuration import KEY, OTHER_MODEL, PROBE_KEY
from bench.providers import API_KEY

_GATEWAY = """\
apiVersion: claude-gateway.dev/v1alpha1
kind: GatewayDeployment
metadata: {{name: corp, namespace: claude}}
spec:
  publicURL: https://claude.corp.example
  egress: {{allowLoopback: true}}
---
apiVersion: claude-gateway.dev/v1alpha1
kind: ProviderBinding
metadata: {{name: anthropic, namespace: claude}}
spec:
  gatewayRefs: [{{name: corp}}]
  type: Anthropic
  anthropic:
    baseURL: http://{upstream}
    apiKeySecretRef: {{name: anthropic, key: api-key}}
---
apiVersion: v1
kind: Secret
metadata: {{name: anthropic, namespace: claude}}
stringData: {{api-key: {credential}}}
"""

_KEY = """\
apiVersion: v1
kind: Secret
metadata: {{name: key-{user}, namespace: claude, labels: {{claude-gateway.dev/gateway: corp}}}}
type: claude-gateway.dev/developer-key
stringData:
  sha256: {digest}
  user: {user}@corp.example
  groups: |
    {group}
"""

_POLICY = """\
apiVersion: claude-gateway.dev/v1alpha1
kind: GatewayPolicy
metadata: {{name: policy-{number:04}, namespace: claude}}
spec:
  gatewayRefs: [{{name: corp}}]
  priority: {priority}
  matches: [{{groups: [team-{number}]}}]
  availableModels: [{models}]
"""


class Directory:
    """Manifests with `policies` policies, one a file; the load's caller is matched in the middle, the probe's last."""

    def __init__(self, path: Path, *, upstream: str, policies: int) -> None:
        self.path = path
        self._last = policies - 1
        path.mkdir()
        self._write("gateway.yaml", _GATEWAY.format(upstream=upstream, credential=API_KEY))
        for user, key, team in (("load", KEY, policies // 2), ("probe", PROBE_KEY, self._last)):
            digest = hashlib.sha256(key.encode()).hexdigest()
            self._write(f"key-{user}.yaml", _KEY.format(user=user, digest=digest, group=f"team-{team}"))
        for number in range(policies):
            self._policy(number, models=(payloads.MODEL, OTHER_MODEL))

    def allow_probe(self, allowed: bool) -> None:
        """Edits one policy, as an editor saves a file: whole, under a hidden name, and renamed."""
        self._policy(self._last, models=(payloads.MODEL if allowed else OTHER_MODEL,))

    def _policy(self, number: int, *, models: tuple[str, ...]) -> None:
        text = _POLICY.format(number=number, priority=10_000 - number, models=", ".join(models))
        self._write(f"policy-{number:04}.yaml", text)

    def _write(self, name: str, text: str) -> None:
        hidden = self.path / f".{name}.new"
        hidden.write_text(text)
        hidden.replace(self.path / name)
