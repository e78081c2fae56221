"""Every reason for which somebody is not let in by an identity provider or an issuer is explained to who meets it."""

import re
from pathlib import Path
from typing import get_args

import pytest

from gateway_proxy import errors
from gateway_proxy.identity.oidc.failures import Reason

PAGE = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text()
WORKLOADS = re.findall(r'reason="(Workload[A-Za-z]+)"', Path(errors.__file__).read_text())


@pytest.mark.parametrize("reason", [*get_args(Reason), *WORKLOADS])
def test_a_reason_is_explained(reason: str) -> None:
    assert f"`{reason}`" in PAGE


def test_they_are_found() -> None:
    assert len(WORKLOADS) >= 5
