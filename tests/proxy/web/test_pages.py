"""The small paths, as functions."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_proxy.errors import TYPE_OF_STATUS, GatewayError
from gateway_proxy.routes import build_server
from gateway_proxy.services import Services
from gateway_proxy.telemetry.audit import AuditLog
from gateway_proxy.upstream.ticker import Ticker
from gateway_proxy.web import dispatch, protocol_page
from gateway_proxy.web.responses import Response


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with (tmp_path / "audit").open("wb") as sink:
        audit = AuditLog(sink.fileno())
        yield Services(audit=audit)
        audit.close()


def get(services: Services, path: str, method: str = "GET") -> Response | None:
    return asyncio.run(
        dispatch.answer(services, method=method, path=path, query="", authorization=None, x_api_key=None)
    )


@pytest.mark.parametrize("path", sorted(dispatch.PATHS - {"/v1/models", "/readyz"}))
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_they_are_open_before_any_configuration(services: Services, path: str, method: str) -> None:
    answer = get(services, path, method)
    assert answer is not None
    assert answer.status == 200
    assert "content-type" in answer.headers


@pytest.mark.parametrize("path", sorted(dispatch.PATHS))
def test_other_methods_are_405(services: Services, path: str) -> None:
    with pytest.raises(GatewayError) as caught:
        get(services, path, "POST")
    assert (caught.value.status, caught.value.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/other", "/v1/messages", "/healthz/", "//", "", "/v1/models/x"])
def test_any_other_path_is_none_of_these(services: Services, path: str) -> None:
    assert get(services, path) is None


def test_without_a_configuration_it_is_not_ready(services: Services) -> None:
    answer = get(services, "/readyz")
    assert answer is not None
    assert (answer.status, answer.body) == (503, b"no configuration yet\n")
    with pytest.raises(GatewayError) as caught:
        get(services, "/v1/models")
    assert (caught.value.status, caught.value.type) == (503, "api_error")


async def test_the_contract_page_lists_paths_and_statuses(services: Services) -> None:
    page = protocol_page.page().body.decode()
    server = build_server(services, ticker=Ticker(asyncio.get_running_loop()))
    assert [path for path in server.routes if f"{path}`" not in page] == []
    for status, kind in TYPE_OF_STATUS.items():
        assert f"| {status} | `{kind}` |" in page
    assert "$" not in page
