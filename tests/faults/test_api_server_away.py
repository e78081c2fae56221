"""While the API server is away developers are served on; once it is back the operator catches up."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.cluster.api_client import ApiClient
from tests.cluster.api_server import ApiServer
from tests.control_plane.pods import kubelet
from tests.faults.outages import MADE_ANEW, Outage

AWAY_SECONDS = 20.0


@pytest.mark.timeout(300)
def test_twenty_seconds_without_an_api_server(api: ApiClient, api_server: ApiServer, tmp_path: Path) -> None:
    """One operator is refused, the other meets silence; both are restarted when they end, as a kubelet does."""
    with ExitStack() as stack:
        node = stack.enter_context(kubelet(api_server, folder=tmp_path))
        outages = [Outage(stack, api_server, node, tmp_path, kind=kind) for kind in ("refused", "silent")]
        for each in outages:
            each.begin()
        until = time.monotonic() + AWAY_SECONDS
        for each in outages:
            each.change()
        time.sleep(max(0.0, until - time.monotonic()))  # the outage itself
        for each in outages:
            each.end()
        for each in outages:
            each.wait_until_caught_up()
            assert each.made_anew == {MADE_ANEW}
            each.hush()
            assert len(each.answers) > AWAY_SECONDS
            assert set(each.answers) == {200}, "served all the time"
