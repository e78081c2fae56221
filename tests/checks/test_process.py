"""The proxy as a child that checks: what is told when it cannot do so."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.standins import manifests

from gateway_operator.checks import process
from gateway_operator.checks.plan import Plan
from gateway_operator.checks.process import CheckError, Wanted, run
from gateway_operator.compiler import ObjectRef

GATEWAY = ObjectRef("GatewayDeployment", manifests.NAMESPACE, manifests.GATEWAY)


def plan() -> Plan:
    compiled = manifests.compiled(manifests.smallest("http://127.0.0.1:9"))
    assert compiled.configuration is not None
    return Plan(
        gateway=GATEWAY, configuration=compiled.configuration, credentials=dict(compiled.credentials), bindings=()
    )


async def test_without_the_data_plane_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.importlib.util, "find_spec", lambda name: None)  # type: ignore[attr-defined]
    with pytest.raises(CheckError, match="not installed beside this command"):
        await run(plan(), Wanted(), lambda line: None)


async def test_a_proxy_that_ends_too_early_says_why() -> None:
    taken: list[Mapping[str, Any]] = []
    with pytest.raises(CheckError, match=r"exit code 2; it said last: .*--check-seconds"):
        await run(plan(), Wanted(seconds=0), taken.append)
    assert taken == []
