"""The health script for Argo CD, run by Lua as Argo CD runs it: 5.1, with the base and table libraries alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa.lua51 import LuaRuntime

from gateway_operator.api.v1alpha1 import UNKNOWN_CONDITIONS
from gateway_operator.api.v1alpha1.conditions import Reason

FOLDER = Path(__file__).parents[2] / "docs" / "argocd"
SCRIPT = (FOLDER / "health.lua").read_text()
KINDS = ("GatewayDeployment", "ProviderBinding", "GatewayPolicy")
# argo-cd/util/lua: LoadLibName, BaseLibName and TabLibName, and an `os` that tells the time
LIBRARIES = {"os", "package", "table"}


def _health(status: dict[str, Any] | None, *, generation: int = 2, deleted: bool = False) -> tuple[str, str]:
    lua = LuaRuntime(register_eval=False, unpack_returned_tuples=True)
    names = lua.globals()
    for name in list(names.keys()):
        if name not in LIBRARIES and type(names[name]).__name__ == "_LuaTable" and name != "_G":
            names[name] = None
    metadata = {"name": "corp", "generation": float(generation)} | (
        {"deletionTimestamp": "2027-01-01T00:00:00Z"} if deleted else {}
    )
    manifest = {"metadata": metadata} | ({} if status is None else {"status": status})
    names["obj"] = lua.table_from(manifest, recursive=True)
    answer = lua.execute(SCRIPT)
    return answer["status"], answer["message"]


def _status(ready: str, reason: str, message: str = "", *, observed: int = 2) -> dict[str, Any]:
    condition = {"status": ready, "reason": reason, "message": message, "observedGeneration": float(observed)}
    others = [{"type": kind, "status": "True", "reason": kind} for kind in ("Accepted", "ResolvedRefs", "Programmed")]
    return {"observedGeneration": float(observed), "conditions": [*others, {"type": "Ready"} | condition]}


def test_ready_is_healthy() -> None:
    assert _health(_status("True", "Ready")) == ("Healthy", "Ready")


def test_a_mistake_is_degraded_and_says_which() -> None:
    message = "spec.anthropic.apiKeySecretRef: Secret claude/anthropic does not exist"
    assert _health(_status("False", "SecretNotFound", message)) == ("Degraded", f"SecretNotFound: {message}")


@pytest.mark.parametrize("reason", ["NotWritten", "PodsBehind", "PodsNotReady", "NoReadyPods"])
def test_a_rollout_is_progressing(reason: str) -> None:
    assert Reason(reason)
    assert _health(_status("False", reason)) == ("Progressing", reason)


@pytest.mark.parametrize(
    "reason", ["Invalid", "PolicyInvalid", "GatewayNotFound", "NotAllowedByGateway", "StoreRequired"]
)
def test_what_waits_for_a_person_is_degraded(reason: str) -> None:
    assert Reason(reason)
    assert _health(_status("False", reason))[0] == "Degraded"


@pytest.mark.parametrize("ready", ["True", "False"])
def test_an_edit_that_was_not_looked_at_is_progressing(ready: str) -> None:
    assert _health(_status(ready, "SecretNotFound", observed=1))[0] == "Progressing"


def test_a_new_object_is_progressing() -> None:
    """As the API server stores it before the operator has seen it."""
    assert _health({"conditions": [dict(condition) for condition in UNKNOWN_CONDITIONS]})[0] == "Progressing"


@pytest.mark.parametrize("status", [None, {}, {"conditions": []}])
def test_an_object_without_conditions_is_progressing(status: dict[str, Any] | None) -> None:
    assert _health(status)[0] == "Progressing"


def test_a_deleted_object_is_progressing() -> None:
    assert _health(_status("True", "Ready"), deleted=True)[0] == "Progressing"


def test_the_patch_of_argocd_cm_holds_the_script_for_every_kind() -> None:
    patch = yaml.safe_load((FOLDER / "argocd-cm.yaml").read_text())
    assert patch["data"] == {f"resource.customizations.health.claude-gateway.dev_{kind}": SCRIPT for kind in KINDS}
