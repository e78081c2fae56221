"""The operator's process does without the generated clients: their models alone cost 130 MB."""

from __future__ import annotations

import subprocess
import sys


def _modules_after(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_a_pod_imports_nothing_of_the_kubernetes_library() -> None:
    modules = _modules_after("import gateway_operator.kube.access, gateway_operator.kube.watching")
    assert not any(name.partition(".")[0] in {"kubernetes", "kopf"} for name in modules)


def test_a_kubeconfig_brings_no_generated_models() -> None:
    modules = _modules_after("import kubernetes.aio.config, kubernetes.aio.client.configuration")
    assert not any(name.startswith(("kubernetes.aio.client.models.", "kubernetes.aio.client.api.")) for name in modules)
